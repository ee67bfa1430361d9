/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host memory of the guest's blobs
 */

#include "qemu/osdep.h"
#include "qemu/report-limit.h"
#include "qemu/units.h"
#include "hw/virtio/virtio-gpu-blob-quota.h"
#include "standard-headers/linux/virtio_gpu.h"

#define PAGE_BYTES          (4 * KiB)   /* the least that a guest can map */
/* For devices without a window, or with a small one */
#define SMALLEST_HOSTMEM    (256 * MiB)

void virtio_gpu_blob_quota_init(VirtIOGPUBlobQuota *quota, uint64_t hostmem)
{
    uint64_t limit = quota->limit ?: 2 * MAX(hostmem, SMALLEST_HOSTMEM);

    quota->limit = MIN(limit, INT64_MAX);   /* so that sizes can be rounded */
}

static bool
uses_host_memory(const struct virtio_gpu_resource_create_blob *blob)
{
    return blob->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST;
}

static void refuse(VirtIOGPUBlobQuota *quota,
                   const struct virtio_gpu_resource_create_blob *blob)
{
    static ReportLimit refusals = { .what = "virtio-gpu: blobs over quota" };
    uint64_t size = blob->size;

    quota->refused++;
    warn_report_limited(&refusals, "virtio-gpu: blob %" PRIu32 " of %" PRIu64
                        " KiB is refused: the guest's blobs use %" PRIu64
                        " KiB of host memory, and may use %" PRIu64 " KiB "
                        "(blob-quota)", blob->resource_id, size / KiB,
                        quota->used / KiB, quota->limit / KiB);
}

bool virtio_gpu_blob_quota_admit(VirtIOGPUBlobQuota *quota,
                                 struct virtio_gpu_resource_create_blob *blob)
{
    if (!uses_host_memory(blob)) {
        return true;
    }
    /* In this order, so that neither the sum nor the rounding overflows */
    if (blob->size > quota->limit || quota->used > quota->limit - blob->size) {
        refuse(quota, blob);
        return false;
    }
    if (blob->blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D) {
        blob->size = DIV_ROUND_UP(blob->size, PAGE_BYTES) * PAGE_BYTES;
    }
    return true;
}

void
virtio_gpu_blob_quota_add(VirtIOGPUBlobQuota *quota,
                          const struct virtio_gpu_resource_create_blob *blob)
{
    if (!uses_host_memory(blob)) {
        return;
    }
    if (!quota->sizes) {
        quota->sizes = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    quota->used += blob->size;
    g_hash_table_insert(quota->sizes, GUINT_TO_POINTER(blob->resource_id),
                        g_memdup2(&blob->size, sizeof(uint64_t)));
}

void virtio_gpu_blob_quota_remove(VirtIOGPUBlobQuota *quota,
                                  uint32_t resource_id)
{
    gpointer key = GUINT_TO_POINTER(resource_id);
    uint64_t *size = quota->sizes ? g_hash_table_lookup(quota->sizes, key) :
                                    NULL;

    if (size) {
        quota->used -= *size;
        g_hash_table_remove(quota->sizes, key);
    }
}

void virtio_gpu_blob_quota_clear(VirtIOGPUBlobQuota *quota)
{
    g_clear_pointer(&quota->sizes, g_hash_table_destroy);
    quota->used = 0;
}
