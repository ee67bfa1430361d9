/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h: how a command gets from the host into the guest, and its answer
 * back. There is one at a time, so it keeps its state to itself. One that
 * breaks once it was opened ends the program: there is nobody left to tell.
 */
#ifndef LAB_TRANSPORT_H
#define LAB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

struct transport {
    /* With a NULL, looks for its own device. False and errno: none here. */
    bool (*open)(const char *path);

    /* Waits for the next "SEQUENCE SECONDS COMMAND", valid until the next. */
    const char *(*next)(void);

    void (*answer)(unsigned sequence, int status, const char *output,
                   size_t length);
};

extern const struct transport xenstore_transport;
extern const struct transport port_transport;

#endif
