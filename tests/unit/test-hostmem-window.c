/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window: the effect of each call and each event on a blob
 *
 * The fake guest checks the invariants after each step.
 */

#include "qemu/osdep.h"
#include "hostmem-fake-guest.h"

/* Memory that cannot be granted. */
static XenHostmemBuffer unexportable(void *host, uint64_t size)
{
    return (XenHostmemBuffer) {
        .size = size, .host = host, .dmabuf = -1,
        .reason = XEN_HOSTMEM_REASON_NOT_EXPORTABLE,
    };
}

static int map_unexportable(FakeGuest *f, uint32_t blob, uint64_t first,
                            uint64_t pages)
{
    return fake_map_no_dmabuf(f, blob, first, pages,
                              XEN_HOSTMEM_REASON_NOT_EXPORTABLE);
}

static void test_trapped_without_frontend(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
    g_assert_cmpint(fake_unmap(f, 1), ==, 0);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -ENOENT);
    fake_guest_free(f);
}

static void test_granted(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 8, 10), ==, -EINPROGRESS);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -EINPROGRESS);
    fake_pump(f);
    /* 10 pages, at most 4 per request (R9) */
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 3);
    fake_answer(f, 0);
    fake_answer(f, 0);
    g_assert_false(fake_take_settled(f, 1));
    fake_answer(f, 0);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(fake_granted(f), ==, 10);

    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EALREADY);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(fake_granted(f), ==, 0);
    fake_guest_free(f);
}

/* Invalid input is rejected and changes nothing (I4). */
static void test_bad_ranges(void)
{
    static const struct {
        uint64_t offset, size;
        int rc;
    } cases[] = {
        { 1, 4096, -EINVAL },
        { 512, 4096, -EINVAL },
        { 0, 0, -EINVAL },
        { FAKE_SIZE, 4096, -EINVAL },
        { FAKE_SIZE - 4096, 4097, -EINVAL },
        { 0, FAKE_SIZE + 1, -EINVAL },
        { 0, UINT64_MAX, -EINVAL },
        { 4096, UINT64_MAX - 4096, -EINVAL },
        { UINT64_MAX - 4095, 4096, -EINVAL },
        { FAKE_SIZE - 4096, 4096, 0 },
        { FAKE_SIZE - 8192, 1, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        FakeGuest *f = fake_guest_new();
        uint8_t host[1];
        XenHostmemBuffer buf = {
            .size = cases[i].size, .host = host, .dmabuf = -1,
            .reason = XEN_HOSTMEM_REASON_NOT_EXPORTABLE,
        };

        g_assert_cmpint(xen_hostmem_window_map(f->w, 1, cases[i].offset, &buf),
                        ==, cases[i].rc);
        fake_guest_free(f);
    }
}

/* A guest cannot use up the memory mappings of QEMU's process (I4). */
static void test_too_many(void)
{
    XenHostmemRules rules = { true, true, FAKE_SIZE };
    uint8_t host[1];
    XenHostmemBuffer buf = unexportable(host, sizeof(host));
    FakeGuest *f = fake_guest_new_size(&rules, (XEN_HOSTMEM_MAX_BLOBS + 1ull) *
                                               XEN_HOSTMEM_PAGE_SIZE);
    uint32_t blob;

    for (blob = 0; blob < XEN_HOSTMEM_MAX_BLOBS; blob++) {
        g_assert_cmpint(xen_hostmem_window_map(
                            f->w, blob + 1, blob * XEN_HOSTMEM_PAGE_SIZE, &buf),
                        ==, 0);
    }
    g_assert_cmpint(xen_hostmem_window_map(
                        f->w, blob + 1, blob * XEN_HOSTMEM_PAGE_SIZE, &buf),
                    ==, -ENOSPC);
    g_assert_cmpint(xen_hostmem_window_unmap(f->w, 1), ==, 0);
    g_assert_cmpint(xen_hostmem_window_map(f->w, 1, 0, &buf), ==, 0);
    fake_guest_free(f);
}

static void test_second_map(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    g_assert_cmpint(fake_map(f, 1, 8, 4), ==, -EEXIST);     /* same blob */
    g_assert_cmpint(fake_map(f, 2, 3, 4), ==, -EEXIST);     /* overlap */
    g_assert_cmpint(fake_map(f, 2, 0, 1), ==, -EEXIST);
    g_assert_cmpint(fake_map(f, 2, 4, 4), ==, 0);
    g_assert_cmpint(fake_map(f, 3, 0, FAKE_PAGES), ==, -EEXIST);
    fake_guest_free(f);
}

/* The last page of a blob may be incomplete. */
static void test_partial_page(void)
{
    FakeGuest *f = fake_guest_new();
    uint8_t host[100];
    XenHostmemBuffer buf = unexportable(host, sizeof(host));
    uint64_t len = 8;

    g_assert_cmpint(xen_hostmem_window_map(f->w, 1, 4096, &buf), ==, 0);
    g_assert_true(xen_hostmem_window_host(f->w, 4096 + 96, &len) == host + 96);
    g_assert_cmpuint(len, ==, 4);
    g_assert_null(xen_hostmem_window_host(f->w, 4096 + 100, &len));
    g_assert_null(xen_hostmem_window_host(f->w, 4095, &len));
    fake_guest_free(f);
}

/* I1: granted while in use, and back; the requests are LIVE (R12). */
static void test_live_switch(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 6), ==, 0);
    for (int i = 0; i < 3; i++) {
        fake_arrive(f);
        g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
        g_assert_true(((FakeRequest *)f->posted.head->data)->req.live);
        fake_answer(f, 0);
        fake_answer_all(f);
        g_assert_cmpuint(fake_granted(f), ==, 6);
        fake_leave(f);
        g_assert_cmpuint(fake_granted(f), ==, 0);
    }
    g_assert_false(fake_take_settled(f, 1));
    fake_guest_free(f);
}

