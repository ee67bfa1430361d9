/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: what a driver can have of its host, with commands that are easily
 * sent in great number
 */

#include "qemu/osdep.h"
#include <sys/resource.h>
#include "libqtest.h"
#include "libqos/libqos-malloc.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio-pci.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_gpu.h"
#include "standard-headers/linux/virtio_ring.h"

#define GPU_DEVFN       QPCI_DEVFN(5, 0)
#define PAGE            4096
#define WAIT_US         (60 * 1000 * 1000)

/* Commands that are sent at once: each has two of the queue's descriptors. */
#define MOST_SLOTS      256
#define REQUEST_BYTES   64
#define ANSWER_BYTES    sizeof(struct virtio_gpu_ctrl_hdr)

typedef struct Gpu {
    QTestState *qts;
    QPCIBus *bus;
    QVirtioPCIDevice *dev;
    QGuestAllocator alloc;
    QVirtQueue *control, *cursor;
    unsigned int slots;
    uint64_t requests, answers;
    uint16_t sent;              /* commands, the avail index */
    char *log;                  /* QEMU's stderr */
} Gpu;

static void write_descriptors(Gpu *gpu)
{
    struct vring_desc desc[2 * MOST_SLOTS];
    uint32_t size = gpu->control->size;
    g_autofree uint16_t *ring = g_new(uint16_t, size);

    gpu->slots = MIN(MOST_SLOTS, size / 2);
    g_assert_cmpuint(size % gpu->slots, ==, 0);
    for (unsigned int n = 0; n < gpu->slots; n++) {
        desc[2 * n] = (struct vring_desc) {
            .addr = cpu_to_le64(gpu->requests + n * REQUEST_BYTES),
            .len = cpu_to_le32(REQUEST_BYTES),
            .flags = cpu_to_le16(VRING_DESC_F_NEXT),
            .next = cpu_to_le16(2 * n + 1),
        };
        desc[2 * n + 1] = (struct vring_desc) {
            .addr = cpu_to_le64(gpu->answers + n * ANSWER_BYTES),
            .len = cpu_to_le32(ANSWER_BYTES),
            .flags = cpu_to_le16(VRING_DESC_F_WRITE),
        };
    }
    for (unsigned int n = 0; n < size; n++) {
        ring[n] = cpu_to_le16(n % gpu->slots * 2);
    }
    qtest_memwrite(gpu->qts, gpu->control->desc, desc,
                   2 * gpu->slots * sizeof(desc[0]));
    qtest_memwrite(gpu->qts, gpu->control->avail +
                   offsetof(struct vring_avail, ring), ring,
                   size * sizeof(*ring));
}

static void start_device(Gpu *gpu)
{
    QVirtioDevice *vdev = &gpu->dev->vdev;

    qvirtio_start_device(vdev);
    qvirtio_set_features(vdev, 1ull << VIRTIO_F_VERSION_1 |
                               1 << VIRTIO_GPU_F_RESOURCE_BLOB);
    gpu->control = qvirtqueue_setup(vdev, &gpu->alloc, 0);
    gpu->cursor = qvirtqueue_setup(vdev, &gpu->alloc, 1);
    gpu->sent = 0;
    write_descriptors(gpu);
    qvirtio_set_driver_ok(vdev);
}

static void stop_queues(Gpu *gpu)
{
    qvirtqueue_cleanup(gpu->dev->vdev.bus, gpu->control, &gpu->alloc);
    qvirtqueue_cleanup(gpu->dev->vdev.bus, gpu->cursor, &gpu->alloc);
}

/* QEMU's messages go to a file. */
static QTestState *start_qemu(char **log)
{
    int fd = g_file_open_tmp("virtio-gpu-limits-XXXXXX", log, NULL);
    int saved = dup(STDERR_FILENO);
    QTestState *qts;

    g_assert_cmpint(fd, >=, 0);
    dup2(fd, STDERR_FILENO);
    qts = qtest_init("-M q35 -m 256 -nodefaults -display none -device "
                     "virtio-gpu-pci,id=gpu,addr=5,blob=on");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    return qts;
}

