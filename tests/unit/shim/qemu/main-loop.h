/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of main-loop.h that virtio-gpu-xen-blob.c uses, without QEMU */
#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

typedef struct QEMUBH QEMUBH;

void qemu_bh_schedule(QEMUBH *bh);

#endif
