/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what a GPU device needs of the backend
 *
 * A window is the host visible memory region of one PCI function. A GPU maps
 * blobs into it; each is granted to the guest if that is possible, and served
 * by trapping if not. See docs/specs/xen-hostmem.rst and
 * docs/system/xen-virtio-gpu.rst.
 *
 * All functions: main loop, BQL held.
 */
#ifndef HW_XEN_HOSTMEM_H
#define HW_XEN_HOSTMEM_H

/* Why a blob is not granted. Texts: hw/xen/hostmem/reason.c */
typedef enum XenHostmemReason {
    XEN_HOSTMEM_REASON_NONE,
    XEN_HOSTMEM_REASON_POLICY,
    XEN_HOSTMEM_REASON_QUOTA,
    XEN_HOSTMEM_REASON_NO_FRONTEND,
    XEN_HOSTMEM_REASON_NO_PROVIDER,
    XEN_HOSTMEM_REASON_NO_UDMABUF,
    XEN_HOSTMEM_REASON_UDMABUF_FAILED,
    XEN_HOSTMEM_REASON_NOT_EXPORTABLE,
    XEN_HOSTMEM_REASON_NOT_CACHED,
    XEN_HOSTMEM_REASON_SIZE_MISMATCH,
    XEN_HOSTMEM_REASON_TOO_LARGE,
    XEN_HOSTMEM_REASON_TABLE_FULL,
    XEN_HOSTMEM_REASON_NO_MEMORY,
    XEN_HOSTMEM_REASON_NO_DESCRIPTORS,
    XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM,
    XEN_HOSTMEM_REASON_IMPORT_FAILED,
    XEN_HOSTMEM_REASON_GUEST_NO_MEMORY,
    XEN_HOSTMEM_REASON_GUEST_NO_WINDOW,
    XEN_HOSTMEM_REASON_GUEST_REFUSED,
    XEN_HOSTMEM_REASON__MAX,
} XenHostmemReason;

/* A blob's memory, as the GPU device hands it over. */
typedef struct XenHostmemBuffer {
    /* Bytes of the blob; its pages are ROUND_UP(size, 4096) / 4096. */
    uint64_t size;
    /*
     * Its memory in this process, at least @size bytes, for the trapped path.
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

/* What may be granted, and what becomes of the rest. */
typedef struct XenHostmemRules {
    bool grant;                 /* false: trap everything */
    bool trap;                  /* false: a map fails rather than be trapped */
    uint64_t quota;             /* bytes granted at once; multiple of 4096 */
} XenHostmemRules;

typedef struct XenHostmem XenHostmem;
typedef struct PCIDevice PCIDevice;
typedef struct MemoryRegion MemoryRegion;
typedef struct Error Error;

/*
 * Something that a call answered with -EINPROGRESS has come to its end: ask
 * xen_hostmem_status(), or make the call again. Never called from within one
 * of the functions below.
 */
typedef void XenHostmemSettled(void *opaque, uint32_t blob);

/*
 * A blob that is mapped had no dma-buf for a lack that may be over: try again.
 * Fills in @dmabuf, which the window takes over, or @reason.
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
 * Needs the Xen accelerator. Returns NULL and sets @errp if the bus or the
 * xenstore nodes cannot be had. Undone by xen_hostmem_free().
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
 * so before settled() is called. Errors: -EINVAL for an offset or size outside
 * of the window or not aligned, -EEXIST if the blob is mapped already or
 * overlaps another, -EPERM if it cannot be granted and must not be trapped,
 * -ENOSPC if the window holds as many blobs as it may.
 */
int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf);

/**
 * xen_hostmem_unmap: take a blob out of the window
 *
 * @host is not used any more when this returns. Returns 0 if the guest may be
 * told that its range is free, -EINPROGRESS if not before settled(), -EALREADY
 * if settled() is still to come for what was asked before, -ENOENT if it is not
 * mapped.
 */
int xen_hostmem_unmap(XenHostmem *h, uint32_t blob);

/**
 * xen_hostmem_status: how a blob stands
 *
 * Returns 0 if it is mapped, -EINPROGRESS while it is being mapped, -EALREADY
 * while it is being unmapped or settled() is due, -ENOENT if it is not mapped.
 * -EBUSY if the map was refused, because the guest holds on to what was in its
 * place or because it cannot be granted and must not be trapped; asking forgets
 * it.
 */
int xen_hostmem_status(XenHostmem *h, uint32_t blob);

/**
 * xen_hostmem_reset: the device was reset: unmap all
 *
 * As xen_hostmem_unmap() of every blob, but settled() is not called for them.
 */
void xen_hostmem_reset(XenHostmem *h);

/**
 * xen_hostmem_out_of_descriptors: is that why something could not be opened?
 */
static inline bool xen_hostmem_out_of_descriptors(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0) {
        close(fd);
        return false;
    }
    return errno == EMFILE || errno == ENFILE;
}

#endif