static Gpu *start(void)
{
    QPCIAddress at = { .devfn = GPU_DEVFN };
    Gpu *gpu = g_new0(Gpu, 1);

    gpu->qts = start_qemu(&gpu->log);
    gpu->bus = qpci_new_pc(gpu->qts, NULL);
    pc_alloc_init(&gpu->alloc, gpu->qts, 0);
    gpu->dev = virtio_pci_new(gpu->bus, &at);
    g_assert_nonnull(gpu->dev);
    qvirtio_pci_device_enable(gpu->dev);
    gpu->requests = guest_alloc(&gpu->alloc, MOST_SLOTS * REQUEST_BYTES);
    gpu->answers = guest_alloc(&gpu->alloc, MOST_SLOTS * ANSWER_BYTES);
    start_device(gpu);
    return gpu;
}

static void finish(Gpu *gpu)
{
    stop_queues(gpu);
    qvirtio_pci_device_disable(gpu->dev);
    qos_object_destroy((QOSGraphObject *)gpu->dev);
    alloc_destroy(&gpu->alloc);
    qpci_free_pc(gpu->bus);
    qtest_quit(gpu->qts);
    unlink(gpu->log);
    g_free(gpu->log);
    g_free(gpu);
}

static unsigned int lines_of_log(Gpu *gpu)
{
    g_autofree char *text = NULL;
    unsigned int lines = 0;

    g_assert_true(g_file_get_contents(gpu->log, &text, NULL, NULL));
    for (char *at = text; (at = strchr(at, '\n')); at++) {
        lines++;
    }
    return lines;
}

/* Have the next @count commands of the slots executed. */
static void run(Gpu *gpu, unsigned int count)
{
    gint64 until = g_get_monotonic_time() + WAIT_US;

    gpu->sent += count;
    qtest_writew(gpu->qts, gpu->control->avail +
                 offsetof(struct vring_avail, idx), gpu->sent);
    gpu->dev->vdev.bus->virtqueue_kick(&gpu->dev->vdev, gpu->control);
    while (qtest_readw(gpu->qts, gpu->control->used +
                       offsetof(struct vring_used, idx)) != gpu->sent) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
    }
}

static uint32_t answer_in(Gpu *gpu, unsigned int slot)
{
    return qtest_readl(gpu->qts, gpu->answers + slot * ANSWER_BYTES);
}

/* A command of any length; returns the type of the answer. */
static uint32_t command(Gpu *gpu, const void *request, size_t bytes)
{
    unsigned int slot = gpu->sent % gpu->slots;
    uint64_t desc = gpu->control->desc + 2 * slot * sizeof(struct vring_desc);
    uint64_t at = guest_alloc(&gpu->alloc, bytes);

    qtest_memwrite(gpu->qts, at, request, bytes);
    qtest_writeq(gpu->qts, desc + offsetof(struct vring_desc, addr), at);
    qtest_writel(gpu->qts, desc + offsetof(struct vring_desc, len), bytes);
    run(gpu, 1);
    guest_free(&gpu->alloc, at);
    write_descriptors(gpu);
    return answer_in(gpu, slot);
}

#define ASSERT_OK(answer) \
    g_assert_cmphex(answer, ==, VIRTIO_GPU_RESP_OK_NODATA)

/* Command number n of a series, of up to REQUEST_BYTES */
typedef void MakeCommand(unsigned int n, void *request);

/*
 * Sends commands number @first to @first + @count - 1. Returns how many of them
 * were answered with @expected, before the first one that was not.
 */
static unsigned int series(Gpu *gpu, MakeCommand *make, unsigned int first,
                           unsigned int count, uint32_t expected)
{
    g_autofree uint8_t *requests = g_malloc0(gpu->slots * REQUEST_BYTES);
    struct virtio_gpu_ctrl_hdr answers[MOST_SLOTS];
    unsigned int done = 0;

    while (done < count) {
        unsigned int n, part = MIN(count - done, gpu->slots);
        unsigned int slot = gpu->sent;

        for (n = 0; n < part; n++) {
            make(first + done + n,
                 requests + (slot + n) % gpu->slots * REQUEST_BYTES);
        }
        qtest_memwrite(gpu->qts, gpu->requests, requests,
                       gpu->slots * REQUEST_BYTES);
        run(gpu, part);
        qtest_memread(gpu->qts, gpu->answers, answers,
                      gpu->slots * sizeof(answers[0]));
        for (n = 0; n < part; n++) {
            if (le32_to_cpu(answers[(slot + n) % gpu->slots].type) !=
                expected) {
                return done + n;
            }
        }
        done += part;
    }
    return done;
}

static struct virtio_gpu_resource_create_2d create_2d(uint32_t id,
                                                      uint32_t width,
                                                      uint32_t height)
{
    return (struct virtio_gpu_resource_create_2d) {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
        .resource_id = cpu_to_le32(id),
        .format = cpu_to_le32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
        .width = cpu_to_le32(width),
        .height = cpu_to_le32(height),
    };
}

