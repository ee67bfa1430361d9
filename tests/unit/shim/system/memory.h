/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of memory.h that tested files use, without QEMU */
#ifndef MEMORY_H
#define MEMORY_H

typedef struct Object Object;

struct MemoryRegion {
    void *opaque;
};

#endif
