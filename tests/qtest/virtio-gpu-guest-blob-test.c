/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: blobs of guest memory, as a driver and a display see them
 *
 * A qtest has neither udmabuf nor Xen, so that blobs are copied. G... are
 * requirements of docs/specs/virtio-gpu-guest-memory.rst.
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/libqos-malloc.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio-pci.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_gpu.h"

#define GPU_DEVFN       QPCI_DEVFN(5, 0)
#define PAGE            4096
#define WAIT_US         (30 * 1000 * 1000)
#define MAX_HOSTMEM     (64 * 1024)

/* The blob: 3 pages, and a picture that does not fill them */
#define PAGES           3
#define WIDTH           60
#define HEIGHT          48
#define STRIDE          256
#define OFFSET          8

#define REQUEST_BYTES   PAGE
#define ANSWER_BYTES    PAGE

typedef struct Gpu {
    QTestState *qts;
    QPCIBus *bus;
    QVirtioPCIDevice *dev;
    QGuestAllocator alloc;
    QVirtQueue *control, *cursor;
    uint64_t request, answer;
    uint64_t pages[PAGES];          /* in no order */
} Gpu;

static void start_device(Gpu *gpu)
{
    QVirtioDevice *vdev = &gpu->dev->vdev;

    qvirtio_start_device(vdev);
    qvirtio_set_features(vdev, 1ull << VIRTIO_F_VERSION_1 |
                               1 << VIRTIO_GPU_F_RESOURCE_BLOB);
    gpu->control = qvirtqueue_setup(vdev, &gpu->alloc, 0);
    gpu->cursor = qvirtqueue_setup(vdev, &gpu->alloc, 1);
    qvirtio_set_driver_ok(vdev);
}

static void stop_queues(Gpu *gpu)
{
    qvirtqueue_cleanup(gpu->dev->vdev.bus, gpu->control, &gpu->alloc);
    qvirtqueue_cleanup(gpu->dev->vdev.bus, gpu->cursor, &gpu->alloc);
}

static QTestState *start_qemu(unsigned heads, unsigned max_hostmem,
                              const char *more)
{
    return qtest_initf("-M q35 -nodefaults -display none -device "
                       "virtio-gpu-pci,id=gpu,addr=5,blob=on,max_outputs=%u,"
                       "max_hostmem=%u %s", heads, max_hostmem, more);
}

static Gpu *start_with(unsigned heads)
{
    QPCIAddress at = { .devfn = GPU_DEVFN };
    Gpu *gpu = g_new0(Gpu, 1);

    gpu->qts = start_qemu(heads, MAX_HOSTMEM, "");
    gpu->bus = qpci_new_pc(gpu->qts, NULL);
    pc_alloc_init(&gpu->alloc, gpu->qts, 0);
    gpu->dev = virtio_pci_new(gpu->bus, &at);
    g_assert_nonnull(gpu->dev);
    qvirtio_pci_device_enable(gpu->dev);
    start_device(gpu);
    gpu->request = guest_alloc(&gpu->alloc, REQUEST_BYTES);
    gpu->answer = guest_alloc(&gpu->alloc, ANSWER_BYTES);
    gpu->pages[1] = guest_alloc(&gpu->alloc, PAGE);
    gpu->pages[0] = guest_alloc(&gpu->alloc, 2 * PAGE) + PAGE;
    gpu->pages[2] = gpu->pages[0] - PAGE;
    return gpu;
}

static Gpu *start(void)
{
    return start_with(2);
}

static void finish(Gpu *gpu)
{
    stop_queues(gpu);
    qvirtio_pci_device_disable(gpu->dev);
    qos_object_destroy((QOSGraphObject *)gpu->dev);
    alloc_destroy(&gpu->alloc);
    qpci_free_pc(gpu->bus);
    qtest_quit(gpu->qts);
    g_free(gpu);
}

