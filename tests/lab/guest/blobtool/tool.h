/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by all of blobtool: options, errors, time, numbers, and reading
 * commands.
 */
#ifndef BLOBTOOL_TOOL_H
#define BLOBTOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../die.h"

#define PAGE        4096u
#define MANY        100000      /* upper limit of all counts */

struct options {
    const char *device;
    const char *fifo;
    uint32_t mem;               /* VIRTGPU_BLOB_MEM_... */
    uint32_t flags;             /* VIRTGPU_BLOB_FLAG_... */
    bool until_eof;
    bool fill;
    unsigned int pairs;
    bool small_pages;           /* of the RAM that bench compares with */
    unsigned int pause_ms;      /* between two cycles of latency */
    bool marks;                 /* latency marks the kernel's trace */
    unsigned int threads;       /* 0: three per CPU */
};

extern struct options options;

/* Microseconds since an arbitrary time in the past. */
double now_us(void);

/* Returns false if @text is not a number. */
bool parse(const char *text, uint64_t *value);

/* Parses the argument named @what; dies if it is not a number. */
uint64_t number(const char *text, const char *what);

/* Like number(), but limited to @least to MANY. */
unsigned int small_number(const char *text, const char *what,
                          unsigned int least);

/* Parses a size such as 64K or 1M; dies if it is not a number of pages. */
size_t bytes_of(const char *text);

/* Zeroed memory for @count items of @size bytes; dies if there is none. */
void *memory(size_t count, size_t size);

/* Returns the descriptor to read commands from: the FIFO or stdin. */
int open_commands(void);

/*
 * Reads one line, without stdio, whose buffer poll() would not see. Returns
 * false at the end of file. A line that is too long is truncated, so it is not
 * understood.
 */
bool read_line(int fd, char *line, size_t size);

#endif
