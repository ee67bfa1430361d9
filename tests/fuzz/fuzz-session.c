/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz a whole session: each octet is a choice. tests/unit/hostmem-session.h
 * lists the checks after each step and at the end.
 */

#include "qemu/osdep.h"
#include "../unit/hostmem-session.h"
#include "fuzz.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };
    Session s;

    session_start(&s, fuzz_pick, &in);
    while (in.left) {
        session_step(&s);
    }
    session_finish(&s);
    return 0;
}
