/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU with virgl: what stays when the guest resets the device, what
 * becomes of a blob of guest memory, what displays know of a resource that is
 * destroyed, which copy of a command tells what the command may wait for, and
 * that a reset waits for no Vulkan context
 *
 * The renderer, the queue, the transport and the consoles are this file's.
 */

#include "qemu/osdep.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/display/virtio-gpu-render-contexts.h"
#include "hw/display/virtio-gpu-render-server.h"
#include "hw/display/virtio-gpu-render-watch.h"
#include "hw/display/virtio-gpu-virgl-log.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-blob-quota.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include "hw/virtio/virtio-gpu-pixman.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "ui/console.h"
#include "ui/egl-helpers.h"

#include <virglrenderer.h>

#define RESETS  3
#define HEADS   2
#define WIDTH   64
#define HEIGHT  32
#define STRIDE  (WIDTH * 4)

/* Resources */
#define BLOB        7           /* of guest memory */
#define HOST_BLOB   8
#define IMAGE       9

#define OTHER_CTX   9           /* of the header, when it is read first */
#define VULKAN_CTX  1

typedef struct virtio_gpu_simple_resource Resource;

/* What QEMU's console keeps, and what its display does */
struct QemuConsole {
    enum { NOTHING, SURFACE, TEXTURE, DMABUF } scanout;
    QemuDmaBuf *dmabuf;         /* the display may import it again */
    uint32_t texture;           /* of the display's framebuffer */
    unsigned disabled;
};

EGLDisplay *qemu_egl_display;
bool qemu_egl_angle_d3d;

static unsigned inits, bhs;

static struct {
    const struct iovec *iov;    /* the renderer's */
    unsigned backings;          /* that are mapped */
    int fd;                     /* of HOST_BLOB */
    bool ctx_0;                 /* is the current one */
    bool vulkan;                /* there is a context that has HOST_BLOB */
    QemuConsole console[HEADS];
    uint32_t answer;
    unsigned answers;
} t = {
    .fd = -1,
};

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

/* virglrenderer, as 1.1 and 1.3 are about such resources */

int virgl_renderer_init(void *cookie, int flags,
                        struct virgl_renderer_callbacks *cb)
{
    inits++;
    return 0;
}

void virgl_renderer_reset(void)
{
}

/* Between the two copies of a command, which the guest changes then */
void virgl_renderer_force_ctx_0(void)
{
    t.ctx_0 = true;
    guest_memory.hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_GET_EDID);
    guest_memory.hdr.ctx_id = cpu_to_le32(VULKAN_CTX);
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

int virgl_renderer_resource_create(
    struct virgl_renderer_resource_create_args *args, struct iovec *iov,
    uint32_t num_iovs)
{
    g_assert_cmpint(args->handle, ==, IMAGE);
    return 0;
}

int virgl_renderer_resource_get_info_ext(
    int res_handle, struct virgl_renderer_resource_info_ext *ext)
{
    ext->base.handle = ext->base.tex_id = res_handle;
    ext->base.width = WIDTH;
    ext->base.height = HEIGHT;
    return 0;
}

int virgl_renderer_resource_create_blob(
    const struct virgl_renderer_resource_create_blob_args *args)
{
    called_with(args->ctx_id);
    if (args->res_handle == HOST_BLOB) {
        t.fd = memfd_create("blob", MFD_CLOEXEC);
        return 0;
    }
    g_assert_cmphex(args->blob_mem, ==, VIRGL_RENDERER_BLOB_MEM_GUEST);
    g_assert_cmpuint(args->num_iovs, ==, 1);
    t.iov = args->iovecs;
    return 0;
}

/* The descriptor stays the renderer's. One of guest memory has none. */
int virgl_renderer_resource_get_info(int res_handle,
                                     struct virgl_renderer_resource_info *info)
{
    info->handle = res_handle;
    info->fd = res_handle == HOST_BLOB ? t.fd : -1;
    return 0;
}

void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov,
                                        int *num_iovs)
{
    *iov = (struct iovec *)t.iov;
    *num_iovs = t.iov ? 1 : 0;
    t.iov = NULL;
}

/*
 * Nobody knows what goes: the texture's name and the descriptor's number. A
 * context that has it is sent a message, which is not for a reset to wait for.
 */
