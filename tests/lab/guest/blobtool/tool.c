/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options, errors, time, numbers, commands
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "tool.h"

struct options options = {
    .device = "/dev/dri/renderD128",
    .mem = VIRTGPU_BLOB_MEM_HOST3D,
    .flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
    .fill = true,
    .pairs = 9,
};

double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

bool parse(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return !errno && end != text && !*end && *text != '-';
}

uint64_t number(const char *text, const char *what)
{
    uint64_t value;

    if (!parse(text, &value)) {
        die("%s must be a number, not '%s'", what, text);
    }
    return value;
}

unsigned int small_number(const char *text, const char *what,
                          unsigned int least)
{
    uint64_t value = number(text, what);

    if (value < least || value > MANY) {
        die("%s must be %u to %u, not '%s'", what, least, MANY, text);
    }
    return value;
}

size_t bytes_of(const char *text)
{
    char digits[24];
    size_t len = strlen(text);
    unsigned int shift = 0;
    uint64_t value;

    if (len && (text[len - 1] == 'K' || text[len - 1] == 'M')) {
        shift = text[--len] == 'K' ? 10 : 20;
    }
    snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
    value = number(digits, "BYTES");
    if (!value || value > (1ull << 40) >> shift || (value << shift) % PAGE) {
        die("BYTES must be a multiple of %u, not '%s'", PAGE, text);
    }
    return value << shift;
}

void *memory(size_t count, size_t size)
{
    void *mem = calloc(count, size);

    if (!mem && count) {
        die("no memory");
    }
    return mem;
}

int open_commands(void)
{
    int fd;

    if (!options.fifo) {
        return STDIN_FILENO;
    }
    /* Also open for writing, so that there is no EOF between two writers. */
    fd = open(options.fifo, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        die("%s: %s", options.fifo, strerror(errno));
    }
    return fd;
}

bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    ssize_t got;
    char c;

    for (;;) {
        got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        if (c == '\n') {
            line[len] = '\0';
            return true;
        }
        if (len + 1 < size) {
            line[len++] = c;
        }
    }
}
