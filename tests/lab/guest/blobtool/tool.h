/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all of blobtool uses: options, errors, time, numbers, and commands that
 * are read while it runs.
 */
#ifndef BLOBTOOL_TOOL_H
#define BLOBTOOL_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE        4096u
#define MANY        100000      /* the most of anything that is counted */

struct options {
    const char *device;
    const char *fifo;
    uint32_t mem;               /* VIRTGPU_BLOB_MEM_... */
    uint32_t flags;             /* VIRTGPU_BLOB_FLAG_... */
    bool until_eof;
    bool fill;
    unsigned int pairs;
    bool small_pages;           /* for the RAM that bench compares with */
    unsigned int pause_ms;      /* between two cycles of latency */
    unsigned int threads;       /* 0: three a CPU */
};

extern struct options options;

/* The answer says it, and so does the exit status. */
void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...);

/* Microseconds since some time in the past. */
double now_us(void);

/* False: @text is not a number. */
bool parse(const char *text, uint64_t *value);

/* As parse(), for an argument called @what; dies if it is not a number. */
uint64_t number(const char *text, const char *what);

/* As number(), from @least to MANY. */
unsigned int small_number(const char *text, const char *what,
                          unsigned int least);

/* Whole pages, 64K or 1M, say; dies if it is something else. */
size_t bytes_of(const char *text);

/* Zeroed, for @count of @size bytes; dies if there is none. */
void *memory(size_t count, size_t size);

/* Descriptor that commands come from: the FIFO, or standard input. */
int open_commands(void);

/*
 * One line, without stdio's buffer, which poll() would not see. False: end of
 * file. A line too long is cut, and will not be understood.
 */
bool read_line(int fd, char *line, size_t size);

#endif