static void make_empty_image(unsigned int n, void *request)
{
    *(struct virtio_gpu_resource_create_2d *)request =
        create_2d(1 + n, n % 2 ? 0 : 16, n % 2 ? 16 : 0);
}

static void make_small_image(unsigned int n, void *request)
{
    *(struct virtio_gpu_resource_create_2d *)request = create_2d(1 + n, 1, 1);
}

/* An image without pixels is refused, and fills no log. */
static void test_no_pixels(void)
{
    Gpu *gpu = start();
    unsigned int refused;

    refused = series(gpu, make_empty_image, 0, 100000,
                     VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmpuint(lines_of_log(gpu), <=, 21);
    g_assert_cmpuint(refused, ==, 100000);
    finish(gpu);
}

static unsigned int descriptors(Gpu *gpu)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd",
                                            (int)qtest_pid(gpu->qts));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned int count = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir)) {
        count++;
    }
    return count;
}

/* Images do not use up QEMU's descriptors, also if they come and go. */
static void test_descriptors(void)
{
    Gpu *gpu = start();
    unsigned int before = descriptors(gpu);

    for (unsigned int round = 0; round < 3; round++) {
        g_assert_cmpuint(series(gpu, make_small_image, 0, 5000,
                                VIRTIO_GPU_RESP_OK_NODATA), ==, 5000);
        g_assert_cmpuint(descriptors(gpu), <=, before + 256);
        g_assert_cmpuint(descriptors(gpu), >=, before + 200);
        stop_queues(gpu);
        start_device(gpu);              /* which resets it */
        g_assert_cmpuint(descriptors(gpu), <, before + 10);
    }
    g_assert_cmpuint(lines_of_log(gpu), ==, 0);
    finish(gpu);
}

/* Nor does a lack of them, of whatever cause, fill the log or refuse images. */
static void test_no_descriptors(void)
{
    Gpu *gpu = start();
    struct rlimit usual, few;

    g_assert_cmpint(prlimit(qtest_pid(gpu->qts), RLIMIT_NOFILE, NULL, &usual),
                    ==, 0);
    few = usual;
    few.rlim_cur = descriptors(gpu) + 50;
    g_assert_cmpint(prlimit(qtest_pid(gpu->qts), RLIMIT_NOFILE, &few, NULL),
                    ==, 0);
    g_assert_cmpuint(series(gpu, make_small_image, 0, 1000,
                            VIRTIO_GPU_RESP_OK_NODATA), ==, 1000);
    g_assert_cmpuint(lines_of_log(gpu), >=, 1);
    g_assert_cmpuint(lines_of_log(gpu), <=, 21);
    g_assert_cmpint(prlimit(qtest_pid(gpu->qts), RLIMIT_NOFILE, &usual, NULL),
                    ==, 0);
    finish(gpu);
}

static void make_blob(unsigned int n, void *request)
{
    *(struct virtio_gpu_resource_create_blob *)request =
        (struct virtio_gpu_resource_create_blob) {
            .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
            .resource_id = cpu_to_le32(1 + n),
            .blob_mem = cpu_to_le32(VIRTIO_GPU_BLOB_MEM_GUEST),
            .size = cpu_to_le64(1ull << 40),
        };
}

static void make_unref(unsigned int n, void *request)
{
    *(struct virtio_gpu_resource_unref *)request =
        (struct virtio_gpu_resource_unref) {
            .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_UNREF),
            .resource_id = cpu_to_le32(1 + n),
        };
}

/* In ticks, of which there are 100 a second */
static unsigned long cpu_time(Gpu *gpu)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat",
                                            (int)qtest_pid(gpu->qts));
    g_autofree char *text = NULL;
    unsigned long user, system;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u "
                           "%*u %*u %*u %*u %lu %lu", &user, &system), ==, 2);
    return user + system;
}

/* How long the device takes to say that it does not have a resource */
static unsigned long time_to_find_nothing(Gpu *gpu)
{
    unsigned long start = cpu_time(gpu);

    g_assert_cmpuint(series(gpu, make_unref, 1 << 30, 8000,
                            VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID), ==, 8000);
    return cpu_time(gpu) - start;
}

/*
 * Blobs of no memory cost nothing but the device's own, and it does not look
 * through them for each command.
 */
