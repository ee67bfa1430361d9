/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * touch-ram: the "touch" of hold, on memory that has not been touched yet
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

#include "commands.h"
#include "tool.h"
#include "words.h"

static uint64_t *fresh(size_t bytes)
{
    uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (words == MAP_FAILED) {
        die("no memory for %zu bytes", bytes);
    }
    /* One fault per page. A kernel without huge pages refuses this, rightly. */
    madvise(words, bytes, MADV_NOHUGEPAGE);
    return words;
}

/* Returns microseconds; so does the next function. */
static double time_reads(const uint64_t *words, size_t count)
{
    double start = now_us();

    words_touch(words, count);
    return now_us() - start;
}

static double time_writes(volatile uint64_t *words, size_t count)
{
    double start = now_us();

    for (size_t i = 0; i < count; i += PAGE / sizeof(*words)) {
        words[i] = i;
    }
    return now_us() - start;
}

int run_touch_ram(int gpu, char **arg)
{
    size_t bytes = bytes_of(arg[0]), count = bytes / sizeof(uint64_t);
    uint64_t *words = fresh(bytes);
    double first, second, first_write;

    (void)gpu;
    first = time_reads(words, count);
    second = time_reads(words, count);
    munmap(words, bytes);
    /* All reads see the one zero page; only a write allocates a page. */
    words = fresh(bytes);
    first_write = time_writes(words, count);
    munmap(words, bytes);
    printf("{\"pages\": %zu, \"first_us\": %.1f, \"second_us\": %.1f, "
           "\"first_write_us\": %.1f}\n", bytes / PAGE, first, second,
           first_write);
    return 0;
}
