/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen grant operations: granting the pages of a dma-buf
 *
 * Called through xen_gnttab_ops->dmabuf, like all functions of Xen libraries.
 */
#ifndef HW_XEN_DMABUF_GRANT_H
#define HW_XEN_DMABUF_GRANT_H

#include "hw/xen/xen_backend_ops.h"

typedef enum XenDmabufProvider {
    /*
     * The module xen-dmabuf-grant: any size, parts of buffers, and proof that
     * the peer has unmapped a page before the import is gone.
     */
    XEN_DMABUF_PROVIDER_MODULE,
    /*
     * libxengnttab's dma-buf import, in kernels with CONFIG_XEN_GNTDEV_DMABUF:
     * whole buffers of at most 65535 pages, and no proof.
     */
    XEN_DMABUF_PROVIDER_GNTDEV,
} XenDmabufProvider;

typedef struct XenDmabufGranter XenDmabufGranter;

struct gnttab_dmabuf_ops {
    int (*open)(XenDmabufProvider provider, uint32_t domid,
                XenDmabufGranter **granter);
    void (*close)(XenDmabufGranter *granter);
    int (*import)(XenDmabufGranter *granter, int fd, uint32_t nr_pages,
                  uint32_t *refs, uint64_t *handle);
    int (*release)(XenDmabufGranter *granter, uint64_t handle,
                   bool confirmed);
    bool (*peer_runs)(uint32_t domid);
    uint64_t (*table_pages)(void);
    uint64_t (*peer_p2m_pages)(uint32_t domid);
};

/* For real Xen (not emulated by QEMU): hw/xen/xen-dmabuf-operations.c */
extern const struct gnttab_dmabuf_ops libxengnttab_dmabuf_ops;

/**
 * qemu_xen_gnttab_dmabuf_open: open a provider, for one peer
 * @domid: the only domain that @granter will grant to
 * @granter: set on success
 *
 * Returns 0 or a negative errno: -ENOENT, -ENXIO or -ENODEV if this kernel does
 * not have the provider now.
 */
static inline int qemu_xen_gnttab_dmabuf_open(XenDmabufProvider provider,
                                              uint32_t domid,
                                              XenDmabufGranter **granter)
{
    if (!xen_gnttab_ops || !xen_gnttab_ops->dmabuf) {
        return -ENODEV;
    }
    return xen_gnttab_ops->dmabuf->open(provider, domid, granter);
}

/**
 * qemu_xen_gnttab_dmabuf_close: close the provider
 *
 * The kernel releases the remaining imports as the peer unmaps them.
 */
static inline void qemu_xen_gnttab_dmabuf_close(XenDmabufGranter *granter)
{
    xen_gnttab_ops->dmabuf->close(granter);
}

/**
 * qemu_xen_gnttab_dmabuf_import: grant the first pages of a dma-buf
 * @fd: the dma-buf; owned by the caller, who may close it
 * @nr_pages: number of pages of 4096 bytes
 * @refs: array of @nr_pages references, which is filled in
 * @handle: set to the handle of the import, which is less than 2^32
 *
 * The peer may map them, read and write.
 *
 * Returns 0 or a negative errno: -ENOSPC if this domain's grant table is full,
 * -EDQUOT if the peer holds as much of it as it may, -ENOBUFS if the buffers of
 * which it holds pages are as large as they may be, -E2BIG for more pages than
 * the provider can grant at once, -ERANGE if it can only grant whole buffers
 * and the sizes differ, -EOPNOTSUPP if the pages are not system memory, -EPERM
 * if it is not known to be safe to give this buffer to this provider, or
 * another error from the kernel.
 */
static inline int qemu_xen_gnttab_dmabuf_import(XenDmabufGranter *granter,
                                                int fd, uint32_t nr_pages,
                                                uint32_t *refs,
                                                uint64_t *handle)
{
    return xen_gnttab_ops->dmabuf->import(granter, fd, nr_pages, refs, handle);
}

/**
 * qemu_xen_gnttab_dmabuf_release: end the references of an import
 * @confirmed: the peer claims that it has none of them mapped
 *
 * Returns 0 when the import is gone: either the kernel has proof that nothing
 * is mapped, or it relies on the peer's claim and keeps the pages that are
 * still mapped. Returns -EBUSY if the peer may still have pages mapped; the
 * import remains: retry later.
 */
static inline int qemu_xen_gnttab_dmabuf_release(XenDmabufGranter *granter,
                                                 uint64_t handle,
                                                 bool confirmed)
{
    return xen_gnttab_ops->dmabuf->release(granter, handle, confirmed);
}

static inline bool qemu_xen_gnttab_has_dmabuf(void)
{
    return xen_gnttab_ops && xen_gnttab_ops->dmabuf;
}

/**
 * qemu_xen_gnttab_peer_runs: can the domain run?
 *
 * False while it is paused, suspended, or being destroyed.  True if that is not
 * known.
 */
static inline bool qemu_xen_gnttab_peer_runs(uint32_t domid)
{
    return !qemu_xen_gnttab_has_dmabuf() ||
           xen_gnttab_ops->dmabuf->peer_runs(domid);
}

/**
 * qemu_xen_gnttab_table_pages: number of entries of this domain's grant table
 *
 * Counts what the table may grow to.  Returns 0 if that is not known.
 */
static inline uint64_t qemu_xen_gnttab_table_pages(void)
{
    return qemu_xen_gnttab_has_dmabuf() ? xen_gnttab_ops->dmabuf->table_pages()
                                        : 0;
}

/**
 * qemu_xen_gnttab_peer_p2m_pages: pages that Xen has for the domain's p2m
 *
 * The p2m are the tables of its physical address space.  Returns 0 if that is
 * not known.
 */
static inline uint64_t qemu_xen_gnttab_peer_p2m_pages(uint32_t domid)
{
    return qemu_xen_gnttab_has_dmabuf() ?
           xen_gnttab_ops->dmabuf->peer_p2m_pages(domid) : 0;
}

#endif
