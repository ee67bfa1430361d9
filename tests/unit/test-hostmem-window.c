/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window: what each call and each event means for a blob
 *
 * The invariants are checked by the fake guest after each step.
 */

#include "qemu/osdep.h"
#include "hostmem-fake-guest.h"

/* Memory that is never granted. */
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
    return fake_map_undmabufed(f, blob, first, pages,
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
    /* 10 pages, at most 4 a request (R9) */
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

/* Bad input gets an error and changes nothing (I4). */
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

/* A guest cannot have all the mappings that QEMU's process may have (I4). */
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

/* The last page of a blob may be a part of one. */
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

/* I1: granted while in use, and back, and each request says LIVE (R12). */
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

/* A blob that is new to the guest is not mapped LIVE. */
static void test_first_map_is_not_live(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 1);
    fake_pump(f);
    g_assert_false(((FakeRequest *)f->posted.head->data)->req.live);
    fake_guest_free(f);
}

/* I5: each failure to import or to map falls back, with its reason. */
static void test_fallback(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    f->import_error = -ENOSPC;
    g_assert_cmpint(fake_map(f, 1, 0, 2), ==, 0);
    f->import_error = 0;
    g_assert_cmpint(map_unexportable(f, 2, 2, 2), ==, 0);

    /* The guest maps one chunk of two and fails with the other. */
    g_assert_cmpint(fake_map(f, 3, 4, 8), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer(f, 0);
    fake_answer(f, XEN_HOSTMEM_ENOMEM);
    g_assert_false(fake_take_settled(f, 3));
    fake_answer_all(f);                     /* the first is unmapped again */
    g_assert_true(fake_take_settled(f, 3));
    g_assert_cmpint(xen_hostmem_window_status(f->w, 3), ==, 0);
    g_assert_cmpuint(fake_granted(f), ==, 0);
    fake_guest_free(f);
}

/* The driver goes away while a MAP is under way: answered, and trapped. */
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

/* A command between the guest's answer and the main loop's turn (I1). */
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

/* Nothing was posted yet: nothing to wait for. */
static void test_unmap_before_post(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    /* The ring is full of another's requests. */
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

/* The guest begins to map while the GPU device has other things to do. */
static void test_posted_at_once(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    g_assert_cmpint(fake_map(f, 1, 0, 4), ==, -EINPROGRESS);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    g_assert_cmpuint(f->pushed, ==, 1);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    /* Nobody waits for an unmap, and two may share a hypercall. */
    g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
    g_assert_true(g_queue_is_empty(&f->posted));
    fake_pump(f);
    g_assert_cmpuint(g_queue_get_length(&f->posted), ==, 1);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    fake_guest_free(f);
}

/* I7: a range that is being unmapped is mapped anew only afterwards. */
static void test_remap_waits(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
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

/* A frontend that cannot unmap: parked, then refused, never trapped (I1). */
static void test_quarantine(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
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

    /* Proof comes: the range is good again. */
    g_assert_cmpint(fake_map(f, 3, 0, 1), ==, -EINPROGRESS);
    fake_forget_frames(f);
    fake_pass(f, 1000);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 3));
    g_assert_cmpuint(fake_granted(f), ==, 1);
    fake_guest_free(f);
}

/* R23: a guest that never answers a MAP: refused, undone if it does later. */
static void test_silent_guest(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_pass(f, XEN_HOSTMEM_MAP_LIMIT_MS);
    g_assert_true(fake_take_settled(f, 1));
    g_assert_cmpint(f->blobs[1].use, ==, FAKE_UNUSED);

    /* It may map yet, so the range is nobody's. */
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    fake_answer(f, 0);
    g_assert_cmpuint(fake_granted(f), ==, 4);
    fake_answer(f, 0);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 2));
    fake_guest_free(f);
}

/* R21, R24: a crashed frontend's mappings are nobody's until proven gone. */
static void test_crash(void)
{
    for (int proves = 0; proves < 2; proves++) {
        FakeGuest *f = fake_guest_new();

        f->proves = proves;
        fake_arrive(f);
        fake_map(f, 1, 0, 4);
        fake_pump(f);
        fake_answer_all(f);
        fake_crash(f);
        g_assert_cmpint(xen_hostmem_window_status(f->w, 1), ==, 0);
        g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_STALE], ==, 1);

        /* A new driver: the old blob's frames are not mapped over. */
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
 * A frontend that is Closing and stays so: what the GPU lets go of meanwhile is
 * answered for, and its range free if there is proof (I3).
 */
