/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the state machine of one mapping
 *
 * A mapping is a range of the window, the memory that belongs there, and, while
 * it is granted, the grant references to that memory.  Its state is an
 * XenHostmemState:
 *
 *     WAITING
 *        | the range is free
 *        v                                 released
 *     TRAPPED <-----------------------------------+----------+
 *        | imported (also at once, from WAITING)  |          |
 *        v               failed, or               |          |
 *     GRANTED ---------> the frontend left --> REVOKING -> STALE
 *        | posted           ^      ^                 not proven
 *        v                  |      |
 *     MAPPING --------------+      |
 *        | every page confirmed    |
 *        v                         |
 *     MAPPED ----------------------+
 *
 * In these states the GPU device has the blob mapped.  When it unmaps the blob:
 *
 *     WAITING, TRAPPED ----------------------------------------------> GONE
 *                                                             released ^ ^
 *     GRANTED, MAPPING, MAPPED, REVOKING, STALE ----> UNMAPPING -------+ |
 *                                                         |              |
 *                                              not proven +> QUARANTINED +
 *
 * STALE and QUARANTINED: the guest may still have pages mapped (R24).  The
 * release is retried until the kernel has proof that it has none.
 */
#ifndef HW_XEN_HOSTMEM_MAPPING_H
#define HW_XEN_HOSTMEM_MAPPING_H

#include "blob.h"
#include "ops.h"
#include "p2m.h"
#include "room.h"

typedef struct XenHostmemMappings XenHostmemMappings;

typedef enum XenHostmemChunkState {
    XEN_HOSTMEM_CHUNK_IDLE,         /* not posted, failed, or unmapped again */
    XEN_HOSTMEM_CHUNK_MAP_POSTED,
    XEN_HOSTMEM_CHUNK_MAPPED,
    XEN_HOSTMEM_CHUNK_UNMAP_POSTED,
    XEN_HOSTMEM_CHUNK_STUCK,        /* may be mapped; a clean Closed can tell */
    XEN_HOSTMEM_CHUNK_LOST,         /* as STUCK, but only the kernel can: R21 */
    XEN_HOSTMEM_CHUNK__MAX,
} XenHostmemChunkState;

/* The pages of one request: max_pages, except for the last chunk. */
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
    XenHostmemBlob *blob;       /* NULL once the blob is unmapped or refused */
    uint32_t blob_id;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    uint64_t pinned;            /* pages of its buffer; 0: not known yet */
    XenHostmemBuffer buf;       /* buf.dmabuf is owned */
    GQueue *queue;              /* one of XenHostmemMappings, or NULL */
    GList link;

    /* For ranges.c: */
    GQueue blocked;             /* WAITING mappings that wait for this one */
    GQueue *blocked_in;         /* WAITING: the queue where it waits */
    GList blocked_link;

    /* While granted: */
    uint64_t handle;
    uint32_t *refs;             /* freed once all pages are mapped */
    XenHostmemChunk *chunks;
    uint32_t nr_chunks;
    uint32_t nr_in[XEN_HOSTMEM_CHUNK__MAX];     /* number of chunks by state */
    uint32_t next_chunk;        /* no chunk before it needs to be posted */
};

/*
 * A mapping has changed; see XenHostmemTransition.  If the new state is
 * TRAPPED, STALE, QUARANTINED or GONE, the functions below do not access @m
 * after this call.  The callback may therefore call them for @m, and frees it
 * if it is GONE.
 */
typedef void XenHostmemMappingChanged(void *opaque, XenHostmemMapping *m,
                                      const XenHostmemTransition *t);

/* State shared by all mappings of a window. */
struct XenHostmemMappings {
    const XenHostmemOps *ops;
    void *ops_opaque;
    XenHostmemMappingChanged *changed;
    void *changed_opaque;
    XenHostmemRules rules;
    XenHostmemRoom room;
    XenHostmemP2m p2m;
    uint32_t max_pages;         /* per request: a quarter of the buffer */
    bool accepting;             /* a frontend accepts requests */
    uint64_t live_end;          /* bytes; xen_hostmem_mappings_stay_live() */
    uint64_t next_id;
    GHashTable *by_id;          /* id -> chunk with a request posted */

    /* Queues of mappings: */
    GQueue waiting;             /* WAITING: their range is not free yet */
    GQueue retryable;           /* TRAPPED, for a reason that may pass */
    GQueue work;                /* with requests to be posted */
    GQueue unproven;            /* STALE, QUARANTINED: to be released */
};

void xen_hostmem_mappings_init(XenHostmemMappings *all);
void xen_hostmem_mappings_destroy(XenHostmemMappings *all);

/**
 * xen_hostmem_mappings_stay_live: programs may access @m's range from now on
 *
 * Whatever the GPU device has there: it has been reset while the guest used the
 * blob, and perhaps nobody has taken it from the programs.  From now on all
 * requests from the start of the window to the end of the range are LIVE.
 */
void xen_hostmem_mappings_stay_live(const XenHostmemMapping *m);

/**
 * xen_hostmem_mappings_post: post requests until the ring is full
 */
void xen_hostmem_mappings_post(XenHostmemMappings *all);

/**
 * xen_hostmem_mappings_reply: handle a reply
 */
void xen_hostmem_mappings_reply(XenHostmemMappings *all,
                                const XenHostmemReply *reply);

/**
 * xen_hostmem_mappings_retry_releases: try again to release unproven imports
 *
 * Tries at most as many as the main loop can afford in one tick, the one that
 * was tried longest ago first.
 */
void xen_hostmem_mappings_retry_releases(XenHostmemMappings *all);

/**
 * xen_hostmem_mapping_new: create a mapping: WAITING, and in no queue
 * @buf: copied; takes ownership of buf->dmabuf
 */
XenHostmemMapping *xen_hostmem_mapping_new(XenHostmemMappings *all,
                                           XenHostmemBlob *blob,
                                           uint64_t offset,
                                           const XenHostmemBuffer *buf);

/* Free @m.  The kernel ends the import if the peer still has pages mapped. */
void xen_hostmem_mapping_free(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_wait: queue @m until its range is free
 */
void xen_hostmem_mapping_wait(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_serve: grant a WAITING or TRAPPED mapping, or trap it
 *
 * The guest must not have any grant mapped in its range.  The new state is
 * TRAPPED, or GRANTED with the requests queued.
 */
void xen_hostmem_mapping_serve(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_end: undo a mapping that was unmapped or refused
 */
void xen_hostmem_mapping_end(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_abandon: the frontend is gone
 * @clean: it stated that nothing is mapped (R19)
 */
void xen_hostmem_mapping_abandon(XenHostmemMapping *m, bool clean);

/**
 * xen_hostmem_mapping_give_up: stop waiting for the replies to UNMAP requests
 *
 * @m is UNMAPPING.
 */
void xen_hostmem_mapping_give_up(XenHostmemMapping *m);

typedef struct XenHostmemRange {
    uint64_t offset, end;       /* bytes */
} XenHostmemRange;

static inline uint64_t xen_hostmem_nr_pages(uint64_t size)
{
    return (size - 1) / XEN_HOSTMEM_PAGE_SIZE + 1;
}

/* The pages that @size bytes at @offset occupy; @size is not 0. */
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
