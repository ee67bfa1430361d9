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
    double mmap_us;     /* includes waiting for the device to map it */
};

/* Opens the device and creates a Venus context; dies if that fails. */
int open_gpu(void);

/* Creates and maps a blob; dies if that fails. */
void blob_open(int gpu, struct blob *blob, size_t bytes);

/*
 * Returns the time it took in microseconds. That excludes what the device does
 * afterwards, since nothing waits for its answer.
 */
double blob_close(int gpu, struct blob *blob);

/* Guest-physical address of a page that has been touched; 0 if unknown. */
uint64_t physical(const void *page);

#endif
