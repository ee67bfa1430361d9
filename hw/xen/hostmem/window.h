/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the window: which blob is mapped where
 *
 * Calls go in one direction: the window calls blob.h, retry.h and mapping.h,
 * which call ops.h.  Mappings report back only through
 * xen_hostmem_window_changed() in window.c.  Main loop only.
 */
#ifndef HW_XEN_HOSTMEM_WINDOW_H
#define HW_XEN_HOSTMEM_WINDOW_H

#include "clock.h"
#include "ops.h"

typedef struct XenHostmemWindow XenHostmemWindow;

/* Since the window was created. */
typedef struct XenHostmemCounters {
    uint64_t maps, unmaps;      /* requested by the GPU device */
    uint64_t grants;            /* how often a blob was granted */
    uint64_t fallbacks[XEN_HOSTMEM_REASON__MAX];    /* trapped, by reason */
} XenHostmemCounters;

/* A snapshot of one mapping. */
typedef struct XenHostmemView {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t size;              /* bytes */
    bool wanted;                /* the GPU device has it mapped */
    XenHostmemState state;
    XenHostmemReason reason;    /* if it is trapped */
    bool shared_memory;         /* e.g. a ring; not a buffer of a device */
    XenHostmemMemoryType memory_type;
} XenHostmemView;

/* These limits count only while the guest can run (clock.h). */

/* How long the guest may take to answer a MAP before it is refused (R23). */
#define XEN_HOSTMEM_MAP_LIMIT_MS        30000
/* How long a MAP waits for its range to become free. */
#define XEN_HOSTMEM_WAIT_LIMIT_MS       5000
/* How long to wait for a Closing frontend before answering UNMAP without it. */
#define XEN_HOSTMEM_LEAVE_LIMIT_MS      10000

/*
 * Maximum number of blobs in a window.  Each is a memory mapping of this
 * process.  Linux allows 65530 of them (vm.max_map_count), and QEMU exits if it
 * cannot map guest memory.
 */
#define XEN_HOSTMEM_MAX_BLOBS           16384

/**
 * xen_hostmem_window_new: create an empty window without a frontend
 * @size: bytes, a multiple of 4096
 */
XenHostmemWindow *xen_hostmem_window_new(uint64_t size,
                                         const XenHostmemRules *rules,
                                         const XenHostmemOps *ops,
                                         void *opaque);

/**
 * xen_hostmem_window_limit_p2m: set the size of the guest's p2m pool (p2m.h)
 * @pool_pages: 0 if it is not known
 */
void xen_hostmem_window_limit_p2m(XenHostmemWindow *w, uint64_t pool_pages);

/**
 * xen_hostmem_window_free: free the window
 *
 * Tries once more to release each import.  The kernel releases those that the
 * peer still has mapped, once the provider is closed.
 */
void xen_hostmem_window_free(XenHostmemWindow *w);

/*
 * See xen_hostmem_map(), _unmap() and _reset().  _map() calls ops->post() and
 * ops->push() itself; _unmap() leaves that to the next pump.
 */
int xen_hostmem_window_map(XenHostmemWindow *w, uint32_t blob, uint64_t offset,
                           const XenHostmemBuffer *buf);
int xen_hostmem_window_unmap(XenHostmemWindow *w, uint32_t blob);
void xen_hostmem_window_reset(XenHostmemWindow *w);

/**
 * xen_hostmem_window_status: the state of a blob
 *
 * Returns 0 if it is mapped, -EINPROGRESS while it is being mapped, -EALREADY
 * while it is being unmapped or settled() is to be called, -ENOENT if it is not
 * mapped.
 */
int xen_hostmem_window_status(const XenHostmemWindow *w, uint32_t blob);

/**
 * xen_hostmem_window_host: the memory behind a part of the window
 * @len: in: length of the access; out: how much of it the blob covers, at
 * least 1
 *
 * For trapped accesses only: the trap proves that the guest has no grant mapped
 * there.  Returns NULL if no blob is mapped at @offset.
 */
void *xen_hostmem_window_host(XenHostmemWindow *w, uint64_t offset,
                              uint64_t *len);

/**
 * xen_hostmem_window_arrived: a frontend has connected and accepts requests
 * @max_pages: maximum number of pages in one request, at least 1
 *
 * Tries to grant the blobs that are trapped.
 */
void xen_hostmem_window_arrived(XenHostmemWindow *w, uint32_t max_pages);

/**
 * xen_hostmem_window_leaving: the connection is closing: post no more (R18)
 */
void xen_hostmem_window_leaving(XenHostmemWindow *w);

/**
 * xen_hostmem_window_left: the frontend is gone
 * @clean: it entered Closed and stated that nothing is mapped (R19)
 */
void xen_hostmem_window_left(XenHostmemWindow *w, bool clean);

/**
 * xen_hostmem_window_reply: handle a reply
 * @reply: matches a posted request
 *
 * Call xen_hostmem_window_post() after the last reply of a batch.
 */
void xen_hostmem_window_reply(XenHostmemWindow *w,
                              const XenHostmemReply *reply);

/**
 * xen_hostmem_window_post: post requests until the ring is full
 */
void xen_hostmem_window_post(XenHostmemWindow *w);

/**
 * xen_hostmem_window_pump: do the work that ops->wake() announced
 *
 * Places mappings whose range has become free, retries trapped blobs, posts
 * requests, and calls settled().
 */
void xen_hostmem_window_pump(XenHostmemWindow *w);

/**
 * xen_hostmem_window_tick: do the periodic work
 *
 * Applies time limits, retries the release of unproven imports, retries trapped
 * blobs, and pumps.  Returns true if it must be called again after
 * XEN_HOSTMEM_TICK_MS.
 */
bool xen_hostmem_window_tick(XenHostmemWindow *w);

/**
 * xen_hostmem_window_foreach: visit all mappings
 *
 * In order of offset; those that wait for their range come last.
 */
void xen_hostmem_window_foreach(XenHostmemWindow *w,
                                void (*visit)(void *opaque,
                                              const XenHostmemView *view),
                                void *opaque);
const XenHostmemCounters *
xen_hostmem_window_counters(const XenHostmemWindow *w);

/* Bytes currently granted, including blobs that have been unmapped. */
uint64_t xen_hostmem_window_granted(const XenHostmemWindow *w);

/* Bytes of the buffers that those are of: what counts towards the quota. */
uint64_t xen_hostmem_window_pinned(const XenHostmemWindow *w);

#endif
