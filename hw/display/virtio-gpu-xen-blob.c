/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: a blob's commands, and who waits
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "hw/virtio/virtio-gpu-parked.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "trace.h"

#include <virglrenderer.h>

#if VIRGL_VERSION_MAJOR >= 1

static void answer_map(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                       uint32_t resource_id)
{
    struct virtio_gpu_resp_map_info resp = {
        .hdr.type = VIRTIO_GPU_RESP_OK_MAP_INFO,
    };

    virgl_renderer_resource_get_map_info(resource_id, &resp.map_info);
    virtio_gpu_ctrl_response(g, cmd, &resp.hdr, sizeof(resp));
}

static void refuse_map(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd)
{
    virtio_gpu_ctrl_response_nodata(g, cmd, VIRTIO_GPU_RESP_ERR_UNSPEC);
}

/* A parked MAP is answered here, anything else is processed anew. */
static bool finish_parked_map(VirtIOGPU *g,
                              struct virtio_gpu_ctrl_command *cmd,
                              uint32_t resource_id, int status)
{
    if (cmd->cmd_hdr.type != VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB) {
        return false;
    }
    switch (status) {
    case 0:
        answer_map(g, cmd, resource_id);
        break;
    case -EBUSY:
        /* Not from within a command, so the context is anybody's. */
        virgl_renderer_force_ctx_0();
        virgl_renderer_resource_unmap(resource_id);
        refuse_map(g, cmd);
        break;
    default:
        return false;
    }
    g_free(cmd);
    return true;
}

/*
 * The wait for a resource is over. The oldest command is what was waited for;
 * what came after it found it unfinished, and is processed anew, in order.
 */
void virtio_gpu_xen_settled(void *opaque, uint32_t resource_id)
{
    VirtIOGPU *g = opaque;
    struct virtio_gpu_ctrl_command *cmd, *last = NULL;
    int status = xen_hostmem_status(g->xen, resource_id);

    trace_virtio_gpu_xen_settled(resource_id, status);
    cmd = virtio_gpu_parked_take(g->parked, resource_id);
    if (cmd && finish_parked_map(g, cmd, resource_id, status)) {
        cmd = virtio_gpu_parked_take(g->parked, resource_id);
    }
    for (; cmd; cmd = virtio_gpu_parked_take(g->parked, resource_id)) {
        if (last) {
            QTAILQ_INSERT_AFTER(&g->cmdq, last, cmd, next);
        } else {
            QTAILQ_INSERT_HEAD(&g->cmdq, cmd, next);
        }
        last = cmd;
    }
    if (last) {
        virtio_gpu_process_cmdq(g);
        virtio_gpu_virgl_fence_poll(g);
    }
}

void virtio_gpu_xen_export_again(void *opaque, uint32_t resource_id,
                                 XenHostmemBuffer *buf)
{
    virtio_gpu_xen_export(resource_id, buf);
}

/* MAP: returns 0 if it is mapped, -EINPROGRESS if it will be, or an error. */
static int map_resource(VirtIOGPU *g, struct virtio_gpu_simple_resource *res,
                        uint64_t offset)
{
    XenHostmemBuffer buf = { .size = res->blob_size };
    uint64_t size;
    int ret;

    trace_virtio_gpu_xen_map(res->resource_id, offset, buf.size);
    ret = virgl_renderer_resource_map(res->resource_id, &buf.host, &size);
    trace_virtio_gpu_xen_renderer_map(res->resource_id, ret);
    if (ret) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: failed to map virgl resource: "
                      "%s\n", __func__, strerror(-ret));
        return -EIO;
    }
    if (size < buf.size) {
        ret = -EINVAL;
    } else {
        virtio_gpu_xen_export(res->resource_id, &buf);
        ret = xen_hostmem_map(g->xen, res->resource_id, offset, &buf);
    }
    if (ret < 0 && ret != -EINPROGRESS) {
        virgl_renderer_resource_unmap(res->resource_id);
    }
    return ret;
}