void virgl_renderer_resource_unref(uint32_t res_handle)
{
    g_assert_false(t.vulkan);
    g_assert_null(t.iov);
    g_assert_true(t.ctx_0);
    for (unsigned n = 0; n < HEADS; n++) {
        if (res_handle == HOST_BLOB) {
            g_assert_cmpint(t.console[n].scanout, !=, DMABUF);
            g_assert_null(t.console[n].dmabuf);
        } else if (res_handle == IMAGE) {
            g_assert_cmpint(t.console[n].scanout, !=, TEXTURE);
            g_assert_cmpuint(t.console[n].texture, ==, 0);
        }
    }
    if (res_handle == HOST_BLOB) {
        close(t.fd);
        t.fd = -1;
    }
}

/* The console, as in ui/console.c, with a display such as gtk's */

void qemu_console_set_surface(QemuConsole *con, DisplaySurface *surface)
{
    con->scanout = SURFACE;
    t.ctx_0 = false;
}

void qemu_console_resize(QemuConsole *con, int width, int height)
{
    if (con->scanout == NOTHING) {      /* all have one size */
        qemu_console_set_surface(con, NULL);
    }
}

void qemu_console_gl_scanout_disable(QemuConsole *con)
{
    if (con->scanout != SURFACE) {
        con->scanout = NOTHING;
    }
    con->texture = 0;
    con->disabled++;
}

void qemu_console_gl_scanout_texture(QemuConsole *con, uint32_t backing_id,
                                     bool backing_y_0_top,
                                     uint32_t backing_width,
                                     uint32_t backing_height, uint32_t x,
                                     uint32_t y, uint32_t w, uint32_t h,
                                     void *d3d_tex2d)
{
    g_assert_true(t.ctx_0);
    con->scanout = TEXTURE;
    con->texture = backing_id;
}

void qemu_console_gl_scanout_dmabuf(QemuConsole *con, QemuDmaBuf *dmabuf)
{
    con->scanout = DMABUF;
    con->dmabuf = dmabuf;
    con->texture = 0;
}

void qemu_console_gl_release_dmabuf(QemuConsole *con, QemuDmaBuf *dmabuf)
{
    if (con->dmabuf == dmabuf) {
        g_assert_cmpint(con->scanout, !=, DMABUF);
        con->dmabuf = NULL;
    }
}

void qemu_dmabuf_free(QemuDmaBuf *dmabuf)
{
    g_free(dmabuf);
}

/* As in virtio-gpu-udmabuf.c */
int virtio_gpu_update_dmabuf(VirtIOGPU *g, uint32_t scanout_id, Resource *res,
                             struct virtio_gpu_framebuffer *fb,
                             struct virtio_gpu_rect *r)
{
    QemuConsole *con = g->parent_obj.scanout[scanout_id].con;
    VGPUDMABuf *old = g->dmabuf.primary[scanout_id];
    VGPUDMABuf *new = g_new0(VGPUDMABuf, 1);

    g_assert_cmpint(res->dmabuf_fd, ==, t.fd);
    new->buf = g_malloc0(1);
    QTAILQ_INSERT_HEAD(&g->dmabuf.bufs, new, next);
    g->dmabuf.primary[scanout_id] = new;
    qemu_console_gl_scanout_dmabuf(con, new->buf);
    if (old) {
        qemu_console_gl_release_dmabuf(con, old->buf);
        qemu_dmabuf_free(old->buf);
        QTAILQ_REMOVE(&g->dmabuf.bufs, old, next);
        g_free(old);
    }
    return 0;
}

/* As in virtio-gpu.c, whose own is tested by test-gpu-display */

void virtio_gpu_disable_scanout(VirtIOGPU *g, int scanout_id)
{
    struct virtio_gpu_scanout *scanout = &g->parent_obj.scanout[scanout_id];

    if (scanout->resource_id) {
        qemu_console_set_surface(scanout->con, NULL);
        scanout->resource_id = 0;
        virtio_gpu_end_gl_scanout(g, scanout_id);
    }
}

void virtio_gpu_update_scanout(VirtIOGPU *g, uint32_t scanout_id, Resource *res,
                               struct virtio_gpu_framebuffer *fb,
                               struct virtio_gpu_rect *r)
{
    g->parent_obj.scanout[scanout_id].resource_id = res->resource_id;
}

