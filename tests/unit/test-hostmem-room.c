/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room and rules: the quota, its part reserved for rings, the policies, and
 * retries for blobs that were trapped for a temporary reason (I5)
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/p2m.h"
#include "hw/xen/hostmem/retry.h"
#include "hw/xen/hostmem/room.h"
#include "hostmem-fake-guest.h"

#define PAGES(n) ((n) * (uint64_t)XEN_HOSTMEM_PAGE_SIZE)

static FakeGuest *connected(bool grant, bool trap, unsigned quota)
{
    XenHostmemRules rules = { grant, trap, PAGES(quota) };
    FakeGuest *f = fake_guest_new_rules(&rules);

    fake_arrive(f);
    return f;
}

static void expect_granted(FakeGuest *f, int rc)
{
    g_assert_cmpint(rc, ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
}

static void unmap_granted(FakeGuest *f, uint32_t blob)
{
    g_assert_cmpint(fake_unmap(f, blob), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
}

/* A blob over quota is trapped, and granted when there is room again. */
static void test_quota(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map(f, 1, 0, 10));
    g_assert_cmpint(fake_map(f, 2, 10, 5), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 1);
    fake_pass(f, 200000);
    g_assert_cmpuint(f->imports_tried, ==, 1);
    unmap_granted(f, 1);
    g_assert_cmpuint(fake_granted(f), ==, 5);
    fake_guest_free(f);
}

/* An eighth of the quota is reserved for blobs that may be rings. */
static void test_reserved_for_rings(void)
{
    FakeGuest *f = connected(true, true, 16);

    g_assert_cmpint(fake_map(f, 1, 0, 15), ==, 0);
    expect_granted(f, fake_map(f, 2, 15, 14));
    expect_granted(f, fake_map_ring(f, 3, 29, 2));
    g_assert_cmpint(fake_map_ring(f, 4, 31, 1), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 2);
    fake_guest_free(f);
}

/* When there is room again, rings are granted before older blobs. */
static void test_rings_first(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map_ring(f, 1, 0, 16));
    g_assert_cmpint(fake_map(f, 2, 16, 10), ==, 0);
    g_assert_cmpint(fake_map_ring(f, 3, 26, 10), ==, 0);
    unmap_granted(f, 1);
    g_assert_cmpuint(f->frames[16], ==, 0);
    g_assert_cmpuint(f->frames[26], !=, 0);
    fake_guest_free(f);
}

/* A blob that is too large for the room does not block a smaller one. */
static void test_smaller_behind(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map_ring(f, 1, 0, 16));
    g_assert_cmpint(fake_map(f, 2, 16, 15), ==, 0);
    g_assert_cmpint(fake_map(f, 3, 31, 4), ==, 0);
    unmap_granted(f, 1);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* Full grant table: retries at increasing intervals. */
static void test_table_full(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    g_assert_cmpint(fake_map(f, 2, 4, 4), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_GRANT_TABLE_FULL),
                     ==, 2);
    fake_pass(f, 300000);
    /* After 1, 2, 4 ... 64 s and then every 64 s, each time for one blob. */
    g_assert_cmpuint(f->imports_tried, >=, 8);
    g_assert_cmpuint(f->imports_tried, <=, 16);
    f->import_error = 0;
    fake_pass(f, 65000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 8);
    fake_guest_free(f);
}

/* The default quota: the window, but at most a quarter of the grant table. */
static void test_default_quota(void)
{
    static const struct {
        uint64_t window, table_pages, quota;
    } cases[] = {
        { PAGES(65536), 64 * 512, PAGES(8192) },    /* Xen's default */
        { PAGES(65536), 2048 * 512, PAGES(65536) },
        { PAGES(1024), 64 * 512, PAGES(1024) },
        { PAGES(65536), 4 * 65536, PAGES(65536) },
        { PAGES(65536), 4 * 65535, PAGES(65535) },
        { PAGES(65536), 0, PAGES(65536) },          /* not known */
        { PAGES(1ull << 40), 64 * 512, PAGES(8192) },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpuint(xen_hostmem_room_default_quota(cases[i].window,
                                                        cases[i].table_pages),
                         ==, cases[i].quota);
    }
}

