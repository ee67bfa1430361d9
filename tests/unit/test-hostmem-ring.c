/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring, with a frontend that writes valid and invalid responses
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/ring.h"

#define NR_REFS 64
#define SLOTS   64      /* of a ring page, according to the wire header */

typedef struct Fixture {
    xen_hostmem_sring_t *page;
    uint32_t refs[NR_REFS];
    XenHostmemRing *ring;
    RING_IDX answered;
} Fixture;

static void fixture_init(Fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->page = g_malloc0(XEN_HOSTMEM_PAGE_SIZE);
    SHARED_RING_INIT(f->page);
    f->ring = xen_hostmem_ring_new(f->page, f->refs, NR_REFS);
}

static void fixture_fini(Fixture *f)
{
    xen_hostmem_ring_free(f->ring);
    g_free(f->page);
}

static bool post(Fixture *f, uint64_t id, uint8_t op, uint32_t pages)
{
    XenHostmemRequest req = {
        .id = id, .offset = id << 12, .nr_pages = pages, .operation = op,
    };
    uint32_t refs[NR_REFS];

    for (uint32_t i = 0; i < NR_REFS; i++) {
        refs[i] = id * 1000 + i;
    }
    return xen_hostmem_ring_post(f->ring, &req, refs);
}

static void answer(Fixture *f, uint64_t id, uint8_t op, int32_t status)
{
    struct xen_hostmem_response *rsp =
        &f->page->ring[f->answered++ % SLOTS].rsp;

    *rsp = (struct xen_hostmem_response) {
        .id = id, .operation = op, .status = status,
    };
    f->page->rsp_prod = f->answered;
}

/* The octets of a request are as specified. */
static void test_wire(void)
{
    static const uint8_t expected[32] = {
        0x02, 0x01, 0, 0, 0, 0, 0, 0,   0x00, 0x20, 0x10, 0, 0, 0, 0, 0,
        3, 0, 0, 0,   0, 0, 0, 0,   1, 1, 0, 0, 0, 0, 0, 0,
    };
    Fixture f;
    XenHostmemRequest req = {
        .id = 0x102, .offset = 0x102000, .nr_pages = 3,
        .operation = XEN_HOSTMEM_OP_MAP, .live = true,
    };
    uint32_t refs[3] = { 7, 8, 9 };

    fixture_init(&f);
    g_assert_true(xen_hostmem_ring_post(f.ring, &req, refs));
    g_assert_cmpuint(f.page->req_prod, ==, 0);      /* not yet pushed */
    g_assert_true(xen_hostmem_ring_push(f.ring));
    g_assert_cmpuint(f.page->req_prod, ==, 1);
    g_assert_cmpmem(&f.page->ring[0].req, 32, expected, 32);
    g_assert_cmpmem(f.refs, 12, refs, 12);
    fixture_fini(&f);
}

/* R8: the references of an unanswered request are not overwritten. */
static void test_buffer(void)
{
    XenHostmemReply reply;
    Fixture f;

    fixture_init(&f);
    g_assert_true(post(&f, 1, XEN_HOSTMEM_OP_MAP, 30));
    g_assert_true(post(&f, 2, XEN_HOSTMEM_OP_MAP, 30));
    g_assert_false(post(&f, 3, XEN_HOSTMEM_OP_MAP, 5));     /* 4 left */
    g_assert_true(post(&f, 4, XEN_HOSTMEM_OP_MAP, 4));
    g_assert_false(post(&f, 5, XEN_HOSTMEM_OP_MAP, NR_REFS + 1));
    g_assert_false(post(&f, 5, XEN_HOSTMEM_OP_MAP, UINT32_MAX));
    g_assert_true(post(&f, 6, XEN_HOSTMEM_OP_UNMAP, 1000));
    xen_hostmem_ring_push(f.ring);

    answer(&f, 2, XEN_HOSTMEM_OP_MAP, 0);
    g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                    XEN_HOSTMEM_RING_REPLY);
    g_assert_true(post(&f, 7, XEN_HOSTMEM_OP_MAP, 30));
    g_assert_cmpuint(f.refs[0], ==, 1000);
    g_assert_cmpuint(f.refs[30], ==, 7000);
    g_assert_cmpuint(f.refs[60], ==, 4000);
    fixture_fini(&f);
}

