/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: detect a lack of file descriptors
 */

#include "qemu/osdep.h"
#include "hw/xen/xen-hostmem.h"

bool xen_hostmem_out_of_descriptors(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0) {
        close(fd);
        return false;
    }
    return errno == EMFILE || errno == ENFILE;
}