/* The first map of a blob is not LIVE. */
static void test_first_map_is_not_live(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 1);
    fake_pump(f);
    g_assert_false(((FakeRequest *)f->posted.head->data)->req.live);
    fake_guest_free(f);
}

/* I5: a blob is trapped after each failure to import or to map. */
static void test_fallback(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 1, 0, 2), ==, 0);
    f->import_error = 0;
    g_assert_cmpint(map_unexportable(f, 2, 2, 2), ==, 0);

    /* The guest maps one of two chunks and fails the other. */
    g_assert_cmpint(fake_map(f, 3, 4, 8), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, 0);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    g_assert_false(fake_take_settled(f, 3));
    fake_answer_all(f);                     /* unmaps the first again */
    g_assert_true(fake_take_settled(f, 3));
    g_assert_cmpint(xen_hostmem_window_status(f->w, 3), ==, 0);
    g_assert_cmpuint(fake_granted(f), ==, 0);
    fake_guest_free(f);
}

/* The driver leaves during a MAP: the map succeeds, and the blob is trapped. */
static void test_leave_in_the_middle(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 12), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, 0);
    fake_leave(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
    fake_guest_free(f);
}

/* Calls between the guest's reply and the next pump (I1). */
static void test_settling(void)
{
    FakeGuest *f = fake_guest_new();
    uint8_t host[1];
    XenHostmemBuffer buf = unexportable(host, sizeof(host));

    fake_arrive(f);
    f->busy = true;
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_answer_all(f);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -EALREADY);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EALREADY);
    fake_pump(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);

    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -EALREADY);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EALREADY);
    g_assert_cmpint(xen_hostmem_window_map(f->w, 1, 0, &buf), ==, -EEXIST);
    fake_pump(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -ENOENT);
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_reset(f);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -ENOENT);
    fake_guest_free(f);
}

static void test_unmap_while_mapping(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 12), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, 0);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(fake_granted(f), ==, 0);
    fake_guest_free(f);
}

/* Nothing has been posted yet, so an unmap completes at once. */
static void test_unmap_before_post(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    /* The requests of another blob fill the ring. */
    g_assert_cmpint(fake_map(f, 2, 16, 4 * FAKE_SLOTS), ==, -EINPROGRESS);
    g_assert_cmpint(fake_map(f, 1, 0, 12), ==, -EINPROGRESS);
    g_assert_cmpint(fake_unmap(f, 1), ==, 0);
    fake_pump(f);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, FAKE_SLOTS);
    g_assert_false(fake_take_settled(f, 1));
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4 * FAKE_SLOTS);
    fake_guest_free(f);
}

