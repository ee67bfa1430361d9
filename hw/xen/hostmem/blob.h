/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the GPU device's blobs and its pending calls
 *
 * A blob's record lives from its MAP until the GPU device has been notified
 * that it is unmapped.  Its mapping may outlive the record (see mapping.h).
 */
#ifndef HW_XEN_HOSTMEM_BLOB_H
#define HW_XEN_HOSTMEM_BLOB_H

#include "hw/xen/xen-hostmem.h"

typedef struct XenHostmemMapping XenHostmemMapping;

/* The call that the GPU device waits for. */
typedef enum XenHostmemWait {
    XEN_HOSTMEM_WAIT_NONE,      /* the blob is mapped, the guest may use it */
    XEN_HOSTMEM_WAIT_MAP,
    XEN_HOSTMEM_WAIT_UNMAP,
    XEN_HOSTMEM_WAIT_SETTLED,   /* complete, but settled() is still due */
} XenHostmemWait;

typedef struct XenHostmemBlob {
    uint32_t id;
    XenHostmemMapping *mapping; /* NULL once it is unmapped or refused */
    XenHostmemWait wait;
    XenHostmemResult result;    /* WAIT_SETTLED only */
    int64_t deadline;           /* guest_ms (clock.h); WAIT_MAP only */
    GList link;                 /* in one of the queues below */
} XenHostmemBlob;

typedef struct XenHostmemBlobs {
    GHashTable *by_id;          /* owns the records */
    GQueue maps;                /* those in WAIT_MAP */
    GQueue settled;             /* those in WAIT_SETTLED, oldest first */
} XenHostmemBlobs;

void xen_hostmem_blobs_init(XenHostmemBlobs *blobs);
void xen_hostmem_blobs_destroy(XenHostmemBlobs *blobs);

XenHostmemBlob *xen_hostmem_blob_find(const XenHostmemBlobs *blobs,
                                      uint32_t id);

/**
 * xen_hostmem_blob_new: create the record of a blob, in WAIT_NONE
 */
XenHostmemBlob *xen_hostmem_blob_new(XenHostmemBlobs *blobs, uint32_t id);

/**
 * xen_hostmem_blob_forget: free the record, even if a call is pending
 */
void xen_hostmem_blob_forget(XenHostmemBlobs *blobs, XenHostmemBlob *b);

/**
 * xen_hostmem_blob_wait_map: the GPU device waits for the blob to be mapped
 * @deadline: guest_ms; replaces the deadline if it already waits
 */
void xen_hostmem_blob_wait_map(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                               int64_t deadline);

/**
 * xen_hostmem_blob_wait_unmap: the GPU device waits for it to be unmapped
 */
void xen_hostmem_blob_wait_unmap(XenHostmemBlobs *blobs, XenHostmemBlob *b);

/**
 * xen_hostmem_blob_settle: the pending call has completed
 *
 * xen_hostmem_blob_take() will return the result.
 */
void xen_hostmem_blob_settle(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                             XenHostmemResult result);

/**
 * xen_hostmem_blob_take: take the next result to be passed to settled()
 *
 * Forgets the blob unless it is mapped.  Returns false if there is no result.
 */
bool xen_hostmem_blob_take(XenHostmemBlobs *blobs, uint32_t *id,
                           XenHostmemResult *result);

/* May the guest be using the blob, now or as soon as settled() is called? */
static inline bool xen_hostmem_blob_in_use(const XenHostmemBlob *b)
{
    return b && (b->wait == XEN_HOSTMEM_WAIT_NONE ||
                 b->wait == XEN_HOSTMEM_WAIT_SETTLED);
}

#endif