static uint32_t submit(Gpu *gpu, QVirtQueue *vq, const void *request,
                       size_t bytes)
{
    struct virtio_gpu_ctrl_hdr head;
    uint32_t first;

    g_assert_cmpuint(bytes, <=, REQUEST_BYTES);
    qtest_memwrite(gpu->qts, gpu->request, request, bytes);
    qtest_memset(gpu->qts, gpu->answer, 0, sizeof(head));
    /* One command at a time; libqos itself never uses a descriptor again. */
    vq->free_head = 0;
    vq->num_free = vq->size;
    first = qvirtqueue_add(gpu->qts, vq, gpu->request, bytes, false, true);
    qvirtqueue_add(gpu->qts, vq, gpu->answer, ANSWER_BYTES, true, false);
    qvirtqueue_kick(gpu->qts, &gpu->dev->vdev, vq, first);
    qvirtio_wait_used_elem(gpu->qts, &gpu->dev->vdev, vq, first, NULL, WAIT_US);
    qtest_memread(gpu->qts, gpu->answer, &head, sizeof(head));
    return le32_to_cpu(head.type);
}

/* Returns the type of the answer. All fields are little-endian. */
static uint32_t command(Gpu *gpu, const void *request, size_t bytes)
{
    return submit(gpu, gpu->control, request, bytes);
}

#define ASSERT_OK(answer) \
    g_assert_cmphex(answer, ==, VIRTIO_GPU_RESP_OK_NODATA)

/* With the pages of @gpu as the backing, or with none */
typedef struct QEMU_PACKED CreateBlob {
    struct virtio_gpu_resource_create_blob head;
    struct virtio_gpu_mem_entry entry[PAGES];
} CreateBlob;

static uint32_t create_blob(Gpu *gpu, uint32_t id, uint64_t size,
                            uint32_t entries)
{
    CreateBlob create = {
        .head.hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
        .head.resource_id = cpu_to_le32(id),
        .head.blob_mem = cpu_to_le32(VIRTIO_GPU_BLOB_MEM_GUEST),
        .head.nr_entries = cpu_to_le32(entries),
        .head.size = cpu_to_le64(size),
    };

    for (uint32_t n = 0; n < entries; n++) {
        create.entry[n].addr = cpu_to_le64(gpu->pages[n]);
        create.entry[n].length = cpu_to_le32(PAGE);
    }
    return command(gpu, &create, sizeof(create.head) +
                   entries * sizeof(create.entry[0]));
}

static uint32_t attach(Gpu *gpu, uint32_t id, uint32_t entries)
{
    struct QEMU_PACKED {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entry[PAGES];
    } attach = {
        .head.hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
        .head.resource_id = cpu_to_le32(id),
        .head.nr_entries = cpu_to_le32(entries),
    };

    for (uint32_t n = 0; n < entries; n++) {
        attach.entry[n].addr = cpu_to_le64(gpu->pages[n]);
        attach.entry[n].length = cpu_to_le32(PAGE);
    }
    return command(gpu, &attach, sizeof(attach.head) +
                   entries * sizeof(attach.entry[0]));
}

/* UNREF and DETACH_BACKING look the same. */
static uint32_t about(Gpu *gpu, uint32_t type, uint32_t id)
{
    struct virtio_gpu_resource_unref request = {
        .hdr.type = cpu_to_le32(type),
        .resource_id = cpu_to_le32(id),
    };

    return command(gpu, &request, sizeof(request));
}

/* The whole picture, as it is in the blob */
static struct virtio_gpu_set_scanout_blob scanout_of(uint32_t id)
{
    return (struct virtio_gpu_set_scanout_blob) {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
        .r.width = cpu_to_le32(WIDTH),
        .r.height = cpu_to_le32(HEIGHT - 1),
        .resource_id = cpu_to_le32(id),
        .width = cpu_to_le32(WIDTH),
        .height = cpu_to_le32(HEIGHT - 1),
        .format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
        .strides[0] = cpu_to_le32(STRIDE),
        .offsets[0] = cpu_to_le32(OFFSET),
    };
}

