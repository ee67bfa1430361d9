/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus.h: access to xenstore from a guest's user space, one request at a
 * time, through /dev/xen/xenbus. Relative paths start at the guest's own path.
 */
#ifndef LAB_XENBUS_H
#define LAB_XENBUS_H

#include <stdbool.h>
#include <stddef.h>

#define XENBUS_MAX 4096         /* XENSTORE_PAYLOAD_MAX */

/* Returns a descriptor of the device, or -1 and errno. */
int xenbus_open(void);

/* Reads the value of a node and adds a NUL; false if there is no such node. */
bool xenbus_read(int fd, const char *path, char value[XENBUS_MAX + 1]);

bool xenbus_write(int fd, const char *path, const void *value, size_t size);

bool xenbus_watch(int fd, const char *path);

/* Waits until a watched node may have changed. */
void xenbus_wait(int fd);

#endif
