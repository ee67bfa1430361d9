/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * latency: what making, mapping and closing a blob takes, while others are
 * held
 *
 * A blob's end is the guest's part only. The driver queues the requests and
 * goes on, and nothing that a program may ask for waits for their answer: a
 * fence may come before that of an unmap, which QEMU's Xen code puts aside.
 * What an unmap keeps the device from doing shows in the map after it, and in
 * the time of the whole cycle.
 */
#include <stdio.h>
#include <stdlib.h>

#include "blob.h"
#include "commands.h"
#include "stats.h"
#include "tool.h"
#include "words.h"

struct times {
    double *create_us, *map_us, *unmap_us;      /* one of each a cycle */
};

/* Returns the number of wrong words: 0 or 1. */
static unsigned int cycle(int gpu, size_t bytes, uint64_t seed,
                          struct blob *blob, double *unmap_us)
{
    unsigned int bad;

    blob_open(gpu, blob, bytes);
    words_scatter(blob->words, bytes / sizeof(uint64_t), seed, 1);
    bad = words_sample(blob->words, bytes / sizeof(uint64_t), seed, 1);
    *unmap_us = blob_close(gpu, blob);
    return bad;
}

static unsigned int cycles(int gpu, size_t bytes, unsigned int count,
                           struct times *times)
{
    unsigned int bad = 0;

    for (unsigned int i = 0; i < count; i++) {
        struct blob blob;

        bad += cycle(gpu, bytes, i, &blob, &times->unmap_us[i]);
        times->create_us[i] = blob.create_us;
        times->map_us[i] = blob.mmap_us;
    }
    return bad;
}

int run_latency(int gpu, char **arg)
{
    unsigned int count = small_number(arg[0], "COUNT", 1);
    size_t bytes = bytes_of(arg[1]);
    unsigned int nr_held = arg[2] ? small_number(arg[2], "HELD", 0) : 0;
    size_t held_bytes = nr_held ? bytes_of(arg[3]) : 0;
    struct blob *held = memory(nr_held, sizeof(*held)), first;
    struct times times = {
        .create_us = memory(count, sizeof(double)),
        .map_us = memory(count, sizeof(double)),
        .unmap_us = memory(count, sizeof(double)),
    };
    double start, took;
    unsigned int bad;

    for (unsigned int i = 0; i < nr_held; i++) {
        blob_open(gpu, &held[i], held_bytes);
    }
    /* Not counted: the first one has the renderer start a process. */
    bad = cycle(gpu, bytes, 0, &first, &took);
    start = now_us();
    bad += cycles(gpu, bytes, count, &times);
    took = now_us() - start;
    for (unsigned int i = 0; i < nr_held; i++) {
        blob_close(gpu, &held[i]);
    }
    printf("{\"count\": %u, \"bytes\": %zu, \"held\": %u, "
           "\"mismatches\": %u", count, bytes, nr_held, bad);
    print_spread("create_us", times.create_us, count);
    print_spread("map_us", times.map_us, count);
    print_spread("unmap_us", times.unmap_us, count);
    printf(", \"cycle_us\": %.5g}\n", took / count);
    free(held);
    free(times.create_us);
    free(times.map_us);
    free(times.unmap_us);
    return bad != 0;
}
