/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold: keep a blob, and run commands that use it
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "commands.h"
#include "tool.h"
#include "words.h"

#define MIN_BENCH 64    /* bytes; each half has room for what a copy checks */

static bool answer_count(const char *command, size_t bad, double start)
{
    printf("{\"command\": \"%s\", \"mismatches\": %zu, \"us\": %.0f}\n",
           command, bad, now_us() - start);
    fflush(stdout);
    return !bad;
}

/* Like most programs: stores and loads as wide as the C library chooses. */
static size_t copy(struct blob *blob, uint64_t seed, bool in)
{
    size_t count = blob->bytes / sizeof(uint64_t), bad = 0;
    uint64_t *words = memory(count, sizeof(*words));

    if (in) {
        words_fill(words, count, seed);
        memcpy(blob->words, words, blob->bytes);
    } else {
        memcpy(words, blob->words, blob->bytes);
        bad = words_mismatches(words, count, seed);
    }
    free(words);
    return bad;
}

static bool touch(const struct blob *blob)
{
    double start = now_us();

    words_touch(blob->words, blob->bytes / sizeof(uint64_t));
    printf("{\"command\": \"touch\", \"pages\": %zu, \"us\": %.1f}\n",
           blob->bytes / PAGE, now_us() - start);
    fflush(stdout);
    return true;
}

static bool not_understood(void)
{
    printf("{\"error\": \"no such command; there are: verify SEED, fill SEED, "
           "copy-in SEED, copy-out SEED, sample SEED N, "
           "scatter SEED N, bench PAIRS [BYTES] [OPS], touch, quit\"}\n");
    fflush(stdout);
    return false;
}

/* "bench PAIRS [BYTES] [OPS]" */
static bool bench_command(const struct blob *blob, const char *line)
{
    char first[24] = "", second[40] = "", third[40] = "";
    const char *list = third;
    uint64_t pairs, bytes = blob->bytes;
    unsigned int ops;

    sscanf(line, "%*s %23s %39s %39s", first, second, third);
    if (*second && !parse(second, &bytes)) {
        if (*third) {
            return not_understood();
        }
        list = second;
        bytes = blob->bytes;
    }
    ops = bench_ops(*list ? list : BENCH_OPS);
    if (!parse(first, &pairs) || !pairs || pairs > MANY || !ops ||
        bytes < MIN_BENCH || bytes > blob->bytes) {
        return not_understood();
    }
    return bench(blob, bytes, pairs, ops);
}

/* Returns whether all words were right. */
static bool hold_command(struct blob *blob, const char *line)
{
    size_t count = blob->bytes / sizeof(uint64_t);
    char word[16] = "", first[24] = "", second[24] = "";
    uint64_t seed = 0, n = 0;
    double start = now_us();
    int given;

    given = sscanf(line, "%15s %23s %23s", word, first, second);
    if (!strcmp(word, "bench")) {
        return bench_command(blob, line);
    }
    if ((given > 1 && !parse(first, &seed)) ||
        (given > 2 && !parse(second, &n))) {
        return not_understood();
    }
    if (!strcmp(word, "verify") && given == 2) {
        return answer_count(word, words_mismatches(blob->words, count, seed),
                            start);
    }
    if (!strcmp(word, "fill") && given == 2) {
        words_fill(blob->words, count, seed);
        return answer_count(word, 0, start);
    }
    if ((!strcmp(word, "copy-in") || !strcmp(word, "copy-out")) && given == 2) {
        return answer_count(word, copy(blob, seed, !strcmp(word, "copy-in")),
                            start);
    }
    if (!strcmp(word, "sample") && given == 3) {
        return answer_count(word, words_sample(blob->words, count, seed, n),
                            start);
    }
    if (!strcmp(word, "scatter") && given == 3) {
        words_scatter(blob->words, count, seed, n);
        return answer_count(word, 0, start);
    }
    if (!strcmp(word, "touch") && given == 1) {
        return touch(blob);
    }
    return not_understood();
}

int run_hold(int gpu, char **arg)
{
    uint64_t seed = number(arg[1], "SEED");
    int commands = open_commands();
    struct blob blob;
    size_t count, bad = 0;
    double start, fill_us;
    char line[128];
    bool right;

    blob_open(gpu, &blob, bytes_of(arg[0]));
    count = blob.bytes / sizeof(uint64_t);
    start = now_us();
    if (options.fill) {
        words_fill(blob.words, count, seed);
        bad = words_mismatches(blob.words, count, seed);
    }
    fill_us = now_us() - start;
    right = !bad;

    printf("{\"bytes\": %zu, \"mismatches\": %zu, \"filled\": %s, "
           "\"create_us\": %.0f, \"mmap_us\": %.0f, \"map_us\": %.0f, "
           "\"fill_and_verify_us\": %.0f, \"phys\": \"0x%" PRIx64 "\"}\n",
           blob.bytes, bad, options.fill ? "true" : "false", blob.create_us,
           blob.mmap_us, blob.create_us + blob.mmap_us, fill_us,
           physical(blob.words));
    fflush(stdout);

    while (read_line(commands, line, sizeof(line)) && strcmp(line, "quit")) {
        right &= hold_command(&blob, line);
    }
    printf("{\"command\": \"quit\", \"unmap_us\": %.0f}\n",
           blob_close(gpu, &blob));
    return !right;
}