/* A map is posted at once, so that the guest starts early. */
static void test_posted_at_once(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    g_assert_cmpuint(f->pushed, ==, 1);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    /* An unmap is posted by the next pump, together with others. */
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    g_assert_true(g_queue_is_empty(&f->posted));
    fake_pump(f);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    fake_guest_free(f);
}

/* I7: a range is only mapped again after it has been unmapped. */
static void test_remap_waits(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    g_assert_cmpint(fake_map(f, 2, 2, 4), ==, -EINPROGRESS);
    g_assert_cmpint(fake_map(f, 3, 4, 4), ==, -EEXIST);     /* 2 waits there */
    fake_pump(f);
    fake_answer(f, 0);
    g_assert_true(fake_take_settled(f, 1));
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 2));
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* A release that fails although the guest has unmapped all is tried again. */
static void test_release_fails(void)
{
    for (int proves = 0; proves < 2; proves++) {
        FakeGuest *f = fake_guest_new();

        f->proves = proves;
        fake_arrive(f);
        fake_map_granted(f, 1, 0, 4);
        g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
        fake_pump(f);
        f->fail_nth = f->calls + 1;
        fake_answer(f, XEN_HOSTMEM_OK);
        g_assert_true(fake_take_settled(f, 1));
        g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_QUARANTINED], ==, 1);
        fake_pass(f, 1000);
        g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, 0);
        fake_map_granted(f, 2, 0, 4);
        fake_guest_free(f);
    }
}

/* A map waits for all mappings in its range, others meanwhile for theirs. */
static void test_wait_for_several(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    for (uint32_t blob = 1; blob <= 4; blob++) {
        fake_map_granted(f, blob, 2 * blob, 2);
    }
    for (uint32_t blob = 1; blob <= 4; blob++) {
        g_assert_cmpint(fake_unmap(f, blob), ==, -EINPROGRESS);
    }
    fake_pump(f);
    g_assert_cmpint(fake_map(f, 5, 3, 4), ==, -EINPROGRESS);    /* 1, 2, 3 */
    g_assert_cmpint(fake_map(f, 6, 9, 4), ==, -EINPROGRESS);    /* 4 */
    g_assert_cmpint(fake_map(f, 7, 6, 3), ==, -EEXIST);         /* 5 */
    g_assert_cmpint(fake_map(f, 7, 7, 2), ==, -EINPROGRESS);    /* 3, 4 */
    g_assert_cmpint(fake_unmap(f, 7), ==, 0);
    fake_answer_nth(f, 3, XEN_HOSTMEM_OK);                      /* 4 is gone */
    fake_answer_nth(f, 3, XEN_HOSTMEM_OK);                      /* 6 */
    g_assert_true(fake_take_settled(f, 6));
    fake_answer_nth(f, 1, XEN_HOSTMEM_OK);                      /* 2 is gone */
    fake_answer_nth(f, 0, XEN_HOSTMEM_OK);                      /* 1 is gone */
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    fake_answer(f, XEN_HOSTMEM_OK);                             /* 3 is gone */
    fake_answer(f, XEN_HOSTMEM_OK);
    g_assert_true(fake_take_settled(f, 5));
    g_assert_cmpuint(fake_granted(f), ==, 8);
    fake_guest_free(f);
}

/* The frontend cannot unmap: a map there waits, then is refused (I1). */
static void test_quarantine(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, XEN_HOSTMEM_EIO);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_QUARANTINED], ==, 1);

    g_assert_cmpint(fake_map(f, 2, 3, 4), ==, -EINPROGRESS);
    fake_pass(f, XEN_HOSTMEM_WAIT_LIMIT_MS - 1000);
    g_assert_false(fake_take_settled(f, 2));
    fake_pass(f, 1000);
    g_assert_true(fake_take_settled(f, 2));
    g_assert_cmpint(f->blobs[2].use, ==, FAKE_UNUSED);

    /* With proof that nothing is mapped, the range can be used again. */
    g_assert_cmpint(fake_map(f, 3, 0, 1), ==, -EINPROGRESS);
    fake_forget_frames(f);
    fake_pass(f, 1000);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 3));
    g_assert_cmpuint(fake_granted(f), ==, 1);
    fake_guest_free(f);
}

