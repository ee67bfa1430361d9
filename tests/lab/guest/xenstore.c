// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands over xenstore: dom0 writes them to data/cmd. The output is written
 * to data/out/N in pieces that fit a xenstore value, then "SEQUENCE STATUS
 * PIECES" to data/done. Xenstore needs neither the device model nor a network,
 * so this works while QEMU is busy, hangs or is dead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "transport.h"
#include "xenbus.h"

#define PIECE 1800              /* xenstored refuses values over 2048 bytes */

static int bus;

static bool xenstore_open(const char *path)
{
    (void)path;                 /* there is only one device */
    bus = xenbus_open();
    if (bus < 0) {
        return false;
    }
    if (!xenbus_watch(bus, "data/cmd") ||
        !xenbus_write(bus, "data/ready", "1", 1)) {
        perror("xenstore");
        exit(1);
    }
    return true;
}

static const char *xenstore_next(void)
{
    static char text[XENBUS_MAX + 1];
    static unsigned last;
    unsigned sequence;

    /* A watch also fires when it is set, and may fire without a change. */
    do {
        xenbus_wait(bus);
    } while (!xenbus_read(bus, "data/cmd", text) ||
             sscanf(text, "%u", &sequence) != 1 || sequence == last);
    last = sequence;
    return text;
}

static void xenstore_answer(unsigned sequence, int status, const char *output,
                            size_t length)
{
    char path[32], done[64];
    unsigned n = 0;

    for (size_t at = 0; at < length; at += PIECE, n++) {
        size_t size = length - at < PIECE ? length - at : PIECE;

        snprintf(path, sizeof(path), "data/out/%u", n);
        xenbus_write(bus, path, output + at, size);
    }
    snprintf(done, sizeof(done), "%u %d %u", sequence, status, n);
    xenbus_write(bus, "data/done", done, strlen(done));
}

const struct transport xenstore_transport = {
    .open = xenstore_open,
    .next = xenstore_next,
    .answer = xenstore_answer,
};
