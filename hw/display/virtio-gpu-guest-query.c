/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: query-gpu-guest-buffers
 *
 * Needs nothing of the device's code, which may be in a module that is not
 * loaded.
 */

#include "qemu/osdep.h"
#include "qapi/qapi-commands-xen-hostmem.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"

#define PAGE_BYTES  4096

static GpuGuestBufferPath path_of(const struct virtio_gpu_simple_resource *res)
{
    if (res->dmabuf_fd >= 0) {
        return GPU_GUEST_BUFFER_PATH_DMABUF;
    }
    return res->guest_memory && res->guest_memory->copied ?
           GPU_GUEST_BUFFER_PATH_COPIED : GPU_GUEST_BUFFER_PATH_MAPPED;
}

static GpuGuestBuffer *describe(const struct virtio_gpu_simple_resource *res,
                                int max_outputs)
{
    GpuGuestBuffer *buffer = g_new0(GpuGuestBuffer, 1);

    buffer->resource_id = res->resource_id;
    buffer->size = res->blob_size;
    buffer->pages = DIV_ROUND_UP(res->blob_size, PAGE_BYTES);
    buffer->path = path_of(res);
    for (int n = max_outputs - 1; n >= 0; n--) {
        if (res->scanout_bitmask & (1 << n)) {
            QAPI_LIST_PREPEND(buffer->scanouts, n);
        }
    }
    if (res->guest_memory) {
        buffer->reason = g_strdup(res->guest_memory->why);
    }
    return buffer;
}

static int collect(Object *obj, void *opaque)
{
    GpuGuestBuffersList **list = opaque;
    VirtIOGPU *g = (VirtIOGPU *)object_dynamic_cast(obj, TYPE_VIRTIO_GPU);
    struct virtio_gpu_simple_resource *res;
    GpuGuestBufferList *buffers = NULL, **tail = &buffers;

    if (!g) {
        return 0;
    }
    QTAILQ_FOREACH(res, &g->reslist, next) {
        /* Those of the renderer have none of this. */
        if (res->blob_size && res->blob) {
            QAPI_LIST_APPEND(tail,
                             describe(res, g->parent_obj.conf.max_outputs));
        }
    }
    if (buffers) {
        GpuGuestBuffers *info = g_new0(GpuGuestBuffers, 1);

        info->device = object_get_canonical_path(obj);
        info->buffers = buffers;
        QAPI_LIST_PREPEND(*list, info);
    }
    return 0;
}

GpuGuestBuffersList *qmp_query_gpu_guest_buffers(Error **errp)
{
    GpuGuestBuffersList *list = NULL;

    object_child_foreach_recursive(object_get_root(), collect, &list);
    return list;
}
