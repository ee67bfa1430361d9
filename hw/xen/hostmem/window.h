/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what is mapped where in a window
 *
 * Calls go in one direction: the window calls blob.h, retry.h and mapping.h,
 * which call ops.h; mappings report back by xen_hostmem_window_changed() in
 * window.c alone.  Main loop only.
 */
#ifndef HW_XEN_HOSTMEM_WINDOW_H
#define HW_XEN_HOSTMEM_WINDOW_H

#include "ops.h"

typedef struct XenHostmemWindow XenHostmemWindow;

/* Since the window was created. */
typedef struct XenHostmemCounters {
    uint64_t maps, unmaps;      /* by the GPU device */
    uint64_t grants;            /* times a blob became granted */
    uint64_t fallbacks[XEN_HOSTMEM_REASON__MAX];    /* times one was trapped */
} XenHostmemCounters;

/* One mapping, for a person to look at. */
typedef struct XenHostmemView {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t size;              /* bytes */
    bool wanted;                /* the GPU device has it mapped */
    XenHostmemState state;
    XenHostmemReason reason;    /* if it is trapped */
    bool shared_memory;         /* such as a ring, no buffer of a device */
} XenHostmemView;

/* How long a MAP may stay unanswered before it is refused (R23). */
#define XEN_HOSTMEM_MAP_LIMIT_MS        30000
/* How long a MAP waits for a range in quarantine. */
#define XEN_HOSTMEM_WAIT_LIMIT_MS       5000
/* How long a frontend may be Closing before an UNMAP is answered without it. */
#define XEN_HOSTMEM_LEAVE_LIMIT_MS      10000

/*
 * How many blobs a window holds.  Each is a mapping of this process, of which
 * Linux allows 65530 (vm.max_map_count), and QEMU ends if it cannot map guest
 * memory.
 */
#define XEN_HOSTMEM_MAX_BLOBS           16384

/**
 * xen_hostmem_window_new: an empty window without a frontend
 * @size: bytes, a multiple of 4096
 */
XenHostmemWindow *xen_hostmem_window_new(uint64_t size,
                                         const XenHostmemRules *rules,
                                         const XenHostmemOps *ops,
                                         void *opaque);

/**
 * xen_hostmem_window_free: forget everything
 *
 * Releases each import once more.  What the peer still has mapped is left to
 * the kernel: closing the provider starts that.
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
 * Call xen_hostmem_window_post() after the last of several.
 */
void xen_hostmem_window_reply(XenHostmemWindow *w,
                              const XenHostmemReply *reply);

/**
 * xen_hostmem_window_post: post what can be posted
 */
void xen_hostmem_window_post(XenHostmemWindow *w);

/**
 * xen_hostmem_window_pump: do what ops->wake() announced: place what waits for
 * its range, try what may have room, post, and call settled()
 */
void xen_hostmem_window_pump(XenHostmemWindow *w);

/**
 * xen_hostmem_window_tick: apply time limits, ask again for what is not proven,
 * and try again for what is lacking something
 *
 * Returns true if it wants to be called again, about a second later.
 */
bool xen_hostmem_window_tick(XenHostmemWindow *w);

/**
 * xen_hostmem_window_look: every mapping, by rising offset; those that wait for
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

#endif
