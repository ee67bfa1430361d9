/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: calls that are fast, slow and stuck
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/display/virtio-gpu-watchdog.h"

#include <sys/wait.h>

#define TICK_MS     20
/* A second, so that a busy machine is not taken for a stuck call */
#define LIMIT       50          /* ticks */
#define WAIT_MS     20000

static struct {
    unsigned calls;             /* of stuck() */
    unsigned ticks[2];          /* by attempt */
    uint32_t a, b;
    bool helpless;              /* nothing can be done */
} seen;

static bool stuck(uint32_t a, uint32_t b, unsigned ticks, unsigned attempt)
{
    g_assert_cmpuint(attempt, <, 2);
    seen.a = a;
    seen.b = b;
    seen.ticks[attempt] = ticks;
    qatomic_set(&seen.calls, seen.calls + 1);
    return !qatomic_read(&seen.helpless);
}

static VirtIOGPUWatchdog dog = {
    .limit = LIMIT, .tick_ms = TICK_MS, .stuck = stuck,
};

static void start(void)
{
    memset(&seen, 0, sizeof(seen));
    virtio_gpu_watchdog_start(&dog);
}

static void wait_ms(unsigned ms)
{
    g_usleep(ms * 1000);
}

/* Until stuck() was called so often */
static void wait_stuck(unsigned calls)
{
    for (int ms = 0; qatomic_read(&seen.calls) < calls; ms += 10) {
        g_assert_cmpint(ms, <, WAIT_MS);
        wait_ms(10);
    }
}

static void test_fast(void)
{
    start();
    for (int i = 0; i < 100000; i++) {
        virtio_gpu_watchdog_begin(&dog, i, 0);
        virtio_gpu_watchdog_end(&dog);
    }
    /* Many calls in the time in which one would be stuck */
    for (int i = 0; i < 2 * LIMIT; i++) {
        virtio_gpu_watchdog_begin(&dog, i, 0);
        wait_ms(TICK_MS);
        virtio_gpu_watchdog_end(&dog);
    }
    g_assert_cmpuint(seen.calls, ==, 0);
    virtio_gpu_watchdog_stop(&dog);
}

static void test_slow(void)
{
    start();
    virtio_gpu_watchdog_begin(&dog, 1, 2);
    wait_ms(10 * TICK_MS);
    g_assert_true(virtio_gpu_watchdog_end(&dog));
    virtio_gpu_watchdog_begin(&dog, 1, 2);
    g_assert_false(virtio_gpu_watchdog_end(&dog));
    g_assert_cmpuint(seen.calls, ==, 0);
    virtio_gpu_watchdog_stop(&dog);
}

/* Twice, while it lasts, and no more */
static void test_stuck(void)
{
    start();
    virtio_gpu_watchdog_begin(&dog, 0x10c, 7);
    wait_stuck(2);
    g_assert_cmpuint(seen.a, ==, 0x10c);
    g_assert_cmpuint(seen.b, ==, 7);
    g_assert_cmpuint(seen.ticks[0], ==, LIMIT);
    g_assert_cmpuint(seen.ticks[1], >, LIMIT);
    wait_ms(20 * TICK_MS);
    g_assert_cmpuint(seen.calls, ==, 2);
    g_assert_true(virtio_gpu_watchdog_end(&dog));
    virtio_gpu_watchdog_stop(&dog);
}