/* Small blobs and rings count, too: together they cannot exceed the quota. */
static void test_small_blobs(void)
{
    FakeGuest *f = connected(true, true, 4);

    for (uint32_t blob = 1; blob <= FAKE_BLOBS; blob++) {
        int rc = fake_map_ring(f, blob, blob, 1);

        g_assert_cmpint(rc, ==, blob <= 4 ? -EINPROGRESS : 0);
        fake_answer_all(f);
    }
    g_assert_cmpuint(fake_granted(f), ==, 4);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 4);
    fake_guest_free(f);
}

/*
 * A blob that is a part of a buffer counts as much as the buffer, which the
 * kernel keeps as a whole, until the guest has let go of the last page.
 */
static void test_whole_buffers(void)
{
    FakeGuest *f = connected(true, true, 16);

    f->buffer_pages = 10;
    expect_granted(f, fake_map(f, 1, 0, 1));
    g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, PAGES(1));
    g_assert_cmpuint(xen_hostmem_window_pinned(f->w), ==, PAGES(10));
    g_assert_cmpint(fake_map(f, 2, 1, 1), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 1);
    f->buffer_pages = 0;
    expect_granted(f, fake_map(f, 3, 2, 4));
    /* Where it has mapped a page of the first one, the kernel knows. */
    f->hoards = true;
    unmap_granted(f, 1);
    fake_pass(f, 100000);
    g_assert_cmpuint(xen_hostmem_window_pinned(f->w), ==, PAGES(14));
    g_assert_cmpuint(f->frames[1], ==, 0);
    f->hoards = false;
    g_array_set_size(f->kept, 0);
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(f->frames[1], !=, 0);
    g_assert_cmpuint(xen_hostmem_window_pinned(f->w), ==, PAGES(14));
    fake_guest_free(f);
}

/* A page of a buffer larger than the quota is never granted, nor tried. */
static void test_part_of_large_buffer(void)
{
    FakeGuest *f = connected(true, true, 16);

    f->buffer_pages = 1ull << 40;
    g_assert_cmpint(fake_map(f, 1, 0, 1), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 1);
    fake_pass(f, 300000);
    g_assert_cmpuint(f->imports_tried, ==, 0);
    fake_guest_free(f);
}

/*
 * With a quota as large as the window nothing is reserved from whole buffers;
 * parts cannot use up what rings need.
 */
static void test_parts_and_rings(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    expect_granted(f, fake_map(f, 1, 0, FAKE_PAGES));
    unmap_granted(f, 1);
    f->buffer_pages = 20;
    expect_granted(f, fake_map(f, 1, 0, 1));
    expect_granted(f, fake_map(f, 2, 1, 1));
    g_assert_cmpint(fake_map(f, 3, 2, 1), ==, 0);
    f->buffer_pages = 0;
    g_assert_cmpint(fake_map(f, 4, 3, 17), ==, 0);
    expect_granted(f, fake_map(f, 5, 20, 16));
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), ==, 2);
    expect_granted(f, fake_map_ring(f, 6, 40, FAKE_PAGES / 8));
    g_assert_cmpuint(xen_hostmem_window_pinned(f->w), ==, FAKE_SIZE);
    fake_guest_free(f);
}

/*
 * The module's limit for the buffers of one guest: named, tried again, and no
 * obstacle to a larger blob of a smaller buffer.
 */
static void test_pin_limit(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->pin_limit = 2;
    f->buffer_pages = 10;
    g_assert_cmpint(fake_map(f, 1, 0, 1), ==, 0);
    f->buffer_pages = 0;
    g_assert_cmpint(fake_map(f, 2, 1, 4), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_PIN_LIMIT), ==, 2);
    f->pin_limit = 4;
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    f->pin_limit = UINT64_MAX;
    fake_pass(f, 100000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 5);
    fake_guest_free(f);
}

/* The module's limit for one guest: granted later, also if nothing is freed. */
static void test_peer_limit(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->import_error = -EDQUOT;
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_PEER_LIMIT), ==, 1);
    fake_pass(f, 10000);
    g_assert_cmpuint(f->imports_tried, >=, 3);
    f->import_error = 0;
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* Xen has no page for a table: named, and tried again at times. */
static void test_p2m_full(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);
    unsigned posted = 0;

    for (uint32_t blob = 1; blob <= FAKE_BLOBS; blob++) {
        g_assert_cmpint(fake_map(f, blob, 4 * blob, 2), ==, -EINPROGRESS);
        fake_pump(f);
        fake_answer(f, XEN_HOSTMEM_ENOSPC);
    }
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_GUEST_P2M_FULL), ==,
                     FAKE_BLOBS);
    for (int second = 0; second < 100; second++) {
        fake_pass(f, 1000);
        while (!g_queue_is_empty(&f->posted)) {
            fake_answer(f, XEN_HOSTMEM_ENOSPC);
            posted++;
        }
    }
    g_assert_cmpuint(posted, >=, 5);
    g_assert_cmpuint(posted, <=, 9);
    fake_pass(f, 65000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 2 * FAKE_BLOBS);
    fake_guest_free(f);
}

