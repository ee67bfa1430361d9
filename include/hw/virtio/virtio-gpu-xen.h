/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen
 *
 * Functions called by virtio-gpu-gl.  Unless the accelerator is Xen and the
 * device has a hostmem window, each does nothing, and the commands are
 * %VIRTIO_GPU_XEN_NOT_OURS.  Main loop only.
 */
#ifndef HW_VIRTIO_GPU_XEN_H
#define HW_VIRTIO_GPU_XEN_H

#include "hw/virtio/virtio-gpu.h"

typedef struct PropertyInfo PropertyInfo;
extern const PropertyInfo virtio_gpu_xen_prop_policy;
extern const PropertyInfo virtio_gpu_xen_prop_provider;

#define DEFINE_PROP_XEN_HOSTMEM_POLICY(_name, _state, _field, _default) \
    DEFINE_PROP_UNSIGNED(_name, _state, _field, _default, \
                         virtio_gpu_xen_prop_policy, XenHostmemPolicy)
#define DEFINE_PROP_XEN_HOSTMEM_PROVIDER(_name, _state, _field, _default) \
    DEFINE_PROP_UNSIGNED(_name, _state, _field, _default, \
                         virtio_gpu_xen_prop_provider, XenHostmemProvider)

/* The state of a command after one of the functions below. */
typedef enum VirtIOGPUXenResult {
    /* The caller continues as without Xen. */
    VIRTIO_GPU_XEN_NOT_OURS,
    /* Answered, or failed with @cmd->error set. */
    VIRTIO_GPU_XEN_HANDLED,
    /* Waits for the guest; answered, or processed again, later. */
    VIRTIO_GPU_XEN_DEFERRED,
} VirtIOGPUXenResult;

/**
 * virtio_gpu_xen_realize: create the backend for the device's window
 *
 * Returns false and sets @errp if the device's properties are inconsistent or
 * the backend cannot be created.
 */
bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp);
void virtio_gpu_xen_unrealize(VirtIOGPU *g);

/**
 * virtio_gpu_xen_block_migration: refuse to save a window of granted memory
 *
 * Call it after the device is realized: the newest blocker is the one that a
 * toolstack reports, and virgl has one of its own that says less.  Undone by
 * virtio_gpu_xen_unrealize().
 */
bool virtio_gpu_xen_block_migration(VirtIOGPU *g, Error **errp);

/**
 * virtio_gpu_xen_reset: unmap everything; call before virtio_gpu_reset()
 */
void virtio_gpu_xen_reset(VirtIOGPU *g);

/**
 * virtio_gpu_xen_map_blob: RESOURCE_MAP_BLOB
 * @res: the command's resource
 * @offset: bytes from the start of the window
 */
VirtIOGPUXenResult
virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                        struct virtio_gpu_simple_resource *res,
                        uint64_t offset);

/**
 * virtio_gpu_xen_unmap_blob: RESOURCE_UNMAP_BLOB, RESOURCE_UNREF
 *
 * %VIRTIO_GPU_XEN_NOT_OURS: the resource is not in the window.
 */
VirtIOGPUXenResult
virtio_gpu_xen_unmap_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                          struct virtio_gpu_simple_resource *res);

#endif
