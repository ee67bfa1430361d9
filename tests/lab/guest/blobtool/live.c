/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live: stores that must not be lost while the blob is switched from trapped
 * to granted and back
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blob.h"
#include "commands.h"
#include "tool.h"
#include "words.h"

#ifndef __x86_64__
#error "the stores are written for x86-64"
#endif

enum store { STORE_WORD, STORE_REP, STORE_STRADDLE, STORE_KINDS };

static const char *const store_names[] = { "plain", "rep", "straddle" };

struct worker {
    pthread_t thread;
    unsigned int cpu;
    enum store kind;
    uint8_t *blob;              /* its own part of the blob, whole pages */
    uint8_t *shadow;            /* what that part must contain */
    size_t bytes;
    uint64_t random;
    atomic_ullong words, rounds, mismatches;
    /* The first wrong word; valid if mismatches is not 0. */
    size_t bad_offset;
    uint64_t bad_is, bad_should;
};

static atomic_bool stopping;

static void store_word(uint8_t *at, uint64_t value)
{
    __asm__ volatile("movq %1, (%0)" : : "r"(at), "r"(value) : "memory");
}

static void store_rep(uint8_t *at, uint64_t value, size_t count)
{
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(value)
                     : "memory");
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t value;

    __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

/* Stores at @at and possibly behind; returns how far to advance, in bytes. */
static size_t store_some(struct worker *w, size_t at)
{
    uint64_t value = lab_random(&w->random);
    size_t count, page;

    switch (w->kind) {
    case STORE_WORD:
        store_word(w->blob + at, value);
        memcpy(w->shadow + at, &value, sizeof(value));
        w->words++;
        return sizeof(value);
    case STORE_REP:
        /* Up to a quarter more than a page, so that some cross pages. */
        count = 1 + value % 640;
        if (count > (w->bytes - at) / sizeof(value)) {
            count = (w->bytes - at) / sizeof(value);
        }
        store_rep(w->blob + at, value, count);
        for (size_t i = 0; i < count; i++) {
            memcpy(w->shadow + at + i * sizeof(value), &value, sizeof(value));
        }
        w->words += count;
        return count * sizeof(value);
    default:
        /* 1 to 7 bytes at the end of this page, the others in the next. */
        page = at / PAGE * PAGE + PAGE;
        if (page < w->bytes) {
            size_t to = page - 1 - value % 7;

            store_word(w->blob + to, value);
            memcpy(w->shadow + to, &value, sizeof(value));
            w->words++;
        }
        return PAGE;
    }
}

static void check_word(struct worker *w, size_t at)
{
    uint64_t is = load_word(w->blob + at), should;

    memcpy(&should, w->shadow + at, sizeof(should));
    if (is == should) {
        return;
    }
    if (!w->mismatches) {
        w->bad_offset = at;
        w->bad_is = is;
        w->bad_should = should;
    }
    w->mismatches++;
}

/*
 * Straddling stores touch two words of each page, and only these are read
 * back in each round: while the blob is trapped, a load costs as much as a
 * store.
 */
static void check_some(struct worker *w)
{
    size_t step = w->kind == STORE_STRADDLE ? PAGE : sizeof(uint64_t);

    for (size_t at = 0; at < w->bytes && !stopping; at += step) {
        check_word(w, at);
        if (step == PAGE) {
            check_word(w, at + PAGE - sizeof(uint64_t));
        }
    }
}

static void check_all(struct worker *w)
{
    for (size_t at = 0; at < w->bytes; at += sizeof(uint64_t)) {
        check_word(w, at);
    }
}

static void *work(void *data)
{
    struct worker *w = data;
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(w->cpu, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);

    while (!stopping) {
        for (size_t at = 0; at < w->bytes && !stopping;) {
            at += store_some(w, at);
        }
        check_some(w);
        w->rounds++;
    }
    /* Every word, including those of an unfinished round. */
    check_all(w);
    return NULL;
}

