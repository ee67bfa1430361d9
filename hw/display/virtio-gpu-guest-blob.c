/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: show blobs of guest memory
 *
 * The device needs the backing of a blob as one piece. Whoever can provide that
 * is in a list, best first:
 *
 * udmabuf: a dma-buf of the guest's memfd, which displays can use, and its
 *          mapping
 * mapped:  a mapping of the guest's pages, see virtio-gpu-backing.c, and a
 *          dma-buf of them where a display takes one
 * copied:  memory of QEMU, into which the guest's is copied at each flush, as
 *          without blobs
 */

#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "qemu/report-limit.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"
#include "hw/virtio/virtio-gpu-pixman.h"
#include "system/qtest.h"
#include "system/xen.h"
#include "trace.h"

typedef struct virtio_gpu_simple_resource Resource;

/* Each sets res->blob if it returns true. */
typedef struct Provider {
    const char *name;
    bool (*init)(VirtIOGPU *g, Resource *res);
} Provider;

static bool init_udmabuf(VirtIOGPU *g, Resource *res)
{
    if (xen_enabled()) {
        return false;           /* the guest's memory is no file of ours */
    }
    virtio_gpu_init_udmabuf(res);
    return res->blob;
}

static bool init_mapped(VirtIOGPU *g, Resource *res)
{
    res->guest_memory = virtio_gpu_backing_memory(g, res->iov);
    if (!res->guest_memory) {
        return false;
    }
    res->blob = res->guest_memory->data;
    return true;
}

static void free_copy(VirtIOGPUGuestMemory *memory)
{
    g_free(memory->base);
}

static bool is_copied(const Resource *res)
{
    return res->guest_memory && res->guest_memory->copied;
}

/* Copies count towards max_hostmem, as images do. */
static bool init_copied(VirtIOGPU *g, Resource *res)
{
    static ReportLimit limit = { .what = "virtio-gpu: copied blobs" };
    uint64_t left = g->conf_max_hostmem - MIN(g->hostmem, g->conf_max_hostmem);
    void *copy = res->blob_size <= left ? g_try_malloc0(res->blob_size) : NULL;

    if (!copy) {
        warn_report_limited(&limit, "virtio-gpu: blob %" PRIu32 " of %" PRIu64
                            " KiB is refused: there is no memory for a copy, "
                            "max_hostmem leaves %" PRIu64 " KiB",
                            res->resource_id, res->blob_size / 1024,
                            left / 1024);
        return false;
    }
    res->guest_memory = virtio_gpu_guest_memory_new(copy, res->blob_size,
                                                    free_copy);
    res->guest_memory->copied = true;
    res->guest_memory->why = g_strdup(virtio_gpu_backing_why(g, res->iov) ?:
                                      "udmabuf does not take the guest's "
                                      "memory");
    res->blob = copy;
    res->hostmem += res->blob_size;
    g->hostmem += res->blob_size;
    warn_report_limited(&limit, "virtio-gpu: blob %" PRIu32 " of %" PRIu64
                        " KiB is copied at each flush, as the guest's memory "
                        "is not available in one piece", res->resource_id,
                        res->blob_size / 1024);
    return true;
}

static const Provider providers[] = {
    { "udmabuf", init_udmabuf },
    { "mapped", init_mapped },
    { "copied", init_copied },
};

bool virtio_gpu_guest_blob_available(void)
{
    if (xen_enabled()) {
        virtio_gpu_backing_prepare();
        return true;
    }
    /* Without this, all that is left is to copy, unless that is tested. */
    return qtest_enabled() || virtio_gpu_have_udmabuf();
}

bool virtio_gpu_guest_blob_init(VirtIOGPU *g, Resource *res)
{
    if (!res->blob_size || !res->iov || res->blob) {
        return true;
    }
    res->dmabuf_fd = -1;
    res->share_handle = SHAREABLE_NONE;
    if (iov_size(res->iov, res->iov_cnt) < res->blob_size) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: the backing of blob %" PRIu32
                      " is smaller than the blob\n", __func__,
                      res->resource_id);
        return false;
    }
    for (size_t n = 0; n < ARRAY_SIZE(providers); n++) {
        if (providers[n].init(g, res)) {
            trace_virtio_gpu_guest_blob(res->resource_id, res->blob_size,
                                        providers[n].name);
            return true;
        }
    }
    return false;
}

void virtio_gpu_guest_blob_fini(VirtIOGPU *g, Resource *res)
{
    if (!res->blob) {
        return;
    }
    for (uint32_t n = 0; n < g->parent_obj.conf.max_outputs; n++) {
        if (res->scanout_bitmask & (1 << n)) {
            virtio_gpu_disable_scanout(g, n);
        }
    }
    if (is_copied(res)) {
        g->hostmem -= res->blob_size;
        res->hostmem -= res->blob_size;
    }
    if (res->guest_memory) {
        res->dmabuf_fd = -1;            /* the memory's */
        res->share_handle = SHAREABLE_NONE;
        g_clear_pointer(&res->guest_memory, virtio_gpu_guest_memory_unref);
    } else {
        virtio_gpu_fini_udmabuf(g, res);
    }
    res->blob = NULL;
}

