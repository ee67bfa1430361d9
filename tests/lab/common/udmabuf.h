/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a dma-buf is udmabuf's
 */
#ifndef LAB_UDMABUF_H
#define LAB_UDMABUF_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Then do not use DMA_BUF_IOCTL_SYNC, which x86 needs for bounce buffers only.
 * On a PV domain Linux 7.3 has them for udmabuf's segments, which are of several
 * pages. What they hold is older than what a guest has written to the pages, and
 * replaces it; or there is no room for them, and the call fails.
 */
static inline bool lab_is_udmabuf(int fd)
{
    char path[40], info[512];
    ssize_t len = -1;
    int at;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    at = open(path, O_RDONLY | O_CLOEXEC);
    if (at >= 0) {
        len = read(at, info, sizeof(info) - 1);
        close(at);
    }
    info[len > 0 ? len : 0] = '\0';
    return strstr(info, "exp_name:\tudmabuf");
}

#endif /* LAB_UDMABUF_H */
