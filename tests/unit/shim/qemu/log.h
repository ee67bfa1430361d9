/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virtio-gpu-xen-blob.c uses of log.h, for a build without QEMU. */
#ifndef QEMU_LOG_H
#define QEMU_LOG_H

#define qemu_log_mask(mask, ...)    ((void)0)

#endif