#define REGION  512             /* pages of a table of the p2m */

/* Blobs other than rings use at most half of the pool. */
static void test_p2m_kept_for_rings(void)
{
    XenHostmemP2m p2m;

    xen_hostmem_p2m_init(&p2m, PAGES(16 * REGION));
    g_assert_true(xen_hostmem_p2m_has(&p2m, 0, 16 * REGION, false));
    xen_hostmem_p2m_limit(&p2m, 8);
    g_assert_false(xen_hostmem_p2m_has(&p2m, 0, 16 * REGION, false));
    g_assert_false(xen_hostmem_p2m_has(&p2m, 0, 4 * REGION + 1, false));
    g_assert_true(xen_hostmem_p2m_has(&p2m, 0, 4 * REGION, false));
    g_assert_false(xen_hostmem_p2m_has(&p2m, PAGES(1), 4 * REGION, false));
    xen_hostmem_p2m_use(&p2m, PAGES(REGION - 1), 2);        /* 0, 1 */
    xen_hostmem_p2m_use(&p2m, PAGES(5 * REGION), 1);        /* 5 */
    g_assert_false(xen_hostmem_p2m_has(&p2m, PAGES(2 * REGION), 2 * REGION,
                                       false));
    g_assert_true(xen_hostmem_p2m_has(&p2m, PAGES(2 * REGION), REGION, false));
    xen_hostmem_p2m_use(&p2m, PAGES(15 * REGION), REGION);  /* 15 */
    g_assert_false(xen_hostmem_p2m_has(&p2m, PAGES(2 * REGION), 1, false));
    g_assert_true(xen_hostmem_p2m_has(&p2m, PAGES(2 * REGION), 1, true));
    /* Where there is a table, nothing more is needed. */
    g_assert_true(xen_hostmem_p2m_has(&p2m, 0, 2 * REGION, false));
    g_assert_true(xen_hostmem_p2m_has(&p2m, PAGES(15 * REGION + 7), 1, false));
    xen_hostmem_p2m_destroy(&p2m);
}

/* The same for a window: a blob is trapped without asking the guest. */
static void test_p2m_limit(void)
{
    XenHostmemRules rules = { true, true, PAGES(4 * REGION) };
    FakeGuest *f = fake_guest_new_size(&rules, PAGES(4 * REGION));
    uint8_t host[1];
    XenHostmemBuffer buf = {
        .size = PAGES(2 * REGION), .host = host, .dmabuf = fake_dmabuf(),
    };

    xen_hostmem_window_limit_p2m(f->w, 3);
    fake_arrive(f);
    expect_granted(f, fake_map(f, 1, 0, 4));
    g_assert_cmpint(xen_hostmem_window_map(f->w, 100, PAGES(REGION), &buf), ==,
                    0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_GUEST_P2M_FULL), ==,
                     1);
    fake_pass(f, 300000);
    g_assert_cmpuint(f->imports_tried, ==, 1);
    fake_guest_free(f);
}