static uint32_t show(Gpu *gpu, uint32_t id)
{
    struct virtio_gpu_set_scanout_blob set = scanout_of(id);

    return command(gpu, &set, sizeof(set));
}

static uint32_t flush(Gpu *gpu, uint32_t id, uint32_t y, uint32_t height)
{
    struct virtio_gpu_resource_flush flush = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
        .resource_id = cpu_to_le32(id),
        .r.y = cpu_to_le32(y),
        .r.width = cpu_to_le32(WIDTH),
        .r.height = cpu_to_le32(height),
    };

    return command(gpu, &flush, sizeof(flush));
}

static uint32_t colour(unsigned x, unsigned y, unsigned seed)
{
    return x * 4 | (y * 5) << 8 | seed << 16;
}

/* What the guest's driver would do, through its own mapping of the pages */
static void draw(Gpu *gpu, unsigned seed)
{
    g_autofree uint8_t *blob = g_malloc0(PAGES * PAGE);

    for (unsigned y = 0; y < HEIGHT - 1; y++) {
        for (unsigned x = 0; x < WIDTH; x++) {
            stl_le_p(blob + OFFSET + y * STRIDE + x * 4, colour(x, y, seed));
        }
    }
    for (unsigned n = 0; n < PAGES; n++) {
        qtest_memwrite(gpu->qts, gpu->pages[n], blob + n * PAGE, PAGE);
    }
}

typedef struct Picture {
    unsigned width, height;
    const uint8_t *rgb;
    char *data;
} Picture;

static void free_picture(Picture *p)
{
    g_free(p->data);
    g_free(p);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Picture, free_picture)

static Picture *screendump(Gpu *gpu, unsigned head)
{
    g_autofree char *path = g_strdup_printf("%s/guest-blob-%d.ppm",
                                            g_get_tmp_dir(), getpid());
    Picture *p = g_new0(Picture, 1);
    gsize size;
    int start = 0;

    qtest_qmp_assert_success(gpu->qts, "{ 'execute': 'screendump', "
                             "'arguments': { 'filename': %s, 'device': 'gpu', "
                             "'head': %u } }", path, head);
    g_assert_true(g_file_get_contents(path, &p->data, &size, NULL));
    unlink(path);
    g_assert_cmpint(sscanf(p->data, "P6 %u %u 255%n", &p->width, &p->height,
                           &start), ==, 2);
    g_assert_cmpuint(size - start - 1, ==, p->width * p->height * 3);
    p->rgb = (uint8_t *)p->data + start + 1;
    return p;
}

static uint32_t pixel(const Picture *p, unsigned x, unsigned y)
{
    const uint8_t *rgb = p->rgb + (y * p->width + x) * 3;

    return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

/* The part of the picture at @left, @top fills the screen of @head. */
static void shows_part(Gpu *gpu, unsigned head, unsigned left, unsigned top,
                       unsigned width, unsigned height, unsigned seed)
{
    g_autoptr(Picture) p = screendump(gpu, head);

    g_assert_cmpuint(p->width, ==, width);
    g_assert_cmpuint(p->height, ==, height);
    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            g_assert_cmphex(pixel(p, x, y), ==,
                            colour(left + x, top + y, seed));
        }
    }
}

static void shows(Gpu *gpu, unsigned seed)
{
    shows_part(gpu, 0, 0, 0, WIDTH, HEIGHT - 1, seed);
}

/* QEMU shows a text instead, white on black, of whatever size. */
static void shows_no_picture(Gpu *gpu)
{
    g_autoptr(Picture) p = screendump(gpu, 0);

    for (unsigned n = 0; n < p->width * p->height; n++) {
        uint32_t grey = pixel(p, n % p->width, n / p->width) & 0xff;

        g_assert_cmphex(pixel(p, n % p->width, n / p->width), ==,
                        grey * 0x10101);
    }
}

