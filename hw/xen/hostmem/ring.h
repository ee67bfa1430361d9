/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the request ring and the reference buffer
 *
 * The only code that accesses memory shared with the guest. Everything that it
 * returns was copied first and checked against the posted requests. Main loop
 * only.
 */
#ifndef HW_XEN_HOSTMEM_RING_H
#define HW_XEN_HOSTMEM_RING_H

#include "hw/xen/xen.h" /* before any of Xen's own headers */
#include "hw/xen/interface/io/hostmem.h"

typedef struct XenHostmemRing XenHostmemRing;

/* A request, decoded; see struct xen_hostmem_request for the fields. */
typedef struct XenHostmemRequest {
    uint64_t id;
    uint64_t offset;    /* bytes */
    uint32_t nr_pages;
    uint8_t operation;
    bool live;
} XenHostmemRequest;

/* A response that matches a posted request. */
typedef struct XenHostmemReply {
    uint64_t id;
    uint8_t operation;
    int32_t status;     /* 0 or XEN_HOSTMEM_E* (R15) */
} XenHostmemReply;

typedef enum XenHostmemRingResult {
    XEN_HOSTMEM_RING_EMPTY,
    XEN_HOSTMEM_RING_REPLY,
    XEN_HOSTMEM_RING_BROKEN,    /* invalid indexes: close (R22) */
} XenHostmemRingResult;

/**
 * xen_hostmem_ring_new: attach to the pages that a frontend has granted
 * @page: the mapped ring page
 * @refs: the mapped reference buffer
 * @nr_refs: number of references that fit in @refs
 *
 * The caller keeps ownership of @page and @refs, which must outlive the ring.
 */
XenHostmemRing *xen_hostmem_ring_new(void *page, uint32_t *refs,
                                     uint32_t nr_refs);
void xen_hostmem_ring_free(XenHostmemRing *ring);

/**
 * xen_hostmem_ring_post: put a request into the ring
 * @refs: MAP: nr_pages references, which are copied; UNMAP: NULL
 *
 * Returns false and does nothing if the ring has no free slot or the reference
 * buffer has no room: try again after the next reply. The frontend sees the
 * request only after xen_hostmem_ring_push().
 */
bool xen_hostmem_ring_post(XenHostmemRing *ring, const XenHostmemRequest *req,
                           const uint32_t *refs);

/**
 * xen_hostmem_ring_push: make posted requests visible to the frontend
 *
 * Returns true if the frontend has to be notified.
 */
bool xen_hostmem_ring_push(XenHostmemRing *ring);

/**
 * xen_hostmem_ring_next: take the next reply
 * @reply: set if %XEN_HOSTMEM_RING_REPLY is returned
 *
 * Skips and counts responses that match no request. One call reads at most as
 * many responses as requests were outstanding.
 */
XenHostmemRingResult xen_hostmem_ring_next(XenHostmemRing *ring,
                                           XenHostmemReply *reply);

/* Number of responses so far that matched no outstanding request. */
uint64_t xen_hostmem_ring_unexpected(const XenHostmemRing *ring);

#endif
