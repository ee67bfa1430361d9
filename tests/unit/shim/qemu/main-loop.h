/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virtio-gpu-xen-blob.c uses of main-loop.h, for a build without QEMU */
#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

typedef struct QEMUBH QEMUBH;

void qemu_bh_schedule(QEMUBH *bh);

#endif