/* Copies what is within the blob, if it is one that has to be copied. */
static void pull(Resource *res, uint64_t offset, uint64_t bytes)
{
    if (is_copied(res) && offset < res->blob_size) {
        iov_to_buf(res->iov, res->iov_cnt, offset,
                   (uint8_t *)res->blob + offset,
                   MIN(bytes, res->blob_size - offset));
    }
}

bool virtio_gpu_guest_blob_cursor(VirtIOGPU *g, Resource *res)
{
    if (res->image) {
        return true;
    }
    if (!virtio_gpu_guest_blob_init(g, res) || !res->blob) {
        return false;
    }
    pull(res, 0, res->blob_size);
    return true;
}

/* The lines of a scanout that are also in [from, end), in the blob's picture */
static void pull_lines(Resource *res, const struct virtio_gpu_scanout *s,
                       uint64_t from, uint64_t end)
{
    uint64_t top = s->y, bottom = top + s->height;

    from = MAX(from, top);
    end = MIN(end, bottom);
    if (from < end) {
        pull(res, s->fb.offset + (from - top) * s->fb.stride,
             (end - from) * s->fb.stride);
    }
}

/* By its dma-buf: then all heads do, since each has the same displays. */
static bool is_shown_by_gl(VirtIOGPU *g, const Resource *res)
{
    return res->dmabuf_fd >= 0 &&
           qemu_console_has_gl(g->parent_obj.scanout[0].con);
}

bool virtio_gpu_guest_blob_flush(VirtIOGPU *g, Resource *res,
                                 const struct virtio_gpu_rect *r)
{
    if (!res->guest_memory || is_shown_by_gl(g, res)) {
        return res->blob;
    }
    for (uint32_t n = 0; n < g->parent_obj.conf.max_outputs; n++) {
        if (res->scanout_bitmask & (1 << n)) {
            pull_lines(res, &g->parent_obj.scanout[n], r->y,
                       (uint64_t)r->y + r->height);
        }
    }
    return false;
}

/* What pixman reads: whole lines, but for the rest of the last one */
static bool fits(const Resource *res, const struct virtio_gpu_framebuffer *fb,
                 const struct virtio_gpu_rect *r)
{
    uint64_t line = (uint64_t)r->width *
                    DIV_ROUND_UP(PIXMAN_FORMAT_BPP(fb->format), 8);

    return r->height && fb->stride >= line && fb->stride <= INT_MAX &&
           fb->stride % sizeof(uint32_t) == 0 &&
           fb->offset + (r->height - 1) * (uint64_t)fb->stride + line <=
           res->blob_size;
}

static void let_go(pixman_image_t *image, void *memory)
{
    virtio_gpu_guest_memory_unref(memory);
}

/* The image keeps the memory, dma-buf included, as a display may keep it. */
static pixman_image_t *picture(Resource *res,
                               const struct virtio_gpu_framebuffer *fb,
                               const struct virtio_gpu_rect *r)
{
    uint8_t *bits = (uint8_t *)res->blob + fb->offset;
    pixman_image_t *image =
        pixman_image_create_bits(fb->format, r->width, r->height,
                                 (uint32_t *)bits, fb->stride);

    if (image && res->guest_memory) {
        pixman_image_set_destroy_function(image, let_go,
            virtio_gpu_guest_memory_ref(res->guest_memory));
    }
    return image;
}

static bool show_surface(VirtIOGPU *g, struct virtio_gpu_scanout *scanout,
                         Resource *res, const struct virtio_gpu_framebuffer *fb,
                         const struct virtio_gpu_rect *r)
{
    pixman_image_t *image = picture(res, fb, r);

    if (!image) {
        return false;
    }
    pull(res, fb->offset, (uint64_t)fb->stride * r->height);
    virtio_gpu_end_dmabuf(g, scanout - g->parent_obj.scanout);
    scanout->ds = qemu_create_displaysurface_pixman(image);
    pixman_image_unref(image);
    if (res->dmabuf_fd >= 0) {
        qemu_displaysurface_set_share_handle(scanout->ds, res->share_handle,
                                             fb->offset);
    }
    qemu_console_set_surface(scanout->con, scanout->ds);
    return true;
}

bool virtio_gpu_guest_blob_scanout(VirtIOGPU *g, uint32_t scanout_id,
                                   Resource *res,
                                   struct virtio_gpu_framebuffer *fb,
                                   struct virtio_gpu_rect *r, uint32_t *error)
{
    struct virtio_gpu_scanout *scanout = &g->parent_obj.scanout[scanout_id];
    bool shown;

    if (!fits(res, fb, r)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: a picture of %" PRIu32 " x %"
                      PRIu32 " is not within blob %" PRIu32 "\n", __func__,
                      r->width, r->height, res->resource_id);
        *error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
        return false;
    }
    virtio_gpu_guest_dmabuf(g, res, scanout->con);
    if (is_shown_by_gl(g, res)) {
        shown = virtio_gpu_update_dmabuf(g, scanout_id, res, fb, r) == 0;
    } else {
        shown = show_surface(g, scanout, res, fb, r);
    }
    if (!shown) {
        *error = VIRTIO_GPU_RESP_ERR_UNSPEC;
        return false;
    }
    virtio_gpu_update_scanout(g, scanout_id, res, fb, r);
    return true;
}
