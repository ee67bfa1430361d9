/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The function that libFuzzer calls. */
#ifndef FUZZ_H
#define FUZZ_H

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
