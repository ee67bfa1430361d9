/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write and compare words
 */
#include "tool.h"
#include "words.h"

#define SAMPLE_SEED     1       /* selects the words of sample and scatter */

WORD_BY_WORD void words_fill(uint64_t *words, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = lab_word(seed, i);
    }
}

WORD_BY_WORD size_t words_mismatches(const uint64_t *words, size_t count,
                                     uint64_t seed)
{
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        bad += words[i] != lab_word(seed, i);
    }
    return bad;
}

void words_scatter(volatile uint64_t *words, size_t count, uint64_t seed,
                   uint64_t n)
{
    uint64_t state = SAMPLE_SEED;

    while (n--) {
        size_t i = lab_random(&state) % count;

        words[i] = lab_word(seed, i);
    }
}

size_t words_sample(const volatile uint64_t *words, size_t count,
                    uint64_t seed, uint64_t n)
{
    uint64_t state = SAMPLE_SEED;
    size_t bad = 0;

    while (n--) {
        size_t i = lab_random(&state) % count;

        bad += words[i] != lab_word(seed, i);
    }
    return bad;
}

void words_touch(const volatile uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i += PAGE / sizeof(*words)) {
        (void)words[i];
    }
}