/* A guest without memory: the map is retried, but not in a tight loop. */
static void test_guest_full(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);
    unsigned posted = 0;

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_pump(f);
    for (unsigned second = 0; second < 100; second++) {
        while (!g_queue_is_empty(&f->posted)) {
            fake_answer(f, XEN_HOSTMEM_ENOMEM);
            posted++;
        }
        fake_pass(f, 1000);
    }
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(posted, >=, 4);
    g_assert_cmpuint(posted, <=, 9);
    fake_pass(f, 65000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* Without descriptors there is no dma-buf: the export is retried. */
static void test_no_descriptors(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->export_error = XEN_HOSTMEM_REASON_NO_DESCRIPTORS;
    g_assert_cmpint(fake_map_no_dmabuf(f, 1, 0, 4,
                                       XEN_HOSTMEM_REASON_NO_DESCRIPTORS),
                    ==, 0);
    fake_pass(f, 10000);
    g_assert_cmpuint(f->exports_tried, >=, 3);
    f->export_error = XEN_HOSTMEM_REASON_NONE;
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* Permanent reasons are not retried. */
static void test_no_retry(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    g_assert_cmpint(fake_map_no_dmabuf(f, 1, 0, 4,
                                       XEN_HOSTMEM_REASON_NOT_EXPORTABLE),
                    ==, 0);
    f->import_error = -EOPNOTSUPP;
    g_assert_cmpint(fake_map(f, 2, 4, 4), ==, 0);
    fake_pass(f, 100000);
    g_assert_cmpuint(f->exports_tried, ==, 0);
    g_assert_cmpuint(f->imports_tried, ==, 1);
    fake_guest_free(f);
}

/*
 * What the module or gntdev answers is a reason that a person can act on; and
 * only what may pass is tried again (I5).
 */
static void test_import_errors(void)
{
    static const struct {
        int error;
        XenHostmemReason reason;
        bool again;
    } rows[] = {
        { -EOPNOTSUPP, XEN_HOSTMEM_REASON_NOT_SYSTEM_RAM, false },
        { -ENOMEM, XEN_HOSTMEM_REASON_NO_MEMORY, true },
        { -ENOSPC, XEN_HOSTMEM_REASON_GRANT_TABLE_FULL, true },
        { -EDQUOT, XEN_HOSTMEM_REASON_PEER_LIMIT, true },
        { -ENOBUFS, XEN_HOSTMEM_REASON_PIN_LIMIT, true },
        { -EMFILE, XEN_HOSTMEM_REASON_NO_DESCRIPTORS, true },
        { -ENFILE, XEN_HOSTMEM_REASON_NO_DESCRIPTORS, true },
        { -ENOSYS, XEN_HOSTMEM_REASON_NO_PROVIDER, true },
        { -ENOTTY, XEN_HOSTMEM_REASON_NO_PROVIDER, true },
        { -E2BIG, XEN_HOSTMEM_REASON_TOO_LARGE, false },
        { -ERANGE, XEN_HOSTMEM_REASON_SIZE_MISMATCH, false },
        { -EPERM, XEN_HOSTMEM_REASON_GNTDEV_UNSAFE, false },
        { -EIO, XEN_HOSTMEM_REASON_IMPORT_FAILED, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        FakeGuest *f = connected(true, true, FAKE_PAGES);

        f->import_error = rows[i].error;
        g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
        g_assert_cmpuint(fake_fallbacks(f, rows[i].reason), ==, 1);
        fake_pass(f, 100000);
        g_assert_cmpint(f->imports_tried > 1, ==, rows[i].again);
        fake_guest_free(f);
    }
}

/* xen-hostmem=trapped: nothing is ever granted. */
static void test_trapped_only(void)
{
    FakeGuest *f = connected(false, true, FAKE_PAGES);

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    fake_pass(f, 100000);
    g_assert_cmpuint(f->imports_tried, ==, 0);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_POLICY), ==, 1);
    g_assert_cmpint(fake_unmap(f, 1), ==, 0);
    fake_guest_free(f);
}

/* xen-hostmem=granted: a map that cannot be granted fails. */
static void test_granted_only(void)
{
    FakeGuest *f = connected(true, false, 16);

    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EPERM);
    f->import_error = 0;
    g_assert_cmpint(fake_map(f, 1, 0, 15), ==, -EPERM);
    g_assert_cmpint(fake_map_no_dmabuf(f, 1, 0, 4,
                                       XEN_HOSTMEM_REASON_NOT_EXPORTABLE),
                    ==, -EPERM);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -ENOENT);

    g_assert_cmpint(fake_map(f, 1, 0, 8), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, XEN_HOSTMEM_OK);
    fake_answer(f, XEN_HOSTMEM_EIO);
    fake_answer_all(f);
    fake_pass(f, 2000);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);
    g_assert_cmpuint(fake_granted(f), ==, 0);

    expect_granted(f, fake_map(f, 1, 0, 8));
    g_assert_cmpuint(fake_granted(f), ==, 8);
    fake_guest_free(f);
}

