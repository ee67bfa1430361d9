/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU with virgl: what stays when the guest resets the device, what
 * becomes of a blob of guest memory, and which copy of a command tells what the
 * command may wait for
 *
 * The renderer, the queue and the transport are this file's. Nothing is shown:
 * whatever would do so is in test-gpu-virgl-stubs.c, and ends the test.
 */

#include "qemu/osdep.h"
#include "hw/display/virtio-gpu-render-contexts.h"
#include "hw/display/virtio-gpu-render-server.h"
#include "hw/display/virtio-gpu-render-watch.h"
#include "hw/display/virtio-gpu-virgl-log.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-blob-quota.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "qemu/module.h"
#include "ui/egl-helpers.h"

#include <virglrenderer.h>

#define RESETS  3
#define BLOB    7
#define WIDTH   64
#define HEIGHT  32
#define STRIDE  (WIDTH * 4)

#define OTHER_CTX   9           /* of the header, when it is read first */
#define VULKAN_CTX  1

typedef struct virtio_gpu_simple_resource Resource;

EGLDisplay *qemu_egl_display;
bool qemu_egl_angle_d3d;

static unsigned inits, bhs;

static struct {
    const struct iovec *iov;    /* the renderer's */
    unsigned backings;          /* that are mapped */
    uint32_t answer;
    unsigned answers;
} t;

/* A command that the guest changes */
static union {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_cmd_submit submit;
    struct virtio_gpu_resource_create_blob blob;
    struct virtio_gpu_ctx_destroy destroy;
} guest_memory;

static struct {
    uint32_t type, ctx_id;
} label;

static unsigned called;         /* virglrenderer, with a context */

/* virglrenderer, as 1.1 and 1.3 are about a blob of guest memory */

int virgl_renderer_init(void *cookie, int flags,
                        struct virgl_renderer_callbacks *cb)
{
    inits++;
    return 0;
}

/* Between the two copies of a command */
void virgl_renderer_force_ctx_0(void)
{
    guest_memory.hdr.type = VIRTIO_GPU_CMD_GET_EDID;
    guest_memory.hdr.ctx_id = VULKAN_CTX;
}

static void called_with(uint32_t ctx_id)
{
    called++;
    g_assert_cmpuint(label.ctx_id, ==, ctx_id);
}

int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw)
{
    called_with(ctx_id);
    return 0;
}

void virgl_renderer_context_destroy(uint32_t ctx_id)
{
    called_with(ctx_id);
}

int virgl_renderer_resource_create_blob(
    const struct virgl_renderer_resource_create_blob_args *args)
{
    called_with(args->ctx_id);
    if (args->blob_mem != VIRGL_RENDERER_BLOB_MEM_GUEST) {
        return -EINVAL;
    }
    g_assert_cmpuint(args->num_iovs, ==, 1);
    t.iov = args->iovecs;
    return 0;
}

/* There is no descriptor, and nothing to export; the rest is left as it is. */
int virgl_renderer_resource_get_info(int res_handle,
                                     struct virgl_renderer_resource_info *info)
{
    info->handle = res_handle;
    info->fd = -1;
    return 0;
}

void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov,
                                        int *num_iovs)
{
    *iov = (struct iovec *)t.iov;
    *num_iovs = t.iov ? 1 : 0;
    t.iov = NULL;
}

void virgl_renderer_resource_unref(uint32_t res_handle)
{
    g_assert_cmpuint(res_handle, ==, BLOB);
    g_assert_null(t.iov);
}

/* The rest of the device */

int virtio_gpu_create_mapping_iov(VirtIOGPU *g, uint32_t nr_entries,
                                  uint32_t offset,
                                  struct virtio_gpu_ctrl_command *cmd,
                                  uint64_t **addr, struct iovec **iov,
                                  uint32_t *niov)
{
    *iov = g_new0(struct iovec, 1);
    *niov = 1;
    t.backings++;
    return 0;
}

void virtio_gpu_cleanup_mapping(VirtIOGPU *g, Resource *res)
{
}

void virtio_gpu_cleanup_mapping_iov(VirtIOGPU *g, struct iovec *iov,
                                    uint32_t count)
{
    g_free(iov);
    t.backings--;
}

