/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the request ring and the reference buffer
 *
 * The only code that reads or writes memory shared with the guest. What
 * leaves this file was copied first and checked against what was posted.
 * Main loop only.
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

/* An answer to a request that was posted, checked. */
typedef struct XenHostmemReply {
    uint64_t id;
    uint8_t operation;
    int32_t status;     /* 0 or XEN_HOSTMEM_E* (R15) */
} XenHostmemReply;

typedef enum XenHostmemRingResult {
    XEN_HOSTMEM_RING_EMPTY,
    XEN_HOSTMEM_RING_REPLY,
    XEN_HOSTMEM_RING_BROKEN,    /* indexes make no sense: close (R22) */
} XenHostmemRingResult;

/**
 * xen_hostmem_ring_new: attach to the pages a frontend granted
 * @page: the ring page, mapped; borrowed
 * @refs: the reference buffer, mapped; borrowed
 * @nr_refs: references that @refs holds
 *
 * Both stay the caller's and must outlive the ring.
 */
XenHostmemRing *xen_hostmem_ring_new(void *page, uint32_t *refs,
                                     uint32_t nr_refs);
void xen_hostmem_ring_free(XenHostmemRing *ring);

/**
 * xen_hostmem_ring_post: put a request into the ring
 * @refs: MAP: the nr_pages references, copied; UNMAP: NULL
 *
 * Returns false, and does nothing, if the ring has no free slot or the
 * reference buffer no room: try again after the next reply. The frontend
 * sees the request only after xen_hostmem_ring_push().
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
 * Replies that answer nothing are skipped and counted. One call looks at no
 * more responses than there were requests outstanding.
 */
XenHostmemRingResult xen_hostmem_ring_next(XenHostmemRing *ring,
                                           XenHostmemReply *reply);

/* Responses so far that matched no outstanding request. */
uint64_t xen_hostmem_ring_unexpected(const XenHostmemRing *ring);

#endif
