/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what is mapped where in a window
 *
 * Knows neither QEMU's devices nor a Xen library: the frontend, the kernel and
 * the clock are reached through XenHostmemWindowOps, which is also where the
 * unit tests stand. Main loop only.
 */
#ifndef HW_XEN_HOSTMEM_WINDOW_H
#define HW_XEN_HOSTMEM_WINDOW_H

#include "hw/xen/xen-hostmem.h"
#include "ring.h"

typedef struct XenHostmemWindow XenHostmemWindow;

/*
 * A mapping's life:
 *
 *   WAITING ------> TRAPPED <----------------+
 *      |               | import              | released, blob still there
 *      | time limit    v                     |
 *      v            GRANTED -> MAPPING -> MAPPED -> UNMAPPING -> GONE
 *    refused                      |                    |
 *                                 +---- not proven ----+-> QUARANTINED
 */
typedef enum XenHostmemState {
    XEN_HOSTMEM_WAITING,        /* its range is still somebody else's */
    XEN_HOSTMEM_TRAPPED,        /* its range holds no grant */
    XEN_HOSTMEM_GRANTED,        /* imported; no request posted yet */
    XEN_HOSTMEM_MAPPING,        /* some request is posted */
    XEN_HOSTMEM_MAPPED,         /* every page is confirmed */
    XEN_HOSTMEM_UNMAPPING,      /* being undone */
    XEN_HOSTMEM_QUARANTINED,    /* may hold a grant, nobody knows (R24) */
    XEN_HOSTMEM_GONE,
} XenHostmemState;

const char *xen_hostmem_state_name(XenHostmemState state);

typedef struct XenHostmemTransition {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    XenHostmemState from, to;
    XenHostmemReason reason;
} XenHostmemTransition;

/* Since the window was made. */
typedef struct XenHostmemCounters {
    uint64_t maps, unmaps;      /* of the GPU device */
    uint64_t grants;            /* times a blob became granted */
    uint64_t fallbacks[XEN_HOSTMEM_REASON__MAX];    /* times one was trapped */
} XenHostmemCounters;

/* One blob as it stands. */
typedef struct XenHostmemView {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t size;              /* bytes */
    bool wanted;                /* the GPU device has it mapped */
    XenHostmemState state;
    XenHostmemReason reason;    /* if it is trapped */
    bool shared_memory;         /* such as a ring, no buffer of a device */
} XenHostmemView;

typedef struct XenHostmemWindowOps {
    /*
     * Grant @nr_pages pages from the start of @dmabuf. 0 or negative errno;
     * the window keeps @dmabuf open until release() returned 0.
     */
    int (*import)(void *opaque, int dmabuf, uint32_t nr_pages, uint32_t *refs,
                  uint64_t *handle);
    /*
     * End the references. @confirmed: the frontend says that it has unmapped
     * them all. 0: it is so, the import is gone. -EBUSY: the peer may still
     * have some mapped, ask again.
     */
    int (*release)(void *opaque, uint64_t handle, bool confirmed);
    /* Post a request; false: no room, pump again after the next reply. */
    bool (*post)(void *opaque, const XenHostmemRequest *req,
                 const uint32_t *refs);
    /* See XenHostmemExport. */
    void (*export)(void *opaque, uint32_t blob, XenHostmemBuffer *buf);
    /* Make what was posted visible. */
    void (*push)(void *opaque);
    /* Call xen_hostmem_window_pump() soon, from the main loop. */
    void (*wake)(void *opaque);
    /* See XenHostmemSettled. */
    void (*settled)(void *opaque, uint32_t blob);
    /* Something changed; for traces, logs and tests. */
    void (*transition)(void *opaque, const XenHostmemTransition *t);
    /* Monotonic milliseconds. */
    int64_t (*now_ms)(void *opaque);
} XenHostmemWindowOps;

