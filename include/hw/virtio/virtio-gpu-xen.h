/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen
 *
 * What virtio-gpu-gl calls.  Each function does nothing, and says so, unless
 * the accelerator is Xen and the device has a hostmem window.  Main loop only.
 */
#ifndef HW_VIRTIO_GPU_XEN_H
#define HW_VIRTIO_GPU_XEN_H

#include "hw/virtio/virtio-gpu.h"

typedef struct PropertyInfo PropertyInfo;
extern const PropertyInfo virtio_gpu_xen_prop_policy;

#define DEFINE_PROP_XEN_HOSTMEM_POLICY(_name, _state, _field, _default) \
    DEFINE_PROP_UNSIGNED(_name, _state, _field, _default, \
                         virtio_gpu_xen_prop_policy, XenHostmemPolicy)

/* What became of a command. */
typedef enum VirtIOGPUXenResult {
    /* The caller goes on as without Xen. */
    VIRTIO_GPU_XEN_NOT_OURS,
    /* It is answered, or @cmd->error is set. */
    VIRTIO_GPU_XEN_HANDLED,
    /* It waits for the guest: answered or processed anew later. */
    VIRTIO_GPU_XEN_DEFERRED,
} VirtIOGPUXenResult;

/**
 * virtio_gpu_xen_realize: create the backend for the device's window
 *
 * Returns false and sets @errp if the device's properties contradict each
 * other or the backend cannot be created.
 */
bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp);
void virtio_gpu_xen_unrealize(VirtIOGPU *g);

/**
 * virtio_gpu_xen_reset: unmap all; goes before virtio_gpu_reset()
 */
void virtio_gpu_xen_reset(VirtIOGPU *g);

/**
 * virtio_gpu_xen_map_blob: RESOURCE_MAP_BLOB
 * @res: the resource that the command names
 * @offset: bytes from the start of the window
 */
VirtIOGPUXenResult
virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                        struct virtio_gpu_simple_resource *res,
                        uint64_t offset);

/**
 * virtio_gpu_xen_unmap_blob: RESOURCE_UNMAP_BLOB, RESOURCE_UNREF
 *
 * %VIRTIO_GPU_XEN_NOT_OURS: nothing of the resource is in the window any more.
 */
VirtIOGPUXenResult
virtio_gpu_xen_unmap_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                          struct virtio_gpu_simple_resource *res);

#endif