Resource *virtio_gpu_find_resource(VirtIOGPU *g, uint32_t resource_id)
{
    Resource *res;

    QTAILQ_FOREACH(res, &g->reslist, next) {
        if (res->resource_id == resource_id) {
            return res;
        }
    }
    return NULL;
}

void virtio_gpu_index_resource(VirtIOGPU *g, Resource *res)
{
}

void virtio_gpu_remove_resource(VirtIOGPU *g, Resource *res)
{
    QTAILQ_REMOVE(&g->reslist, res, next);
}

bool virtio_gpu_refuse_resource(VirtIOGPU *g,
                                struct virtio_gpu_ctrl_command *cmd)
{
    return false;
}

bool virtio_gpu_blob_quota_admit(
    VirtIOGPUBlobQuota *quota, struct virtio_gpu_resource_create_blob *blob)
{
    return true;
}

void virtio_gpu_blob_quota_add(
    VirtIOGPUBlobQuota *quota,
    const struct virtio_gpu_resource_create_blob *blob)
{
}

void virtio_gpu_blob_quota_remove(VirtIOGPUBlobQuota *quota,
                                  uint32_t resource_id)
{
}

VirtIOGPUXenResult
virtio_gpu_xen_unmap_blob(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                          Resource *res)
{
    return VIRTIO_GPU_XEN_NOT_OURS;
}

void virtio_gpu_ctrl_response_nodata(VirtIOGPU *g,
                                     struct virtio_gpu_ctrl_command *cmd,
                                     enum virtio_gpu_ctrl_type type)
{
    cmd->finished = true;
    t.answer = type;
    t.answers++;
}

void virtio_gpu_virgl_limit_log(void)
{
}

void virtio_gpu_render_watch_label(uint32_t type, uint32_t ctx_id)
{
    label.type = type;
    label.ctx_id = ctx_id;
}

void virtio_gpu_render_contexts_remove(uint32_t ctx_id)
{
}

bool virtio_gpu_render_server_start(void)
{
    return true;
}

QEMUBH *virtio_bh_io_new_guarded_full(DeviceState *dev, QEMUBHFunc *cb,
                                      void *opaque, const char *name)
{
    bhs++;
    return g_malloc(1);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_DEVICE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(DeviceState),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_GPU_BASE,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(VirtIOGPUBase),
        .class_size = sizeof(VirtIOGPUBaseClass),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_GPU,
        .parent = TYPE_VIRTIO_GPU_BASE,
        .instance_size = sizeof(VirtIOGPU),
        .class_size = sizeof(VirtIOGPUClass),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_GPU_GL,
        .parent = TYPE_VIRTIO_GPU,
        .instance_size = sizeof(VirtIOGPUGL),
    },
};

/* Reset and used again, it makes no second timer and no second bottom half. */
static void test_reset(void)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(object_new(TYPE_VIRTIO_GPU_GL));
    unsigned bhs_at_first;
    QEMUTimer *timer;
    QEMUBH *bh;

    g_assert_cmpint(virtio_gpu_virgl_init(&gl->parent_obj), ==, 0);
    timer = gl->fence_poll;
    bh = gl->cmdq_resume_bh;
    bhs_at_first = bhs;
    g_assert_nonnull(timer);
    for (unsigned n = 0; n < RESETS; n++) {
        gl->renderer_state = RS_RESET;
        g_assert_cmpint(virtio_gpu_virgl_init(&gl->parent_obj), ==, 0);
        g_assert_true(gl->fence_poll == timer);
        g_assert_true(gl->cmdq_resume_bh == bh);
    }
    g_assert_cmpuint(inits, ==, 1 + RESETS);
    g_assert_cmpuint(bhs, ==, bhs_at_first);
    object_unref(OBJECT(gl));
}

/* Has the device answer a request. */
static uint32_t command(VirtIOGPU *g, void *request, size_t bytes)
{
    struct iovec out = { .iov_base = request, .iov_len = bytes };
    struct virtio_gpu_ctrl_command cmd = {
        .elem = { .out_sg = &out, .out_num = 1 },
    };

    t.answers = 0;
    virtio_gpu_virgl_process_cmd(g, &cmd);
    g_assert_cmpuint(t.answers, ==, 1);
    return t.answer;
}