/* How long a MAP may stay unanswered before it is refused (R23). */
#define XEN_HOSTMEM_MAP_LIMIT_MS        30000
/* How long a MAP waits for a range in quarantine. */
#define XEN_HOSTMEM_WAIT_LIMIT_MS       5000
/* How long a frontend may be Closing before an UNMAP is answered without it. */
#define XEN_HOSTMEM_LEAVE_LIMIT_MS      10000

/*
 * How many blobs a window holds. Each is a mapping of this process, of which
 * Linux has 65530 (vm.max_map_count), and QEMU ends where it gets none for
 * guest memory.
 */
#define XEN_HOSTMEM_MAX_BLOBS           16384

/**
 * xen_hostmem_window_new: an empty window without a frontend
 * @size: bytes, a multiple of 4096
 */
XenHostmemWindow *xen_hostmem_window_new(uint64_t size,
                                         const XenHostmemRules *rules,
                                         const XenHostmemWindowOps *ops,
                                         void *opaque);

/**
 * xen_hostmem_window_free: forget everything
 *
 * Releases each import once more. What the peer still has mapped is the
 * kernel's to end: closing the provider starts that.
 */
void xen_hostmem_window_free(XenHostmemWindow *w);

/*
 * See xen_hostmem_map(), _unmap(), _status() and _reset(). _map() calls
 * ops->post() and ops->push() itself; _unmap() leaves that to the next pump.
 */
int xen_hostmem_window_map(XenHostmemWindow *w, uint32_t blob, uint64_t offset,
                           const XenHostmemBuffer *buf);
int xen_hostmem_window_unmap(XenHostmemWindow *w, uint32_t blob);
int xen_hostmem_window_status(XenHostmemWindow *w, uint32_t blob);
void xen_hostmem_window_reset(XenHostmemWindow *w);

/**
 * xen_hostmem_window_host: the memory behind a part of the window
 * @len: in: bytes wanted; out: how many of them are there, at least 1
 *
 * For an access that trapped: that it did proves the frame to be a hole.
 * Returns NULL if no blob is mapped at @offset.
 */
void *xen_hostmem_window_host(XenHostmemWindow *w, uint64_t offset,
                              uint64_t *len);

/**
 * xen_hostmem_window_arrived: a frontend takes requests from now on
 * @max_pages: most pages in one request, 1 or more
 *
 * Blobs that are trapped only for the lack of a frontend become granted.
 */
void xen_hostmem_window_arrived(XenHostmemWindow *w, uint32_t max_pages);

/**
 * xen_hostmem_window_leaving: nothing more may be posted (R18)
 */
void xen_hostmem_window_leaving(XenHostmemWindow *w);

/**
 * xen_hostmem_window_left: the frontend is gone
 * @clean: it entered Closed, which says that nothing is mapped (R19)
 */
void xen_hostmem_window_left(XenHostmemWindow *w, bool clean);

/**
 * xen_hostmem_window_reply: a request was answered
 * @reply: matches a request that was posted
 *
 * Call xen_hostmem_window_pump() after the last of several.
 */
void xen_hostmem_window_reply(XenHostmemWindow *w,
                              const XenHostmemReply *reply);

/**
 * xen_hostmem_window_pump: post what was not posted yet, deliver settled()
 */
void xen_hostmem_window_pump(XenHostmemWindow *w);

/**
 * xen_hostmem_window_look: every blob, by rising offset; those that wait for
 * their range last
 */
void xen_hostmem_window_look(XenHostmemWindow *w,
                             void (*see)(void *opaque,
                                         const XenHostmemView *view),
                             void *opaque);
const XenHostmemCounters *
xen_hostmem_window_counters(const XenHostmemWindow *w);

/* Bytes that are granted now, also if nothing uses them any more. */
uint64_t xen_hostmem_window_granted(const XenHostmemWindow *w);

/**
 * xen_hostmem_window_tick: apply time limits, ask again for quarantined
 * imports and for room, and deliver settled()
 *
 * Returns true if it wants to be called again, about a second later.
 */
bool xen_hostmem_window_tick(XenHostmemWindow *w);

#endif
