// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>
#include "xenbus.h"

static bool event_pending;

int xenbus_open(void)
{
    return open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
}

/* Exits on failure: the device is the only way to reach the host. */
static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void read_all(int fd, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)to + done, size - done);

        must(n > 0 || (n < 0 && errno == EINTR), "reading /dev/xen/xenbus");
        done += n > 0 ? n : 0;
    }
}

/* Receives one message; returns its type. */
static uint32_t receive(int fd, char body[XENBUS_MAX + 1])
{
    struct xsd_sockmsg header;

    read_all(fd, &header, sizeof(header));
    must(header.len <= XENBUS_MAX, "length of a xenstore message");
    read_all(fd, body, header.len);
    body[header.len] = 0;
    return header.type;
}

static bool request(int fd, uint32_t type, const void *data, size_t size,
                    char answer[XENBUS_MAX + 1])
{
    char message[sizeof(struct xsd_sockmsg) + XENBUS_MAX];
    struct xsd_sockmsg header = { .type = type, .len = size };
    uint32_t got;

    if (size > XENBUS_MAX) {
        return false;
    }
    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), data, size);
    size += sizeof(header);
    must(write(fd, message, size) == (ssize_t)size, "writing /dev/xen/xenbus");
    while ((got = receive(fd, answer)) == XS_WATCH_EVENT) {
        event_pending = true;
    }
    if (got == XS_ERROR && strcmp(answer, "ENOENT")) {
        fprintf(stderr, "xenstore: request %u: %s\n", type, answer);
    }
    return got == type;
}

bool xenbus_read(int fd, const char *path, char value[XENBUS_MAX + 1])
{
    return request(fd, XS_READ, path, strlen(path) + 1, value);
}

bool xenbus_write(int fd, const char *path, const void *value, size_t size)
{
    char message[XENBUS_MAX], answer[XENBUS_MAX + 1];
    size_t head = strlen(path) + 1;

    if (head + size > sizeof(message)) {
        return false;
    }
    memcpy(message, path, head);
    memcpy(message + head, value, size);
    return request(fd, XS_WRITE, message, head + size, answer);
}

bool xenbus_watch(int fd, const char *path)
{
    char message[256], answer[XENBUS_MAX + 1];
    int size = snprintf(message, sizeof(message), "%s%ctoken", path, 0);

    return request(fd, XS_WATCH, message, size + 1, answer);
}

void xenbus_wait(int fd)
{
    char body[XENBUS_MAX + 1];

    while (!event_pending) {
        event_pending = receive(fd, body) == XS_WATCH_EVENT;
    }
    event_pending = false;
}