static void test_granted_only_without_frontend(void)
{
    XenHostmemRules rules = { true, false, FAKE_SIZE };
    FakeGuest *f = fake_guest_new_rules(&rules);

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EPERM);
    fake_arrive(f);
    expect_granted(f, fake_map(f, 1, 0, 4));
    /* A blob in use stays usable when the driver leaves (I1). */
    fake_leave(f);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
    fake_arrive(f);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* The same for a map that waited for its range before. */
static void test_granted_only_after_wait(void)
{
    FakeGuest *f = connected(true, false, FAKE_PAGES);

    expect_granted(f, fake_map(f, 1, 0, 4));
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    f->import_error = -ENOSPC;
    fake_pump(f);
    fake_answer_all(f);
    fake_pass(f, 1000);
    g_assert_true(fake_take_settled(f, 2));
    g_assert_cmpint(f->blobs[2].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* A blob whose retries keep failing does not block those behind it. */
static void test_lasting_lack(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map(f, 1, 20, 10));
    f->export_error = XEN_HOSTMEM_REASON_UDMABUF_FAILED;
    g_assert_cmpint(fake_map_no_dmabuf(f, 2, 0, 4,
                                       XEN_HOSTMEM_REASON_UDMABUF_FAILED),
                    ==, 0);
    g_assert_cmpint(fake_map(f, 3, 40, 10), ==, 0);
    unmap_granted(f, 1);
    g_assert_cmpuint(fake_granted(f), ==, 10);
    fake_guest_free(f);
}

/* A table that is too full for a large blob may have room for a small one. */
static void test_table_full_for_large(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->import_limit = 2;
    g_assert_cmpint(fake_map(f, 1, 0, 8), ==, 0);
    g_assert_cmpint(fake_map(f, 2, 8, 4), ==, 0);
    f->import_limit = 4;
    fake_pass(f, 5000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* Answers all requests; with ENOMEM those at offset 0. Returns their number. */
static unsigned refuse_first(FakeGuest *f)
{
    unsigned refused = 0;

    while (!g_queue_is_empty(&f->posted)) {
        const FakeRequest *r = g_queue_peek_head(&f->posted);
        bool first = r->req.offset == 0;

        refused += first;
        fake_answer(f, first ? XEN_HOSTMEM_ENOMEM : XEN_HOSTMEM_OK);
    }
    return refused;
}

/* A guest that unmaps often does not cause more retries. */
static void test_unmap_storm(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);
    unsigned refused = 0;

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_pump(f);
    refused += refuse_first(f);
    for (int i = 0; i < 1000; i++) {
        g_assert_cmpint(fake_map(f, 2, 10, 1), ==, -EINPROGRESS);
        fake_pump(f);
        refused += refuse_first(f);
        fake_unmap(f, 2);
        fake_pump(f);
        refused += refuse_first(f);
    }
    g_assert_cmpuint(refused, <, 4);
    fake_guest_free(f);
}

/* Blobs that the guest could not map are retried one at a time. */
static void test_one_at_a_time(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);
    unsigned posted = 0;

    for (uint32_t blob = 1; blob <= FAKE_BLOBS; blob++) {
        g_assert_cmpint(fake_map(f, blob, 4 * blob, 2), ==, -EINPROGRESS);
        fake_pump(f);
        fake_answer(f, XEN_HOSTMEM_ENOMEM);
    }
    for (int second = 0; second < 100; second++) {
        fake_pass(f, 1000);
        while (!g_queue_is_empty(&f->posted)) {
            fake_answer(f, XEN_HOSTMEM_ENOMEM);
            posted++;
        }
    }
    g_assert_cmpuint(posted, >=, 5);
    g_assert_cmpuint(posted, <=, 9);
    /* When one succeeds, the others follow at once. */
    fake_pass(f, 65000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 2 * FAKE_BLOBS);
    fake_guest_free(f);
}

/* A map is retried even if the guest fails it late. */
static void test_late_lack(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    fake_pass(f, 10000);
    fake_arrive(f);
    fake_pass(f, 10000);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* A guest that fails maps slowly does not cause more retries. */
static void test_slow_lack(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);
    unsigned posted = 0;

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    for (int round = 0; round < 100; round++) {
        fake_pass(f, 3000);
        while (!g_queue_is_empty(&f->posted)) {
            fake_answer(f, XEN_HOSTMEM_ENOMEM);
            posted++;
        }
    }
    g_assert_cmpuint(posted, >=, 6);
    g_assert_cmpuint(posted, <=, 12);
    fake_guest_free(f);
}

/* The quota that a refused blob frees is available to the next one. */
static void test_quota_after_refusal(void)
{
    FakeGuest *f = connected(true, true, 16);

    fake_leave(f);
    g_assert_cmpint(fake_map_ring(f, 1, 0, 4), ==, 0);
    g_assert_cmpint(fake_map_ring(f, 2, 10, 14), ==, 0);
    fake_arrive(f);
    fake_pass(f, 10000);
    fake_answer(f, XEN_HOSTMEM_EIO);
    fake_pass(f, 2000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 14);
    fake_guest_free(f);
}

/* Without a dma-buf it may still be a ring: try again to export it. */
static void test_ring_without_descriptors(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map(f, 1, 0, 14));
    f->export_error = XEN_HOSTMEM_REASON_NO_DESCRIPTORS;
    g_assert_cmpint(fake_map_no_dmabuf(f, 2, 20, 2,
                                       XEN_HOSTMEM_REASON_NO_DESCRIPTORS),
                    ==, 0);
    fake_pass(f, 10000);
    g_assert_cmpuint(f->exports_tried, >, 2);
    fake_guest_free(f);
}

