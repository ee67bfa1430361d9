/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window under random sessions; see hostmem-session.h for what is checked
 */

#include "qemu/osdep.h"
#include "hostmem-session.h"

#define SESSIONS    1000
#define STEPS       400
#define FAILING_SESSIONS    8

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

/* A session in which call number @n fails.  Returns the number of calls. */
static uint64_t run_failing(uint32_t seed, uint64_t n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    uint64_t calls;
    Session s;

    session_start(&s, pick_random, rand);
    s.f->fail_nth = n;
    for (int i = 0; i < STEPS; i++) {
        session_step(&s);
    }
    calls = s.f->calls;
    s.f->fail_nth = 0;
    session_finish(&s);
    return calls;
}

/*
 * Each call of an operation that can fail does so once, at each point of some
 * sessions: nothing is lost, and a reason is named.
 */
static void test_fail_nth(void)
{
    for (uint32_t seed = 1; seed <= FAILING_SESSIONS; seed++) {
        uint64_t calls = run_failing(seed, 0);

        g_test_message("seed %u: %" PRIu64 " calls", seed, calls);
        for (uint64_t n = 1; n <= calls; n++) {
            run_failing(seed, n);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/session/random", test_random);
    g_test_add_func("/session/fail-nth", test_fail_nth);
    return g_test_run();
}
