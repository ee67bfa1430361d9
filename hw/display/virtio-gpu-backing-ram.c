/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: what is at an address of a guest of Xen
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "hw/display/virtio-gpu-backing.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/virtio/virtio-gpu.h"
#include "system/dma.h"
#include "system/xen.h"

bool virtio_gpu_backing_wanted(VirtIOGPU *g)
{
    /* virglrenderer and rutabaga take backings as the caller maps them. */
    return xen_enabled() && !virtio_gpu_virgl_enabled(g->parent_obj.conf) &&
           !virtio_gpu_rutabaga_enabled(g->parent_obj.conf);
}

uint64_t virtio_gpu_backing_ram_size(void)
{
    return current_machine->ram_size;
}

VirtIOGPURam virtio_gpu_backing_find_ram(VirtIOGPU *g, uint64_t addr,
                                         uint64_t *bytes, uint64_t *physical)
{
    hwaddr offset, length = *bytes;
    MemoryRegion *mr;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(VIRTIO_DEVICE(g)->dma_as, addr, &offset,
                                 &length, false, MEMTXATTRS_UNSPECIFIED);
    *bytes = MIN(length, *bytes);
    if (!*bytes || !memory_region_is_ram(mr) ||
        memory_region_is_ram_device(mr)) {
        return VIRTIO_GPU_RAM_NONE;
    }
    if (!xen_mr_is_memory(mr) || xen_mr_is_grants(mr)) {
        return VIRTIO_GPU_RAM_OTHER;
    }
    /* This region has the guest's physical addresses as its offsets. */
    *physical = offset;
    return VIRTIO_GPU_RAM_GUEST;
}

void *virtio_gpu_backing_map_piece(VirtIOGPU *g, uint64_t addr,
                                   uint64_t *bytes)
{
    dma_addr_t length = *bytes;
    void *at = dma_memory_map(VIRTIO_DEVICE(g)->dma_as, addr, &length,
                              DMA_DIRECTION_TO_DEVICE,
                              MEMTXATTRS_UNSPECIFIED);

    *bytes = length;
    return at;
}

void virtio_gpu_backing_unmap_piece(VirtIOGPU *g, void *at, uint64_t bytes)
{
    dma_memory_unmap(VIRTIO_DEVICE(g)->dma_as, at, bytes,
                     DMA_DIRECTION_TO_DEVICE, bytes);
}
