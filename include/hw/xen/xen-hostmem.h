/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the interface between a GPU device and the backend
 *
 * A window is the host visible memory region of one PCI function.  A GPU maps
 * blobs into it; each is granted to the guest if possible, and trapped
 * otherwise.  See docs/specs/xen-hostmem.rst and
 * docs/system/xen-virtio-gpu.rst.
 *
 * Call all functions from the main loop, with the BQL held.
 */
#ifndef HW_XEN_HOSTMEM_H
#define HW_XEN_HOSTMEM_H

#include "qapi/qapi-types-common.h"
#include "qapi/qapi-types-xen-hostmem.h"

/* A blob's memory, as passed by the GPU device. */
typedef struct XenHostmemBuffer {
    /* Bytes; the blob has ROUND_UP(size, 4096) / 4096 pages. */
    uint64_t size;
    /*
     * Where it is mapped in this process, at least @size bytes, for trapped
     * accesses.  Valid until the blob is unmapped or the window is reset.
     */
    void *host;
    /* A dma-buf, or -1.  The blob is its first pages, or all of it. */
    int dmabuf;
    /* If @dmabuf is -1: the reason. */
    XenHostmemReason reason;
    /* Shared memory of the renderer; if it is small, it may be a ring. */
    bool shared_memory;
    /* What the guest is told to map it with. */
    XenHostmemMemoryType memory_type;
} XenHostmemBuffer;

/* Policy and quota. */
typedef struct XenHostmemRules {
    bool grant;                 /* false: trap everything */
    bool trap;                  /* false: fail maps that cannot be granted */
    /*
     * Max. bytes of the buffers that are granted, or of which a part is, a
     * multiple of 4096; to xen_hostmem_new(): 0: auto
     */
    uint64_t quota;
} XenHostmemRules;

/* The result of a call that returned -EINPROGRESS. */
typedef enum XenHostmemResult {
    XEN_HOSTMEM_MAPPED,
    XEN_HOSTMEM_UNMAPPED,
    /*
     * The map failed and the blob is not mapped: an earlier blob's pages in the
     * range were not unmapped in time, the guest did not answer in time, or the
     * blob cannot be granted and must not be trapped.
     */
    XEN_HOSTMEM_REFUSED,
} XenHostmemResult;

typedef struct XenHostmem XenHostmem;
typedef struct PCIDevice PCIDevice;
typedef struct MemoryRegion MemoryRegion;
typedef struct Error Error;

/*
 * A call for @blob that returned -EINPROGRESS has completed.  Called once per
 * such call, from a bottom half that holds the re-entrancy guard of the PCI
 * function; never from within one of the functions below.
 */
typedef void XenHostmemSettled(void *opaque, uint32_t blob,
                               XenHostmemResult result);

/*
 * Export again a mapped blob that had no dma-buf for a reason that may have
 * passed.  Sets @buf->dmabuf, whose ownership passes to the window, or
 * @buf->reason.
 */
typedef void XenHostmemExport(void *opaque, uint32_t blob,
                              XenHostmemBuffer *buf);

/* Host memory of all blobs that the guest has created, mapped or not. */
typedef struct XenHostmemUsage {
    uint64_t used, limit;       /* bytes */
    uint64_t refused;           /* number of blobs that exceeded the limit */
} XenHostmemUsage;

typedef void XenHostmemGetUsage(void *opaque, XenHostmemUsage *usage);

typedef struct XenHostmemConfig {
    PCIDevice *pci;             /* the function that has the window */
    MemoryRegion *bar;          /* container; the window is at offset 0 */
    uint64_t size;              /* of the window; bytes, multiple of 4096 */
    uint8_t shm_id;             /* ID of its virtio shared memory region */
    XenHostmemRules rules;
    /*
     * Seconds that the guest may keep memory after it should have unmapped it,
     * before it is ended.  0: no limit.
     */
    uint32_t hold_limit;
    XenHostmemProvider provider; /* which may be used */
    OnOffAuto wc;               /* grant blobs that are not cached */
    XenHostmemExport *export;
    XenHostmemSettled *settled;
    XenHostmemGetUsage *get_usage;
    void *opaque;
} XenHostmemConfig;

/**
 * xen_hostmem_new: create the backend and its window for a GPU device
 *
 * Requires the Xen accelerator.  Returns NULL and sets @errp if there is no Xen
 * bus, QEMU does not run in dom0, or the xenstore nodes cannot be created.
 * Free with xen_hostmem_free().
 */
XenHostmem *xen_hostmem_new(const XenHostmemConfig *cfg, Error **errp);
void xen_hostmem_free(XenHostmem *h);

/**
 * xen_hostmem_check_type: may blobs of this memory type be granted?
 *
 * Returns %XEN_HOSTMEM_REASON_NONE, or why such a blob has to be trapped: do
 * not export it, and pass the reason in its XenHostmemBuffer.
 */
XenHostmemReason xen_hostmem_check_type(const XenHostmem *h,
                                        XenHostmemMemoryType type);

/**
 * xen_hostmem_map: map a blob into the window
 * @blob: an ID chosen by the caller, unique among the mapped blobs
 * @offset: bytes from the start of the window, multiple of 4096
 * @buf: its memory; takes ownership of @buf->dmabuf, also on error
 *
 * Returns 0 if the guest may use it now, -EINPROGRESS if the guest must not be
 * answered before settled() is called.  Errors: -EINVAL if @offset is not
 * aligned or the range is empty or not within the window, -EEXIST if the blob
 * is already mapped or overlaps another, -EPERM if it cannot be granted and
 * must not be trapped, -ENOSPC if the window holds the maximum number of blobs.
 */
int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf);

/**
 * xen_hostmem_unmap: unmap a blob
 *
 * The backend does not access @buf->host after this returns.  Returns 0 if the
 * range is free, -EINPROGRESS if it is free once settled() is called, -EALREADY
 * if settled() is still due for an earlier unmap or a completed map, -ENOENT if
 * the blob is not mapped.
 */
int xen_hostmem_unmap(XenHostmem *h, uint32_t blob);

/**
 * xen_hostmem_reset: unmap all blobs, because the device is reset
 *
 * Like xen_hostmem_unmap() for each blob, but settled() is not called.
 */
void xen_hostmem_reset(XenHostmem *h);

/**
 * xen_hostmem_out_of_descriptors: are there no free file descriptors?
 *
 * For failures of libraries that do not report the cause.
 */
bool xen_hostmem_out_of_descriptors(void);

#endif
