/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: stubs for virglrenderer before 1.0,
 * which has no blobs
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/virtio/virtio-gpu-xen.h"

bool virtio_gpu_xen_realize(VirtIOGPU *g, Error **errp)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(g);

    if (gl->xen_hostmem_policy != XEN_HOSTMEM_POLICY_AUTO ||
        gl->xen_hostmem_provider != XEN_HOSTMEM_PROVIDER_AUTO ||
        gl->xen_hostmem_wc != ON_OFF_AUTO_AUTO ||
        gl->xen_hostmem_hold_limit ||
        gl->xen_hostmem_quota) {
        error_setg(errp, "xen-hostmem requires a QEMU built with virglrenderer "
                   "1.0 or newer");
        return false;
    }
    return true;
}

void virtio_gpu_xen_unrealize(VirtIOGPU *g)
{
}

bool virtio_gpu_xen_block_migration(VirtIOGPU *g, Error **errp)
{
    return true;
}

void virtio_gpu_xen_reset(VirtIOGPU *g)
{
}

VirtIOGPUXenResult
virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                        struct virtio_gpu_simple_resource *res, uint64_t offset)
{
    return VIRTIO_GPU_XEN_NOT_OURS;
}

VirtIOGPUXenResult
virtio_gpu_xen_unmap_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                          struct virtio_gpu_simple_resource *res)
{
    return VIRTIO_GPU_XEN_NOT_OURS;
}
