/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: what virtio-gpu-backing.c needs to know about the guest's memory
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_BACKING_H
#define HW_DISPLAY_VIRTIO_GPU_BACKING_H

#include "hw/virtio/virtio-gpu-guest-memory.h"

typedef enum VirtIOGPURam {
    VIRTIO_GPU_RAM_NONE,        /* a hole, a register, a host visible window */
    VIRTIO_GPU_RAM_OTHER,       /* memory, but not the guest's own RAM */
    VIRTIO_GPU_RAM_GUEST,       /* has guest frames */
} VirtIOGPURam;

/**
 * virtio_gpu_backing_wanted: are this device's backings mapped as one piece?
 */
bool virtio_gpu_backing_wanted(VirtIOGPU *g);

/** virtio_gpu_backing_ram_size: bytes of RAM that the guest has */
uint64_t virtio_gpu_backing_ram_size(void);

/**
 * virtio_gpu_backing_find_ram: what is at @addr, as the device sees it?
 *
 * Reduces *@bytes, which is not 0, to what is of the same kind. Sets *@physical
 * to where this is in the guest's RAM, if it is there.
 */
VirtIOGPURam virtio_gpu_backing_find_ram(VirtIOGPU *g, uint64_t addr,
                                         uint64_t *bytes, uint64_t *physical);

/**
 * virtio_gpu_backing_map_piece, virtio_gpu_backing_unmap_piece: map @addr the
 * way that devices map memory for DMA
 *
 * Reduces *@bytes, which is not 0, to what is mapped. Returns NULL on failure.
 */
void *virtio_gpu_backing_map_piece(VirtIOGPU *g, uint64_t addr,
                                   uint64_t *bytes);
void virtio_gpu_backing_unmap_piece(VirtIOGPU *g, void *at, uint64_t bytes);

#endif
