/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the device and a display that takes dma-bufs, which no qtest has
 *
 * The queue, the transport's guard, guest memory and the console are this
 * file's.
 */

#include "qemu/osdep.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"
#include "hw/virtio/virtio-gpu-pixman.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/cpus.h"
#include "ui/console.h"

#define WIDTH       64
#define HEIGHT      32
#define STRIDE      (WIDTH * 4)
#define COMMANDS    24          /* of one test */
#define BHS         3

typedef struct virtio_gpu_simple_resource Resource;

struct QemuConsole {
    DisplaySurface *surface;
    QemuDmaBuf *scanout;        /* what it sends a display that connects */
    QemuDmaBuf *held;           /* by a display, to import it again */
    unsigned dmabufs;
};

typedef struct Command {
    union {
        struct virtio_gpu_ctrl_hdr head;
        struct virtio_gpu_resource_create_2d image;
        struct virtio_gpu_resource_create_blob blob;
        struct virtio_gpu_resource_attach_backing attach;
        struct virtio_gpu_set_scanout show;
        struct virtio_gpu_set_scanout_blob show_blob;
        struct virtio_gpu_resource_flush flush;
        struct virtio_gpu_resource_unref unref;
    } request;
    struct virtio_gpu_ctrl_hdr answer;
    struct iovec out, in;
} Command;

static struct {
    VirtIOGPU *gpu;
    QemuConsole console;
    VirtIOHandleOutput kick;
    struct {
        QEMUBHFunc *cb;
        void *opaque;
    } bh[BHS];
    unsigned bhs;
    bool guarded;               /* by the transport, against itself */
    Command command[COMMANDS];
    unsigned added, taken, answered;
    unsigned closed;            /* descriptors of blobs */
    bool slow;                  /* the display blocks the device at an update */
    uint8_t ram[HEIGHT * STRIDE];
    GPtrArray *freed;           /* surfaces; a test that fails reads them */
} t;

/* The queue and the transport */

int virtio_queue_ready(VirtQueue *vq)
{
    return true;
}

VirtQueue *virtio_get_queue(VirtIODevice *vdev, int n)
{
    return NULL;
}

void *virtqueue_pop(VirtQueue *vq, size_t sz)
{
    VirtQueueElement *elem;
    Command *c = &t.command[t.taken];

    if (t.taken == t.added) {
        return NULL;
    }
    elem = g_malloc0(sz);
    elem->index = t.taken++;
    elem->out_num = elem->in_num = 1;
    elem->out_sg = &c->out;
    elem->in_sg = &c->in;
    return elem;
}

/* It may be written into a register of the device: only with the guard. */
void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem,
                    unsigned int len)
{
    g_assert_true(t.guarded);
    g_assert_cmpuint(elem->index, ==, t.answered);
    t.answered++;
}

void virtqueue_detach_element(VirtQueue *vq, const VirtQueueElement *elem,
                              unsigned int len)
{
}

void virtio_notify(VirtIODevice *vdev, VirtQueue *vq)
{
}

static void run_guarded(void *opaque)
{
    unsigned n = GPOINTER_TO_UINT(opaque);

    t.guarded = true;
    t.bh[n].cb(t.bh[n].opaque);
    t.guarded = false;
}

QEMUBH *virtio_bh_io_new_guarded_full(DeviceState *dev, QEMUBHFunc *cb,
                                      void *opaque, const char *name)
{
    unsigned n = t.bhs++;

    g_assert_cmpuint(n, <, BHS);
    t.bh[n].cb = cb;
    t.bh[n].opaque = opaque;
    return aio_bh_new(qemu_get_aio_context(), run_guarded, GUINT_TO_POINTER(n));
}

bool qemu_in_vcpu_thread(void)
{
    return false;
}

/* virtio-gpu-base.c */

bool virtio_gpu_base_device_realize(DeviceState *dev, VirtIOHandleOutput ctrl,
                                    VirtIOHandleOutput cursor, Error **errp)
{
    t.kick = ctrl;
    return true;
}

void virtio_gpu_base_device_unrealize(DeviceState *dev)
{
}

void virtio_gpu_base_reset(VirtIOGPUBase *g)
{
}

/* The guest's memory */

int virtio_gpu_backing_map(VirtIOGPU *g,
                           const struct virtio_gpu_mem_entry *entries,
                           uint32_t nr_entries, uint64_t **addr,
                           struct iovec **iov, uint32_t *niov)
{
    *addr = g_new0(uint64_t, 1);
    *iov = g_new0(struct iovec, 1);
    (*iov)->iov_base = t.ram;
    (*iov)->iov_len = sizeof(t.ram);
    *niov = 1;
    return 0;
}