static void test_resources(void)
{
    Gpu *gpu = start();
    unsigned long few, many;
    unsigned int count;

    few = time_to_find_nothing(gpu);
    count = series(gpu, make_blob, 0, 16384, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmpuint(count, ==, 16384);
    many = time_to_find_nothing(gpu);
    g_test_message("8000 commands: %lu ms, with %u resources: %lu ms",
                   few * 10, count, many * 10);
    g_assert_cmpuint(many, <, 3 * MAX(few, 10));

    count += series(gpu, make_blob, count, 1 << 20, VIRTIO_GPU_RESP_OK_NODATA);
    g_test_message("%u resources", count);
    g_assert_cmpuint(count, >=, 100000);
    g_assert_cmpuint(count, <, 1 << 20);
    g_assert_cmpuint(series(gpu, make_blob, 1 << 30, 1000,
                            VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY), ==, 1000);
    g_assert_cmpuint(series(gpu, make_small_image, 1 << 30, 1000,
                            VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY), ==, 1000);
    g_assert_cmpuint(lines_of_log(gpu), <=, 21);

    g_assert_cmpuint(series(gpu, make_unref, 100, 100,
                            VIRTIO_GPU_RESP_OK_NODATA), ==, 100);
    g_assert_cmpuint(series(gpu, make_blob, 1 << 30, 200,
                            VIRTIO_GPU_RESP_OK_NODATA), ==, 100);
    stop_queues(gpu);
    start_device(gpu);              /* which resets it */
    g_assert_cmpuint(series(gpu, make_blob, 0, 1000,
                            VIRTIO_GPU_RESP_OK_NODATA), ==, 1000);
    finish(gpu);
}

static uint32_t create_image(Gpu *gpu, uint32_t id, uint32_t width,
                             uint32_t height)
{
    struct virtio_gpu_resource_create_2d create = create_2d(id, width, height);

    return command(gpu, &create, sizeof(create));
}

/* With these entries as the backing */
static void attach(Gpu *gpu, uint32_t id, const struct virtio_gpu_mem_entry *e,
                   unsigned int count)
{
    struct virtio_gpu_resource_attach_backing head = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
        .resource_id = cpu_to_le32(id),
        .nr_entries = cpu_to_le32(count),
    };
    g_autoptr(GByteArray) request = g_byte_array_new();

    g_byte_array_append(request, (uint8_t *)&head, sizeof(head));
    g_byte_array_append(request, (uint8_t *)e, count * sizeof(*e));
    ASSERT_OK(command(gpu, request->data, request->len));
}

static void transfer(Gpu *gpu, uint32_t id, struct virtio_gpu_rect r,
                     uint64_t offset)
{
    struct virtio_gpu_transfer_to_host_2d request = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
        .resource_id = cpu_to_le32(id),
        .r.x = cpu_to_le32(r.x),
        .r.y = cpu_to_le32(r.y),
        .r.width = cpu_to_le32(r.width),
        .r.height = cpu_to_le32(r.height),
        .offset = cpu_to_le64(offset),
    };

    ASSERT_OK(command(gpu, &request, sizeof(request)));
}

/*
 * A picture of many lines, from a backing of many entries: not all entries are
 * looked at for each line, which are 5 * 10^11 here.
 */
static void test_many_lines(void)
{
    enum { LINES = 30 * 1000 * 1000, ENTRIES = 16384 };
    g_autofree struct virtio_gpu_mem_entry *e =
        g_new0(struct virtio_gpu_mem_entry, ENTRIES);
    Gpu *gpu = start();
    uint64_t page = guest_alloc(&gpu->alloc, PAGE);
    unsigned long begin;

    for (unsigned int n = 0; n < ENTRIES; n++) {
        e[n].addr = cpu_to_le64(page + n % PAGE);
        e[n].length = cpu_to_le32(1);
    }
    ASSERT_OK(create_image(gpu, 1, 2, LINES));
    attach(gpu, 1, e, ENTRIES);
    alarm(WAIT_US / 1000000);       /* or else the test hangs with QEMU */
    begin = cpu_time(gpu);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 0, 0, 0, LINES }, 0);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 1, 0, 0, LINES }, 1 << 30);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 1, 0, 1, LINES }, 0);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 1, 0, 1, LINES }, ENTRIES);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 0, 0, 1, LINES }, 1 << 30);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 0, 0, 1, LINES }, UINT64_MAX);
    transfer(gpu, 1, (struct virtio_gpu_rect) { 0, 0, 2, LINES }, UINT64_MAX);
    g_test_message("%lu ms", (cpu_time(gpu) - begin) * 10);
    alarm(0);
    finish(gpu);
}

