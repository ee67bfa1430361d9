/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window under random sessions; see hostmem-session.h for what is checked
 */

#include "qemu/osdep.h"
#include "hostmem-session.h"

#define SESSIONS    1000
#define STEPS       400

static unsigned pick_random(void *source, unsigned n)
{
    return g_rand_int_range(source, 0, n);
}

static void test_random(void)
{
    for (uint32_t seed = 1; seed <= SESSIONS; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        Session s;

        g_test_message("seed %u", seed);
        session_start(&s, pick_random, rand);
        for (int i = 0; i < STEPS; i++) {
            session_step(&s);
        }
        session_finish(&s);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session/random", test_random);
    return g_test_run();
}