bool virtio_gpu_backing_unmap(VirtIOGPU *g, struct iovec *iov)
{
    g_free(iov);
    return true;
}

bool virtio_gpu_guest_blob_available(void)
{
    return true;
}

/* As udmabuf would have it */
bool virtio_gpu_guest_blob_init(VirtIOGPU *g, Resource *res)
{
    if (res->blob_size && !res->blob) {
        res->blob = t.ram;
        res->dmabuf_fd = memfd_create("blob", MFD_CLOEXEC);
    }
    return true;
}

void virtio_gpu_guest_blob_fini(VirtIOGPU *g, Resource *res)
{
    if (res->blob) {
        close(res->dmabuf_fd);
        res->blob = NULL;
        t.closed++;
        g_assert_null(t.console.scanout);
        g_assert_null(t.console.held);
    }
}

bool virtio_gpu_guest_blob_flush(VirtIOGPU *g, Resource *res,
                                 const struct virtio_gpu_rect *r)
{
    return res->blob;
}

/* The console, as in ui/console.c: a surface is freed when it is replaced. */

static void free_surface(void *opaque)
{
    DisplaySurface *surface = opaque;

    pixman_image_unref(surface->image);
    g_free(surface);
}

DisplaySurface *qemu_create_displaysurface_pixman(pixman_image_t *image)
{
    DisplaySurface *surface = g_new0(DisplaySurface, 1);

    surface->image = pixman_image_ref(image);
    return surface;
}

void qemu_displaysurface_set_share_handle(DisplaySurface *surface,
                                          qemu_pixman_shareable handle,
                                          uint32_t offset)
{
}

void qemu_console_set_surface(QemuConsole *con, DisplaySurface *surface)
{
    if (con->surface) {
        g_ptr_array_add(t.freed, con->surface);
    }
    con->surface = surface;
    con->scanout = NULL;
}

void qemu_console_resize(QemuConsole *con, int width, int height)
{
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, width,
                                                     height, NULL, 0);

    qemu_console_set_surface(con, qemu_create_displaysurface_pixman(image));
    pixman_image_unref(image);
}

bool qemu_console_has_gl(QemuConsole *con)
{
    return true;
}

void qemu_console_gl_scanout_dmabuf(QemuConsole *con, QemuDmaBuf *dmabuf)
{
    con->dmabufs++;
    con->scanout = con->held = dmabuf;
}

void qemu_console_gl_scanout_disable(QemuConsole *con)
{
    con->scanout = NULL;
}

void qemu_console_gl_release_dmabuf(QemuConsole *con, QemuDmaBuf *dmabuf)
{
    g_assert_true(con->scanout != dmabuf);
    if (con->held == dmabuf) {
        con->held = NULL;
    }
}

/* A D-Bus client, for example, says later that it is done. */
void qemu_console_gl_update(QemuConsole *con, uint32_t x, uint32_t y,
                            uint32_t w, uint32_t h)
{
    t.gpu->parent_obj.renderer_blocked += t.slow;
}

/* The types that the device is made of */

void device_class_set_props_n(DeviceClass *dc, const Property *props, size_t n)
{
}

static const TypeInfo types[] = {
    {
        .name = TYPE_DEVICE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(DeviceState),
        .class_size = sizeof(DeviceClass),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_DEVICE,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(VirtIODevice),
        .class_size = sizeof(VirtioDeviceClass),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_GPU_BASE,
        .parent = TYPE_VIRTIO_DEVICE,
        .instance_size = sizeof(VirtIOGPUBase),
        .class_size = sizeof(VirtIOGPUBaseClass),
        .abstract = true,
    },
};

/* Each test */

static void begin(void)
{
    memset(&t, 0, sizeof(t));
    t.freed = g_ptr_array_new_with_free_func(free_surface);
    t.gpu = VIRTIO_GPU(object_new(TYPE_VIRTIO_GPU));
    t.gpu->conf_max_hostmem = 1024 * 1024;
    t.gpu->parent_obj.conf.max_outputs = 1;
    t.gpu->parent_obj.conf.flags = 1 << VIRTIO_GPU_FLAG_BLOB_ENABLED;
    t.gpu->parent_obj.scanout[0].con = &t.console;
    virtio_gpu_device_realize(DEVICE(t.gpu), &error_abort);
}

static void run_bhs(void)
{
    while (aio_poll(qemu_get_aio_context(), false)) {
        /* all that there is to do */
    }
}