/* R23: an unanswered MAP is refused, and undone if the answer comes later. */
static void test_silent_guest(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_pass(f, XEN_HOSTMEM_MAP_LIMIT_MS);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);

    /* The guest may still map it, so the range cannot be used. */
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    fake_answer(f, 0);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_answer(f, 0);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 2));
    fake_guest_free(f);
}

/* R23: the limit counts only while the guest can run. */
static void test_paused(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_pass(f, XEN_HOSTMEM_MAP_LIMIT_MS - 1000);
    f->paused = true;
    fake_pass(f, 100 * XEN_HOSTMEM_MAP_LIMIT_MS);
    f->paused = false;
    g_assert_false(fake_take_settled(f, 1));
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpuint(fake_granted(f), ==, 4);

    /* A map that waits for its range. */
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_pump(f);
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    f->paused = true;
    fake_pass(f, 100 * XEN_HOSTMEM_WAIT_LIMIT_MS);
    f->paused = false;
    fake_answer_all(f);
    g_assert_cmpint(f->blobs[2].use, ==, FAKE_IN_USE);

    /* A driver that is Closing. */
    fake_take_settled(f, 2);
    fake_leaving(f);
    g_assert_cmpint(fake_unmap(f, 2), ==, -EINPROGRESS);
    fake_pump(f);
    f->paused = true;
    fake_pass(f, 100 * XEN_HOSTMEM_LEAVE_LIMIT_MS);
    g_assert_false(fake_take_settled(f, 2));
    f->paused = false;
    fake_leave(f);
    g_assert_true(fake_take_settled(f, 2));
    g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_QUARANTINED], ==, 0);
    fake_guest_free(f);
}

/* A tick that comes late counts for one period: the host has slept. */
static void test_host_sleeps(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    for (int i = 1; i < XEN_HOSTMEM_MAP_LIMIT_MS / XEN_HOSTMEM_TICK_MS; i++) {
        fake_sleep(f, 100 * XEN_HOSTMEM_MAP_LIMIT_MS);
        fake_pass(f, 1000);
        g_assert_cmpint(f->blobs[1].use, ==, FAKE_MAP_PENDING);
    }
    /* It does count: the guest ran all the time and did not answer. */
    fake_pass(f, 1000);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* R21, R24: a crashed frontend's ranges stay unusable without proof. */
static void test_crash(void)
{
    for (int proves = 0; proves < 2; proves++) {
        FakeGuest *f = fake_guest_new();

        f->proves = proves;
        fake_arrive(f);
        fake_map_granted(f, 1, 0, 4);
        fake_crash(f);
        g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
        g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_STALE], ==, 1);

        /* A new driver is not asked to map the frames of the old blob. */
        fake_arrive(f);
        g_assert_true(g_queue_is_empty(&f->posted));
        g_assert_cmpint(fake_unmap(f, 1), ==, 0);
        g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
        fake_pass(f, XEN_HOSTMEM_WAIT_LIMIT_MS);
        g_assert_cmpint(f->blobs[2].use, ==, FAKE_UNUSED);
        fake_guest_free(f);
    }
}

/*
 * A frontend that stays Closing: an unmap is answered after a time limit, and
 * the range is free if there is proof (I3).
 */
static void test_stuck_closing(void)
{
    for (int proves = 0; proves < 2; proves++) {
        FakeGuest *f = fake_guest_new();

        f->proves = proves;
        fake_arrive(f);
        fake_map(f, 1, 0, 4);
        fake_map_granted(f, 2, 4, 4);
        g_assert_true(fake_take_settled(f, 1));
        xen_hostmem_window_leaving(f->w);
        g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
        fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS / 2);
        g_assert_false(fake_take_settled(f, 1));
        memset(f->frames, 0, 4 * sizeof(f->frames[0]));     /* of blob 1 */
        fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS);
        g_assert_true(fake_take_settled(f, 1));
        g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_QUARANTINED], ==,
                         !proves);
        fake_leave(f);
        g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
        fake_guest_free(f);
    }
}