/* Asked again as long as nothing can be done, with the label of the moment */
static void test_helpless(void)
{
    unsigned calls;

    start();
    seen.helpless = true;
    virtio_gpu_watchdog_begin(&dog, 0x207, 7);
    wait_stuck(3);
    g_assert_cmpuint(seen.ticks[0], >, LIMIT);
    g_assert_cmpuint(qatomic_read(&seen.ticks[1]), ==, 0);
    virtio_gpu_watchdog_label(&dog, 0x10c, 8);
    qatomic_set(&seen.helpless, false);
    for (int ms = 0; !qatomic_read(&seen.ticks[1]); ms += 10) {
        g_assert_cmpint(ms, <, WAIT_MS);
        wait_ms(10);
    }
    g_assert_cmpuint(seen.a, ==, 0x10c);
    g_assert_cmpuint(seen.b, ==, 8);
    wait_ms(TICK_MS);
    calls = qatomic_read(&seen.calls);
    wait_ms(20 * TICK_MS);
    g_assert_cmpuint(seen.calls, ==, calls);
    g_assert_true(virtio_gpu_watchdog_end(&dog));

    /* Nothing was done about this one: the next has as much time. */
    seen.helpless = true;
    dog.strikes = 0;
    virtio_gpu_watchdog_begin(&dog, 0, 0);
    wait_stuck(calls + 1);
    virtio_gpu_watchdog_end(&dog);
    virtio_gpu_watchdog_begin(&dog, 0, 0);
    wait_stuck(calls + 2);
    g_assert_cmpuint(seen.ticks[0], ==, LIMIT);
    virtio_gpu_watchdog_end(&dog);
    virtio_gpu_watchdog_stop(&dog);
}

/* The next one that is stuck gets half the time, down to a few ticks. */
static void test_repeated(void)
{
    static const unsigned limits[] = { LIMIT, LIMIT / 2, LIMIT / 4, LIMIT / 8,
                                       4, 4 };

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        virtio_gpu_watchdog_begin(&dog, i, 0);
        wait_stuck(i + 1);
        g_assert_cmpuint(seen.ticks[0], ==, limits[i]);
        virtio_gpu_watchdog_end(&dog);
    }
    virtio_gpu_watchdog_stop(&dog);
}

/* The thread sleeps, and wakes up for the next call. */
static void test_idle(void)
{
    start();
    g_assert_false(qatomic_read(&dog.awake));
    for (int i = 1; i <= 2; i++) {
        virtio_gpu_watchdog_begin(&dog, 0, 0);
        g_assert_true(qatomic_read(&dog.awake));
        wait_stuck(i);
        virtio_gpu_watchdog_end(&dog);
        for (int ms = 0; qatomic_read(&dog.awake); ms += 10) {
            g_assert_cmpint(ms, <, WAIT_MS);
            wait_ms(10);
        }
    }
    virtio_gpu_watchdog_stop(&dog);
}

/* Time in which the process is stopped does not count. */
static void test_stopped(void)
{
    int status = -1, go[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe(go), ==, 0);
    pid = fork();
    if (!pid) {
        start();
        virtio_gpu_watchdog_begin(&dog, 0, 0);
        wait_ms(2 * TICK_MS);
        if (write(go[1], "x", 1) != 1) {
            _exit(2);
        }
        wait_ms(2 * TICK_MS);
        _exit(qatomic_read(&seen.calls));
    }
    g_assert_cmpint(read(go[0], &byte, 1), ==, 1);
    kill(pid, SIGSTOP);
    wait_ms(2 * LIMIT * TICK_MS);
    kill(pid, SIGCONT);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    close(go[0]);
    close(go[1]);
}

static void test_off(void)
{
    static VirtIOGPUWatchdog off;

    virtio_gpu_watchdog_begin(&off, 0, 0);
    g_assert_false(virtio_gpu_watchdog_end(&off));
    virtio_gpu_watchdog_stop(&off);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gpu-watchdog/fast", test_fast);
    g_test_add_func("/gpu-watchdog/slow", test_slow);
    g_test_add_func("/gpu-watchdog/stuck", test_stuck);
    g_test_add_func("/gpu-watchdog/helpless", test_helpless);
    g_test_add_func("/gpu-watchdog/repeated", test_repeated);
    g_test_add_func("/gpu-watchdog/idle", test_idle);
    g_test_add_func("/gpu-watchdog/stopped", test_stopped);
    g_test_add_func("/gpu-watchdog/off", test_off);
    return g_test_run();
}