static void start_map(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                      struct virtio_gpu_simple_resource *res, uint64_t offset)
{
    int ret = map_resource(g, res, offset);

    switch (ret) {
    case 0:
        answer_map(g, cmd, res->resource_id);
        break;
    case -EINPROGRESS:
        virtio_gpu_parked_add(g->parked, cmd, res->resource_id);
        break;
    case -EINVAL:
    case -EEXIST:
    case -ENOSPC:
        qemu_log_mask(LOG_GUEST_ERROR, "%s: resource %u cannot be mapped at "
                      "offset 0x%" PRIx64 ": %s\n", __func__,
                      res->resource_id, offset, strerror(-ret));
        cmd->error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        break;
    default:
        cmd->error = VIRTIO_GPU_RESP_ERR_UNSPEC;
        break;
    }
}

bool virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                             struct virtio_gpu_simple_resource *res,
                             uint64_t offset)
{
    if (!g->xen) {
        return false;
    }
    switch (xen_hostmem_status(g->xen, res->resource_id)) {
    case -ENOENT:
        start_map(g, cmd, res, offset);
        break;
    case -EALREADY:
        virtio_gpu_parked_add(g->parked, cmd, res->resource_id);
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "%s: resource %u is mapped already\n",
                      __func__, res->resource_id);
        cmd->error = VIRTIO_GPU_RESP_ERR_UNSPEC;
        break;
    }
    return true;
}

/* The guest unmaps what is still being mapped: that comes to nothing. */
static void end_parked_map(VirtIOGPU *g, uint32_t resource_id)
{
    struct virtio_gpu_ctrl_command *map;

    if (xen_hostmem_status(g->xen, resource_id) == -EINPROGRESS) {
        map = virtio_gpu_parked_take(g->parked, resource_id);
        if (map) {
            refuse_map(g, map);
            g_free(map);
        }
    }
}

bool virtio_gpu_xen_unmap_blob(VirtIOGPU *g,
                               struct virtio_gpu_ctrl_command *cmd,
                               struct virtio_gpu_simple_resource *res)
{
    if (!g->xen) {
        return false;
    }
    trace_virtio_gpu_xen_unmap(res->resource_id);
    end_parked_map(g, res->resource_id);
    switch (xen_hostmem_unmap(g->xen, res->resource_id)) {
    case 0:
        virgl_renderer_resource_unmap(res->resource_id);
        return false;
    case -EINPROGRESS:
        virgl_renderer_resource_unmap(res->resource_id);
        virtio_gpu_parked_add(g->parked, cmd, res->resource_id);
        return true;
    case -EALREADY:
        virtio_gpu_parked_add(g->parked, cmd, res->resource_id);
        return true;
    default:
        /* A refused map may have left it mapped; it refuses what is not. */
        virgl_renderer_resource_unmap(res->resource_id);
        return false;
    }
}

/* The renderer's reset forgets its resources, and leaves them mapped here. */
static void unmap_all(VirtIOGPU *g)
{
    struct virtio_gpu_simple_resource *res;

    if (!QTAILQ_EMPTY(&g->reslist)) {
        virgl_renderer_force_ctx_0();
    }
    QTAILQ_FOREACH(res, &g->reslist, next) {
        virgl_renderer_resource_unmap(res->resource_id);
    }
}

void virtio_gpu_xen_reset(VirtIOGPU *g)
{
    struct virtio_gpu_ctrl_command *cmd;

    if (!g->xen) {
        return;
    }
    xen_hostmem_reset(g->xen);
    unmap_all(g);
    while ((cmd = virtio_gpu_parked_take_any(g->parked))) {
        QTAILQ_INSERT_TAIL(&g->cmdq, cmd, next);
    }
}

#else

void virtio_gpu_xen_reset(VirtIOGPU *g)
{
}

#endif