/* Retries start again at the shortest interval in a new shortage. */
static void test_backoff_ends(void)
{
    FakeGuest *f = connected(true, true, FAKE_PAGES);

    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    fake_pass(f, 300000);
    f->import_error = 0;
    fake_pass(f, 65000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_pass(f, 3600000);
    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 2, 4, 4), ==, 0);
    fake_pass(f, 2000);
    f->import_error = 0;
    fake_pass(f, 10000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 8);
    fake_guest_free(f);
}

/* A reason that replaces another is reported and counted. */
static void test_reason_changes(void)
{
    FakeGuest *f = fake_guest_new();
    unsigned reported;

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    reported = f->transitions[XEN_HOSTMEM_STATE_TRAPPED];
    f->import_error = -ENOSPC;
    fake_arrive(f);
    g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_TRAPPED], ==,
                     reported + 1);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_GRANT_TABLE_FULL),
                     ==, 1);
    fake_pass(f, 100000);
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_GRANT_TABLE_FULL),
                     ==, 1);
    fake_guest_free(f);
}

/* When the driver connects, rings are granted before blobs at lower offsets. */
static void test_rings_first_at_arrival(void)
{
    XenHostmemRules rules = { true, true, PAGES(16) };
    FakeGuest *f = fake_guest_new_rules(&rules);

    g_assert_cmpint(fake_map(f, 1, 0, 14), ==, 0);
    g_assert_cmpint(fake_map_ring(f, 2, 20, 10), ==, 0);
    fake_arrive(f);
    fake_answer_all(f);
    g_assert_cmpuint(f->frames[20], !=, 0);
    fake_guest_free(f);
}

/* xen-hostmem=granted: a map is refused if the frontend crashes meanwhile. */
static void test_granted_only_crash(void)
{
    FakeGuest *f = connected(true, false, FAKE_PAGES);

    g_assert_cmpint(fake_map(f, 1, 0, 8), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, XEN_HOSTMEM_OK);
    f->proves = false;
    fake_crash(f);
    fake_pass(f, 2000);
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* The same if a map fails halfway and cannot be undone. */
static void test_granted_only_stuck(void)
{
    FakeGuest *f = connected(true, false, FAKE_PAGES);

    f->proves = false;
    g_assert_cmpint(fake_map(f, 1, 0, 8), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, XEN_HOSTMEM_OK);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    fake_answer(f, XEN_HOSTMEM_EIO);
    fake_pass(f, 2000);
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* Two programs map and unmap more than the quota holds, as fast as they can. */
static void fight_for_quota(FakeGuest *f, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        for (uint32_t blob = 1; blob <= 2; blob++) {
            if (fake_unmap(f, blob) == -EINPROGRESS) {
                fake_pump(f);
                fake_answer_all(f);
            }
            if (fake_map(f, blob, 16 * blob, 10) == -EINPROGRESS) {
                fake_answer_all(f);
            }
        }
    }
}

/* The guest's CPUs are not stopped more often than the limit allows. */
static void test_stops(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map(f, 1, 16, 10));
    g_assert_cmpint(fake_map(f, 2, 32, 10), ==, 0);
    fight_for_quota(f, 1000);
    /* The last blob may exceed the limit by its other two requests. */
    g_assert_cmpuint(f->live_maps, <=, XEN_HOSTMEM_STOPS_PER_S + 2);
    g_assert_cmpuint(f->live_maps, >=, XEN_HOSTMEM_STOPS_PER_S / 2);
    for (unsigned second = 1; second <= 10; second++) {
        fake_pass(f, 1000);
        fake_answer_all(f);
        fight_for_quota(f, 100);
        g_assert_cmpuint(f->live_maps, <=,
                         (second + 1) * XEN_HOSTMEM_STOPS_PER_S + 2);
    }
    /* In the end, one of them is granted. */
    fake_pass(f, 2000);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 10);
    fake_guest_free(f);
}