/*
 * A clean Closed is no proof for the mappings of an earlier frontend that
 * crashed: their range stays quarantined (R21).
 */
static void test_crash_then_clean(void)
{
    FakeGuest *f = fake_guest_new();

    f->proves = false;
    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    fake_crash(f);
    fake_arrive(f);
    fake_leave_lying(f);        /* only the first one's pages are mapped */
    g_assert_cmpint(fake_unmap(f, 1), ==, 0);
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    fake_pass(f, XEN_HOSTMEM_WAIT_LIMIT_MS);
    g_assert_cmpint(f->blobs[2].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* Proof after a new frontend has connected: the blob is granted to it. */
static void test_late_proof(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    fake_crash(f);
    fake_arrive(f);
    g_assert_true(g_queue_is_empty(&f->posted));
    fake_forget_frames(f);
    fake_pass(f, 1000);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_guest_free(f);
}

/* R14: undoing a map of a blob in use is LIVE. */
static void test_live_undo(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 8), ==, 0);
    fake_arrive(f);
    fake_answer(f, 0);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    g_assert_cmpint(((FakeRequest *)f->posted.head->data)->req.operation, ==,
                    XEN_HOSTMEM_OP_UNMAP);
    g_assert_true(((FakeRequest *)f->posted.head->data)->req.live);
    fake_answer_all(f);

    /* Unmapping a blob that the guest has unmapped is not. */
    fake_map_granted(f, 2, 8, 1);
    fake_unmap(f, 2);
    fake_pump(f);
    g_assert_false(((FakeRequest *)f->posted.head->data)->req.live);
    fake_guest_free(f);
}

/* Closed with frames still mapped: the kernel decides, not the frontend. */
static void test_lying_close(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    fake_leave_lying(f);
    g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_STALE], ==, 1);
    fake_guest_free(f);
}

/* Device reset: no settled() for earlier calls. */
static void test_reset(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(map_unexportable(f, 4, 40, 4), ==, 0);
    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    fake_map(f, 2, 4, 4);
    fake_pump(f);
    fake_unmap(f, 1);
    fake_map(f, 3, 0, 1);
    fake_reset(f);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, -ENOENT);
    g_assert_cmpint(xen_hostmem_window_status(f->w, 4), ==, -ENOENT);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_cmpuint(f->settled->len, ==, 0);
    g_assert_cmpuint(fake_granted(f), ==, 0);

    /* Afterwards the window can be used as before. */
    fake_map_granted(f, 1, 0, FAKE_PAGES);
    fake_guest_free(f);
}

static const XenHostmemRequest *only_request(const FakeGuest *f,
                                             uint8_t operation)
{
    const XenHostmemRequest *req;

    g_assert_cmpuint(g_queue_get_length((GQueue *)&f->posted), ==, 1);
    req = &((FakeRequest *)f->posted.head->data)->req;
    g_assert_cmpint(req->operation, ==, operation);
    return req;
}

static void map_and_check_live(FakeGuest *f, uint32_t blob, uint64_t first,
                               bool live)
{
    g_assert_cmpint(fake_map(f, blob, first, 4), ==, -EINPROGRESS);
    g_assert_cmpint(only_request(f, XEN_HOSTMEM_OP_MAP)->live, ==, live);
    fake_answer_all(f);
    fake_pump(f);
    g_assert_cmpint(fake_unmap(f, blob), ==, -EINPROGRESS);
    fake_pump(f);
    g_assert_cmpint(only_request(f, XEN_HOSTMEM_OP_UNMAP)->live, ==, live);
    fake_answer_all(f);
    fake_pump(f);
}

/*
 * R12, R14: a reset takes nothing from programs that have mapped a dma-buf of a
 * blob.  They may access the range when it is unmapped, and when the next blob
 * is mapped there.
 */
