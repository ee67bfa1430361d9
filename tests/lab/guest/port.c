// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands over a virtio-serial port, for a guest without Xen. The host sends
 * "SEQUENCE SECONDS COMMAND\n"; the answer is "SEQUENCE STATUS LENGTH\n" and
 * LENGTH bytes. "0 0 0\n" is a sign of life: it answers an empty line, and is
 * repeated until the first command.
 *
 * Data that is written while nobody is connected at the host's end is lost, on
 * purpose: a later reader has not asked for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "transport.h"

#define PORTS "/sys/class/virtio-ports/*"
#define NAME "lab.rpc"
#define MAX_COMMAND (16 * 1024)
#define MAX_LINE (MAX_COMMAND + 32)     /* and two numbers before it */
#define CANNOT_RUN 126

static int port;
static char line[MAX_LINE + 1];
static size_t line_length;              /* MAX_LINE + 1: too long */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static bool has_name(const char *folder)
{
    char path[256], name[64] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%s/name", folder);
    f = fopen(path, "re");
    if (!f) {
        return false;
    }
    if (!fgets(name, sizeof(name), f)) {
        name[0] = 0;
    }
    fclose(f);
    name[strcspn(name, "\n")] = 0;
    return !strcmp(name, NAME);
}

/* Finds the port's device node; there is no udev to create links. */
static bool find(char *node, size_t size)
{
    bool found = false;
    glob_t g;

    if (!glob(PORTS, 0, NULL, &g)) {
        for (size_t i = 0; i < g.gl_pathc && !found; i++) {
            found = has_name(g.gl_pathv[i]);
            if (found) {
                snprintf(node, size, "/dev/%s",
                         strrchr(g.gl_pathv[i], '/') + 1);
            }
        }
    }
    globfree(&g);
    return found;
}

static bool port_open(const char *path)
{
    char node[64] = "";

    /* The driver learns the ports' names from QEMU some time after loading. */
    for (int tries = 0; !path && tries < 50; tries++) {
        if (find(node, sizeof(node))) {
            path = node;
        } else {
            usleep(100 * 1000);
        }
    }
    if (!path) {
        errno = ENOENT;
        return false;
    }
    port = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return port >= 0;
}

/* Returns false if the host's end was closed meanwhile. */
static bool put(const char *data, size_t size)
{
    while (size) {
        struct pollfd p = { .fd = port, .events = POLLOUT };
        ssize_t n = write(port, data, size);

        if (n > 0) {
            data += n;
            size -= n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            die("writing to the port");
        } else if (poll(&p, 1, -1) > 0 && (p.revents & POLLHUP)) {
            return false;
        }
    }
    return true;
}

static void port_answer(unsigned sequence, int status, const char *output,
                        size_t length)
{
    char head[64];

    snprintf(head, sizeof(head), "%u %d %zu\n", sequence, status, length);
    if (put(head, strlen(head))) {
        put(output, length);
    }
}

static void hello(void)
{
    port_answer(0, 0, NULL, 0);
}

/*
 * An incomplete command must not run: such a line is answered, not returned.
 * The host sends a NUL to discard what an earlier host left unfinished.
 */
static bool whole(void)
{
    static const char why[] = "rpc: not run: too long, or contains a NUL\n";
    bool is_long = line_length > MAX_LINE;
    unsigned sequence;

    line[is_long ? MAX_LINE : line_length] = 0;
    if (!is_long && strlen(line) == line_length) {
        return true;
    }
    if (sscanf(line, "%u", &sequence) == 1) {
        port_answer(sequence, CANNOT_RUN, why, strlen(why));
    }
    return false;
}

/* Appends to the line; returns true once it is complete. */
static bool take(const char **at, const char *end)
{
    while (*at < end) {
        char c = *(*at)++;

        if (c == '\n') {
            return true;
        }
        if (line_length < MAX_LINE) {
            line[line_length] = c;
        }
        line_length += line_length <= MAX_LINE;
    }
    return false;
}

static const char *port_next(void)
{
    static char chunk[4096];
    static const char *at = chunk, *end = chunk;
    static bool greet = true;

    line_length = 0;
    for (;;) {
        struct pollfd p = { .fd = port, .events = POLLIN };
        ssize_t n;

        while (take(&at, end)) {
            if (!line_length) {
                hello();
            } else if (whole()) {
                greet = false;
                return line;
            }
            line_length = 0;
        }
        if (greet) {
            hello();
        }
        if (poll(&p, 1, greet ? 1000 : -1) <= 0) {
            continue;
        }
        n = read(port, chunk, sizeof(chunk));
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            die("reading from the port");
        }
        at = chunk;
        end = chunk + (n > 0 ? n : 0);
        if (n == 0) {
            /* Nobody is connected; poll() would return at once again. */
            line_length = 0;
            usleep(100 * 1000);
        }
    }
}

const struct transport port_transport = {
    .open = port_open,
    .next = port_next,
    .answer = port_answer,
};
