/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contents that the lab's programs write into buffers, in the guest and
 * in dom0. A word depends on a seed and on its position, so a word that is
 * lost, stale or from another position is detected.
 */
#ifndef LAB_WORDS_H
#define LAB_WORDS_H

#include <stdint.h>

#define LAB_GOLDEN 0x9e3779b97f4a7c15u

/* The finaliser of splitmix64. */
static inline uint64_t lab_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The word at @index of the buffer. */
static inline uint64_t lab_word(uint64_t seed, uint64_t index)
{
    return lab_mix(lab_mix(seed + LAB_GOLDEN) + (index + 1) * LAB_GOLDEN);
}

/* Pseudo-random numbers; the sequence depends on the initial *state only. */
static inline uint64_t lab_random(uint64_t *state)
{
    *state += LAB_GOLDEN;
    return lab_mix(*state);
}

#endif