static void test_reset_in_use(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    fake_map_granted(f, 2, 40, 4);
    g_assert_cmpint(fake_unmap(f, 2), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
    fake_pump(f);

    fake_reset(f);
    fake_pump(f);
    g_assert_true(only_request(f, XEN_HOSTMEM_OP_UNMAP)->live);
    fake_answer_all(f);
    fake_pump(f);

    map_and_check_live(f, 3, 2, true);
    /* Nobody has used this part, or not until the reset. */
    map_and_check_live(f, 4, 4, false);
    map_and_check_live(f, 5, 40, false);
    fake_guest_free(f);
}

/* The guest does not know yet that the blob is mapped. */
static void test_reset_not_in_use(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    fake_reset(f);
    fake_answer(f, 0);
    fake_pump(f);
    g_assert_false(only_request(f, XEN_HOSTMEM_OP_UNMAP)->live);
    fake_answer_all(f);
    map_and_check_live(f, 2, 0, false);
    fake_guest_free(f);
}

/* Requests that do not fit in the ring are posted after replies. */
static void test_ring_full(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 40), ==, -EINPROGRESS);
    g_assert_cmpint(fake_map(f, 2, 40, 4), ==, -EINPROGRESS);
    fake_pump(f);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, FAKE_SLOTS);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_true(fake_take_settled(f, 2));
    g_assert_cmpuint(fake_granted(f), ==, 44);
    fake_guest_free(f);
}

/* The time limit runs although nothing else has kept the timer going (I3). */
static void test_silent_then_closing(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map_granted(f, 1, 0, 4);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_pump(f);
    fake_pass(f, 5000);
    fake_leaving(f);
    fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS + 1000);
    g_assert_true(fake_take_settled(f, 1));
    fake_guest_free(f);
}

/* Nor has anything when the limit is over and the GPU unmaps only then. */
static void test_unmap_after_closing(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
    fake_arrive(f);                             /* posts a LIVE map */
    fake_leaving(f);
    fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS + 5000);
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    fake_pass(f, 2000);
    g_assert_true(fake_take_settled(f, 1));
    fake_guest_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/window/trapped", test_trapped_without_frontend);
    g_test_add_func("/window/granted", test_granted);
    g_test_add_func("/window/bad-ranges", test_bad_ranges);
    g_test_add_func("/window/too-many", test_too_many);
    g_test_add_func("/window/second-map", test_second_map);
    g_test_add_func("/window/partial-page", test_partial_page);
    g_test_add_func("/window/live-switch", test_live_switch);
    g_test_add_func("/window/first-not-live", test_first_map_is_not_live);
    g_test_add_func("/window/fallback", test_fallback);
    g_test_add_func("/window/leave-in-the-middle", test_leave_in_the_middle);
    g_test_add_func("/window/settling", test_settling);
    g_test_add_func("/window/unmap-while-mapping", test_unmap_while_mapping);
    g_test_add_func("/window/unmap-before-post", test_unmap_before_post);
    g_test_add_func("/window/remap-waits", test_remap_waits);
    g_test_add_func("/window/release-fails", test_release_fails);
    g_test_add_func("/window/wait-for-several", test_wait_for_several);
    g_test_add_func("/window/quarantine", test_quarantine);
    g_test_add_func("/window/silent-guest", test_silent_guest);
    g_test_add_func("/window/paused", test_paused);
    g_test_add_func("/window/host-sleeps", test_host_sleeps);
    g_test_add_func("/window/crash", test_crash);
    g_test_add_func("/window/stuck-closing", test_stuck_closing);
    g_test_add_func("/window/silent-then-closing", test_silent_then_closing);
    g_test_add_func("/window/unmap-after-closing", test_unmap_after_closing);
    g_test_add_func("/window/crash-then-clean", test_crash_then_clean);
    g_test_add_func("/window/late-proof", test_late_proof);
    g_test_add_func("/window/live-undo", test_live_undo);
    g_test_add_func("/window/lying-close", test_lying_close);
    g_test_add_func("/window/reset", test_reset);
    g_test_add_func("/window/reset-in-use", test_reset_in_use);
    g_test_add_func("/window/reset-not-in-use", test_reset_not_in_use);
    g_test_add_func("/window/ring-full", test_ring_full);
    g_test_add_func("/window/posted-at-once", test_posted_at_once);
    return g_test_run();
}
