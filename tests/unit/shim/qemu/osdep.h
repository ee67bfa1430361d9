/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of QEMU's osdep.h that the core uses, for a build without QEMU */
#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define ARRAY_SIZE(a)       (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)  (((n) + (d) - 1) / (d))
#define RETRY_ON_EINTR(expr)  TEMP_FAILURE_RETRY(expr)

int qemu_open_old(const char *name, int flags, ...);

#endif
