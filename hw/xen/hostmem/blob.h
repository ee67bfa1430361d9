/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the blobs of the GPU device, and who waits for them
 *
 * A blob's record lives from its MAP until the GPU device knows that it is
 * unmapped.  The mapping that serves it may outlive it (see mapping.h).
 */
#ifndef HW_XEN_HOSTMEM_BLOB_H
#define HW_XEN_HOSTMEM_BLOB_H

#include "hw/xen/xen-hostmem.h"

typedef struct XenHostmemMapping XenHostmemMapping;

/* What the GPU device waits for. */
typedef enum XenHostmemWait {
    XEN_HOSTMEM_WAIT_NONE,      /* nothing: the guest uses the blob */
    XEN_HOSTMEM_WAIT_MAP,
    XEN_HOSTMEM_WAIT_UNMAP,
    XEN_HOSTMEM_WAIT_OVER,      /* settled() is to be called with the result */
} XenHostmemWait;

typedef struct XenHostmemBlob {
    uint32_t id;
    XenHostmemMapping *mapping; /* what serves it; NULL: nothing any more */
    XenHostmemWait wait;
    XenHostmemResult result;    /* with WAIT_OVER */
    int64_t deadline;           /* ms; with WAIT_MAP */
    GList link;                 /* its place in one of the queues below */
} XenHostmemBlob;

typedef struct XenHostmemBlobs {
    GHashTable *by_id;          /* owns them */
    GQueue maps;                /* with WAIT_MAP */
    GQueue over;                /* with WAIT_OVER, in the order of their end */
} XenHostmemBlobs;

void xen_hostmem_blobs_init(XenHostmemBlobs *blobs);
void xen_hostmem_blobs_destroy(XenHostmemBlobs *blobs);

XenHostmemBlob *xen_hostmem_blob_find(const XenHostmemBlobs *blobs,
                                      uint32_t id);

/**
 * xen_hostmem_blob_new: a record for a blob that has none; nobody waits
 */
XenHostmemBlob *xen_hostmem_blob_new(XenHostmemBlobs *blobs, uint32_t id);

/**
 * xen_hostmem_blob_forget: free the record, whoever waits
 */
void xen_hostmem_blob_forget(XenHostmemBlobs *blobs, XenHostmemBlob *b);

/**
 * xen_hostmem_blob_wait_map: the GPU device waits for the blob to be mapped
 * @deadline: ms; if it waits already, the new limit
 */
void xen_hostmem_blob_wait_map(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                               int64_t deadline);

/**
 * xen_hostmem_blob_wait_unmap: the GPU device waits for the end of its mapping
 */
void xen_hostmem_blob_wait_unmap(XenHostmemBlobs *blobs, XenHostmemBlob *b);

/**
 * xen_hostmem_blob_settle: what the GPU device waits for has ended so
 *
 * It is told by the next xen_hostmem_blob_take().
 */
void xen_hostmem_blob_settle(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                             XenHostmemResult result);

/**
 * xen_hostmem_blob_take: take the next result that the GPU device is owed
 *
 * Forgets the blob unless it is mapped.  Returns false if there is none.
 */
bool xen_hostmem_blob_take(XenHostmemBlobs *blobs, uint32_t *id,
                           XenHostmemResult *result);

/* Does the guest use the blob, or is it free to in a moment? */
static inline bool xen_hostmem_blob_in_use(const XenHostmemBlob *b)
{
    return b && (b->wait == XEN_HOSTMEM_WAIT_NONE ||
                 b->wait == XEN_HOSTMEM_WAIT_OVER);
}

#endif
