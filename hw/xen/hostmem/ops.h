/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what the core needs of its surroundings
 *
 * The core (window, mapping, blob, room, retry, reason, ring) knows neither
 * QEMU's devices nor a Xen library.  The frontend, the kernel, the GPU device
 * and the clock are reached through this table, which is also the seam for the
 * unit tests.  Main loop only.
 */
#ifndef HW_XEN_HOSTMEM_OPS_H
#define HW_XEN_HOSTMEM_OPS_H

#include "hw/xen/xen-hostmem.h"
#include "ring.h"

/* A mapping changed its state, or the reason why it is trapped. */
typedef struct XenHostmemTransition {
    uint32_t blob;
    uint64_t offset;            /* bytes */
    uint64_t nr_pages;
    XenHostmemState from, to;
    XenHostmemReason reason;
} XenHostmemTransition;

typedef struct XenHostmemOps {
    /*
     * Grant @nr_pages pages from the start of @dmabuf.  0 or negative errno;
     * the caller keeps @dmabuf open until release() returned 0.
     */
    int (*import)(void *opaque, int dmabuf, uint32_t nr_pages, uint32_t *refs,
                  uint64_t *handle);
    /*
     * End the references.  @confirmed: the frontend reported that it has
     * unmapped all of them.  0: the import is gone.  -EBUSY: the peer may
     * still have some mapped, ask again.
     */
    int (*release)(void *opaque, uint64_t handle, bool confirmed);
    /* See XenHostmemExport. */
    void (*export)(void *opaque, uint32_t blob, XenHostmemBuffer *buf);
    /* Post a request; false: no room, post again after the next reply. */
    bool (*post)(void *opaque, const XenHostmemRequest *req,
                 const uint32_t *refs);
    /* Make what was posted visible. */
    void (*push)(void *opaque);
    /* Call xen_hostmem_window_pump() soon. */
    void (*wake)(void *opaque);
    /* See XenHostmemSettled. */
    void (*settled)(void *opaque, uint32_t blob, XenHostmemResult result);
    /* For traces, logs and tests. */
    void (*transition)(void *opaque, const XenHostmemTransition *t);
    /* Monotonic milliseconds. */
    int64_t (*now_ms)(void *opaque);
} XenHostmemOps;

#endif
