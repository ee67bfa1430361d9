/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the request ring and the reference buffer
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "ring.h"

/* Xen's ring macros expect the user to define these. */
#ifndef xen_mb
#define xen_mb() smp_mb()       /* each is paired in the guest's macros */
#define xen_rmb() smp_rmb()     /* with its xen_wmb() */
#define xen_wmb() smp_wmb()     /* with its xen_rmb() */
#endif

#define NR_SLOTS    __CONST_RING_SIZE(xen_hostmem, XEN_HOSTMEM_PAGE_SIZE)

/* The layout is part of the protocol: the compiler must not pad it. */
G_STATIC_ASSERT(sizeof(struct xen_hostmem_request) == 32);
G_STATIC_ASSERT(sizeof(struct xen_hostmem_response) == 32);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_request, offset) == 8);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_request, nr_pages) == 16);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_request, first) == 20);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_request, operation) == 24);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_request, flags) == 25);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_response, status) == 8);
G_STATIC_ASSERT(offsetof(struct xen_hostmem_response, operation) == 12);

/* A posted request that has no response yet; not accessible to the guest. */
typedef struct Slot {
    uint64_t id;
    uint32_t first;
    uint32_t nr_refs;   /* 0 for UNMAP */
    uint8_t operation;
} Slot;

G_STATIC_ASSERT(NR_SLOTS == 64);    /* one bit of busy per slot */

struct XenHostmemRing {
    xen_hostmem_front_ring_t front;
    uint32_t *refs;
    uint32_t nr_refs;
    uint64_t unexpected;
    uint64_t busy;      /* one bit per slot */
    uint32_t next_ref;  /* index after the last references posted */
    Slot slots[NR_SLOTS];
};

XenHostmemRing *xen_hostmem_ring_new(void *page, uint32_t *refs,
                                     uint32_t nr_refs)
{
    XenHostmemRing *ring = g_new0(XenHostmemRing, 1);

    /*
     * Both indexes start at 0. The frontend has initialised the page (R4), but
     * this does not rely on it.
     */
    FRONT_RING_INIT(&ring->front, (xen_hostmem_sring_t *)page,
                    XEN_HOSTMEM_PAGE_SIZE);
    ring->refs = refs;
    ring->nr_refs = nr_refs;
    return ring;
}

void xen_hostmem_ring_free(XenHostmemRing *ring)
{
    g_free(ring);
}

uint64_t xen_hostmem_ring_unexpected(const XenHostmemRing *ring)
{
    return ring->unexpected;
}

static Slot *find_free_slot(XenHostmemRing *ring)
{
    return ~ring->busy ? &ring->slots[__builtin_ctzll(~ring->busy)] : NULL;
}

static uint64_t slot_bit(const XenHostmemRing *ring, const Slot *slot)
{
    return 1ull << (slot - ring->slots);
}

static Slot *find_posted(XenHostmemRing *ring, uint64_t id, uint8_t operation)
{
    for (uint64_t left = ring->busy; left; left &= left - 1) {
        Slot *slot = &ring->slots[__builtin_ctzll(left)];

        if (slot->id == id && slot->operation == operation) {
            return slot;
        }
    }
    return NULL;
}

/* A slot that uses any of the references [@first, @first + @n), or NULL. */
static const Slot *find_overlap(const XenHostmemRing *ring, uint32_t first,
                                uint32_t n)
{
    for (uint64_t left = ring->busy; left; left &= left - 1) {
        const Slot *s = &ring->slots[__builtin_ctzll(left)];

        if (s->nr_refs && first < s->first + s->nr_refs &&
            s->first < first + n) {
            return s;
        }
    }
    return NULL;
}

/*
 * First fit, starting at @at. Each step skips a range in use, and there are at
 * most as many as slots, so the loop is bounded.
 */
static bool alloc_from(const XenHostmemRing *ring, uint32_t at, uint32_t n,
                       uint32_t *first)
{
    while (n <= ring->nr_refs && at <= ring->nr_refs - n) {
        const Slot *s = find_overlap(ring, at, n);

        if (!s) {
            *first = at;
            return true;
        }
        at = s->first + s->nr_refs;
    }
    return false;
}