/* G1, G3: a flush brings the lines up to date that it names, and no others. */
static void test_picture(void)
{
    Gpu *gpu = start();

    draw(gpu, 1);
    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, PAGES));
    ASSERT_OK(show(gpu, 1));
    shows(gpu, 1);

    draw(gpu, 2);
    shows(gpu, 1);
    ASSERT_OK(flush(gpu, 1, 10, 20));
    {
        g_autoptr(Picture) p = screendump(gpu, 0);

        g_assert_cmphex(pixel(p, 3, 9), ==, colour(3, 9, 1));
        g_assert_cmphex(pixel(p, 0, 10), ==, colour(0, 10, 2));
        g_assert_cmphex(pixel(p, WIDTH - 1, 29), ==, colour(WIDTH - 1, 29, 2));
        g_assert_cmphex(pixel(p, 0, 31), ==, colour(0, 31, 1));
    }
    ASSERT_OK(flush(gpu, 1, 0, HEIGHT));
    shows(gpu, 2);
    ASSERT_OK(flush(gpu, 1, UINT32_MAX, UINT32_MAX));
    ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
    shows_no_picture(gpu);
    finish(gpu);
}

/* Another part of the blob, another size, and two heads that show one blob */
static void test_heads(void)
{
    struct virtio_gpu_set_scanout_blob set = scanout_of(1);
    Gpu *gpu = start();

    draw(gpu, 3);
    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, PAGES));
    ASSERT_OK(show(gpu, 1));
    set.r.x = cpu_to_le32(20);
    set.r.y = cpu_to_le32(16);
    set.r.width = cpu_to_le32(32);
    set.r.height = cpu_to_le32(24);
    set.scanout_id = cpu_to_le32(1);
    ASSERT_OK(command(gpu, &set, sizeof(set)));
    shows(gpu, 3);
    shows_part(gpu, 1, 20, 16, 32, 24, 3);

    draw(gpu, 4);
    ASSERT_OK(flush(gpu, 1, 0, HEIGHT));
    shows(gpu, 4);
    shows_part(gpu, 1, 20, 16, 32, 24, 4);

    set.r.width = cpu_to_le32(16);
    ASSERT_OK(command(gpu, &set, sizeof(set)));
    shows_part(gpu, 1, 20, 16, 16, 24, 4);

    /* A head is off, and the other one goes on. */
    set.scanout_id = 0;
    set.resource_id = 0;
    ASSERT_OK(command(gpu, &set, sizeof(set)));
    shows_no_picture(gpu);
    draw(gpu, 5);
    shows_part(gpu, 1, 20, 16, 16, 24, 4);
    ASSERT_OK(flush(gpu, 1, 0, 16));
    shows_part(gpu, 1, 20, 16, 16, 24, 4);
    ASSERT_OK(flush(gpu, 1, 16, 24));
    shows_part(gpu, 1, 20, 16, 16, 24, 5);
    finish(gpu);
}

/* G7: attach and detach, also while the blob is shown */
static void test_backing(void)
{
    Gpu *gpu = start();

    draw(gpu, 5);
    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, 0));
    g_assert_cmphex(show(gpu, 1), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    for (unsigned round = 0; round < 20; round++) {
        ASSERT_OK(attach(gpu, 1, PAGES));
        g_assert_cmphex(attach(gpu, 1, PAGES), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
        ASSERT_OK(show(gpu, 1));
        shows(gpu, 5);
        ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1));
        shows_no_picture(gpu);
        g_assert_cmphex(show(gpu, 1), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
        g_assert_cmphex(about(gpu, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1),
                        ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
        g_assert_cmphex(flush(gpu, 1, 0, HEIGHT), >=,
                        VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
    ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
    finish(gpu);
}

/* G5: what is copied counts, until it is gone. */
static void test_limit(void)
{
    enum { MOST = (MAX_HOSTMEM - 1) / (PAGES * PAGE) };
    Gpu *gpu = start();
    uint32_t id = 1;

    for (unsigned round = 0; round < 3; round++) {
        for (id = 1; id <= MOST; id++) {
            ASSERT_OK(create_blob(gpu, id, PAGES * PAGE, PAGES));
        }
        g_assert_cmphex(create_blob(gpu, id, PAGES * PAGE, PAGES), ==,
                        VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
        ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2));
        ASSERT_OK(create_blob(gpu, id, PAGES * PAGE, PAGES));
        ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, id));
        while (--id) {
            ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, id));
        }
    }
    finish(gpu);
}

