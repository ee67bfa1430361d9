/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: how blobs of guest memory are shown
 *
 * The providers of memory and of dma-bufs, pixman, and the displays are this
 * file's. G... are requirements of docs/specs/virtio-gpu-guest-memory.rst.
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/report-limit.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"
#include "hw/virtio/virtio-gpu-pixman.h"
#include "system/xen.h"

#define PAGE    4096
#define WIDTH   64
#define HEIGHT  32
#define STRIDE  (WIDTH * 4)
#define SIZE    (STRIDE * HEIGHT)

typedef struct virtio_gpu_simple_resource Resource;

struct pixman_image {
    unsigned refs;
    uint32_t *bits;
    pixman_image_destroy_func_t destroy;
    void *data;
};

struct DisplaySurface {
    pixman_image_t *image;
    int share_handle;
    uint32_t share_offset;
};

struct QemuConsole {
    DisplaySurface *surface;
    unsigned switches, dmabufs;
    bool dmabuf;                /* is what it shows */
};

static struct {
    bool xen, udmabuf, one_piece, gl, dbus, update_fails;
    const char *refuses;        /* why there is no dma-buf; or NULL */
    unsigned made, asked, live; /* dma-bufs; pieces */
    bool writable;
    uint64_t bytes;
    char log[1000];
    unsigned logged;
    QemuConsole console[2];
    VirtIOGPU gpu;
    Resource res;
    uint8_t ram[SIZE];
    struct iovec iov;
} t;

bool xen_enabled(void)
{
    return t.xen;
}

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(t.log, sizeof(t.log), fmt, ap);
    va_end(ap);
    t.logged++;
}

size_t iov_size(const struct iovec *iov, unsigned int iov_cnt)
{
    return iov_cnt ? iov->iov_len : 0;
}

size_t iov_to_buf(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  void *buf, size_t bytes)
{
    g_assert_cmpuint(offset + bytes, <=, iov->iov_len);
    memcpy(buf, (uint8_t *)iov->iov_base + offset, bytes);
    return bytes;
}

/* The providers */

bool virtio_gpu_have_udmabuf(void)
{
    return t.udmabuf;
}

void virtio_gpu_init_udmabuf(Resource *res)
{
    g_assert_false(t.xen);
    res->dmabuf_fd = t.udmabuf ? fcntl(0, F_DUPFD_CLOEXEC, 0) : -1;
    res->blob = t.udmabuf ? t.ram : NULL;
}

void virtio_gpu_fini_udmabuf(VirtIOGPU *g, Resource *res)
{
    close(res->dmabuf_fd);
    res->dmabuf_fd = -1;
}

static void unmap_piece(VirtIOGPUGuestMemory *memory)
{
    t.live--;
}

int virtio_gpu_backing_dmabuf(VirtIOGPU *g, const struct iovec *iov,
                              uint64_t bytes, bool writable, char **why)
{
    g_assert(iov == &t.iov);
    t.asked++;
    t.writable = writable;
    t.bytes = bytes;
    if (t.refuses) {
        *why = g_strdup(t.refuses);
        return -1;
    }
    t.made++;
    return memfd_create("dma-buf", MFD_CLOEXEC);
}

VirtIOGPUGuestMemory *virtio_gpu_backing_memory(VirtIOGPU *g,
                                                const struct iovec *iov)
{
    VirtIOGPUGuestMemory *memory;

    if (!t.one_piece) {
        return NULL;
    }
    memory = virtio_gpu_guest_memory_new(t.ram, SIZE, unmap_piece);
    memory->make_dmabuf = virtio_gpu_backing_dmabuf;
    t.live++;
    return memory;
}

const char *virtio_gpu_backing_why(VirtIOGPU *g, const struct iovec *iov)
{
    return t.xen && !t.one_piece ? "it is in pieces" : NULL;
}

void virtio_gpu_backing_prepare(void)
{
}

/* pixman and displays */

pixman_image_t *pixman_image_create_bits(pixman_format_code_t format,
                                         int width, int height, uint32_t *bits,
                                         int stride)
{
    pixman_image_t *image = g_new0(pixman_image_t, 1);

    image->refs = 1;
    image->bits = bits;
    return image;
}

