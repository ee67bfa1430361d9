/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: map and unmap commands
 *
 * A command that has to wait for the guest is deferred: it leaves the control
 * queue, so that the queue does not stall (I3).  Commands for one resource keep
 * their order: while one is deferred, later ones are deferred behind it.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "trace.h"
#include "virtio-gpu-xen-blob.h"

#include <virglrenderer.h>

/* Deferred commands */

static VirtIOGPUXenResult defer(struct virtio_gpu_ctrl_command *cmd,
                                uint32_t resource_id)
{
    cmd->deferred_for = resource_id;
    return VIRTIO_GPU_XEN_DEFERRED;
}

/* The oldest command that is deferred for the resource, or NULL */
static struct virtio_gpu_ctrl_command *find_deferred(VirtIOGPU *g,
                                                     uint32_t resource_id)
{
    struct virtio_gpu_ctrl_command *cmd;

    QTAILQ_FOREACH(cmd, &g->deferredq, next) {
        if (cmd->deferred_for == resource_id) {
            return cmd;
        }
    }
    return NULL;
}

/* Move them back to the head of the control queue, in order. */
static void resume_deferred(VirtIOGPU *g, uint32_t resource_id)
{
    struct virtio_gpu_ctrl_command *cmd, *last = NULL;

    while ((cmd = find_deferred(g, resource_id))) {
        QTAILQ_REMOVE(&g->deferredq, cmd, next);
        if (last) {
            QTAILQ_INSERT_AFTER(&g->cmdq, last, cmd, next);
        } else {
            QTAILQ_INSERT_HEAD(&g->cmdq, cmd, next);
        }
        last = cmd;
    }
    if (last) {
        qemu_bh_schedule(g->ctrl_bh);
    }
}

/* Answers */

static void answer_map(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                       uint32_t resource_id)
{
    struct virtio_gpu_resp_map_info resp = {
        .hdr.type = VIRTIO_GPU_RESP_OK_MAP_INFO,
    };

    virgl_renderer_resource_get_map_info(resource_id, &resp.map_info);
    virtio_gpu_ctrl_response(g, cmd, &resp.hdr, sizeof(resp));
}

static void end_map(VirtIOGPU *g, uint32_t resource_id, bool mapped)
{
    struct virtio_gpu_ctrl_command *cmd = find_deferred(g, resource_id);

    if (!mapped) {
        /* Called outside a command, so any context may be current. */
        virgl_renderer_force_ctx_0();
        virgl_renderer_resource_unmap(resource_id);
    }
    if (!cmd) {
        return;
    }
    QTAILQ_REMOVE(&g->deferredq, cmd, next);
    if (mapped) {
        answer_map(g, cmd, resource_id);
    } else {
        virtio_gpu_ctrl_response_nodata(g, cmd, VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
    g_free(cmd);
}

void virtio_gpu_xen_settled(void *opaque, uint32_t resource_id,
                            XenHostmemResult result)
{
    VirtIOGPU *g = opaque;

    trace_virtio_gpu_xen_settled(resource_id, result);
    switch (result) {
    case XEN_HOSTMEM_MAPPED:
        end_map(g, resource_id, true);
        break;
    case XEN_HOSTMEM_REFUSED:
        end_map(g, resource_id, false);
        break;
    case XEN_HOSTMEM_UNMAPPED:
        /* The deferred commands run again, and find that nothing is mapped. */
        break;
    }
    resume_deferred(g, resource_id);
}

/* Returns 0 if it is mapped, -EINPROGRESS if that is pending, or an error. */
static int map_resource(VirtIOGPU *g, struct virtio_gpu_simple_resource *res,
                        uint64_t offset)
{
    XenHostmem *h = VIRTIO_GPU_GL(g)->xen_hostmem;
    XenHostmemBuffer buf = { .size = res->blob_size };
    uint64_t size;
    int ret;

    trace_virtio_gpu_xen_map(res->resource_id, offset, buf.size);
    ret = virgl_renderer_resource_map(res->resource_id, &buf.host, &size);
    trace_virtio_gpu_xen_renderer_map(res->resource_id, ret);
    if (ret) {
        /* Already mapped, or cannot be mapped */
        qemu_log_mask(LOG_GUEST_ERROR, "%s: failed to map virgl resource: "
                      "%s\n", __func__, strerror(-ret));
        return -EIO;
    }
    if (size < buf.size) {
        ret = -EINVAL;
    } else {
        virtio_gpu_xen_export(g, res->resource_id, &buf);
        ret = xen_hostmem_map(h, res->resource_id, offset, &buf);
    }
    if (ret < 0 && ret != -EINPROGRESS) {
        virgl_renderer_resource_unmap(res->resource_id);
    }
    return ret;
}

VirtIOGPUXenResult
virtio_gpu_xen_map_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                        struct virtio_gpu_simple_resource *res, uint64_t offset)
{
    int ret;

    if (!VIRTIO_GPU_GL(g)->xen_hostmem) {
        return VIRTIO_GPU_XEN_NOT_OURS;
    }
    if (find_deferred(g, res->resource_id)) {
        return defer(cmd, res->resource_id);
    }
    ret = map_resource(g, res, offset);
    switch (ret) {
    case 0:
        answer_map(g, cmd, res->resource_id);
        break;
    case -EINPROGRESS:
        return defer(cmd, res->resource_id);
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
    return VIRTIO_GPU_XEN_HANDLED;
}

VirtIOGPUXenResult
virtio_gpu_xen_unmap_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                          struct virtio_gpu_simple_resource *res)
{
    XenHostmem *h = VIRTIO_GPU_GL(g)->xen_hostmem;

    if (!h) {
        return VIRTIO_GPU_XEN_NOT_OURS;
    }
    if (find_deferred(g, res->resource_id)) {
        return defer(cmd, res->resource_id);
    }
    trace_virtio_gpu_xen_unmap(res->resource_id);
    switch (xen_hostmem_unmap(h, res->resource_id)) {
    case 0:
        virgl_renderer_resource_unmap(res->resource_id);
        return VIRTIO_GPU_XEN_NOT_OURS;
    case -EINPROGRESS:
        virgl_renderer_resource_unmap(res->resource_id);
        return defer(cmd, res->resource_id);
    default:
        return VIRTIO_GPU_XEN_NOT_OURS;     /* was not mapped */
    }
}

/*
 * A reset of the renderer destroys its resources but leaves them mapped in this
 * process.
 */
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
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(g);

    if (gl->xen_hostmem) {
        xen_hostmem_reset(gl->xen_hostmem);
        unmap_all(g);
    }
}