static void end(void)
{
    virtio_gpu_reset(VIRTIO_DEVICE(t.gpu));
    g_assert_null(t.console.surface);
    g_assert_null(t.console.scanout);
    g_assert_null(t.console.held);
    VIRTIO_DEVICE_GET_CLASS(t.gpu)->unrealize(DEVICE(t.gpu));
    run_bhs();
    object_unref(OBJECT(t.gpu));
    g_ptr_array_free(t.freed, true);
}

static Command *add(uint32_t type, size_t bytes)
{
    Command *c = &t.command[t.added++];

    g_assert_cmpuint(t.added, <=, COMMANDS);
    c->request.head.type = cpu_to_le32(type);
    c->out.iov_base = &c->request;
    c->out.iov_len = bytes;
    c->in.iov_base = &c->answer;
    c->in.iov_len = sizeof(c->answer);
    return c;
}

static void kick(void)
{
    t.kick(VIRTIO_DEVICE(t.gpu), NULL);
    run_bhs();
}

/* Sends it, and has an answer that is no error at once */
static void done(Command *c)
{
    kick();
    g_assert_cmpuint(t.answered, ==, t.added);
    g_assert_cmphex(le32_to_cpu(c->answer.type), ==, VIRTIO_GPU_RESP_OK_NODATA);
}

#define ADD(type, field) \
    add(VIRTIO_GPU_CMD_##type, sizeof_field(Command, request.field))

static struct virtio_gpu_rect whole(void)
{
    return (struct virtio_gpu_rect) {
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT),
    };
}

static void create_image(uint32_t id)
{
    Command *c = ADD(RESOURCE_CREATE_2D, image);

    c->request.image.resource_id = cpu_to_le32(id);
    c->request.image.format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    c->request.image.width = cpu_to_le32(WIDTH);
    c->request.image.height = cpu_to_le32(HEIGHT);
    done(c);
    c = ADD(RESOURCE_ATTACH_BACKING, attach);
    c->request.attach.resource_id = cpu_to_le32(id);
    done(c);
}

static void create_blob(uint32_t id)
{
    Command *c = ADD(RESOURCE_CREATE_BLOB, blob);

    c->request.blob.resource_id = cpu_to_le32(id);
    c->request.blob.blob_mem = cpu_to_le32(VIRTIO_GPU_BLOB_MEM_GUEST);
    c->request.blob.size = cpu_to_le64(sizeof(t.ram));
    done(c);
}

/* The device knows no surface but the console's. */
static void check_surface(void)
{
    DisplaySurface *ds = t.gpu->parent_obj.scanout[0].ds;

    g_assert_true(!ds || ds == t.console.surface);
}

static void show_image(uint32_t id)
{
    Command *c = ADD(SET_SCANOUT, show);
    Resource *res = virtio_gpu_find_resource(t.gpu, id);

    c->request.show.r = whole();
    c->request.show.resource_id = cpu_to_le32(id);
    done(c);
    g_assert(surface_data(t.console.surface) ==
             pixman_image_get_data(res->image));
    g_assert_null(t.console.scanout);
    g_assert_null(t.console.held);
    check_surface();
}

static void show_blob(uint32_t id)
{
    Command *c = ADD(SET_SCANOUT_BLOB, show_blob);
    unsigned before = t.console.dmabufs;

    c->request.show_blob.r = whole();
    c->request.show_blob.resource_id = cpu_to_le32(id);
    c->request.show_blob.width = cpu_to_le32(WIDTH);
    c->request.show_blob.height = cpu_to_le32(HEIGHT);
    c->request.show_blob.format =
        cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
    c->request.show_blob.strides[0] = cpu_to_le32(STRIDE);
    done(c);
    g_assert_cmpuint(t.console.dmabufs, ==, before + 1);
    g_assert_nonnull(t.console.scanout);
    g_assert_true(t.console.held == t.console.scanout);
    check_surface();
}

static void show_nothing(void)
{
    Command *c = ADD(SET_SCANOUT, show);

    c->request.show.r = whole();
    done(c);
    g_assert_null(t.console.held);
}

static void destroy(uint32_t id)
{
    Command *c = ADD(RESOURCE_UNREF, unref);

    c->request.unref.resource_id = cpu_to_le32(id);
    done(c);
}

static Command *add_flush(uint32_t id, uint32_t flags)
{
    Command *c = ADD(RESOURCE_FLUSH, flush);

    c->request.head.flags = cpu_to_le32(flags);
    c->request.flush.resource_id = cpu_to_le32(id);
    c->request.flush.r = whole();
    return c;
}

