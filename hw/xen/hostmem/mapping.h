/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: one blob's way through its states
 *
 * Private to window.c and mapping.c.
 */
#ifndef HW_XEN_HOSTMEM_MAPPING_H
#define HW_XEN_HOSTMEM_MAPPING_H

#include "window.h"

typedef enum ChunkState {
    CHUNK_IDLE,             /* not posted, or unmapped again: a hole */
    CHUNK_MAP_POSTED,
    CHUNK_MAPPED,
    CHUNK_UNMAP_POSTED,
    CHUNK_STUCK,            /* the frontend could not tell that it is a hole */
} ChunkState;

typedef struct XenHostmemMapping XenHostmemMapping;

/* What one request maps: as many pages as fit the reference buffer. */
typedef struct XenHostmemChunk {
    XenHostmemMapping *mapping;
    uint64_t id;
    uint32_t first_page;
    uint32_t nr_pages;
    ChunkState state;
} XenHostmemChunk;

struct XenHostmemMapping {
    XenHostmemWindow *window;
    XenHostmemState state;
    XenHostmemReason reason;    /* why it is trapped, if it is */
    XenHostmemReason told;      /* the reason in the last transition */
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    XenHostmemBuffer buf;       /* buf.host is NULL once unwanted */
    bool wanted;                /* the GPU device has the blob mapped there */
    bool owed;                  /* it waits for settled() */
    bool failing;               /* wanted, but to be undone and trapped */
    bool live;                  /* the guest uses it while it is mapped */
    bool lost;                  /* some frontend went away with it mapped */
    bool lacks;                 /* is counted in window->nr_lacking */
    int64_t deadline;           /* ms, with owed */
    GList *work_link;           /* its place in window->work, or NULL */

    /* While imported: */
    bool imported;
    uint64_t handle;
    uint32_t *refs;             /* until all are posted and mapped */
    XenHostmemChunk *chunks;
    uint32_t nr_chunks;
    uint32_t nr_in[CHUNK_STUCK + 1];    /* chunks, by state */
    uint32_t next_chunk;        /* none before it is to be posted */
};

struct XenHostmemWindow {
    const XenHostmemWindowOps *ops;
    void *opaque;
    uint64_t size;              /* bytes */
    uint32_t max_pages;         /* of one request */
    bool accepting;             /* a frontend takes requests */
    int64_t leave_deadline;     /* ms; by when a Closing one should be gone */
    XenHostmemRules rules;
    XenHostmemCounters counters;
    uint32_t nr_lacking;        /* trapped for what may pass */
    uint64_t granted_pages;     /* of all imports, also those in quarantine */
    bool try_quota;             /* what waits for the quota may be tried */
    bool try_others;            /* and what waits for something else */
    int64_t retry_at;           /* ms; when it may be anyhow */
    int64_t retry_ms;           /* between the last try and the next */
    uint64_t next_id;
    GTree *placed;              /* by range: all but those WAITING */
    GQueue waiting;             /* WAITING, first come first served */
    GQueue work;                /* with requests to post */
    GHashTable *by_blob;        /* blob -> mapping that answers for it */
    GHashTable *refused;        /* blobs whose map was refused */
    GHashTable *by_id;          /* id -> chunk with a request posted */
    GArray *settled;            /* blobs to be told of by the next pump */
    GHashTable *settling;       /* those, for a look-up */
};

typedef struct XenHostmemRange {
    uint64_t offset, end;       /* bytes */
} XenHostmemRange;

static inline XenHostmemRange xen_hostmem_mapping_range(
    const XenHostmemMapping *m)
{
    uint64_t size = m->nr_pages << XEN_HOSTMEM_PAGE_SHIFT;

    return (XenHostmemRange) { m->offset, m->offset + size };
}

/**
 * xen_hostmem_mapping_begin: decide how a placed mapping is served
 *
 * Leaves it TRAPPED, or GRANTED with its requests queued.
 */
void xen_hostmem_mapping_begin(XenHostmemMapping *m);

/**
 * xen_hostmem_mapping_undo: take it back, because it is unwanted or failing
 *
 * May free @m.
 */
void xen_hostmem_mapping_undo(XenHostmemMapping *m);

/* Post what can be posted. False: no room, some is left. */
bool xen_hostmem_mapping_post(XenHostmemMapping *m);

/* A request of the chunk was answered. May free the chunk's mapping. */
void xen_hostmem_mapping_reply(XenHostmemChunk *chunk, uint8_t operation,
                               int32_t status);

/* The frontend is gone, see xen_hostmem_window_left(). May free @m. */
void xen_hostmem_mapping_abandon(XenHostmemMapping *m, bool clean);

/* UNMAPPING, and the frontend will not do it. May free @m. */
void xen_hostmem_mapping_give_up(XenHostmemMapping *m);

/* QUARANTINED: ask again whether the peer has let go. May free @m. */
void xen_hostmem_mapping_retry(XenHostmemMapping *m);

/* Give up: the domain or the device is going away. Frees @m. */
void xen_hostmem_mapping_free(XenHostmemMapping *m);

void xen_hostmem_mapping_set_state(XenHostmemMapping *m, XenHostmemState to);

/* The user's wait is over, if it waits. */
void xen_hostmem_mapping_settle(XenHostmemMapping *m);

/* As that, for one that is not granted: if it has to be, it is refused. */
void xen_hostmem_mapping_settle_trapped(XenHostmemMapping *m);

/* window.c: the user is told of the blob by the next pump. */
void xen_hostmem_window_settle(XenHostmemWindow *w, uint32_t blob);

/* window.c: the mappings that hold a range, for loops that free some. */
GPtrArray *xen_hostmem_window_placed(XenHostmemWindow *w);

/**
 * xen_hostmem_room_for: may this mapping be granted now? (I5)
 */
bool xen_hostmem_room_for(const XenHostmemMapping *m);

/* Shared memory, and small: never to be trapped if that can be helped. */
bool xen_hostmem_may_be_ring(const XenHostmemMapping *m);

/**
 * xen_hostmem_room_returned: an import has ended
 * @unmapped: because the GPU device unmapped the blob
 */
void xen_hostmem_room_returned(XenHostmemWindow *w, bool unmapped);

/**
 * xen_hostmem_room_found: the guest mapped what had been trapped
 */
void xen_hostmem_room_found(XenHostmemWindow *w);

/**
 * xen_hostmem_room_retry: try to grant what is trapped for lack of room, if
 * some was given back or it is time
 *
 * Returns true if something still waits, to be called again a second later.
 */
bool xen_hostmem_room_retry(XenHostmemWindow *w);

/* window.c: the range is free again; @m is about to be freed. */
void xen_hostmem_window_vacate(XenHostmemWindow *w, XenHostmemMapping *m);

#endif
