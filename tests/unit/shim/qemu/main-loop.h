/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of main-loop.h that hw/display uses, without QEMU */
#ifndef QEMU_MAIN_LOOP_H
#define QEMU_MAIN_LOOP_H

typedef struct QEMUBH QEMUBH;
typedef void IOHandler(void *opaque);

void qemu_bh_schedule(QEMUBH *bh);
void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque);

#endif
