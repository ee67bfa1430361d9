/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the backend, as seen by a GPU device
 *
 * A window is the host visible memory region of one PCI function.  A GPU maps
 * blobs into it; each is granted to the guest if that is possible, and served
 * by trapping if not.  See docs/specs/xen-hostmem.rst and
 * docs/system/xen-virtio-gpu.rst.
 *
 * All functions: main loop, BQL held.
 */
#ifndef HW_XEN_HOSTMEM_H
#define HW_XEN_HOSTMEM_H

#include "qapi/qapi-types-xen-hostmem.h"

/* A blob's memory, as the GPU device hands it over. */
typedef struct XenHostmemBuffer {
    /* Bytes of the blob; its pages are ROUND_UP(size, 4096) / 4096. */
    uint64_t size;
    /*
     * Its memory in this process, at least @size bytes, for trapped accesses.
     * Stays valid until the blob is unmapped or the window is reset.
     */
    void *host;
    /* A dma-buf of that memory, or -1. */
    int dmabuf;
    /* With @dmabuf -1: why there is none. */
    XenHostmemReason reason;
    /* Shared memory of a renderer: if it is small, it may be a ring. */
    bool shared_memory;
} XenHostmemBuffer;

/* What may be granted, and what happens to the rest. */
typedef struct XenHostmemRules {
    bool grant;                 /* false: trap everything */
    bool trap;                  /* false: a map fails rather than be trapped */
    uint64_t quota;             /* bytes granted at once; multiple of 4096 */
} XenHostmemRules;

/* How a call that was answered with -EINPROGRESS ended. */
typedef enum XenHostmemResult {
    XEN_HOSTMEM_MAPPED,
    XEN_HOSTMEM_UNMAPPED,
    /*
     * The map failed: the guest holds on to what was in its place, did not
     * answer in time, or the blob cannot be granted and must not be trapped.
     * It is not mapped.
     */
    XEN_HOSTMEM_REFUSED,
} XenHostmemResult;

typedef struct XenHostmem XenHostmem;
typedef struct PCIDevice PCIDevice;
typedef struct MemoryRegion MemoryRegion;
typedef struct Error Error;

/*
 * A call for @blob that was answered with -EINPROGRESS has ended.  Called once
 * for each, from a bottom half that holds the re-entrancy guard of the PCI
 * function; never from within one of the functions below.
 */
typedef void XenHostmemSettled(void *opaque, uint32_t blob,
                               XenHostmemResult result);

/*
 * A mapped blob had no dma-buf for a reason that may have passed: try again.
 * Sets @buf->dmabuf, which the window then owns, or @buf->reason.
 */
typedef void XenHostmemExport(void *opaque, uint32_t blob,
                              XenHostmemBuffer *buf);

typedef struct XenHostmemConfig {
    PCIDevice *pci;             /* the function that carries the window */
    MemoryRegion *bar;          /* container; the window is put at offset 0 */
    uint64_t size;              /* of the window, bytes, multiple of 4096 */
    uint8_t shm_id;             /* its virtio shared memory region id */
    XenHostmemRules rules;
    XenHostmemExport *export;
    XenHostmemSettled *settled;
    void *opaque;
} XenHostmemConfig;

/**
 * xen_hostmem_new: create the backend and its window for a GPU device
 *
 * Needs the Xen accelerator.  Returns NULL and sets @errp if there is no Xen
 * bus or the xenstore nodes cannot be written.  Undone by xen_hostmem_free().
 */
XenHostmem *xen_hostmem_new(const XenHostmemConfig *cfg, Error **errp);
void xen_hostmem_free(XenHostmem *h);

/**
 * xen_hostmem_map: map a blob into the window
 * @blob: the caller's number for it, unique among those mapped
 * @offset: bytes from the start of the window, multiple of 4096
 * @buf: its memory; @buf->dmabuf is taken over and closed, on error as well
 *
 * Returns 0 if the guest may use it now; -EINPROGRESS if it must not be told
 * so before settled() is called with %XEN_HOSTMEM_MAPPED.  Errors: -EINVAL if
 * offset or size are not aligned or outside of the window, -EEXIST if the blob
 * is mapped already or overlaps another, -EPERM if it cannot be granted and
 * must not be trapped, -ENOSPC if the window holds as many blobs as it may.
 */
int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf);

/**
 * xen_hostmem_unmap: take a blob out of the window
 *
 * The blob's memory is not accessed any more when this returns.  Returns 0 if
 * the guest may be told that the range is free, -EINPROGRESS if not before
 * settled() is called, -EALREADY if settled() is still to be called for an
 * earlier request, -ENOENT if the blob is not mapped.
 */
int xen_hostmem_unmap(XenHostmem *h, uint32_t blob);

/**
 * xen_hostmem_reset: the device was reset: unmap all blobs
 *
 * As xen_hostmem_unmap() for each of them, but settled() is not called.
 */
void xen_hostmem_reset(XenHostmem *h);

/**
 * xen_hostmem_out_of_descriptors: has this process no file descriptors left?
 *
 * For failures of libraries that do not report the cause.
 */
bool xen_hostmem_out_of_descriptors(void);

#endif