/* A blob that waits for the limit is granted later, without another cause. */
static void test_stops_later(void)
{
    FakeGuest *f = connected(true, true, 16);

    expect_granted(f, fake_map(f, 1, 16, 10));
    g_assert_cmpint(fake_map(f, 2, 32, 10), ==, 0);
    while (f->live_maps < XEN_HOSTMEM_STOPS_PER_S) {
        fight_for_quota(f, 1);
    }
    fake_unmap(f, 1);
    fake_pump(f);
    fake_answer_all(f);
    fake_unmap(f, 2);
    fake_pump(f);
    fake_answer_all(f);
    expect_granted(f, fake_map_ring(f, 3, 0, 10));
    g_assert_cmpint(fake_map(f, 4, 10, 10), ==, 0);
    g_assert_cmpint(fake_map_ring(f, 5, 20, 10), ==, 0);
    /* There is room for one of the two, and the limit of rings is separate. */
    unmap_granted(f, 3);
    g_assert_cmpuint(f->frames[10], ==, 0);
    g_assert_cmpuint(f->frames[20], !=, 0);
    unmap_granted(f, 5);
    g_assert_cmpuint(fake_granted(f), ==, 0);
    fake_pass(f, 1000);
    fake_answer_all(f);
    g_assert_cmpuint(f->frames[10], !=, 0);
    fake_guest_free(f);
}

/* Maps blobs that the guest confirms, keeps, and claims to have unmapped. */
static void hoard(FakeGuest *f)
{
    f->hoards = true;
    for (unsigned i = 0; i < 60; i++) {
        uint64_t first = i % FAKE_PAGES;
        int rc = fake_map(f, 1, first, 4);

        if (rc == -EINPROGRESS) {
            fake_pump(f);
            fake_answer_all(f);
            fake_pass(f, 10000);
        }
        if (f->blobs[1].use == FAKE_IN_USE) {
            fake_unmap(f, 1);
            fake_pump(f);
            fake_answer_all(f);
        }
        fake_pass(f, 1000);
    }
}

/*
 * A guest that claims to have unmapped what it keeps gets no more than its
 * quota: what the kernel has not proven stays on the books.
 */
static void test_hoarding_guest(void)
{
    FakeGuest *f = connected(true, true, 16);

    hoard(f);
    /* Three blobs of four pages; two pages are reserved for rings. */
    g_assert_cmpuint(f->kept->len, ==, 12);
    g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, PAGES(12));
    g_assert_cmpuint(fake_fallbacks(f, XEN_HOSTMEM_REASON_QUOTA), >, 0);
    /* Once it lets go, it can use its quota again. */
    f->hoards = false;
    fake_forget_frames(f);
    fake_pass(f, 100000);
    g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, 0);
    expect_granted(f, fake_map(f, 1, 0, 14));
    g_assert_cmpuint(fake_granted(f), ==, 14);
    fake_guest_free(f);
}

/*
 * Without proof the books follow the guest's word.  That is why gntdev is not
 * used unless the administrator asks for it.
 */
static void test_hoarding_guest_believed(void)
{
    FakeGuest *f = connected(true, true, 16);

    f->proves = false;
    hoard(f);
    g_assert_cmpuint(f->kept->len, >, 16);
    g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, 0);
    fake_guest_free(f);
}

static void collect(void *opaque, const XenHostmemView *view)
{
    g_array_append_val((GArray *)opaque, *view);
}

