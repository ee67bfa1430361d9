/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of xen_backend_ops.h that dma-buf operations use, without QEMU */
#ifndef QEMU_XEN_BACKEND_OPS_H
#define QEMU_XEN_BACKEND_OPS_H

struct gnttab_backend_ops {
    const struct gnttab_dmabuf_ops *dmabuf;
};

extern struct gnttab_backend_ops *xen_gnttab_ops;

#endif