static uint32_t create_guest_blob(VirtIOGPU *g)
{
    struct virtio_gpu_resource_create_blob create = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
        .resource_id = cpu_to_le32(BLOB),
        .blob_mem = cpu_to_le32(VIRTIO_GPU_BLOB_MEM_GUEST),
        .blob_flags = cpu_to_le32(VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE),
        .size = cpu_to_le64(HEIGHT * STRIDE),
    };

    return command(g, &create, sizeof(create));
}

static struct virtio_gpu_rect whole(void)
{
    return (struct virtio_gpu_rect) {
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT),
    };
}

static uint32_t show_blob(VirtIOGPU *g)
{
    struct virtio_gpu_set_scanout_blob show = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
        .r = whole(),
        .resource_id = cpu_to_le32(BLOB),
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT),
        .format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
        .strides[0] = cpu_to_le32(STRIDE),
    };

    return command(g, &show, sizeof(show));
}

static uint32_t flush(VirtIOGPU *g)
{
    struct virtio_gpu_resource_flush flush = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
        .r = whole(),
        .resource_id = cpu_to_le32(BLOB),
    };

    return command(g, &flush, sizeof(flush));
}

static uint32_t unref(VirtIOGPU *g)
{
    struct virtio_gpu_resource_unref unref = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_UNREF),
        .resource_id = cpu_to_le32(BLOB),
    };

    return command(g, &unref, sizeof(unref));
}

/* G13: a blob of guest memory is not shown, and what was shown stays. */
static void test_guest_blob(void)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(object_new(TYPE_VIRTIO_GPU_GL));
    VirtIOGPU *g = &gl->parent_obj;
    struct virtio_gpu_scanout *scanout = &g->parent_obj.scanout[0];
    const uint32_t image = BLOB + 1;

    QTAILQ_INIT(&g->reslist);
    g->parent_obj.conf.max_outputs = 1;
    g->parent_obj.conf.flags = 1 << VIRTIO_GPU_FLAG_BLOB_ENABLED;
    scanout->con = (QemuConsole *)&t;           /* nobody looks into it */
    scanout->resource_id = image;

    g_assert_cmphex(create_guest_blob(g), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmpuint(t.backings, ==, 1);
    g_assert_cmphex(show_blob(g), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmpuint(scanout->resource_id, ==, image);
    g_assert_cmphex(flush(g), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(unref(g), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmpuint(t.backings, ==, 0);
    g_assert_true(QTAILQ_EMPTY(&g->reslist));
    object_unref(OBJECT(gl));
}

/*
 * What waits for the render server to answer is labelled by the same copy of
 * the command that virglrenderer's context is from.
 */
static void test_label(void)
{
    static const struct {
        uint32_t type;
        size_t size;
    } cases[] = {
        { VIRTIO_GPU_CMD_SUBMIT_3D, sizeof(guest_memory.submit) },
        { VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(guest_memory.blob) },
        { VIRTIO_GPU_CMD_CTX_DESTROY, sizeof(guest_memory.destroy) },
    };
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(object_new(TYPE_VIRTIO_GPU_GL));
    VirtIOGPU *g = &gl->parent_obj;

    g->parent_obj.conf.flags = 1 << VIRTIO_GPU_FLAG_BLOB_ENABLED;
    QTAILQ_INIT(&g->reslist);
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        memset(&guest_memory, 0, sizeof(guest_memory));
        memset(&label, 0, sizeof(label));
        called = 0;
        guest_memory.hdr.type = cases[n].type;
        guest_memory.hdr.ctx_id = OTHER_CTX;
        if (cases[n].type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
            guest_memory.blob.resource_id = BLOB;
            guest_memory.blob.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D;
        }
        command(g, &guest_memory, cases[n].size);
        g_assert_cmpuint(called, ==, 1);
        g_assert_cmphex(label.type, ==, cases[n].type);
        g_assert_cmpuint(label.ctx_id, ==, VULKAN_CTX);
    }
    object_unref(OBJECT(gl));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    for (size_t n = 0; n < ARRAY_SIZE(types); n++) {
        type_register_static(&types[n]);
    }
    g_test_add_func("/gpu-virgl/reset", test_reset);
    g_test_add_func("/gpu-virgl/guest-blob", test_guest_blob);
    g_test_add_func("/gpu-virgl/label", test_label);
    return g_test_run();
}