bool virtio_gpu_scanout_blob_to_fb(struct virtio_gpu_framebuffer *fb,
                                   struct virtio_gpu_set_scanout_blob *ss,
                                   uint64_t blob_size)
{
    return true;
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

void virtio_gpu_gl_process_reset(void)
{
    t.vulkan = false;
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

    virtio_gpu_virgl_update_render_state(&gl->parent_obj);
    timer = gl->fence_poll;
    bh = gl->cmdq_resume_bh;
    bhs_at_first = bhs;
    g_assert_nonnull(timer);
    for (unsigned n = 0; n < RESETS; n++) {
        gl->renderer_state = RS_RESET;
        virtio_gpu_virgl_update_render_state(&gl->parent_obj);
        g_assert_true(gl->fence_poll == timer);
        g_assert_true(gl->cmdq_resume_bh == bh);
    }
    g_assert_cmpuint(inits, ==, 1 + RESETS);
    g_assert_cmpuint(bhs, ==, bhs_at_first);
    object_unref(OBJECT(gl));
}

#define DONE(answer) \
    g_assert_cmphex(answer, ==, VIRTIO_GPU_RESP_OK_NODATA)

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

static uint32_t create_blob(VirtIOGPU *g, uint32_t id, uint32_t memory)
{
    struct virtio_gpu_resource_create_blob create = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
        .resource_id = cpu_to_le32(id),
        .blob_mem = cpu_to_le32(memory),
        .blob_flags = cpu_to_le32(VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE),
        .size = cpu_to_le64(HEIGHT * STRIDE),
    };

    return command(g, &create, sizeof(create));
}

static uint32_t create_image(VirtIOGPU *g)
{
    struct virtio_gpu_resource_create_2d create = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
        .resource_id = cpu_to_le32(IMAGE),
        .format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT),
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

static uint32_t show_blob(VirtIOGPU *g, uint32_t head, uint32_t id)
{
    struct virtio_gpu_set_scanout_blob show = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
        .r = whole(),
        .scanout_id = cpu_to_le32(head),
        .resource_id = cpu_to_le32(id),
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT),
        .format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
        .strides[0] = cpu_to_le32(STRIDE),
    };

    return command(g, &show, sizeof(show));
}

static uint32_t show(VirtIOGPU *g, uint32_t head, uint32_t id)
{
    struct virtio_gpu_set_scanout show = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT),
        .r = whole(),
        .scanout_id = cpu_to_le32(head),
        .resource_id = cpu_to_le32(id),
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

static uint32_t unref(VirtIOGPU *g, uint32_t id)
{
    struct virtio_gpu_resource_unref unref = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_UNREF),
        .resource_id = cpu_to_le32(id),
    };

    return command(g, &unref, sizeof(unref));
}

static VirtIOGPU *new_gpu(void)
{
    VirtIOGPU *g = VIRTIO_GPU(object_new(TYPE_VIRTIO_GPU_GL));

    QTAILQ_INIT(&g->reslist);
    memset(t.console, 0, sizeof(t.console));
    g->parent_obj.conf.max_outputs = HEADS;
    g->parent_obj.conf.flags = 1 << VIRTIO_GPU_FLAG_BLOB_ENABLED |
                               1 << VIRTIO_GPU_FLAG_VIRGL_ENABLED;
    for (unsigned n = 0; n < HEADS; n++) {
        g->parent_obj.scanout[n].con = &t.console[n];
    }
    return g;
}

static void free_gpu(VirtIOGPU *g)
{
    g_assert_true(QTAILQ_EMPTY(&g->reslist));
    g_assert_true(QTAILQ_EMPTY(&g->dmabuf.bufs));
    object_unref(OBJECT(g));
}