/* There is usually room after the last references posted: try that first. */
static bool alloc_refs(const XenHostmemRing *ring, uint32_t n, uint32_t *first)
{
    return alloc_from(ring, ring->next_ref, n, first) ||
           alloc_from(ring, 0, n, first);
}

bool xen_hostmem_ring_post(XenHostmemRing *ring, const XenHostmemRequest *req,
                           const uint32_t *refs)
{
    struct xen_hostmem_request *wire;
    Slot *slot = find_free_slot(ring);
    uint32_t nr_refs, first = 0;

    switch (req->operation) {
    case XEN_HOSTMEM_OP_MAP:
        nr_refs = req->nr_pages;
        break;
    case XEN_HOSTMEM_OP_UNMAP:
        nr_refs = 0;
        break;
    default:
        return false;
    }
    if (!slot || RING_FULL(&ring->front) ||
        (nr_refs && !alloc_refs(ring, nr_refs, &first))) {
        return false;
    }

    *slot = (Slot) {
        .id = req->id,
        .operation = req->operation,
        .first = first,
        .nr_refs = nr_refs,
    };
    ring->busy |= slot_bit(ring, slot);
    if (nr_refs) {
        ring->next_ref = first + nr_refs;
        memcpy(ring->refs + first, refs, nr_refs * sizeof(*refs));
    }

    wire = RING_GET_REQUEST(&ring->front, ring->front.req_prod_pvt);
    *wire = (struct xen_hostmem_request) {
        .id = req->id,
        .offset = req->offset,
        .nr_pages = req->nr_pages,
        .first = first,
        .operation = req->operation,
        .flags = req->live ? XEN_HOSTMEM_LIVE : 0,
    };
    ring->front.req_prod_pvt++;
    return true;
}

bool xen_hostmem_ring_push(XenHostmemRing *ring)
{
    bool notify;

    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring->front, notify);
    return notify;
}

static int32_t checked_status(int32_t status)
{
    switch (status) {
    case XEN_HOSTMEM_OK:
    case XEN_HOSTMEM_ENOENT:
    case XEN_HOSTMEM_ENOMEM:
    case XEN_HOSTMEM_EEXIST:
    case XEN_HOSTMEM_ENODEV:
    case XEN_HOSTMEM_EINVAL:
    case XEN_HOSTMEM_ENOSPC:
        return status;
    default:
        return XEN_HOSTMEM_EIO;     /* R15 */
    }
}

/* Returns true if there is a response; if not, re-arms the event. */
static bool have_response(XenHostmemRing *ring)
{
    int more;

    RING_FINAL_CHECK_FOR_RESPONSES(&ring->front, more);
    return more;
}

XenHostmemRingResult xen_hostmem_ring_next(XenHostmemRing *ring,
                                           XenHostmemReply *reply)
{
    while (have_response(ring)) {
        struct xen_hostmem_response wire;
        RING_IDX prod = qatomic_read(&ring->front.sring->rsp_prod);
        Slot *slot;

        /*
         * There cannot be more responses than requests. This bounds the loop,
         * whatever the guest writes to the index meanwhile (R22).
         */
        if (prod - ring->front.rsp_cons >
            ring->front.req_prod_pvt - ring->front.rsp_cons) {
            return XEN_HOSTMEM_RING_BROKEN;
        }
        if (prod == ring->front.rsp_cons) {
            return XEN_HOSTMEM_RING_EMPTY;      /* decremented meanwhile */
        }
        xen_rmb();
        RING_COPY_RESPONSE(&ring->front, ring->front.rsp_cons, &wire);
        ring->front.rsp_cons++;

        slot = find_posted(ring, wire.id, wire.operation);
        if (!slot) {
            ring->unexpected++;
            continue;
        }
        ring->busy &= ~slot_bit(ring, slot);
        *reply = (XenHostmemReply) {
            .id = wire.id,
            .operation = wire.operation,
            .status = checked_status(wire.status),
        };
        return XEN_HOSTMEM_RING_REPLY;
    }
    return XEN_HOSTMEM_RING_EMPTY;
}
