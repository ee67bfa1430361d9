/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of xen_backend_ops.h that are used, without QEMU */
#ifndef QEMU_XEN_BACKEND_OPS_H
#define QEMU_XEN_BACKEND_OPS_H

#include "hw/xen/xen.h"

struct gnttab_backend_ops {
    const struct gnttab_dmabuf_ops *dmabuf;
};

extern struct gnttab_backend_ops *xen_gnttab_ops;

typedef unsigned long xen_pfn_t;
typedef struct xenevtchn_handle xenevtchn_handle;

/* Tests have these; in QEMU they are in a table, too. */
void *qemu_xen_foreignmem_map(uint32_t dom, void *addr, int prot, size_t pages,
                              xen_pfn_t *pfns, int *errs);
int qemu_xen_foreignmem_unmap(void *addr, size_t pages);

#endif
