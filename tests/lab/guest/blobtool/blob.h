/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blobs of virtio-gpu, mapped by this process
 */
#ifndef BLOBTOOL_BLOB_H
#define BLOBTOOL_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob {
    uint32_t handle;
    size_t bytes;
    uint64_t *words;
    double create_us;   /* of the ioctl, which only queues the request */
    double mmap_us;     /* waits for the device to have mapped it */
};

/* Descriptor of the device, with a Venus context; dies if it has none. */
int open_gpu(void);

/* Makes and maps a blob; dies if that cannot be done. */
void blob_open(int gpu, struct blob *blob, size_t bytes);

/*
 * Microseconds that it took, without what the device still does then: nothing
 * waits for its answer.
 */
double blob_close(int gpu, struct blob *blob);

/* Guest-physical address of a page that was touched; 0 if it is not known. */
uint64_t physical(const void *page);

#endif
