/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the size of the hostmem window
 */
#ifndef HW_VIRTIO_GPU_HOSTMEM_H
#define HW_VIRTIO_GPU_HOSTMEM_H

/**
 * virtio_gpu_check_hostmem: check that the window is valid as a BAR
 * @size: value of the property hostmem, bytes
 *
 * Returns false and sets @errp, which suggests valid values, if it is not.
 */
bool virtio_gpu_check_hostmem(uint64_t size, Error **errp);

#endif