/* G6: an answer that is an error, and the device goes on */
static void test_refused_scanouts(void)
{
    static const struct {
        const char *name;
        uint32_t x, y, width, height, stride, offset;
    } cases[] = {
        { "one line too many", 0, 0, WIDTH, HEIGHT + 1, STRIDE, 0 },
        { "the last line ends too late", 0, 0, 64, HEIGHT, STRIDE, 4 },
        { "an offset at the end", 0, 0, 16, 16, STRIDE, PAGES * PAGE },
        { "an offset that wraps", 0, 0, 16, 16, STRIDE, UINT32_MAX - 3 },
        { "lines that overlap", 0, 0, WIDTH, HEIGHT - 1, WIDTH * 4 - 4, 0 },
        { "lines of no bytes", 0, 0, WIDTH, HEIGHT - 1, 0, 0 },
        { "lines of half a pixel", 0, 0, WIDTH, 20, STRIDE + 2, 0 },
        { "a negative stride", 0, 0, 16, 16, (uint32_t)-STRIDE, PAGES * PAGE },
        { "the largest stride", 0, 0, 16, 16, UINT32_MAX, 0 },
        { "a place that wraps", 0, UINT32_MAX - 4, 16, 16, STRIDE, 0 },
        { "too narrow", 0, 0, 4, 16, STRIDE, 0 },
        { "no lines", 0, 0, 16, 0, STRIDE, 0 },
    };
    struct virtio_gpu_set_scanout image = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT),
        .r.width = cpu_to_le32(16),
        .r.height = cpu_to_le32(16),
        .resource_id = cpu_to_le32(1),
    };
    struct virtio_gpu_set_scanout_blob high = scanout_of(1);
    Gpu *gpu = start();

    draw(gpu, 6);
    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, PAGES));
    ASSERT_OK(show(gpu, 1));
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct virtio_gpu_set_scanout_blob set = scanout_of(1);

        set.r.x = cpu_to_le32(cases[n].x);
        set.r.y = cpu_to_le32(cases[n].y);
        set.r.width = cpu_to_le32(cases[n].width);
        set.r.height = cpu_to_le32(cases[n].height);
        set.width = cpu_to_le32(cases[n].x + cases[n].width);
        set.height = cpu_to_le32(cases[n].y + cases[n].height);
        set.strides[0] = cpu_to_le32(cases[n].stride);
        set.offsets[0] = cpu_to_le32(cases[n].offset);
        g_test_message("%s", cases[n].name);
        g_assert_cmphex(command(gpu, &set, sizeof(set)), >=,
                        VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
    /* A part that fits, of a picture with more lines than an int counts */
    high.height = cpu_to_le32(0x80000000u + HEIGHT);
    g_assert_cmphex(command(gpu, &high, sizeof(high)), >=,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    /* Not a command for blobs, which have no image */
    g_assert_cmphex(command(gpu, &image, sizeof(image)), ==,
                    VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    shows(gpu, 6);

    /* A backing that is too small, and blobs of no bytes */
    g_assert_cmphex(create_blob(gpu, 2, PAGES * PAGE + 1, PAGES), >=,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(show(gpu, 2), ==, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    create_blob(gpu, 3, 0, PAGES);
    g_assert_cmphex(show(gpu, 3), >=, VIRTIO_GPU_RESP_ERR_UNSPEC);
    create_blob(gpu, 4, UINT64_MAX, 0);
    attach(gpu, 4, PAGES);
    g_assert_cmphex(show(gpu, 4), >=, VIRTIO_GPU_RESP_ERR_UNSPEC);
    shows(gpu, 6);
    finish(gpu);
}

static void set_cursor(Gpu *gpu, uint32_t id)
{
    struct virtio_gpu_update_cursor update = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_UPDATE_CURSOR),
        .resource_id = cpu_to_le32(id),
    };

    submit(gpu, gpu->cursor, &update, sizeof(update));
}

/* G6: cursors have 64 x 64 pixels, a page too many for these backings. */
static void test_cursor(void)
{
    Gpu *gpu = start();

    create_blob(gpu, 1, 64 * 64 * 4, 0);
    set_cursor(gpu, 1);
    ASSERT_OK(create_blob(gpu, 2, PAGES * PAGE, PAGES));
    set_cursor(gpu, 2);
    create_blob(gpu, 3, 64 * 64 * 4, PAGES);
    set_cursor(gpu, 3);
    create_blob(gpu, 4, 0, PAGES);
    set_cursor(gpu, 4);
    set_cursor(gpu, 5);
    draw(gpu, 7);
    ASSERT_OK(show(gpu, 2));
    shows(gpu, 7);
    finish(gpu);
}

/* G7: with blobs shown, and the limit reached */
static void test_reset(void)
{
    Gpu *gpu = start();

    draw(gpu, 8);
    for (unsigned round = 0; round < 3; round++) {
        uint32_t id = 0;

        do {
            id++;
        } while (create_blob(gpu, id, PAGES * PAGE, PAGES) ==
                 VIRTIO_GPU_RESP_OK_NODATA);
        g_assert_cmpuint(id, ==, 1 + (MAX_HOSTMEM - 1) / (PAGES * PAGE));
        ASSERT_OK(show(gpu, 1));
        shows(gpu, 8);
        stop_queues(gpu);
        start_device(gpu);              /* which resets it */
        shows_no_picture(gpu);
        g_assert_cmphex(show(gpu, 1), ==,
                        VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    }
    finish(gpu);
}

/* The buffers of the only device that has some; NULL: no device has. */
static QDict *query(Gpu *gpu, QList **buffers)
{
    QDict *answer = qtest_qmp(gpu->qts,
                              "{ 'execute': 'query-gpu-guest-buffers' }");
    QList *devices = qdict_get_qlist(answer, "return");
    QDict *device;

    *buffers = NULL;
    if (!qlist_empty(devices)) {
        g_assert_cmpuint(qlist_size(devices), ==, 1);
        device = qobject_to(QDict, qlist_entry_obj(qlist_first(devices)));
        g_assert_nonnull(strstr(qdict_get_str(device, "device"), "gpu"));
        *buffers = qdict_get_qlist(device, "buffers");
    }
    return answer;
}

static void is_buffer(const QListEntry *entry, int64_t id, uint64_t size,
                      int64_t pages, const char *heads)
{
    QDict *b = qobject_to(QDict, qlist_entry_obj(entry));
    g_autoptr(GString) shown = g_string_new("");
    const QListEntry *e;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(b, "scanouts"), e) {
        g_string_append_printf(shown, "%" PRId64, qnum_get_int(
                               qobject_to(QNum, qlist_entry_obj(e))));
    }
    g_assert_cmpint(qdict_get_int(b, "resource-id"), ==, id);
    g_assert_cmpint(qdict_get_int(b, "size"), ==, size);
    g_assert_cmpint(qdict_get_int(b, "pages"), ==, pages);
    g_assert_cmpstr(shown->str, ==, heads);
    g_assert_cmpstr(qdict_get_str(b, "path"), ==, "copied");
    g_assert_cmpstr(qdict_get_str(b, "reason"), ==,
                    "udmabuf does not take the guest's memory");
}

/* G12, by QMP and HMP; what has no backing is not shown. */
static void test_query(void)
{
    struct virtio_gpu_set_scanout_blob set = scanout_of(1);
    g_autofree char *text = NULL;
    QList *buffers;
    QDict *answer;
    Gpu *gpu = start();

    answer = query(gpu, &buffers);
    g_assert_null(buffers);
    qobject_unref(answer);

    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, PAGES));
    ASSERT_OK(create_blob(gpu, 2, 2 * PAGE + 1, PAGES));
    create_blob(gpu, 3, PAGE, 0);
    ASSERT_OK(show(gpu, 1));
    set.scanout_id = cpu_to_le32(1);
    ASSERT_OK(command(gpu, &set, sizeof(set)));
    answer = query(gpu, &buffers);
    g_assert_cmpuint(qlist_size(buffers), ==, 2);
    is_buffer(qlist_first(buffers), 2, 2 * PAGE + 1, 3, "");
    is_buffer(qlist_next(qlist_first(buffers)), 1, PAGES * PAGE, PAGES, "01");
    qobject_unref(answer);
    text = qtest_hmp(gpu->qts, "info xen-hostmem");
    g_assert_nonnull(strstr(text, "resource 1: 12 KiB in 3 pages, copied, "
                            "shown on head 0, shown on head 1: udmabuf does "));
    g_assert_nonnull(strstr(text, "resource 2: 8 KiB in 3 pages, copied: "));

    ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1));
    ASSERT_OK(about(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
    answer = query(gpu, &buffers);
    g_assert_null(buffers);
    qobject_unref(answer);
    finish(gpu);
}

static void save(Gpu *gpu, const char *uri)
{
    qtest_qmp_assert_success(gpu->qts, "{ 'execute': 'migrate', "
                             "'arguments': { 'uri': %s } }", uri);
    for (;;) {
        QDict *answer = qtest_qmp(gpu->qts, "{ 'execute': 'query-migrate' }");
        g_autofree char *status =
            g_strdup(qdict_get_str(qdict_get_qdict(answer, "return"),
                                   "status"));

        qobject_unref(answer);
        g_assert_cmpstr(status, !=, "failed");
        if (!strcmp(status, "completed")) {
            break;
        }
        g_usleep(10000);
    }
}

static QTestState *restore(unsigned max_hostmem, const char *uri)
{
    QTestState *qts = start_qemu(1, max_hostmem, "-incoming defer");

    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-incoming', "
                             "'arguments': { 'uri': %s } }", uri);
    return qts;
}

