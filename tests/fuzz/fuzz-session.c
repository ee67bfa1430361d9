/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz a whole session: each octet is a choice. tests/unit/hostmem-session.h
 * lists the checks after each step and at the end.
 */

#include "qemu/osdep.h"
#include "../unit/hostmem-session.h"
#include "fuzz.h"

typedef struct Input {
    const uint8_t *data;
    size_t left;
} Input;

static unsigned pick_octet(void *source, unsigned n)
{
    Input *in = source;

    if (!in->left) {
        return 0;
    }
    in->left--;
    return *in->data++ % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = { data, size };
    Session s;

    session_start(&s, pick_octet, &in);
    while (in.left) {
        session_step(&s);
    }
    session_finish(&s);
    return 0;
}