static void worker_start(struct worker *w)
{
    w->shadow = memory(w->bytes, 1);
    /* rep stosq here, too, to avoid a trap for each word. */
    store_rep(w->blob, 0, w->bytes / sizeof(uint64_t));
    if (pthread_create(&w->thread, NULL, work, w)) {
        die("cannot start a thread");
    }
}

static void print_first_mismatch(const struct worker *w)
{
    printf(", \"first\": {\"store\": \"%s\", \"offset\": %zu, "
           "\"is\": \"0x%016" PRIx64 "\", \"should\": \"0x%016" PRIx64 "\"}",
           store_names[w->kind], w->bad_offset, w->bad_is, w->bad_should);
}

/* Returns the number of mismatches so far. */
static uint64_t live_answer(struct worker *workers, unsigned int count,
                            bool final)
{
    uint64_t kinds[STORE_KINDS] = { 0 }, words = 0, bad = 0, rounds = 0;
    const struct worker *first = NULL;

    for (unsigned int i = 0; i < count; i++) {
        struct worker *w = &workers[i];

        kinds[w->kind] += w->words;
        words += w->words;
        rounds += w->rounds;
        bad += w->mismatches;
        if (!first && w->mismatches) {
            first = w;
        }
    }
    printf("{\"words\": %" PRIu64 ", \"rounds\": %" PRIu64
           ", \"mismatches\": %" PRIu64 ", \"threads\": %u", words, rounds,
           bad, count);
    for (unsigned int i = 0; i < STORE_KINDS; i++) {
        printf(", \"%s\": %" PRIu64, store_names[i], kinds[i]);
    }
    if (final && first) {
        print_first_mismatch(first);
    }
    printf(", \"final\": %s}\n", final ? "true" : "false");
    fflush(stdout);
    return bad;
}

/* Until "quit", the end of input (with --until-eof), or the end of the time. */
static void live_commands(struct worker *workers, unsigned int count,
                          double seconds)
{
    struct pollfd in = { .fd = open_commands(), .events = POLLIN };
    double end = now_us() + seconds * 1e6;
    char line[128];

    for (;;) {
        double left = (end - now_us()) / 1e3;
        int timeout = options.until_eof ? -1
                    : left > 1e6 ? 1000000 : (int)left + 1;

        if (!options.until_eof && left <= 0) {
            return;
        }
        if (poll(&in, 1, timeout) <= 0) {
            continue;
        }
        if (!read_line(in.fd, line, sizeof(line))) {
            if (options.until_eof) {
                return;
            }
            in.fd = -1;         /* poll() ignores it and only waits */
        } else if (!strcmp(line, "quit")) {
            return;
        } else if (!strcmp(line, "stats")) {
            live_answer(workers, count, false);
        } else {
            printf("{\"error\": \"no such command; there are: stats, "
                   "quit\"}\n");
            fflush(stdout);
        }
    }
}

int run_live(int gpu, char **arg)
{
    double seconds = options.until_eof ? 0 : number(*arg++, "SECONDS");
    size_t bytes = bytes_of(arg[0]), part;
    uint64_t seed = number(arg[1], "SEED"), bad;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned int count = options.threads ? options.threads
                                         : STORE_KINDS * cpus;
    struct worker *workers = memory(count, sizeof(*workers));
    struct blob blob;

    /* Two pages each, for stores that straddle them. */
    part = bytes / PAGE / count * PAGE;
    if (part < 2 * PAGE) {
        die("%u threads need %u bytes or more", count, count * 2 * PAGE);
    }
    blob_open(gpu, &blob, bytes);
    for (unsigned int i = 0; i < count; i++) {
        /* Neighbours in the blob store in different ways. */
        workers[i].kind = i % STORE_KINDS;
        workers[i].cpu = i / STORE_KINDS % cpus;
        workers[i].blob = (uint8_t *)blob.words + i * part;
        workers[i].bytes = part;
        workers[i].random = lab_word(seed, i);
        worker_start(&workers[i]);
    }
    live_commands(workers, count, seconds);
    stopping = true;
    for (unsigned int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        free(workers[i].shadow);
    }
    bad = live_answer(workers, count, true);
    blob_close(gpu, &blob);
    free(workers);
    return bad != 0;
}