static void test_full(void)
{
    XenHostmemReply reply;
    Fixture f;

    fixture_init(&f);
    for (unsigned i = 0; i < SLOTS; i++) {
        g_assert_true(post(&f, i, XEN_HOSTMEM_OP_UNMAP, 1));
    }
    g_assert_false(post(&f, SLOTS, XEN_HOSTMEM_OP_UNMAP, 1));
    xen_hostmem_ring_push(f.ring);
    answer(&f, 5, XEN_HOSTMEM_OP_UNMAP, 0);
    g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                    XEN_HOSTMEM_RING_REPLY);
    g_assert_true(post(&f, SLOTS, XEN_HOSTMEM_OP_UNMAP, 1));
    fixture_fini(&f);
}

/* R22: responses to no request, for another operation, repeated. */
static void test_unexpected(void)
{
    XenHostmemReply reply;
    Fixture f;

    fixture_init(&f);
    for (unsigned i = 1; i <= 4; i++) {
        g_assert_true(post(&f, i, XEN_HOSTMEM_OP_MAP, 1));
    }
    xen_hostmem_ring_push(f.ring);
    answer(&f, 99, XEN_HOSTMEM_OP_MAP, 0);
    answer(&f, 1, XEN_HOSTMEM_OP_UNMAP, 0);
    answer(&f, 2, XEN_HOSTMEM_OP_MAP, 0);
    answer(&f, 2, XEN_HOSTMEM_OP_MAP, 0);
    g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                    XEN_HOSTMEM_RING_REPLY);
    g_assert_cmpuint(reply.id, ==, 2);
    g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                    XEN_HOSTMEM_RING_EMPTY);
    g_assert_cmpuint(xen_hostmem_ring_unexpected(f.ring), ==, 3);
    fixture_fini(&f);
}

/* R22: indexes ahead of the requests, or far behind. */
static void test_broken(void)
{
    static const RING_IDX prods[] = { 2, 65, 1000, 0x80000000, UINT32_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(prods); i++) {
        XenHostmemReply reply;
        Fixture f;

        fixture_init(&f);
        g_assert_true(post(&f, 1, XEN_HOSTMEM_OP_MAP, 1));
        xen_hostmem_ring_push(f.ring);
        f.page->rsp_prod = prods[i];
        g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                        XEN_HOSTMEM_RING_BROKEN);
        fixture_fini(&f);
    }
}

/* R15: an unknown status becomes EIO. */
static void test_status(void)
{
    static const int32_t from[] = { 0, -2, -5, -12, -17, -19, -22, -28,
                                    1, -1, INT32_MIN, INT32_MAX };
    static const int32_t to[] = { 0, -2, -5, -12, -17, -19, -22, -28,
                                  -5, -5, -5, -5 };
    Fixture f;

    fixture_init(&f);
    for (unsigned i = 0; i < G_N_ELEMENTS(from); i++) {
        XenHostmemReply reply;

        g_assert_true(post(&f, i, XEN_HOSTMEM_OP_MAP, 1));
        xen_hostmem_ring_push(f.ring);
        answer(&f, i, XEN_HOSTMEM_OP_MAP, from[i]);
        g_assert_cmpint(xen_hostmem_ring_next(f.ring, &reply), ==,
                        XEN_HOSTMEM_RING_REPLY);
        g_assert_cmpint(reply.status, ==, to[i]);
    }
    fixture_fini(&f);
}

/* What is neither a MAP nor an UNMAP is not posted. */
static void test_operation(void)
{
    Fixture f;

    fixture_init(&f);
    g_assert_false(post(&f, 1, 0, 1));
    g_assert_false(post(&f, 1, XEN_HOSTMEM_OP_UNMAP + 1, 1));
    xen_hostmem_ring_push(f.ring);
    g_assert_cmpuint(f.page->req_prod, ==, 0);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ring/wire", test_wire);
    g_test_add_func("/ring/buffer", test_buffer);
    g_test_add_func("/ring/full", test_full);
    g_test_add_func("/ring/unexpected", test_unexpected);
    g_test_add_func("/ring/broken", test_broken);
    g_test_add_func("/ring/status", test_status);
    g_test_add_func("/ring/operation", test_operation);
    return g_test_run();
}