void pixman_image_set_destroy_function(pixman_image_t *image,
                                       pixman_image_destroy_func_t destroy,
                                       void *data)
{
    image->destroy = destroy;
    image->data = data;
}

void pixman_image_unref(pixman_image_t *image)
{
    if (--image->refs) {
        return;
    }
    if (image->destroy) {
        image->destroy(image, image->data);
    }
    g_free(image);
}

DisplaySurface *qemu_create_displaysurface_pixman(pixman_image_t *image)
{
    DisplaySurface *surface = g_new0(DisplaySurface, 1);

    image->refs++;
    surface->image = image;
    surface->share_handle = SHAREABLE_NONE;
    return surface;
}

void qemu_displaysurface_set_share_handle(DisplaySurface *surface,
                                          qemu_pixman_shareable handle,
                                          uint32_t offset)
{
    g_assert_cmpint(surface->share_handle, ==, SHAREABLE_NONE);
    surface->share_handle = handle;
    surface->share_offset = offset;
}

static void free_surface(DisplaySurface *surface)
{
    if (surface) {
        pixman_image_unref(surface->image);
        g_free(surface);
    }
}

void qemu_console_set_surface(QemuConsole *con, DisplaySurface *surface)
{
    g_assert_true(!surface || !con->dmabuf);
    free_surface(con->surface);
    con->surface = surface;
    con->switches++;
}

bool qemu_console_has_gl(QemuConsole *con)
{
    g_assert(con == &t.console[0] || con == &t.console[1]);
    return t.gl;
}

void *object_resolve_path_type(const char *path, const char *type,
                               bool *ambiguous)
{
    g_assert_cmpstr(type, ==, "dbus-display");
    return t.dbus ? &t : NULL;
}

int virtio_gpu_update_dmabuf(VirtIOGPU *g, uint32_t scanout_id, Resource *res,
                             struct virtio_gpu_framebuffer *fb,
                             struct virtio_gpu_rect *r)
{
    g_assert_true(t.gl);
    g_assert_cmpint(fcntl(res->dmabuf_fd, F_GETFD), >=, 0);
    if (t.update_fails) {
        return -EINVAL;
    }
    t.console[scanout_id].dmabufs++;
    t.console[scanout_id].dmabuf = true;
    return 0;
}

void virtio_gpu_end_dmabuf(VirtIOGPU *g, uint32_t scanout_id)
{
    t.console[scanout_id].dmabuf = false;
}

void virtio_gpu_update_scanout(VirtIOGPU *g, uint32_t scanout_id, Resource *res,
                               struct virtio_gpu_framebuffer *fb,
                               struct virtio_gpu_rect *r)
{
    struct virtio_gpu_scanout *scanout = &g->parent_obj.scanout[scanout_id];

    res->scanout_bitmask |= 1 << scanout_id;
    scanout->resource_id = res->resource_id;
    scanout->width = r->width;
    scanout->height = r->height;
    scanout->fb = *fb;
}

void virtio_gpu_disable_scanout(VirtIOGPU *g, int scanout_id)
{
    t.res.scanout_bitmask &= ~(1 << scanout_id);
    qemu_console_set_surface(&t.console[scanout_id], NULL);
}

/* Each test */

static void begin(bool xen)
{
    memset(&t, 0, sizeof(t));
    t.xen = t.one_piece = xen;
    t.gpu.parent_obj.conf.max_outputs = 2;
    t.gpu.conf_max_hostmem = SIZE;
    for (unsigned n = 0; n < 2; n++) {
        t.gpu.parent_obj.scanout[n].con = &t.console[n];
    }
    t.iov.iov_base = t.ram;
    t.iov.iov_len = SIZE;
    t.res.iov = &t.iov;
    t.res.iov_cnt = 1;
    t.res.resource_id = 1;
    t.res.blob_size = SIZE;
}

static bool show_part(unsigned head, uint32_t offset, uint32_t width)
{
    struct virtio_gpu_rect r = { .width = width, .height = HEIGHT / 2 };
    struct virtio_gpu_framebuffer fb = {
        .format = 32,
        .width = width,
        .height = HEIGHT / 2,
        .stride = STRIDE,
        .offset = offset,
    };
    uint32_t error = 0;
    bool shown = virtio_gpu_guest_blob_scanout(&t.gpu, head, &t.res, &fb, &r,
                                               &error);

    g_assert(shown == !error);
    return shown;
}

