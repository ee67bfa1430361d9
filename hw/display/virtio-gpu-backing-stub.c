/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: without Xen, the entries of a backing are mapped one by one
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"

int virtio_gpu_backing_map(VirtIOGPU *g,
                           const struct virtio_gpu_mem_entry *entries,
                           uint32_t nr_entries, uint64_t **addr,
                           struct iovec **iov, uint32_t *niov)
{
    return VIRTIO_GPU_BACKING_NOT_OURS;
}

uint32_t virtio_gpu_backing_restore(VirtIOGPU *g,
                                    struct virtio_gpu_simple_resource *res)
{
    return 0;
}

bool virtio_gpu_backing_unmap(VirtIOGPU *g, struct iovec *iov)
{
    return false;
}

VirtIOGPUGuestMemory *virtio_gpu_backing_memory(VirtIOGPU *g,
                                                const struct iovec *iov)
{
    return NULL;
}

const char *virtio_gpu_backing_why(VirtIOGPU *g, const struct iovec *iov)
{
    return NULL;
}

int virtio_gpu_backing_dmabuf(VirtIOGPU *g, const struct iovec *iov,
                              uint64_t bytes, bool writable, char **why)
{
    *why = g_strdup("this QEMU was built without Xen support");
    return -1;
}

void virtio_gpu_backing_prepare(void)
{
}
