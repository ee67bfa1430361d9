/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a buffer, each defined by a seed and its position
 */
#ifndef BLOBTOOL_WORDS_H
#define BLOBTOOL_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "../../common/words.h"

/* 8-byte accesses, one by one: keeps the compiler from combining them. */
#define WORD_BY_WORD \
    __attribute__((noinline, optimize("no-tree-vectorize", \
                                      "no-tree-loop-distribute-patterns")))

void words_fill(uint64_t *words, size_t count, uint64_t seed);

/* Returns how many words differ from those of words_fill(). */
size_t words_mismatches(const uint64_t *words, size_t count, uint64_t seed);

/* Writes @n words, always the same ones. */
void words_scatter(volatile uint64_t *words, size_t count, uint64_t seed,
                   uint64_t n);

/* Like words_mismatches(), for the words that words_scatter() writes. */
size_t words_sample(const volatile uint64_t *words, size_t count,
                    uint64_t seed, uint64_t n);

/* Reads a word of each page. */
void words_touch(const volatile uint64_t *words, size_t count);

#endif