/* A dma-buf takes the place of an image's surface, which the console frees. */
static void test_image_after_dmabuf(void)
{
    begin();
    create_image(1);
    create_blob(2);
    create_image(3);
    show_image(1);
    show_blob(2);
    show_image(3);
    show_blob(2);
    show_blob(2);
    show_image(3);
    end();
}

/*
 * When the descriptor of a blob is closed, whether shown then or before, no
 * console and no display knows its number: virtio_gpu_guest_blob_fini() looks.
 */
static void test_dmabuf_gone(void)
{
    begin();
    create_image(1);
    create_blob(2);
    show_blob(2);
    show_blob(2);
    destroy(2);
    g_assert_cmpuint(t.closed, ==, 1);
    g_assert_cmpuint(t.gpu->parent_obj.scanout[0].resource_id, ==, 0);

    create_blob(2);
    show_blob(2);
    show_nothing();
    show_blob(2);
    show_image(1);
    destroy(2);
    g_assert_cmpuint(t.closed, ==, 2);
    g_assert_nonnull(t.console.surface);

    create_blob(2);
    show_blob(2);
    end();                              /* by a reset */
}

static void destroy_hidden(VirtIOGPU *g, Resource *res, Error **errp)
{
    close(res->dmabuf_fd);
    virtio_gpu_remove_resource(g, res);
    g_free(res->iov);
    g_free(res->addrs);
    g_free(res);
}

/* A reset forgets them, too, if the renderer destroys its resources itself. */
static void test_reset_with_renderer(void)
{
    VirtIOGPUClass *class;
    void (*plain)(VirtIOGPU *g, Resource *res, Error **errp);

    begin();
    class = VIRTIO_GPU_GET_CLASS(t.gpu);
    plain = class->resource_destroy;
    class->resource_destroy = destroy_hidden;
    create_blob(1);
    show_blob(1);
    end();
    class->resource_destroy = plain;
}

/* What waited for the display is answered with the guard, and in order. */
static void test_unblocked(void)
{
    VirtIOGPUBaseClass *class;

    begin();
    class = VIRTIO_GPU_BASE_GET_CLASS(t.gpu);
    create_blob(1);
    show_blob(1);
    t.answered = 0;
    t.taken = t.added = 0;

    t.slow = true;
    add_flush(1, VIRTIO_GPU_FLAG_FENCE);
    add_flush(1, 0);
    kick();
    g_assert_cmpuint(t.taken, ==, 2);
    add_flush(1, 0);
    kick();                             /* while the display is not done */
    g_assert_cmpuint(t.taken, ==, 3);
    g_assert_cmpuint(t.answered, ==, 0);

    t.slow = false;
    t.gpu->parent_obj.renderer_blocked = 0;
    class->gl_flushed(VIRTIO_GPU_BASE(t.gpu));
    run_bhs();
    g_assert_cmpuint(t.answered, ==, 3);
    end();
}

/* The display is done, and begins with the next picture before the answer. */
static void test_blocked_again(void)
{
    VirtIOGPUBaseClass *class;

    begin();
    class = VIRTIO_GPU_BASE_GET_CLASS(t.gpu);
    create_blob(1);
    show_blob(1);
    t.answered = 0;
    t.taken = t.added = 0;

    t.slow = true;
    add_flush(1, VIRTIO_GPU_FLAG_FENCE);
    kick();
    t.gpu->parent_obj.renderer_blocked = 0;
    class->gl_flushed(VIRTIO_GPU_BASE(t.gpu));
    t.gpu->parent_obj.renderer_blocked = 1;
    run_bhs();
    g_assert_cmpuint(t.answered, ==, 0);
    t.gpu->parent_obj.renderer_blocked = 0;
    class->gl_flushed(VIRTIO_GPU_BASE(t.gpu));
    run_bhs();
    g_assert_cmpuint(t.answered, ==, 1);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    module_call_init(MODULE_INIT_QOM);
    for (size_t n = 0; n < ARRAY_SIZE(types); n++) {
        type_register_static(&types[n]);
    }
    g_test_add_func("/gpu-display/image-after-dmabuf", test_image_after_dmabuf);
    g_test_add_func("/gpu-display/dmabuf-gone", test_dmabuf_gone);
    g_test_add_func("/gpu-display/reset-with-renderer",
                    test_reset_with_renderer);
    g_test_add_func("/gpu-display/unblocked", test_unblocked);
    g_test_add_func("/gpu-display/blocked-again", test_blocked_again);
    return g_test_run();
}
