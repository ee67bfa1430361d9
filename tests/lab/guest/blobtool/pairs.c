/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench: compare a blob with RAM, measuring both in turn
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "blob.h"
#include "commands.h"
#include "stats.h"
#include "tool.h"
#include "words.h"

#define MIN_SAMPLE_US   20000
#define MAX_PASSES      (1u << 20)
#define MAX_ACCESSES    (1u << 30)
#define FIRST_ACCESSES  16      /* a trapped one takes a millisecond or more */
#define PROBES          4

/* In this order: the read is last, so it verifies what the others wrote. */
enum { WRITE, COPY, RANDOM, READ, NR_OPS };

/* One side of the comparison: the blob, or RAM. */
struct side {
    uint64_t *words;
    size_t count;               /* even, for the halves of a copy */
    uint64_t base;              /* a write leaves base + i in words[i] */
    uint64_t low, high;         /* the expected sum of each half */
    uint64_t state;             /* generates the places of random accesses */
    uint64_t wrong;             /* number of wrong sums and copied words */
    uint64_t rounds[NR_OPS];    /* as many as a measurement needs */
    double *figures[NR_OPS];    /* one per pair; NULL if it is not measured */
};

/*
 * An operation. Only run() is timed; before() and after() keep the expected
 * sums up to date without rewriting everything, which takes long if trapped.
 */
struct op {
    const char *name;
    const char *unit;
    uint64_t first_rounds, max_rounds;
    double per_word, per_round; /* bytes or accesses per round */
    void (*before)(struct side *s);
    void (*run)(struct side *s, uint64_t rounds);
    void (*after)(struct side *s, uint64_t rounds);
};

static WORD_BY_WORD void write_pass(uint64_t *words, size_t count,
                                    uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = base + i;
    }
    __asm__ volatile("" : : "r"(words) : "memory");
}

static WORD_BY_WORD uint64_t read_pass(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;

    __asm__ volatile("" : : "r"(words) : "memory");
    for (size_t i = 0; i < count; i++) {
        sum += words[i];
    }
    return sum;
}

static void run_write(struct side *s, uint64_t rounds)
{
    while (rounds--) {
        write_pass(s->words, s->count, ++s->base);
    }
}

static void after_write(struct side *s, uint64_t rounds)
{
    uint64_t half = s->count / 2;

    (void)rounds;
    s->low = s->base * half + half * (half - 1) / 2;
    s->high = s->low + half * half;
}

static void run_read(struct side *s, uint64_t rounds)
{
    while (rounds--) {
        s->wrong += read_pass(s->words, s->count) != s->low + s->high;
    }
}

/* The @k-th of a few positions, from the first to the last word of a half. */
static size_t probe(const struct side *s, unsigned int k)
{
    return (s->count / 2 - 1) * k / (PROBES - 1);
}

/* Makes the halves differ, so that a copy that does nothing is detected. */
static void before_copy(struct side *s)
{
    for (unsigned int k = 0; k < PROBES; k++) {
        s->words[probe(s, k)]++;
    }
    s->low += PROBES;
}

static void run_copy(struct side *s, uint64_t rounds)
{
    size_t half = s->count / 2;

    while (rounds--) {
        memcpy(s->words + half, s->words, half * sizeof(uint64_t));
        __asm__ volatile("" : : "r"(s->words) : "memory");
    }
}

static void after_copy(struct side *s, uint64_t rounds)
{
    (void)rounds;
    for (unsigned int k = 0; k < PROBES; k++) {
        size_t i = probe(s, k);

        s->wrong += s->words[s->count / 2 + i] != s->words[i];
    }
    s->high = s->low;
}

/* Below @count. Avoids a division, which would be timed with the access. */
static size_t random_place(uint64_t *state, size_t count)
{
    return ((unsigned __int128)lab_random(state) * count) >> 64;
}

static void run_random(struct side *s, uint64_t rounds)
{
    volatile uint64_t *words = s->words;
    uint64_t state = s->state;
    size_t count = s->count;

    while (rounds--) {
        size_t i = random_place(&state, count);

        words[i] = words[i] + 1;
    }
}

/* Each access has added one; generating the places again shows the half. */
static void after_random(struct side *s, uint64_t rounds)
{
    uint64_t low = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        low += random_place(&s->state, s->count) < s->count / 2;
    }
    s->low += low;
    s->high += rounds - low;
}

static const struct op ops[NR_OPS] = {
    [WRITE] = {
        .name = "write", .unit = "mb_s", .per_word = sizeof(uint64_t),
        .first_rounds = 1, .max_rounds = MAX_PASSES,
        .run = run_write, .after = after_write,
    },
    [COPY] = {
        .name = "copy", .unit = "mb_s", .per_word = sizeof(uint64_t) / 2,
        .first_rounds = 1, .max_rounds = MAX_PASSES,
        .before = before_copy, .run = run_copy, .after = after_copy,
    },
    [RANDOM] = {
        .name = "random", .unit = "m_s", .per_round = 1,
        .first_rounds = FIRST_ACCESSES, .max_rounds = MAX_ACCESSES,
        .run = run_random, .after = after_random,
    },
    [READ] = {
        .name = "read", .unit = "mb_s", .per_word = sizeof(uint64_t),
        .first_rounds = 1, .max_rounds = MAX_PASSES,
        .run = run_read,
    },
};