/* G6: a blob for which the restoring QEMU has no memory is an error there. */
static void test_restore(void)
{
    g_autofree char *path = g_strdup_printf("%s/guest-blob-%d.save",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    /* Of more heads than one, QEMU loads what it has not saved. */
    Gpu restored = {}, *gpu = start_with(1);

    draw(gpu, 9);
    ASSERT_OK(create_blob(gpu, 1, PAGES * PAGE, PAGES));
    ASSERT_OK(show(gpu, 1));
    save(gpu, uri);
    finish(gpu);

    restored.qts = restore(MAX_HOSTMEM, uri);
    qtest_qmp_eventwait(restored.qts, "RESUME");
    shows(&restored, 9);
    qtest_quit(restored.qts);

    restored.qts = restore(PAGE, uri);
    qtest_set_expected_status(restored.qts, EXIT_FAILURE);
    qtest_wait_qemu(restored.qts);
    qtest_quit(restored.qts);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/virtio-gpu-guest-blob/picture", test_picture);
    qtest_add_func("/virtio-gpu-guest-blob/heads", test_heads);
    qtest_add_func("/virtio-gpu-guest-blob/backing", test_backing);
    qtest_add_func("/virtio-gpu-guest-blob/limit", test_limit);
    qtest_add_func("/virtio-gpu-guest-blob/refused-scanouts",
                   test_refused_scanouts);
    qtest_add_func("/virtio-gpu-guest-blob/cursor", test_cursor);
    qtest_add_func("/virtio-gpu-guest-blob/reset", test_reset);
    qtest_add_func("/virtio-gpu-guest-blob/query", test_query);
    qtest_add_func("/virtio-gpu-guest-blob/restore", test_restore);
    return g_test_run();
}
