/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subcommands. Each takes the descriptor of the device and its arguments,
 * terminated by a NULL, and returns the exit status.
 */
#ifndef BLOBTOOL_COMMANDS_H
#define BLOBTOOL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "blob.h"

int run_hold(int gpu, char **arg);
int run_bench(int gpu, char **arg);
int run_live(int gpu, char **arg);
int run_many(int gpu, char **arg);
int run_cycle(int gpu, char **arg);
int run_latency(int gpu, char **arg);
int run_touch_ram(int gpu, char **arg);     /* without a device */

#define BENCH_OPS   "write,read"            /* the default */

/* A bit for each operation in a list like BENCH_OPS; 0 if it is not valid. */
unsigned int bench_ops(const char *list);

/*
 * Compares the first @bytes of the blob with memory and prints the answer.
 * Returns whether all words were right.
 */
bool bench(const struct blob *blob, size_t bytes, unsigned int pairs,
           unsigned int ops);

#endif