static bool show(unsigned head, uint32_t offset)
{
    return show_part(head, offset, WIDTH);
}

static bool flush(void)
{
    struct virtio_gpu_rect r = { .width = WIDTH, .height = HEIGHT };

    return virtio_gpu_guest_blob_flush(&t.gpu, &t.res, &r);
}

static void end(void)
{
    virtio_gpu_guest_blob_fini(&t.gpu, &t.res);
    g_assert_null(t.res.guest_memory);
    g_assert_null(t.res.blob);
    g_assert_cmpint(t.res.dmabuf_fd, ==, -1);
    g_assert_cmpuint(t.res.scanout_bitmask, ==, 0);
    g_assert_cmpuint(t.gpu.hostmem, ==, 0);
    g_assert_cmpuint(t.live, ==, 0);
}

static void closed(int fd)
{
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

/* G9: not before it is shown, and not where no display takes it */
static void test_no_taker(void)
{
    begin(true);
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_null(t.res.guest_memory->why);
    g_assert_true(show(0, 0));
    g_assert_true(show(0, 0));
    g_assert_cmpuint(t.asked, ==, 0);
    g_assert_cmpuint(t.logged, ==, 0);
    g_assert_cmpstr(t.res.guest_memory->why, ==, "no display takes a dma-buf");
    g_assert_cmpint(t.console[0].surface->share_handle, ==, SHAREABLE_NONE);
    g_assert(t.console[0].surface->image->bits == (uint32_t *)t.ram);
    g_assert_false(flush());
    end();
}

/* G9: the descriptor belongs to the surface, and lives as long. */
static void test_surface(void)
{
    pixman_image_t *image;
    int fd;

    begin(true);
    t.dbus = true;
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_cmpuint(t.asked, ==, 0);
    g_assert_true(show(0, 0));
    g_assert_true(show(1, SIZE / 2));
    g_assert_cmpuint(t.made, ==, 1);
    g_assert_false(t.writable);
    g_assert_cmpuint(t.bytes, ==, SIZE);
    fd = t.console[0].surface->share_handle;
    g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
    g_assert_cmpint(t.console[1].surface->share_handle, ==, fd);
    g_assert_cmpuint(t.console[1].surface->share_offset, ==, SIZE / 2);
    g_assert_null(t.res.guest_memory->why);
    g_assert_false(flush());        /* by lines, as surfaces are */

    image = t.console[0].surface->image;
    image->refs++;
    virtio_gpu_guest_blob_fini(&t.gpu, &t.res);
    g_assert_cmpuint(t.live, ==, 1);
    g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
    pixman_image_unref(image);
    closed(fd);
    g_assert_cmpuint(t.live, ==, 0);
    g_assert_cmpint(t.res.share_handle, ==, SHAREABLE_NONE);
}

/* G9: a display with GL gets the dma-buf itself, writable, and no surface. */
static void test_gl(void)
{
    int fd;

    begin(true);
    t.gl = true;
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_true(show(0, 0));
    g_assert_true(show(1, 0));
    g_assert_cmpuint(t.made, ==, 1);
    g_assert_true(t.writable);
    g_assert_cmpuint(t.console[0].dmabufs, ==, 1);
    g_assert_cmpuint(t.console[1].dmabufs, ==, 1);
    g_assert_null(t.console[0].surface);
    g_assert_true(flush());
    fd = t.res.dmabuf_fd;
    t.update_fails = true;
    g_assert_false(show(0, 0));
    end();
    closed(fd);
}

/* G9: a refusal is said once, and the surface takes its place. */
static void test_refused(void)
{
    for (unsigned gl = 0; gl < 2; gl++) {
        begin(true);
        t.gl = gl;
        t.dbus = !gl;
        t.refuses = "frame 0x77 is not memory of the guest's";
        g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
        for (unsigned n = 0; n < 3; n++) {
            g_assert_true(show(n % 2, 0));
            g_assert_nonnull(t.console[n % 2].surface);
            g_assert_cmpint(t.console[n % 2].surface->share_handle, ==,
                            SHAREABLE_NONE);
        }
        g_assert_cmpuint(t.asked, ==, 1);
        g_assert_cmpuint(t.logged, ==, 1);
        g_assert_nonnull(strstr(t.log, t.refuses));
        g_assert_cmpstr(t.res.guest_memory->why, ==, t.refuses);
        g_assert_false(flush());
        g_assert_cmpuint(t.console[0].dmabufs, ==, 0);
        end();
    }
}

/* G3: what is copied has no dma-buf, and the reason is that of the copy. */
static void test_copied(void)
{
    for (unsigned xen = 0; xen < 2; xen++) {
        begin(xen);
        t.one_piece = false;
        t.gl = true;
        t.ram[STRIDE] = 1;
        t.console[0].dmabuf = true;     /* that of another blob */
        g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
        g_assert_cmpstr(t.res.guest_memory->why, ==, xen ? "it is in pieces" :
                        "udmabuf does not take the guest's memory");
        g_assert_true(show(0, STRIDE));
        g_assert_cmpuint(t.asked, ==, 0);
        g_assert_cmpuint(*t.console[0].surface->image->bits & 0xff, ==, 1);
        t.ram[STRIDE] = 2;
        g_assert_false(flush());
        g_assert_cmpuint(*t.console[0].surface->image->bits & 0xff, ==, 2);
        end();
    }
}

/* G6: of the last line, no more than the picture has is in the blob. */
static void test_last_line(void)
{
    begin(true);
    t.one_piece = false;
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_true(show_part(0, SIZE / 2 + STRIDE / 2, WIDTH / 2));
    t.ram[SIZE / 2 + STRIDE / 2] = 3;
    g_assert_false(flush());
    g_assert_cmpuint(*t.console[0].surface->image->bits & 0xff, ==, 3);
    g_assert_false(show_part(0, SIZE / 2 + STRIDE / 2 + 4, WIDTH / 2));
    end();
}

/* G5: a copy for which nothing is left */
static void test_limit(void)
{
    for (unsigned used = 0; used < 2; used++) {
        begin(true);
        t.one_piece = false;
        t.gpu.conf_max_hostmem = SIZE - 1 + used;
        t.gpu.hostmem = used;
        g_assert_false(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
        g_assert_nonnull(strstr(t.log, "max_hostmem leaves"));
        g_assert_null(t.res.blob);
        g_assert_null(t.res.guest_memory);
        g_assert_cmpuint(t.gpu.hostmem, ==, used);
    }
}

/* A picture must not be read where there is no memory. */
static void test_smaller(void)
{
    begin(true);
    t.iov.iov_len = SIZE - 1;
    g_assert_false(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_null(t.res.blob);
    g_assert_cmpuint(t.live, ==, 0);
}

/* G1: without Xen, udmabuf does all of it, as before. */
static void test_udmabuf(void)
{
    begin(false);
    t.udmabuf = t.gl = true;
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_null(t.res.guest_memory);
    g_assert_cmpint(t.res.dmabuf_fd, >=, 0);
    g_assert_true(flush());
    end();
}

/* G6, whether there is a dma-buf or not */
static void test_outside(void)
{
    begin(true);
    t.gl = true;
    g_assert_true(virtio_gpu_guest_blob_init(&t.gpu, &t.res));
    g_assert_false(show(0, SIZE / 2 + 4));
    g_assert_false(show(0, UINT32_MAX));
    g_assert_cmpuint(t.asked, ==, 0);
    g_assert_true(show(0, SIZE / 2));
    g_assert_false(show(0, SIZE / 2 + 4));
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-blob/no-taker", test_no_taker);
    g_test_add_func("/guest-blob/surface", test_surface);
    g_test_add_func("/guest-blob/gl", test_gl);
    g_test_add_func("/guest-blob/refused", test_refused);
    g_test_add_func("/guest-blob/copied", test_copied);
    g_test_add_func("/guest-blob/last-line", test_last_line);
    g_test_add_func("/guest-blob/limit", test_limit);
    g_test_add_func("/guest-blob/smaller", test_smaller);
    g_test_add_func("/guest-blob/udmabuf", test_udmabuf);
    g_test_add_func("/guest-blob/outside", test_outside);
    return g_test_run();
}