/* Returns microseconds. */
static double perform(struct side *s, const struct op *op, uint64_t rounds)
{
    double start, took;

    if (op->before) {
        op->before(s);
    }
    start = now_us();
    op->run(s, rounds);
    took = now_us() - start;
    if (op->after) {
        op->after(s, rounds);
    }
    return took;
}

static void calibrate(struct side *s, unsigned int o)
{
    const struct op *op = &ops[o];
    uint64_t rounds = op->first_rounds;

    while (perform(s, op, rounds) < MIN_SAMPLE_US && rounds < op->max_rounds) {
        rounds *= 2;
    }
    s->rounds[o] = rounds;
}

static void side_init(struct side *s, uint64_t *words, size_t bytes,
                      unsigned int pairs, unsigned int chosen)
{
    *s = (struct side) {
        .words = words,
        .count = bytes / (2 * sizeof(uint64_t)) * 2,
    };
    if (!(chosen & 1u << WRITE)) {
        perform(s, &ops[WRITE], 1);
    }
    for (unsigned int o = 0; o < NR_OPS; o++) {
        if (chosen & 1u << o) {
            s->figures[o] = memory(pairs, sizeof(double));
            calibrate(s, o);
        }
    }
}

static void side_free(struct side *s)
{
    for (unsigned int o = 0; o < NR_OPS; o++) {
        free(s->figures[o]);
    }
}

static void measure(struct side *s, unsigned int pair)
{
    for (unsigned int o = 0; o < NR_OPS; o++) {
        const struct op *op = &ops[o];

        uint64_t rounds = 0;
        double took = 0;

        if (s->figures[o]) {
            /* An emulated CPU's clock may stand still for so long. */
            while (took <= 0) {
                took += perform(s, op, s->rounds[o]);
                rounds += s->rounds[o];
            }
            /* N per microsecond is N million per second. */
            s->figures[o][pair] = rounds *
                                  (op->per_word * s->count + op->per_round) /
                                  took;
        }
    }
}

static void print_ratio(const char *name, const double *blob,
                        const double *ram, unsigned int pairs)
{
    double *ratio = memory(pairs, sizeof(*ratio));
    char key[24];

    for (unsigned int i = 0; i < pairs; i++) {
        ratio[i] = blob[i] / ram[i];
    }
    snprintf(key, sizeof(key), "%s_ratio", name);
    print_spread(key, ratio, pairs);
    free(ratio);
}

static void print_sides(struct side *blob, struct side *ram,
                        unsigned int pairs)
{
    for (unsigned int o = 0; o < NR_OPS; o++) {
        const char *name = ops[o].name, *unit = ops[o].unit;

        if (blob->figures[o]) {
            /* The ratio first: median() sorts the values. */
            print_ratio(name, blob->figures[o], ram->figures[o], pairs);
            printf(", \"guest_%s_%s\": %.6f, \"ram_%s_%s\": %.6f",
                   name, unit, median(blob->figures[o], pairs),
                   name, unit, median(ram->figures[o], pairs));
        }
    }
}

unsigned int bench_ops(const char *list)
{
    unsigned int chosen = 0;

    for (;;) {
        size_t len = strcspn(list, ",");
        unsigned int o = 0;

        while (o < NR_OPS && (strlen(ops[o].name) != len ||
                              strncmp(ops[o].name, list, len))) {
            o++;
        }
        if (o == NR_OPS) {
            return 0;
        }
        chosen |= 1u << o;
        if (!list[len]) {
            return chosen;
        }
        list += len + 1;
    }
}

/* Memory as any program has it, or with small pages like those of a blob. */
static uint64_t *ram(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at != MAP_FAILED && options.small_pages) {
        madvise(at, bytes, MADV_NOHUGEPAGE);
    }
    if (at == MAP_FAILED || madvise(at, bytes, MADV_POPULATE_WRITE)) {
        die("no memory for %zu bytes to compare with", bytes);
    }
    return at;
}

bool bench(const struct blob *blob, size_t bytes, unsigned int pairs,
           unsigned int chosen)
{
    uint64_t *words = ram(bytes);
    struct side b, r;
    uint64_t wrong;

    side_init(&b, blob->words, bytes, pairs, chosen);
    side_init(&r, words, bytes, pairs, chosen);
    for (unsigned int i = 0; i < pairs; i++) {
        /* The order alternates, so that drift favours neither side. */
        measure(i % 2 ? &r : &b, i);
        measure(i % 2 ? &b : &r, i);
    }
    if (!(chosen & 1u << READ)) {
        perform(&b, &ops[READ], 1);
        perform(&r, &ops[READ], 1);
    }
    wrong = b.wrong + r.wrong;

    printf("{\"bytes\": %zu, \"pairs\": %u, \"wrong_sums\": %" PRIu64,
           bytes, pairs, wrong);
    print_sides(&b, &r, pairs);
    printf("}\n");
    fflush(stdout);
    side_free(&b);
    side_free(&r);
    munmap(words, bytes);
    return !wrong;
}

int run_bench(int gpu, char **arg)
{
    unsigned int chosen = bench_ops(arg[1] ? arg[1] : BENCH_OPS);
    struct blob blob;
    bool right;

    if (!chosen) {
        die("OPS must be a list of write,read,copy,random, not '%s'", arg[1]);
    }
    blob_open(gpu, &blob, bytes_of(arg[0]));
    right = bench(&blob, blob.bytes, options.pairs, chosen);
    blob_close(gpu, &blob);
    return !right;
}
