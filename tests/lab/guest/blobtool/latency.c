/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * latency: how long it takes to create, map and close a blob while others are
 * held
 *
 * The host decides when it serves a request: a kick may return at once or only
 * when the request has been served, and pages may come with the map or with
 * the first touch. So the time that counts ends when every page has been
 * touched.
 *
 * Closing a blob (unmap_us) covers only the guest's part. The driver queues
 * the requests and returns, and nothing that a program can ask for waits for
 * their answers: a fence can signal before an unmap that QEMU's Xen code has
 * parked is answered. The work that an unmap causes shows in the next map and
 * in the time of the whole cycle. With a pause between cycles, each map runs
 * alone. With --marks the kernel's trace shows when each close began, so it
 * tells how long it took if it also shows the driver's work.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blob.h"
#include "commands.h"
#include "stats.h"
#include "tool.h"
#include "words.h"

#define TRACE_MARKER    "/sys/kernel/tracing/trace_marker"

struct times {
    /* One of each per cycle; ready is the sum of the first three. */
    double *create_us, *map_us, *touch_us, *ready_us, *unmap_us;
};

static void mark_close(void)
{
    static const char text[] = "close";
    static int fd = -1;

    if (fd < 0) {
        fd = open(TRACE_MARKER, O_WRONLY | O_CLOEXEC);
    }
    if (write(fd, text, sizeof(text) - 1) < 0) {
        die("%s: %s", TRACE_MARKER, strerror(errno));
    }
}

/* Returns the number of wrong words: 0 or 1. */
static unsigned int cycle(int gpu, size_t bytes, struct times *t,
                          unsigned int i)
{
    size_t count = bytes / sizeof(uint64_t);
    struct blob blob;
    unsigned int bad;
    double start;

    blob_open(gpu, &blob, bytes);
    start = now_us();
    words_touch(blob.words, count);
    t->touch_us[i] = now_us() - start;
    t->create_us[i] = blob.create_us;
    t->map_us[i] = blob.mmap_us;
    t->ready_us[i] = t->create_us[i] + t->map_us[i] + t->touch_us[i];
    words_scatter(blob.words, count, i, 1);
    bad = words_sample(blob.words, count, i, 1);
    if (options.marks) {
        mark_close();
    }
    t->unmap_us[i] = blob_close(gpu, &blob);
    usleep(options.pause_ms * 1000);
    return bad;
}

int run_latency(int gpu, char **arg)
{
    unsigned int count = small_number(arg[0], "COUNT", 1);
    size_t bytes = bytes_of(arg[1]);
    unsigned int nr_held = arg[2] ? small_number(arg[2], "HELD", 0) : 0;
    size_t held_bytes = nr_held ? bytes_of(arg[3]) : 0;
    struct blob *held = memory(nr_held, sizeof(*held));
    struct times times = {
        .create_us = memory(count, sizeof(double)),
        .map_us = memory(count, sizeof(double)),
        .touch_us = memory(count, sizeof(double)),
        .ready_us = memory(count, sizeof(double)),
        .unmap_us = memory(count, sizeof(double)),
    };
    double start, took, first_us;
    unsigned int bad;

    for (unsigned int i = 0; i < nr_held; i++) {
        blob_open(gpu, &held[i], held_bytes);
    }
    /* Apart: for the first one the renderer starts a process. */
    bad = cycle(gpu, bytes, &times, 0);
    first_us = times.ready_us[0];
    start = now_us();
    for (unsigned int i = 0; i < count; i++) {
        bad += cycle(gpu, bytes, &times, i);
    }
    took = now_us() - start;
    for (unsigned int i = 0; i < nr_held; i++) {
        blob_close(gpu, &held[i]);
    }
    printf("{\"count\": %u, \"bytes\": %zu, \"held\": %u, "
           "\"mismatches\": %u, \"first_ready_us\": %.5g", count, bytes,
           nr_held, bad, first_us);
    print_spread("create_us", times.create_us, count);
    print_spread("map_us", times.map_us, count);
    print_spread("touch_us", times.touch_us, count);
    print_spread("ready_us", times.ready_us, count);
    print_spread("unmap_us", times.unmap_us, count);
    printf(", \"cycle_us\": %.5g}\n", took / count - options.pause_ms * 1e3);
    free(held);
    free(times.create_us);
    free(times.map_us);
    free(times.touch_us);
    free(times.ready_us);
    free(times.unmap_us);
    return bad != 0;
}