/* G13: a blob of guest memory is not shown, and what was shown stays. */
static void test_guest_blob(void)
{
    VirtIOGPU *g = new_gpu();
    struct virtio_gpu_scanout *scanout = &g->parent_obj.scanout[0];

    scanout->resource_id = IMAGE;
    DONE(create_blob(g, BLOB, VIRTIO_GPU_BLOB_MEM_GUEST));
    g_assert_cmpuint(t.backings, ==, 1);
    g_assert_cmphex(show_blob(g, 0, BLOB), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmpuint(scanout->resource_id, ==, IMAGE);
    DONE(flush(g));
    DONE(unref(g, BLOB));
    g_assert_cmpuint(t.backings, ==, 0);
    g_assert_cmpuint(scanout->resource_id, ==, IMAGE);
    free_gpu(g);
}

/*
 * What is destroyed while two heads show it is shown no longer. The renderer
 * checks that nobody knows it as it goes.
 */
static void test_shown_resource(void)
{
    VirtIOGPU *g = new_gpu();

    for (unsigned n = 0; n < 2; n++) {
        DONE(create_blob(g, HOST_BLOB, VIRTIO_GPU_BLOB_MEM_HOST3D));
        DONE(create_image(g));
        for (unsigned head = 0; head < HEADS; head++) {
            DONE(show_blob(g, head, HOST_BLOB));
        }
        DONE(unref(g, HOST_BLOB));
        g_assert_cmpint(t.fd, ==, -1);
        for (unsigned head = 0; head < HEADS; head++) {
            g_assert_cmpuint(g->parent_obj.scanout[head].resource_id, ==, 0);
            DONE(show(g, head, IMAGE));
            g_assert_cmpint(t.console[head].scanout, ==, TEXTURE);
        }
        DONE(unref(g, IMAGE));
        g_assert_cmpuint(g->parent_obj.scanout[0].resource_id, ==, 0);
    }
    free_gpu(g);
}

/*
 * A display forgets a dma-buf when something else is shown, or nothing, and
 * before a texture takes its place: some take that for the end of the picture.
 */
static void test_shown_before(void)
{
    VirtIOGPU *g = new_gpu();
    QemuConsole *con = &t.console[0];

    DONE(create_blob(g, HOST_BLOB, VIRTIO_GPU_BLOB_MEM_HOST3D));
    DONE(create_image(g));
    DONE(show_blob(g, 0, HOST_BLOB));
    DONE(show_blob(g, 0, HOST_BLOB));
    g_assert_cmpuint(con->disabled, ==, 0);
    DONE(show(g, 0, 0));
    g_assert_null(con->dmabuf);
    DONE(show_blob(g, 0, HOST_BLOB));
    DONE(show_blob(g, 0, 0));
    g_assert_null(con->dmabuf);

    DONE(show_blob(g, 0, HOST_BLOB));
    DONE(show(g, 0, IMAGE));
    g_assert_null(con->dmabuf);
    g_assert_cmpuint(con->texture, ==, IMAGE);
    con->disabled = 0;
    DONE(show(g, 0, IMAGE));
    DONE(unref(g, HOST_BLOB));
    g_assert_cmpint(con->scanout, ==, TEXTURE);
    g_assert_cmpuint(con->disabled, ==, 0);

    DONE(show_blob(g, 0, 0));
    g_assert_cmpuint(con->texture, ==, 0);
    DONE(unref(g, IMAGE));
    free_gpu(g);
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
    VirtIOGPU *g = new_gpu();

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        memset(&guest_memory, 0, sizeof(guest_memory));
        memset(&label, 0, sizeof(label));
        called = 0;
        guest_memory.hdr.type = cpu_to_le32(cases[n].type);
        guest_memory.hdr.ctx_id = cpu_to_le32(OTHER_CTX);
        if (cases[n].type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
            guest_memory.blob.resource_id = cpu_to_le32(HOST_BLOB);
            guest_memory.blob.blob_mem =
                cpu_to_le32(VIRTIO_GPU_BLOB_MEM_HOST3D);
            guest_memory.blob.size = cpu_to_le64(HEIGHT * STRIDE);
        }
        DONE(command(g, &guest_memory, cases[n].size));
        g_assert_cmpuint(called, ==, 1);
        g_assert_cmphex(label.type, ==, cases[n].type);
        g_assert_cmpuint(label.ctx_id, ==, VULKAN_CTX);
    }
    DONE(unref(g, HOST_BLOB));
    free_gpu(g);
}

#if QEMU_VERSION_MAJOR >= 11
/* A reset destroys the Vulkan contexts before what they have. */
static void test_reset_contexts(void)
{
    VirtIOGPU *g = new_gpu();

    DONE(create_blob(g, HOST_BLOB, VIRTIO_GPU_BLOB_MEM_HOST3D));
    t.vulkan = true;
    virtio_gpu_virgl_resource_destroy(g, QTAILQ_FIRST(&g->reslist),
                                      &error_abort);
    g_assert_cmpint(t.fd, ==, -1);
    free_gpu(g);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    for (size_t n = 0; n < ARRAY_SIZE(types); n++) {
        type_register_static(&types[n]);
    }
    g_test_add_func("/gpu-virgl/reset", test_reset);
    g_test_add_func("/gpu-virgl/guest-blob", test_guest_blob);
    g_test_add_func("/gpu-virgl/shown-resource", test_shown_resource);
    g_test_add_func("/gpu-virgl/shown-before", test_shown_before);
    g_test_add_func("/gpu-virgl/label", test_label);
#if QEMU_VERSION_MAJOR >= 11
    g_test_add_func("/gpu-virgl/reset-contexts", test_reset_contexts);
#endif
    return g_test_run();
}
