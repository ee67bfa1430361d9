/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host memory of the guest's blobs
 *
 * A blob of the renderer takes host memory from when the guest creates it,
 * whether or not it is mapped.  The host's memory is shared with all its other
 * guests, so what one guest can take is limited.
 */
#ifndef HW_VIRTIO_GPU_BLOB_QUOTA_H
#define HW_VIRTIO_GPU_BLOB_QUOTA_H

struct virtio_gpu_resource_create_blob;

typedef struct VirtIOGPUBlobQuota {
    uint64_t limit;             /* bytes */
    uint64_t used;              /* bytes of all blobs in @sizes */
    uint64_t refused;           /* number of blobs that exceeded the limit */
    GHashTable *sizes;          /* resource ID to bytes; NULL if empty */
} VirtIOGPUBlobQuota;

/**
 * virtio_gpu_blob_quota_init: set the limit, unless it is set
 * @hostmem: bytes; size of the device's host memory window, or 0
 *
 * By default the guest may have as much as it can map, and as much again for
 * buffers that it does not map, such as images that only the GPU accesses.
 */
void virtio_gpu_blob_quota_init(VirtIOGPUBlobQuota *quota, uint64_t hostmem);

/**
 * virtio_gpu_blob_quota_admit: may the guest create this blob?
 *
 * Rounds its size up to whole pages: a guest cannot map less, and the renderer
 * must not allocate less than the guest maps.  Blobs that have no memory of the
 * host are always admitted.
 */
bool virtio_gpu_blob_quota_admit(VirtIOGPUBlobQuota *quota,
                                 struct virtio_gpu_resource_create_blob *blob);

/**
 * virtio_gpu_blob_quota_add: the blob, which was admitted, has been created
 */
void
virtio_gpu_blob_quota_add(VirtIOGPUBlobQuota *quota,
                          const struct virtio_gpu_resource_create_blob *blob);

/**
 * virtio_gpu_blob_quota_remove: a resource, of any kind, has been destroyed
 */
void virtio_gpu_blob_quota_remove(VirtIOGPUBlobQuota *quota,
                                  uint32_t resource_id);

/**
 * virtio_gpu_blob_quota_clear: all resources are destroyed
 */
void virtio_gpu_blob_quota_clear(VirtIOGPUBlobQuota *quota);

#endif
