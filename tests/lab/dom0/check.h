/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs that check our modules in dom0 have in common: ending a
 * case and cleaning up, numbers in files.
 */
#ifndef LAB_CHECK_H
#define LAB_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../common/words.h"

#define PAGE 4096u
#define WORDS_PER_PAGE (PAGE / 8)
#define BAD_POINTER 8ull        /* in the page that is never mapped */

/* Outcome of a case; fail() and skip() end the case at once. */
enum { PASSED, FAILED, SKIPPED };
static jmp_buf case_end;
static int outcome;
static char why[256];

static __attribute__((noreturn, format(printf, 2, 3)))
void end_case(int how, const char *format, ...)
{
    va_list ap;

    outcome = how;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    longjmp(case_end, 1);
}

#define fail(...) end_case(FAILED, __VA_ARGS__)
#define skip(...) end_case(SKIPPED, __VA_ARGS__)

/*
 * Everything that a case opens or maps, to be closed and unmapped even if it
 * fails: cases must not affect each other.
 */
static struct {
    int fd[64];
    int fds;
    struct { void *at; size_t len; } map[64];
    int maps;
    void *mem[16];
    int mems;
} cleanup;

static int keep_fd(int fd, const char *what)
{
    if (fd < 0) {
        fail("%s: %s", what, strerror(errno));
    }
    if (cleanup.fds == 64) {
        fail("too many descriptors in one case");
    }
    return cleanup.fd[cleanup.fds++] = fd;
}

static void drop_fd(int fd)
{
    for (int i = 0; i < cleanup.fds; i++) {
        if (cleanup.fd[i] == fd) {
            cleanup.fd[i] = cleanup.fd[--cleanup.fds];
            close(fd);
            return;
        }
    }
}

static void *keep_map(void *at, size_t len, const char *what)
{
    if (at == MAP_FAILED) {
        fail("mmap of %s: %s", what, strerror(errno));
    }
    if (cleanup.maps == 64) {
        fail("too many mappings in one case");
    }
    cleanup.map[cleanup.maps].at = at;
    cleanup.map[cleanup.maps++].len = len;
    return at;
}

static void drop_map(void *at)
{
    for (int i = 0; i < cleanup.maps; i++) {
        if (cleanup.map[i].at == at) {
            munmap(at, cleanup.map[i].len);
            cleanup.map[i] = cleanup.map[--cleanup.maps];
            return;
        }
    }
}

static void *keep_mem(size_t count, size_t size)
{
    void *mem = calloc(count, size);

    if (!mem || cleanup.mems == 16) {
        fail("no memory for %zu bytes", count * size);
    }
    return cleanup.mem[cleanup.mems++] = mem;
}

static void drop_mem(void *mem)
{
    for (int i = 0; i < cleanup.mems; i++) {
        if (cleanup.mem[i] == mem) {
            cleanup.mem[i] = cleanup.mem[--cleanup.mems];
            free(mem);
            return;
        }
    }
}

static void clean_up(void)
{
    while (cleanup.maps) {
        drop_map(cleanup.map[0].at);
    }
    while (cleanup.fds) {
        drop_fd(cleanup.fd[0]);
    }
    while (cleanup.mems) {
        drop_mem(cleanup.mem[0]);
    }
}

/* -1 if it cannot be read. */
static long read_long(const char *path)
{
    FILE *file = fopen(path, "r");
    long value = -1;

    if (file) {
        if (fscanf(file, "%ld", &value) != 1) {
            value = -1;
        }
        fclose(file);
    }
    return value;
}

static void write_long(const char *path, long value)
{
    FILE *file = fopen(path, "w");

    if (!file || fprintf(file, "%ld\n", value) < 0 || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
    }
}

static void short_sleep(void)
{
    nanosleep(&(struct timespec) { 0, 20000000 }, NULL);
}

#endif /* LAB_CHECK_H */
