/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus.h: xenstore from a guest's user space, one request at a time, through
 * /dev/xen/xenbus. Paths without a leading slash are below the guest's own.
 */
#ifndef LAB_XENBUS_H
#define LAB_XENBUS_H

#include <stdbool.h>
#include <stddef.h>

#define XENBUS_MAX 4096         /* XENSTORE_PAYLOAD_MAX */

/* Descriptor of the device, or -1 and errno. */
int xenbus_open(void);

/* Value of a node, ended by a NUL; false if there is none. */
bool xenbus_read(int fd, const char *path, char value[XENBUS_MAX + 1]);

bool xenbus_write(int fd, const char *path, const void *value, size_t size);

bool xenbus_watch(int fd, const char *path);

/* Returns when a watched node may have changed. */
void xenbus_wait(int fd);

#endif
