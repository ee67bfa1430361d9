/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz the ring: the frontend writes anything to the shared pages at any time.
 * Checks R22 (no unbounded work, nothing out of bounds), and that each reply
 * answers a posted request that has not been answered before (I4).
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/ring.h"
#include "fuzz.h"

#define NR_REFS     64
#define SLOTS       64
#define IDS         16

typedef struct Fuzz {
    xen_hostmem_sring_t *page;
    uint32_t *refs;
    XenHostmemRing *ring;
    unsigned outstanding[IDS][3];       /* by id and operation */
    const uint8_t *data;
    size_t left;
} Fuzz;

static uint8_t octet(Fuzz *f)
{
    if (!f->left) {
        return 0;
    }
    f->left--;
    return *f->data++;
}

static void post(Fuzz *f)
{
    uint8_t what = octet(f);
    uint32_t refs[NR_REFS] = { 0 };
    XenHostmemRequest req = {
        .id = what % IDS,
        .operation = what & 0x80 ? XEN_HOSTMEM_OP_MAP : XEN_HOSTMEM_OP_UNMAP,
        .nr_pages = 1 + octet(f) % NR_REFS,
        .live = what & 0x40,
    };
    bool map = req.operation == XEN_HOSTMEM_OP_MAP;

    if (f->outstanding[req.id][req.operation]) {
        return;                         /* the window never posts it twice */
    }
    if (xen_hostmem_ring_post(f->ring, &req, map ? refs : NULL)) {
        f->outstanding[req.id][req.operation] = 1;
    }
}

static void next(Fuzz *f)
{
    XenHostmemReply reply;

    /* As in frontend.c: until it is empty, at most one reply per slot. */
    for (unsigned i = 0; i <= SLOTS; i++) {
        if (xen_hostmem_ring_next(f->ring, &reply) !=
            XEN_HOSTMEM_RING_REPLY) {
            return;
        }
        g_assert_cmpuint(reply.id, <, IDS);
        g_assert_cmpuint(reply.operation, <=, XEN_HOSTMEM_OP_UNMAP);
        g_assert_cmpuint(f->outstanding[reply.id][reply.operation], ==, 1);
        g_assert_cmpint(reply.status, <=, 0);
        f->outstanding[reply.id][reply.operation] = 0;
    }
    g_assert_not_reached();
}

/* Overwrite any octets of the page. */
static void scribble(Fuzz *f)
{
    size_t at = (octet(f) << 8 | octet(f)) % XEN_HOSTMEM_PAGE_SIZE;
    uint8_t count = octet(f) % 16;

    for (size_t i = at; i < at + count && i < XEN_HOSTMEM_PAGE_SIZE; i++) {
        ((uint8_t *)f->page)[i] = octet(f);
    }
}

/* Write a response that is valid or nearly valid. */
static void respond(Fuzz *f)
{
    uint8_t what = octet(f);
    struct xen_hostmem_response *rsp =
        &f->page->ring[f->page->rsp_prod % SLOTS].rsp;

    *rsp = (struct xen_hostmem_response) {
        .id = what % (IDS + 1),
        .operation = what >> 6,
        .status = -(int32_t)octet(f),
    };
    f->page->rsp_prod++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz f = { .data = data, .left = size };

    f.page = g_malloc0(XEN_HOSTMEM_PAGE_SIZE);
    f.refs = g_new0(uint32_t, NR_REFS);
    SHARED_RING_INIT(f.page);
    f.ring = xen_hostmem_ring_new(f.page, f.refs, NR_REFS);
    while (f.left) {
        switch (octet(&f) % 8) {
        case 0 ... 1:
            post(&f);
            break;
        case 2:
            xen_hostmem_ring_push(f.ring);
            break;
        case 3 ... 4:
            next(&f);
            break;
        case 5 ... 6:
            respond(&f);
            break;
        case 7:
            scribble(&f);
            break;
        }
    }
    xen_hostmem_ring_free(f.ring);
    g_free(f.refs);
    g_free(f.page);
    return 0;
}
