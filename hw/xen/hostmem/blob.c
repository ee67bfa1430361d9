/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the GPU device's blobs and its pending calls
 */

#include "qemu/osdep.h"
#include "blob.h"

void xen_hostmem_blobs_init(XenHostmemBlobs *blobs)
{
    blobs->by_id = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_queue_init(&blobs->maps);
    g_queue_init(&blobs->settled);
}

void xen_hostmem_blobs_destroy(XenHostmemBlobs *blobs)
{
    g_hash_table_destroy(blobs->by_id);
}

XenHostmemBlob *xen_hostmem_blob_find(const XenHostmemBlobs *blobs,
                                      uint32_t id)
{
    return g_hash_table_lookup(blobs->by_id, GUINT_TO_POINTER(id));
}

XenHostmemBlob *xen_hostmem_blob_new(XenHostmemBlobs *blobs, uint32_t id)
{
    XenHostmemBlob *b = g_new0(XenHostmemBlob, 1);

    b->id = id;
    b->link.data = b;
    g_hash_table_insert(blobs->by_id, GUINT_TO_POINTER(id), b);
    return b;
}

/* The queue for the wait state of @b, or NULL. */
static GQueue *queue_of(XenHostmemBlobs *blobs, const XenHostmemBlob *b)
{
    switch (b->wait) {
    case XEN_HOSTMEM_WAIT_MAP:
        return &blobs->maps;
    case XEN_HOSTMEM_WAIT_SETTLED:
        return &blobs->settled;
    default:
        return NULL;
    }
}

static void set_wait(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                     XenHostmemWait wait)
{
    GQueue *queue = queue_of(blobs, b);

    if (queue) {
        g_queue_unlink(queue, &b->link);
    }
    b->wait = wait;
    queue = queue_of(blobs, b);
    if (queue) {
        g_queue_push_tail_link(queue, &b->link);
    }
}

void xen_hostmem_blob_forget(XenHostmemBlobs *blobs, XenHostmemBlob *b)
{
    set_wait(blobs, b, XEN_HOSTMEM_WAIT_NONE);
    g_hash_table_remove(blobs->by_id, GUINT_TO_POINTER(b->id));
}

void xen_hostmem_blob_wait_map(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                               int64_t deadline)
{
    b->deadline = deadline;
    set_wait(blobs, b, XEN_HOSTMEM_WAIT_MAP);
}

void xen_hostmem_blob_wait_unmap(XenHostmemBlobs *blobs, XenHostmemBlob *b)
{
    set_wait(blobs, b, XEN_HOSTMEM_WAIT_UNMAP);
}

void xen_hostmem_blob_settle(XenHostmemBlobs *blobs, XenHostmemBlob *b,
                             XenHostmemResult result)
{
    b->result = result;
    set_wait(blobs, b, XEN_HOSTMEM_WAIT_SETTLED);
}

bool xen_hostmem_blob_take(XenHostmemBlobs *blobs, uint32_t *id,
                           XenHostmemResult *result)
{
    XenHostmemBlob *b = g_queue_peek_head(&blobs->settled);

    if (!b) {
        return false;
    }
    *id = b->id;
    *result = b->result;
    if (b->result == XEN_HOSTMEM_MAPPED) {
        set_wait(blobs, b, XEN_HOSTMEM_WAIT_NONE);
    } else {
        xen_hostmem_blob_forget(blobs, b);
    }
    return true;
}
