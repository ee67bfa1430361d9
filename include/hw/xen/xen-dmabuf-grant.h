/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen grant operations: granting the pages of a dma-buf
 *
 * Reached through xen_gnttab_ops->dmabuf, as every Xen library is.
 */
#ifndef HW_XEN_DMABUF_GRANT_H
#define HW_XEN_DMABUF_GRANT_H

#include "qapi/error.h"
#include "hw/xen/xen_backend_ops.h"

typedef struct XenDmabufGranter XenDmabufGranter;

struct gnttab_dmabuf_ops {
    XenDmabufGranter *(*open)(Error **errp);
    void (*close)(XenDmabufGranter *granter);
    const char *(*name)(XenDmabufGranter *granter);
    int (*import)(XenDmabufGranter *granter, uint32_t domid, int fd,
                  uint32_t nr_pages, uint32_t *refs, uint64_t *handle);
    int (*release)(XenDmabufGranter *granter, uint64_t handle,
                   bool confirmed);
};

/* For true Xen: hw/xen/xen-dmabuf-operations.c */
extern const struct gnttab_dmabuf_ops libxengnttab_dmabuf_ops;

/**
 * qemu_xen_gnttab_dmabuf_open: find what can grant dma-bufs on this kernel
 *
 * Returns NULL and sets @errp, naming what to load, if nothing can.
 */
static inline XenDmabufGranter *qemu_xen_gnttab_dmabuf_open(Error **errp)
{
    if (!xen_gnttab_ops || !xen_gnttab_ops->dmabuf) {
        error_setg(errp, "this Xen backend cannot grant dma-bufs");
        return NULL;
    }
    return xen_gnttab_ops->dmabuf->open(errp);
}

/**
 * qemu_xen_gnttab_dmabuf_close: end it
 *
 * The kernel releases what is still imported, as the peer lets go of it.
 */
static inline void qemu_xen_gnttab_dmabuf_close(XenDmabufGranter *granter)
{
    xen_gnttab_ops->dmabuf->close(granter);
}

/**
 * qemu_xen_gnttab_dmabuf_name: the provider's name, for a person
 */
static inline const char *qemu_xen_gnttab_dmabuf_name(
    XenDmabufGranter *granter)
{
    return xen_gnttab_ops->dmabuf->name(granter);
}

/**
 * qemu_xen_gnttab_dmabuf_import: grant the first pages of a dma-buf
 * @domid: who may map them, for reading and writing
 * @fd: the dma-buf; stays the caller's, who may close it
 * @nr_pages: pages of 4096 bytes
 * @refs: room for @nr_pages references
 * @handle: set to what names the import
 *
 * Returns 0 or a negative errno: -ENOSPC if this domain's grant table is full,
 * -E2BIG for more pages than the provider can do, -ERANGE if it cannot grant
 * a part of a buffer and the sizes differ, -EOPNOTSUPP if the pages are not
 * system memory, others as the kernel has them.
 */
static inline int qemu_xen_gnttab_dmabuf_import(XenDmabufGranter *granter,
                                                uint32_t domid, int fd,
                                                uint32_t nr_pages,
                                                uint32_t *refs,
                                                uint64_t *handle)
{
    return xen_gnttab_ops->dmabuf->import(granter, domid, fd, nr_pages, refs,
                                          handle);
}

/**
 * qemu_xen_gnttab_dmabuf_release: end the references of an import
 * @confirmed: the peer says that it has none of them mapped
 *
 * Returns 0 when the import is gone: the kernel has proof that nothing is
 * mapped, or, where it cannot tell, the peer's word and pages that outlive a
 * false one. -EBUSY: the peer may have some mapped; the import stays, ask
 * again.
 */
static inline int qemu_xen_gnttab_dmabuf_release(XenDmabufGranter *granter,
                                                 uint64_t handle,
                                                 bool confirmed)
{
    return xen_gnttab_ops->dmabuf->release(granter, handle, confirmed);
}

#endif
