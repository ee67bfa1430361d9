/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the window as one I/O region
 */
#ifndef HW_XEN_HOSTMEM_TRAP_H
#define HW_XEN_HOSTMEM_TRAP_H

#include "compat.h"
#include "window.h"

typedef struct XenHostmemTrap {
    MemoryRegion region;
    XenHostmemWindow *window;   /* not owned */
    uint64_t reads, writes;     /* emulated accesses */
    uint64_t strays;            /* accesses to offsets without a blob */
} XenHostmemTrap;

/**
 * xen_hostmem_trap_init: add the whole window to its BAR as a single region
 *
 * A single region takes a single range of Xen's ioreq server (which has 256),
 * however many blobs are mapped. Each access looks up its blob by offset.
 * Devices may have their DMA there, too; see BOUNCE_BYTES.
 */
void xen_hostmem_trap_init(XenHostmemTrap *trap, Object *owner,
                           MemoryRegion *bar, XenHostmemWindow *window,
                           uint64_t size);
void xen_hostmem_trap_fini(XenHostmemTrap *trap, MemoryRegion *bar);

#endif