static void test_stuck_closing(void)
{
    for (int proves = 0; proves < 2; proves++) {
        FakeGuest *f = fake_guest_new();

        f->proves = proves;
        fake_arrive(f);
        fake_map(f, 1, 0, 4);
        fake_map(f, 2, 4, 4);
        fake_pump(f);
        fake_answer_all(f);
        g_assert_true(fake_take_settled(f, 1));
        xen_hostmem_window_leaving(f->w);
        g_assert_cmpint(fake_unmap(f, 1), ==, -EINPROGRESS);
        fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS / 2);
        g_assert_false(fake_take_settled(f, 1));
        memset(f->frames, 0, 4 * sizeof(f->frames[0]));     /* the first's */
        fake_pass(f, XEN_HOSTMEM_LEAVE_LIMIT_MS);
        g_assert_true(fake_take_settled(f, 1));
        g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_QUARANTINED], ==, !proves);
        fake_leave(f);
        g_assert_cmpint(fake_map(f, 1, 0, 4), ==, 0);
        fake_guest_free(f);
    }
}

/*
 * A frontend that closes properly speaks for itself, not for the one before
 * that crashed: without proof its range stays quarantined (R21).
 */
static void test_crash_then_clean(void)
{
    FakeGuest *f = fake_guest_new();

    f->proves = false;
    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
    fake_crash(f);
    fake_arrive(f);
    fake_leave_lying(f);        /* its own are none; the first's are there */
    g_assert_cmpint(fake_unmap(f, 1), ==, 0);
    g_assert_cmpint(fake_map(f, 2, 0, 4), ==, -EINPROGRESS);
    fake_pass(f, XEN_HOSTMEM_WAIT_LIMIT_MS);
    g_assert_cmpint(f->blobs[2].use, ==, FAKE_UNUSED);
    fake_guest_free(f);
}

/* Proof that comes after the next frontend: the blob is granted to it. */
static void test_late_proof(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
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

/* R14: what is undone while the guest uses it is unmapped LIVE. */
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

    /* And what the guest has unmapped itself is not. */
    fake_map(f, 2, 8, 1);
    fake_pump(f);
    fake_answer_all(f);
    fake_unmap(f, 2);
    fake_pump(f);
    g_assert_false(((FakeRequest *)f->posted.head->data)->req.live);
    fake_guest_free(f);
}

/* "Closed" with frames mapped: the kernel's proof is believed, not the word. */
static void test_lying_close(void)
{
    FakeGuest *f = fake_guest_new();

    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
    fake_leave_lying(f);
    g_assert_cmpuint(f->transitions[XEN_HOSTMEM_STATE_STALE], ==, 1);
    fake_guest_free(f);
}

/* Device reset at any moment: no settled() for what was before. */
static void test_reset(void)
{
    FakeGuest *f = fake_guest_new();

    g_assert_cmpint(map_unexportable(f, 4, 40, 4), ==, 0);
    fake_arrive(f);
    fake_map(f, 1, 0, 4);
    fake_pump(f);
    fake_answer_all(f);
    fake_take_settled(f, 1);
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

    /* And the window is as good as new. */
    g_assert_cmpint(fake_map(f, 1, 0, FAKE_PAGES), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, 1));
    fake_guest_free(f);
}

/* More requests than the ring holds are posted as room returns. */
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
    g_test_add_func("/window/quarantine", test_quarantine);
    g_test_add_func("/window/silent-guest", test_silent_guest);
    g_test_add_func("/window/crash", test_crash);
    g_test_add_func("/window/stuck-closing", test_stuck_closing);
    g_test_add_func("/window/crash-then-clean", test_crash_then_clean);
    g_test_add_func("/window/late-proof", test_late_proof);
    g_test_add_func("/window/live-undo", test_live_undo);
    g_test_add_func("/window/lying-close", test_lying_close);
    g_test_add_func("/window/reset", test_reset);
    g_test_add_func("/window/ring-full", test_ring_full);
    g_test_add_func("/window/posted-at-once", test_posted_at_once);
    return g_test_run();
}
