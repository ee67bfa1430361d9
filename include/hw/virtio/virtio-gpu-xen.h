/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen
 *
 * What virtio-gpu-gl calls. Each function does nothing, and says so, unless
 * the accelerator is Xen and the device has a hostmem window. Main loop only.
 */
#ifndef HW_VIRTIO_GPU_XEN_H
#define HW_VIRTIO_GPU_XEN_H

#include "hw/virtio/virtio-gpu.h"
#include "hw/xen/xen-hostmem.h"

/**
 * virtio_gpu_xen_realize: create the backend for the device's window
 *
 * Returns false and sets @errp if the device's properties do not go together
 * or the backend cannot be created.
 */
bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp);
void virtio_gpu_xen_unrealize(VirtIOGPU *g);

/**
 * virtio_gpu_xen_reset: unmap all; goes before virtio_gpu_reset()
 *
 * Parked commands are put back into the control queue, for that to drop.
 */
void virtio_gpu_xen_reset(VirtIOGPU *g);

/**
 * virtio_gpu_xen_map_blob: RESOURCE_MAP_BLOB
 * @res: the resource that the command names
 * @offset: bytes from the start of the window
 *
 * Returns true if the command is dealt with: answered, parked, or
 * @cmd->error is set.
 */
bool virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                             struct virtio_gpu_simple_resource *res,
                             uint64_t offset);

/**
 * virtio_gpu_xen_unmap_blob: RESOURCE_UNMAP_BLOB, RESOURCE_UNREF
 *
 * Returns true if the command is parked and will be processed again once the
 * guest has unmapped the blob.
 */
bool virtio_gpu_xen_unmap_blob(VirtIOGPU *g,
                               struct virtio_gpu_ctrl_command *cmd,
                               struct virtio_gpu_simple_resource *res);

/**
 * virtio_gpu_xen_settled: XenHostmemSettled of the device, @opaque
 *
 * Answers what is parked for the resource, or processes it anew.
 */
void virtio_gpu_xen_settled(void *opaque, uint32_t resource_id);

/**
 * virtio_gpu_xen_export_again: XenHostmemExport of the device, @opaque
 */
void virtio_gpu_xen_export_again(void *opaque, uint32_t resource_id,
                                 XenHostmemBuffer *buf);

/**
 * virtio_gpu_xen_export: the dma-buf of a blob's memory
 * @buf: @size is set; @dmabuf, @reason and @shared_memory are filled in
 *
 * Sets @buf->dmabuf to a descriptor that is the caller's, or to -1 and
 * @buf->reason to why there is none.
 */
void virtio_gpu_xen_export(uint32_t resource_id, XenHostmemBuffer *buf);

#endif