#define WIDTH   40
#define HEIGHT  24
#define BYTES   (WIDTH * HEIGHT * 4)

/* Cut into entries of any length, and the lines transferred in parts */
static void draw_in_pieces(Gpu *gpu, uint32_t id, const uint32_t *pixels,
                           GRand *rand)
{
    g_autoptr(GArray) entries =
        g_array_new(false, false, sizeof(struct virtio_gpu_mem_entry));
    unsigned int length, width;

    for (unsigned int at = 0; at < BYTES; at += length) {
        struct virtio_gpu_mem_entry e;

        length = g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 8 : 400);
        length = MIN(length, BYTES - at);
        e = (struct virtio_gpu_mem_entry) {
            .addr = cpu_to_le64(guest_alloc(&gpu->alloc, PAGE)),
            .length = cpu_to_le32(length),
        };
        qtest_memwrite(gpu->qts, le64_to_cpu(e.addr), (uint8_t *)pixels + at,
                       length);
        g_array_append_val(entries, e);
    }
    attach(gpu, id, (struct virtio_gpu_mem_entry *)entries->data, entries->len);
    for (unsigned int x = 0; x < WIDTH; x += width) {
        unsigned int y = g_rand_int_range(rand, 1, HEIGHT);

        width = MIN(WIDTH - x, g_rand_int_range(rand, 1, 16));
        transfer(gpu, id, (struct virtio_gpu_rect) { x, 0, width, y }, x * 4);
        transfer(gpu, id, (struct virtio_gpu_rect) { x, y, width, HEIGHT - y },
                 (y * WIDTH + x) * 4);
    }
    for (unsigned int n = 0; n < entries->len; n++) {
        guest_free(&gpu->alloc, le64_to_cpu(g_array_index(entries,
                   struct virtio_gpu_mem_entry, n).addr));
    }
}

static void shows(Gpu *gpu, uint32_t id, const uint32_t *pixels)
{
    g_autofree char *path = g_strdup_printf("%s/limits-%d.ppm",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *data = NULL;
    struct virtio_gpu_set_scanout set = {
        .hdr.type = cpu_to_le32(VIRTIO_GPU_CMD_SET_SCANOUT),
        .resource_id = cpu_to_le32(id),
        .r.width = cpu_to_le32(WIDTH),
        .r.height = cpu_to_le32(HEIGHT),
    };
    const uint8_t *rgb;
    gsize size;

    ASSERT_OK(command(gpu, &set, sizeof(set)));
    qtest_qmp_assert_success(gpu->qts, "{ 'execute': 'screendump', "
                             "'arguments': { 'filename': %s, 'device': 'gpu', "
                             "'head': 0 } }", path);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    unlink(path);
    g_assert_true(g_str_has_prefix(data, "P6"));
    g_assert_cmpuint(size, >, WIDTH * HEIGHT * 3);
    rgb = (uint8_t *)data + size - WIDTH * HEIGHT * 3;
    for (unsigned int n = 0; n < WIDTH * HEIGHT; n++, rgb += 3) {
        g_assert_cmphex(rgb[0] << 16 | rgb[1] << 8 | rgb[2], ==,
                        le32_to_cpu(pixels[n]));
    }
}

/*
 * All pixels get to their places, whatever the entries are, in a memfd and
 * without one.
 */
static void test_pieces(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());
    uint32_t pixels[WIDTH * HEIGHT];
    Gpu *gpu = start();

    for (uint32_t id = 1; id <= 300; id++) {
        ASSERT_OK(create_image(gpu, id, WIDTH, HEIGHT));
        if (id > 5 && id < 296) {
            continue;
        }
        for (unsigned int n = 0; n < WIDTH * HEIGHT; n++) {
            pixels[n] = cpu_to_le32(g_rand_int(rand) & 0xffffff);
        }
        draw_in_pieces(gpu, id, pixels, rand);
        shows(gpu, id, pixels);
    }
    finish(gpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/virtio-gpu-limits/no-pixels", test_no_pixels);
    qtest_add_func("/virtio-gpu-limits/descriptors", test_descriptors);
    qtest_add_func("/virtio-gpu-limits/no-descriptors", test_no_descriptors);
    qtest_add_func("/virtio-gpu-limits/resources", test_resources);
    qtest_add_func("/virtio-gpu-limits/many-lines", test_many_lines);
    qtest_add_func("/virtio-gpu-limits/pieces", test_pieces);
    return g_test_run();
}
