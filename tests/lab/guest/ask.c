// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ask NAME SECONDS [LINE]: pass LINE to a program that `spawn NAME` started and
 * print its next line of output; without LINE, only wait for that line.
 * ask -e NAME SECONDS: wait until the program has ended; exit with its status.
 *
 * It sleeps while it waits: a guest has one CPU, and polling would take it from
 * what is being measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

static const char *name;

static _Noreturn void die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "ask: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static FILE *stream(const char *suffix, const char *mode)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "/tmp/spawn/%s.%s", name, suffix);
    f = fopen(path, mode);
    if (!f) {
        die("%s: %s (was it started by spawn?)", path, strerror(errno));
    }
    return f;
}

static int number(const char *suffix)
{
    FILE *f = stream(suffix, "r");
    int n = -1;

    if (fscanf(f, "%d", &n) != 1) {
        n = -1;
    }
    fclose(f);
    return n;
}

/* Prints the end of the program's standard error. */
static void last_words(void)
{
    enum { MOST = 1000 };
    FILE *f = stream("err", "r");
    char text[MOST];
    size_t n;

    if (fseek(f, -MOST, SEEK_END)) {
        rewind(f);
    }
    n = fread(text, 1, sizeof(text), f);
    fwrite(text, 1, n, stderr);
    fclose(f);
}

/* Line @nr of the program's output, from 0, or NULL if it is not complete. */
static char *line_of(FILE *out, int nr)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = 0;

    rewind(out);
    for (int i = 0; i <= nr && n >= 0; i++) {
        n = getline(&line, &size, out);
    }
    if (n <= 0 || line[n - 1] != '\n') {
        free(line);
        return NULL;
    }
    return line;
}

/*
 * Opened for reading and writing: the program may not have opened it yet, or
 * may have ended. The data is lost when the last descriptor is closed, so the
 * caller closes this one after the answer.
 */
static int pass(const char *line)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "/tmp/spawn/%s.in", name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || dprintf(fd, "%s\n", line) < 0) {
        die("%s: %s", path, strerror(errno));
    }
    return fd;
}

static int watch(const char *suffix, int fd)
{
    char path[256];

    if (fd < 0) {
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    }
    snprintf(path, sizeof(path), "/tmp/spawn/%s.%s", name, suffix);
    if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0) {
        die("watching %s: %s", path, strerror(errno));
    }
    return fd;
}

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Waits until a watched file changes; false if the time is over. */
static bool wait_for_change(int watched, long long end)
{
    struct pollfd p = { .fd = watched, .events = POLLIN };
    long long left = end - now_ms();
    char events[4096];

    if (left <= 0 || poll(&p, 1, left) <= 0) {
        return false;
    }
    while (read(watched, events, sizeof(events)) > 0) {
        /* only their presence matters */
    }
    return true;
}

static int wait_for_end(long long end)
{
    int watched = watch("status", -1), status;

    while ((status = number("status")) < 0) {
        if (!wait_for_change(watched, end)) {
            last_words();
            die("%s has not ended", name);
        }
    }
    return status;
}

static void wait_for_answer(const char *line, long long end)
{
    int watched = watch("status", watch("out", -1));
    int seen = number("seen");
    FILE *out = stream("out", "r"), *f;
    int in = line ? pass(line) : -1;
    char *answer;

    for (;;) {
        /* The status first: the program may answer and end in between. */
        int status = number("status");

        answer = line_of(out, seen);
        if (answer) {
            break;
        }
        if (status >= 0) {
            last_words();
            die("%s ended with %d", name, status);
        }
        if (!wait_for_change(watched, end)) {
            last_words();
            die("no answer from %s to: %s", name, line ? line : "(start)");
        }
    }
    f = stream("seen", "w");
    fprintf(f, "%d\n", seen + 1);
    fclose(f);
    fputs(answer, stdout);
    free(answer);
    fclose(out);
    if (in >= 0) {
        close(in);
    }
}

int main(int argc, char **argv)
{
    bool ends = argc == 4 && !strcmp(argv[1], "-e");
    long long end;

    argv += ends;
    argc -= ends;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: ask NAME SECONDS [LINE]\n"
                        "       ask -e NAME SECONDS\n");
        return 2;
    }
    name = argv[1];
    end = now_ms() + atoll(argv[2]) * 1000;
    if (ends) {
        return wait_for_end(end);
    }
    wait_for_answer(argv[3], end);
    return 0;
}
