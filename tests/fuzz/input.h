/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzzer's input as a source of choices */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

typedef struct FuzzInput {
    const uint8_t *data;
    size_t left;
} FuzzInput;

/* A SessionPick: a number below @n; 0 once the input is used up. */
static inline unsigned fuzz_pick(void *source, unsigned n)
{
    FuzzInput *in = source;

    if (!in->left) {
        return 0;
    }
    in->left--;
    return *in->data++ % n;
}

#endif
