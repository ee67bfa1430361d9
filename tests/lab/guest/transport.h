/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h: carries a command from the host into the guest, and the answer
 * back. Only one transport is in use, so its state is static. If it fails after
 * it was opened, the program exits: there is no other way to report it.
 */
#ifndef LAB_TRANSPORT_H
#define LAB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

struct transport {
    /* If path is NULL, finds the device. Returns false and errno on failure. */
    bool (*open)(const char *path);

    /* Waits for a "SEQUENCE SECONDS COMMAND"; valid until the next call. */
    const char *(*next)(void);

    void (*answer)(unsigned sequence, int status, const char *output,
                   size_t length);
};

extern const struct transport xenstore_transport;
extern const struct transport port_transport;

#endif
