/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: operations that the core calls
 *
 * The core (window, mapping, blob, room, retry, reason, ring) is independent of
 * QEMU's device model and of the Xen libraries.  It reaches the frontend, the
 * kernel, the GPU device and the clock through this table, which the unit tests
 * replace.  Main loop only.
 */
#ifndef HW_XEN_HOSTMEM_OPS_H
#define HW_XEN_HOSTMEM_OPS_H

#include "hw/xen/xen-hostmem.h"
#include "ring.h"

/* A mapping's state has changed, or the reason why it is trapped. */
typedef struct XenHostmemTransition {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    uint64_t pinned;            /* pages of its buffer; 0: not known yet */
    XenHostmemState from, to;
    XenHostmemReason reason;
} XenHostmemTransition;

typedef struct XenHostmemOps {
    /*
     * Grant the first @nr_pages pages of @dmabuf.  Returns 0 or a negative
     * errno.  The caller keeps @dmabuf open until release() has returned 0.
     */
    int (*import)(void *opaque, int dmabuf, uint32_t nr_pages, uint32_t *refs,
                  uint64_t *handle);
    /*
     * End the references.  @confirmed: the frontend claims to have unmapped all
     * of them.  Returns 0 if the import is gone, -EBUSY if the peer may still
     * have some of them mapped: retry later.
     */
    int (*release)(void *opaque, uint64_t handle, bool confirmed);
    /* See XenHostmemExport. */
    void (*export)(void *opaque, uint32_t blob, XenHostmemBuffer *buf);
    /* Post a request.  Returns false if there is no room before a reply. */
    bool (*post)(void *opaque, const XenHostmemRequest *req,
                 const uint32_t *refs);
    /* Make posted requests visible to the frontend. */
    void (*push)(void *opaque);
    /* Call xen_hostmem_window_pump() soon. */
    void (*wake)(void *opaque);
    /* See XenHostmemSettled. */
    void (*settled)(void *opaque, uint32_t blob, XenHostmemResult result);
    /* For traces, logs and tests. */
    void (*transition)(void *opaque, const XenHostmemTransition *t);
    /* Monotonic milliseconds. */
    int64_t (*now_ms)(void *opaque);
    /*
     * Can the guest run?  False while it is paused or suspended, so that it
     * cannot answer.
     */
    bool (*guest_runs)(void *opaque);
} XenHostmemOps;

#endif