static void test_foreach(void)
{
    FakeGuest *f = connected(true, true, 16);
    g_autoptr(GArray) views = g_array_new(false, false, sizeof(XenHostmemView));
    XenHostmemView *v;

    expect_granted(f, fake_map(f, 2, 8, 4));
    g_assert_cmpint(fake_map_no_dmabuf(f, 1, 0, 4,
                                       XEN_HOSTMEM_REASON_NOT_CACHED), ==, 0);
    xen_hostmem_window_foreach(f->w, collect, views);
    g_assert_cmpuint(views->len, ==, 2);
    v = &g_array_index(views, XenHostmemView, 0);
    g_assert_cmpuint(v->blob, ==, 1);
    g_assert_cmpint(v->state, ==, XEN_HOSTMEM_STATE_TRAPPED);
    g_assert_cmpint(v->reason, ==, XEN_HOSTMEM_REASON_NOT_CACHED);
    v = &g_array_index(views, XenHostmemView, 1);
    g_assert_cmpuint(v->blob, ==, 2);
    g_assert_cmpuint(v->offset, ==, PAGES(8));
    g_assert_cmpuint(v->size, ==, PAGES(4));
    g_assert_cmpint(v->state, ==, XEN_HOSTMEM_STATE_MAPPED);
    g_assert_true(v->wanted);
    g_assert_cmpuint(xen_hostmem_window_counters(f->w)->maps, ==, 2);
    g_assert_cmpuint(xen_hostmem_window_counters(f->w)->grants, ==, 1);
    unmap_granted(f, 2);
    g_assert_cmpuint(xen_hostmem_window_counters(f->w)->unmaps, ==, 1);
    fake_guest_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/quota", test_quota);
    g_test_add_func("/room/reserved-for-rings", test_reserved_for_rings);
    g_test_add_func("/room/rings-first", test_rings_first);
    g_test_add_func("/room/smaller-behind", test_smaller_behind);
    g_test_add_func("/room/table-full", test_table_full);
    g_test_add_func("/room/default-quota", test_default_quota);
    g_test_add_func("/room/small-blobs", test_small_blobs);
    g_test_add_func("/room/whole-buffers", test_whole_buffers);
    g_test_add_func("/room/part-of-large-buffer", test_part_of_large_buffer);
    g_test_add_func("/room/parts-and-rings", test_parts_and_rings);
    g_test_add_func("/room/pin-limit", test_pin_limit);
    g_test_add_func("/room/peer-limit", test_peer_limit);
    g_test_add_func("/room/p2m-full", test_p2m_full);
    g_test_add_func("/room/p2m-kept-for-rings", test_p2m_kept_for_rings);
    g_test_add_func("/room/p2m-limit", test_p2m_limit);
    g_test_add_func("/room/guest-full", test_guest_full);
    g_test_add_func("/room/no-descriptors", test_no_descriptors);
    g_test_add_func("/room/no-retry", test_no_retry);
    g_test_add_func("/room/trapped-only", test_trapped_only);
    g_test_add_func("/room/granted-only", test_granted_only);
    g_test_add_func("/room/granted-only-without-frontend",
                    test_granted_only_without_frontend);
    g_test_add_func("/room/granted-only-after-wait",
                    test_granted_only_after_wait);
    g_test_add_func("/room/hoarding-guest", test_hoarding_guest);
    g_test_add_func("/room/hoarding-guest-believed",
                    test_hoarding_guest_believed);
    g_test_add_func("/room/foreach", test_foreach);
    g_test_add_func("/room/lasting-lack", test_lasting_lack);
    g_test_add_func("/room/table-full-for-large", test_table_full_for_large);
    g_test_add_func("/room/unmap-storm", test_unmap_storm);
    g_test_add_func("/room/one-at-a-time", test_one_at_a_time);
    g_test_add_func("/room/late-lack", test_late_lack);
    g_test_add_func("/room/stops", test_stops);
    g_test_add_func("/room/stops-later", test_stops_later);
    g_test_add_func("/room/slow-lack", test_slow_lack);
    g_test_add_func("/room/quota-after-refusal", test_quota_after_refusal);
    g_test_add_func("/room/ring-without-descriptors",
                    test_ring_without_descriptors);
    g_test_add_func("/room/backoff-ends", test_backoff_ends);
    g_test_add_func("/room/import-errors", test_import_errors);
    g_test_add_func("/room/reason-changes", test_reason_changes);
    g_test_add_func("/room/rings-first-at-arrival",
                    test_rings_first_at_arrival);
    g_test_add_func("/room/granted-only-crash", test_granted_only_crash);
    g_test_add_func("/room/granted-only-stuck", test_granted_only_stuck);
    return g_test_run();
}
