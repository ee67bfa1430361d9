/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz the GPU's commands: each octet is a choice, of commands in any order, of
 * what the renderer answers, and of what guest, kernel and clock do meanwhile.
 * The checks are those of /gpu/random: each command is answered once, in order
 * for one resource (I3), stores reach the blob (I1), nothing leaks (I8).
 */

/* With its renderer and control queue; only its main() is of no use here. */
int unit_test_main(int argc, char **argv);
#define main unit_test_main
#include "../unit/test-virtio-gpu-xen.c"
#undef main
#include "fuzz.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };

    start(fuzz_pick, &in);
    while (in.left) {
        step();
    }
    finish();
    return 0;
}
