/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: one mapping's way through its states
 *
 * A mapping is a range of the window with the memory that belongs there, and
 * the references to it while it is granted.  The states of the enum
 * XenHostmemState are the whole machine:
 *
 *     WAITING
 *        | the range is free
 *        v
 *     TRAPPED <--------------------------------------+
 *        | imported                                  | released
 *        v               failed, or                  |
 *     GRANTED ---------> the frontend left -----> REVOKING ---> STALE
 *        | posted           ^      ^                          not proven
 *        v                  |      |
 *     MAPPING --------------+      |
 *        | every page confirmed    |
 *        v                         |
 *     MAPPED ----------------------+
 *
 * In the states above, the GPU device has the blob mapped.  Once it unmaps the
 * blob:
 *
 *     WAITING, TRAPPED -----------------------------------------> GONE
 *                                                                  ^ released
 *     GRANTED, MAPPING, MAPPED, REVOKING, STALE ----> UNMAPPING ---+
 *                                                        |         |
 *                                             not proven +--> QUARANTINED
 *
 * STALE and QUARANTINED: the guest may hold a grant and nobody knows (R24);
 * the kernel is asked again until it can tell.
 */
#ifndef HW_XEN_HOSTMEM_MAPPING_H
#define HW_XEN_HOSTMEM_MAPPING_H

#include "blob.h"
#include "ops.h"
#include "room.h"

typedef struct XenHostmemMappings XenHostmemMappings;

typedef enum XenHostmemChunkState {
    XEN_HOSTMEM_CHUNK_IDLE,         /* not posted, or unmapped: a hole */
    XEN_HOSTMEM_CHUNK_MAP_POSTED,
    XEN_HOSTMEM_CHUNK_MAPPED,
    XEN_HOSTMEM_CHUNK_UNMAP_POSTED,
    XEN_HOSTMEM_CHUNK_STUCK,        /* the frontend may yet say it is a hole */
    XEN_HOSTMEM_CHUNK_LOST,         /* only the kernel can: R21 */
    XEN_HOSTMEM_CHUNK__MAX,
} XenHostmemChunkState;

/* What one request maps: as many pages as fit the reference buffer. */
typedef struct XenHostmemChunk {
    XenHostmemMapping *mapping;
    uint64_t id;
    uint32_t first_page;
    uint32_t nr_pages;
    XenHostmemChunkState state;
} XenHostmemChunk;

struct XenHostmemMapping {
    XenHostmemMappings *all;
    XenHostmemState state;
    XenHostmemReason reason;    /* why it is or will be trapped */
    XenHostmemBlob *blob;       /* what it serves; NULL once nobody asks */
    uint32_t blob_id;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    XenHostmemBuffer buf;       /* buf.dmabuf is owned */
    GQueue *queue;              /* which of the window's it is in, or NULL */
    GList link;

    /* While granted: */
    uint64_t handle;
    uint32_t *refs;             /* until all are mapped */
    XenHostmemChunk *chunks;
    uint32_t nr_chunks;
    uint32_t nr_in[XEN_HOSTMEM_CHUNK__MAX];     /* chunks, by state */
    uint32_t next_chunk;        /* none before it is to be posted */
};

/*
 * A mapping has changed; see XenHostmemTransition.  Where a mapping comes to
 * rest (TRAPPED, STALE, QUARANTINED, GONE) this is the last thing that happens
 * in each function below: the receiver may call them for @m, and frees it when
 * it is GONE.
 */
typedef void XenHostmemMappingChanged(void *opaque, XenHostmemMapping *m,
                                      const XenHostmemTransition *t);

/* What the mappings of a window have in common. */
struct XenHostmemMappings {
    const XenHostmemOps *ops;
    void *ops_opaque;
    XenHostmemMappingChanged *changed;
    void *changed_opaque;
    XenHostmemRules rules;
    XenHostmemRoom room;
    uint32_t max_pages;         /* of one request */
    bool accepting;             /* a frontend takes requests */
    uint64_t next_id;
    GHashTable *by_id;          /* id -> chunk with a request posted */

    /* Mappings, by what they wait for: */
    GQueue waiting;             /* for their range; WAITING */
    GQueue lacking;             /* for what they lack; TRAPPED */
    GQueue work;                /* for room in the ring */
    GQueue unproven;            /* for the kernel; STALE, QUARANTINED */
};

void xen_hostmem_mappings_init(XenHostmemMappings *all);
void xen_hostmem_mappings_destroy(XenHostmemMappings *all);

/**
 * xen_hostmem_mappings_post: post requests until the ring is full
 */
void xen_hostmem_mappings_post(XenHostmemMappings *all);

/**
 * xen_hostmem_mappings_reply: a request was answered
 */
void xen_hostmem_mappings_reply(XenHostmemMappings *all,
                                const XenHostmemReply *reply);

/**
 * xen_hostmem_mapping_new: WAITING, not yet in a queue
 * @buf: copied, and buf->dmabuf taken over
 */
XenHostmemMapping *xen_hostmem_mapping_new(XenHostmemMappings *all,
                                           XenHostmemBlob *blob,
                                           uint64_t offset,
                                           const XenHostmemBuffer *buf);

/* Ends the import, whoever still has pages mapped, and frees @m. */
void xen_hostmem_mapping_free(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_wait: its range is not free
 */
void xen_hostmem_mapping_wait(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_serve: decide how a WAITING or TRAPPED one is served
 *
 * Its range must hold no grant.  Leaves it TRAPPED, or GRANTED with its
 * requests queued.
 */
void xen_hostmem_mapping_serve(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_end: the GPU device does not want it any more
 */
void xen_hostmem_mapping_end(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_abandon: the frontend is gone
 * @clean: its word was that nothing is mapped (R19)
 */
void xen_hostmem_mapping_abandon(XenHostmemMapping *m, bool clean);

/**
 * xen_hostmem_mapping_give_up: the frontend will not undo an UNMAPPING one
 */
void xen_hostmem_mapping_give_up(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_ask: has the peer of an unproven one let go by now?
 */
void xen_hostmem_mapping_ask(XenHostmemMapping *m);

typedef struct XenHostmemRange {
    uint64_t offset, end;       /* bytes */
} XenHostmemRange;

static inline uint64_t xen_hostmem_nr_pages(uint64_t size)
{
    return (size - 1) / XEN_HOSTMEM_PAGE_SIZE + 1;
}

/* The pages of @size bytes, 1 or more, at @offset */
static inline XenHostmemRange xen_hostmem_range(uint64_t offset, uint64_t size)
{
    return (XenHostmemRange) {
        offset, offset + (xen_hostmem_nr_pages(size) << XEN_HOSTMEM_PAGE_SHIFT)
    };
}

static inline XenHostmemRange xen_hostmem_mapping_range(
    const XenHostmemMapping *m)
{
    return xen_hostmem_range(m->offset, m->buf.size);
}

/* Does the GPU device have the blob mapped? */
static inline bool xen_hostmem_state_is_wanted(XenHostmemState state)
{
    return state < XEN_HOSTMEM_STATE_UNMAPPING;
}

/* Are there references to the memory? */
static inline bool xen_hostmem_state_is_granted(XenHostmemState state)
{
    return state >= XEN_HOSTMEM_STATE_GRANTED &&
           state < XEN_HOSTMEM_STATE_GONE;
}

static inline bool xen_hostmem_mapping_is_ring(const XenHostmemMapping *m)
{
    return xen_hostmem_may_be_ring(m->buf.shared_memory, m->nr_pages);
}

#endif
