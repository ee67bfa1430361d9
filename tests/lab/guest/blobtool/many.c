/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * many: many blobs at the same time; cycle: one blob after the other
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "blob.h"
#include "commands.h"
#include "stats.h"
#include "tool.h"
#include "words.h"

#define WORDS_OF_EACH   16

/* The @k-th of a few positions, evenly spaced from the first to the last. */
static size_t place(size_t count, unsigned int k)
{
    return (count - 1) * k / (WORDS_OF_EACH - 1);
}

int run_many(int gpu, char **arg)
{
    unsigned int count = small_number(arg[0], "COUNT", 1);
    size_t bytes = bytes_of(arg[1]), words = bytes / sizeof(uint64_t);
    size_t bad = 0;
    struct blob *blobs = memory(count, sizeof(*blobs));
    double *map_us = memory(count, sizeof(*map_us));
    double *unmap_us = memory(count, sizeof(*unmap_us));

    for (unsigned int i = 0; i < count; i++) {
        volatile uint64_t *p;

        blob_open(gpu, &blobs[i], bytes);
        map_us[i] = blobs[i].create_us + blobs[i].mmap_us;
        p = blobs[i].words;
        for (unsigned int k = 0; k < WORDS_OF_EACH; k++) {
            p[place(words, k)] = lab_word(i, place(words, k));
        }
    }
    for (unsigned int i = 0; i < count; i++) {
        const volatile uint64_t *p = blobs[i].words;

        for (unsigned int k = 0; k < WORDS_OF_EACH; k++) {
            bad += p[place(words, k)] != lab_word(i, place(words, k));
        }
    }
    for (unsigned int i = 0; i < count; i++) {
        unmap_us[i] = blob_close(gpu, &blobs[i]);
    }
    printf("{\"count\": %u, \"bytes\": %zu, \"mismatches\": %zu, "
           "\"map_us_median\": %.0f, \"unmap_us_median\": %.0f}\n",
           count, bytes, bad, median(map_us, count), median(unmap_us, count));
    free(blobs);
    free(map_us);
    free(unmap_us);
    return bad != 0;
}

int run_cycle(int gpu, char **arg)
{
    uint64_t count = number(arg[0], "COUNT");
    size_t bytes = bytes_of(arg[1]), words = bytes / sizeof(uint64_t);
    size_t bad = 0;
    struct blob blob;

    for (uint64_t i = 0; i < count; i++) {
        blob_open(gpu, &blob, bytes);
        words_fill(blob.words, words, i);
        bad += words_mismatches(blob.words, words, i);
        blob_close(gpu, &blob);
    }
    printf("{\"count\": %" PRIu64 ", \"bytes\": %zu, \"mismatches\": %zu}\n",
           count, bytes, bad);
    return bad != 0;
}
