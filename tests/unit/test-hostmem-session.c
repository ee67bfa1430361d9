/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window under random sessions: any order of maps, unmaps, resets and
 * frontend doings. The fake guest holds I1, I2 and I7 after each step; at the
 * end nothing is left pending that a willing guest would have let finish (I3),
 * and nothing has leaked (I8).
 */

#include "qemu/osdep.h"
#include "fake-guest.h"

#define STEPS 400

static int32_t pick_status(GRand *rand)
{
    static const int32_t failures[] = {
        XEN_HOSTMEM_EIO, XEN_HOSTMEM_ENOMEM, XEN_HOSTMEM_ENODEV,
    };

    return g_rand_int_range(rand, 0, 6) ? XEN_HOSTMEM_OK
         : failures[g_rand_int_range(rand, 0, G_N_ELEMENTS(failures))];
}

static void random_map(FakeGuest *f, GRand *rand)
{
    uint32_t blob = g_rand_int_range(rand, 1, FAKE_BLOBS + 1);
    uint64_t first = g_rand_int_range(rand, 0, FAKE_PAGES + 2);
    uint64_t pages = g_rand_int_range(rand, 0, 16);

    if (f->blobs[blob].use != FAKE_UNUSED) {
        return;
    }
    f->import_error = g_rand_int_range(rand, 0, 8) ? 0 : -ENOSPC;
    if (g_rand_int_range(rand, 0, 6)) {
        fake_map(f, blob, first, pages);
    } else {
        fake_map_undmabufed(f, blob, first, pages);
    }
    f->import_error = 0;
}

static void random_step(FakeGuest *f, GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 16)) {
    case 0 ... 3:
        random_map(f, rand);
        break;
    case 4 ... 6:
        fake_unmap(f, g_rand_int_range(rand, 1, FAKE_BLOBS + 1));
        break;
    case 7 ... 10:
        if (!g_queue_is_empty(&f->posted)) {
            fake_answer(f, pick_status(rand));
        }
        break;
    case 11:
        fake_pump(f);
        break;
    case 12:
        fake_pass(f, g_rand_int_range(rand, 1, 40) * 1000);
        break;
    case 13:
        if (!f->connected) {
            fake_arrive(f);
        }
        break;
    case 14:
        if (f->connected && !g_rand_int_range(rand, 0, 3)) {
            (g_rand_boolean(rand) ? fake_leave : fake_crash)(f);
        }
        break;
    case 15:
        if (!g_rand_int_range(rand, 0, 6)) {
            fake_reset(f);
        }
        break;
    }
}

/* From here on the guest does what it is asked: all must come to an end. */
static void finish(FakeGuest *f)
{
    if (!f->connected) {
        fake_arrive(f);
    }
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        if (f->blobs[blob].use == FAKE_IN_USE) {
            fake_unmap(f, blob);
        }
    }
    fake_pump(f);
    fake_answer_all(f);
    fake_pass(f, XEN_HOSTMEM_MAP_LIMIT_MS + 1000);
    fake_answer_all(f);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        g_assert_cmpint(f->blobs[blob].use, !=, FAKE_MAP_PENDING);
        g_assert_cmpint(f->blobs[blob].use, !=, FAKE_UNMAP_PENDING);
    }
}

static void run_session(uint32_t seed, bool proves)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    FakeGuest *f = fake_guest_new();

    f->proves = proves;
    for (int i = 0; i < STEPS; i++) {
        random_step(f, rand);
    }
    finish(f);
    fake_guest_free(f);
}

static void test_random(gconstpointer proves)
{
    for (uint32_t seed = 1; seed <= 500; seed++) {
        g_test_message("seed %u", seed);
        run_session(seed, GPOINTER_TO_INT(proves));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/session/module", GINT_TO_POINTER(true),
                         test_random);
    g_test_add_data_func("/session/gntdev", GINT_TO_POINTER(false),
                         test_random);
    return g_test_run();
}
