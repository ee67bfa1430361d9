/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rawgpu: a hostile driver for the virtio GPU, in the guest's user space. It
 * takes the PCI function from the kernel's driver and does what that driver
 * would never do.
 *
 * rawgpu answer-into-device: have answers written to the device's own status
 * rawgpu flood COUNT: send COUNT commands that the device refuses
 * rawgpu hoard COUNT MIB: create so many blobs, map each once, and keep them
 * rawgpu sizes BYTES...: create and map blobs of these sizes
 * rawgpu fences: ask for fences of a context that does not exist, and of one
 *   that is destroyed before it gets there; what executes it must be stopped
 *   before a line is written to this program
 * rawgpu queue-reset: reset the queue while a fence is not reached; what executes
 *   it must be stopped before a line is written to this program
 * rawgpu reset-mapped COUNT: reset the device while COUNT blobs are mapped
 * rawgpu reset-backed COUNT: COUNT times, attach 1 MiB of the guest's memory to
 *                            a resource and reset the device
 * rawgpu refused COUNT: COUNT times, have the renderer refuse a texture, then
 *     create one of the same ID
 * rawgpu blob-backings RESETS UNREFS: reset the device, so many times, with blobs
 *     of the guest's memory whose backing was detached; then make and forget so
 *     many blobs
 * rawgpu in-blob KIB: have a request of so many KiB, and its answer, in a blob
 * rawgpu sparse COUNT KIB: map COUNT blobs of 4 KiB, KIB apart, then one of
 *     1 MiB; end when a line is read
 * rawgpu far COUNT KIB: map COUNT blobs of 4 KiB, KIB apart, write to all of
 *     them, then read; end when a line is read
 * rawgpu fight SECONDS COUNT KIB: unmap and map COUNT blobs of KIB in turn
 * rawgpu ring-gone: have each part of the queue be where the guest has no
 *     memory; xen-privcmd must be loaded
 * rawgpu backings: of a plain virtio-gpu with blob=on and a window, have guest
 *     memory shown that is not there, not whole pages, or given back to Xen;
 *     xen-privcmd must be loaded
 *
 * hoard and sizes keep their blobs until a line is read.
 *
 * The answer is one line of JSON. At the end the device is reset and has no
 * driver.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

/* In place of the oldest one, whose handles are plain pointers */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/sys/privcmd.h>

#include "die.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define PAGE            4096u
#define QUEUE_SIZE      64u
#define CAPSET_VENUS    4
#define MOST_CAPS       48      /* no more fit the configuration space */
#define BLOBS_PER_CTX   1000
#define REFUSED_BYTES   (PAGE / (QUEUE_SIZE / 2))
#define MOST_BLOBS      10000
#define MOST_KIB        (64 << 10)
#define MOST_SECONDS    600

/* A map waits for the guest's xen-hostmem driver, and finally fails. */
#define ANSWER_MS       60000
#define HOSTILE_MS      5000
#define GONE_MS         1000
#define IN_BLOB_MS      30000   /* QEMU copies 8 octets at a time */
#define WINDOW_BAR      4
#define BGRA            1       /* a format of VIRGL's and of virtio-gpu's */

struct page {
    uint8_t *at;
    uint64_t address;           /* guest-physical */
};

/* One descriptor. */
struct piece {
    uint64_t address;
    uint32_t bytes;
    bool in;                    /* written by the device */
};

static struct {
    const char *path;
    _Alignas(8) uint8_t config[PCI_CFG_SPACE_SIZE +
                               sizeof(struct virtio_pci_notify_cap)];
    volatile struct virtio_pci_common_cfg *common;
    volatile uint16_t *notify;
    uint64_t status_address;
    struct vring ring;
    uint16_t next, seen;
    struct page request, answer;
} gpu;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint32_t number(const char *text, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end || !value || value > most) {
        die("'%s' is not a number from 1 to %lu", text, most);
    }
    return value;
}

static int open_file(const char *name, int flags)
{
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", gpu.path, name);
    fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        die("%s: %s", path, strerror(errno));
    }
    return fd;
}

static void find_gpu(void)
{
    static const char wanted[] = "pci:v00001AF4d00001050";
    char alias[sizeof(wanted)] = "";
    glob_t found = { 0 };

    glob("/sys/bus/pci/devices/*", 0, NULL, &found);
    for (size_t i = 0; strcmp(alias, wanted); i++) {
        int fd;

        if (i == found.gl_pathc) {
            die("there is no virtio GPU");
        }
        gpu.path = found.gl_pathv[i];
        fd = open_file("modalias", O_RDONLY);
        if (read(fd, alias, sizeof(alias) - 1) < 0) {
            die("%s/modalias: %s", gpu.path, strerror(errno));
        }
        close(fd);
    }
}

/* Ignores a file that does not exist. */
static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        return;
    }
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        die("writing %s to %s: %s", text, path, strerror(errno));
    }
    close(fd);
}

/* Leaves the BARs where they are: xen-hostmem still maps into one. */
static void take_gpu(void)
{
    char path[300];
    uint16_t command;
    int fd;

    snprintf(path, sizeof(path), "%s/driver/unbind", gpu.path);
    write_file(path, strrchr(gpu.path, '/') + 1);
    fd = open_file("config", O_RDWR);
    if (pread(fd, gpu.config, PCI_CFG_SPACE_SIZE, 0) != PCI_CFG_SPACE_SIZE) {
        die("%s/config: %s", gpu.path, strerror(errno));
    }
    memcpy(&command, &gpu.config[PCI_COMMAND], sizeof(command));
    /* There is nothing to handle interrupts. */
    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
               PCI_COMMAND_INTX_DISABLE;
    if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) < 0) {
        die("enabling %s: %s", gpu.path, strerror(errno));
    }
    close(fd);
}

static const struct virtio_pci_cap *find_cap(uint8_t type)
{
    uint8_t at = gpu.config[PCI_CAPABILITY_LIST];

    for (int i = 0; i < MOST_CAPS && at; i++) {
        const struct virtio_pci_cap *cap = (void *)&gpu.config[at & ~3];

        if (cap->cap_vndr == PCI_CAP_ID_VNDR && cap->cfg_type == type) {
            return cap;
        }
        at = cap->cap_next;
    }
    die("the device has no virtio capability %u", type);
}

/* The guest-physical address that the device decodes. */
static uint64_t bar_address(unsigned int bar)
{
    uint32_t reg[2];

    memcpy(reg, &gpu.config[PCI_BASE_ADDRESS_0 + 4 * bar], sizeof(reg));
    if ((reg[0] & PCI_BASE_ADDRESS_MEM_TYPE_MASK) !=
        PCI_BASE_ADDRESS_MEM_TYPE_64) {
        reg[1] = 0;
    }
    return (uint64_t)reg[1] << 32 | (reg[0] & PCI_BASE_ADDRESS_MEM_MASK);
}

static volatile uint8_t *map_registers(const struct virtio_pci_cap *cap)
{
    char name[16];
    struct stat st;
    uint8_t *at;
    int fd;

    snprintf(name, sizeof(name), "resource%u", cap->bar);
    fd = open_file(name, O_RDWR | O_SYNC);
    if (fstat(fd, &st) || (uint64_t)cap->offset + cap->length >
        (uint64_t)st.st_size) {
        die("capability %u is not within BAR %u", cap->cfg_type, cap->bar);
    }
    at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        die("mapping BAR %u: %s (is it memory, and not used by a driver?)",
            cap->bar, strerror(errno));
    }
    close(fd);
    return at + cap->offset;
}

/* A page that stays in place, because the device gets its address. */
static struct page new_page(void)
{
    struct page page;
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    page.at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                   MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    if (page.at == MAP_FAILED) {
        die("a locked page: %s", strerror(errno));
    }
    memset(page.at, 0, PAGE);
    if (fd < 0 || pread(fd, &entry, sizeof(entry), (uintptr_t)page.at / PAGE *
                        sizeof(entry)) != sizeof(entry)) {
        die("/proc/self/pagemap: %s", strerror(errno));
    }
    close(fd);
    page.address = (entry & ((1ull << 55) - 1)) * PAGE;
    if (!(entry >> 63) || !page.address) {
        die("no physical address of a page (are we root?)");
    }
    return page;
}

static double reset(void)
{
    double start = now_ms();

    gpu.common->device_status = 0;
    while (gpu.common->device_status) {
        if (now_ms() - start > ANSWER_MS) {
            die("the device is not reset after %u ms", ANSWER_MS);
        }
        usleep(1000);
    }
    return now_ms() - start;
}

/* The queue is in our memory, which will be reused after we exit. */
static void forget_queue(void)
{
    gpu.common->device_status = 0;
}

static uint32_t wanted[] = {
    1 << VIRTIO_GPU_F_VIRGL | 1 << VIRTIO_GPU_F_RESOURCE_BLOB |
    1 << VIRTIO_GPU_F_CONTEXT_INIT,
    1 << (VIRTIO_F_VERSION_1 - 32),
};

static void negotiate(void)
{
    gpu.common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
    gpu.common->device_status |= VIRTIO_CONFIG_S_DRIVER;
    for (unsigned int i = 0; i < 2; i++) {
        uint32_t missing;

        gpu.common->device_feature_select = i;
        missing = wanted[i] & ~gpu.common->device_feature;
        if (missing) {
            die("the device does not offer 0x%x of feature word %u (is it "
                "virtio-gpu with blob=on, and -gl where that is needed?)", missing,
                i);
        }
        gpu.common->guest_feature_select = i;
        gpu.common->guest_feature = wanted[i];
    }
    gpu.common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
    if (!(gpu.common->device_status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        die("the device does not accept our features");
    }
}

/* Where the device is told that the queue's parts are; 0: where they are */
static uint64_t elsewhere[3];

/* Queue 0 carries commands. Its three parts fit into one page. */
static void start_queue(void)
{
    const struct virtio_pci_cap *cap = find_cap(VIRTIO_PCI_CAP_NOTIFY_CFG);
    struct page page = new_page();
    uint64_t desc, avail, used;
    uint32_t step;

    vring_init(&gpu.ring, QUEUE_SIZE, page.at, VRING_DESC_ALIGN_SIZE);
    gpu.ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    desc = elsewhere[0] ?: page.address;
    avail = elsewhere[1] ?:
            page.address + ((uint8_t *)gpu.ring.avail - page.at);
    used = elsewhere[2] ?: page.address + ((uint8_t *)gpu.ring.used - page.at);

    gpu.common->queue_select = 0;
    gpu.common->queue_size = QUEUE_SIZE;
    gpu.common->queue_desc_lo = desc;
    gpu.common->queue_desc_hi = desc >> 32;
    gpu.common->queue_avail_lo = avail;
    gpu.common->queue_avail_hi = avail >> 32;
    gpu.common->queue_used_lo = used;
    gpu.common->queue_used_hi = used >> 32;
    step = ((const struct virtio_pci_notify_cap *)cap)->notify_off_multiplier;
    gpu.notify = (volatile void *)(map_registers(cap) +
                                   gpu.common->queue_notify_off * step);
    gpu.common->queue_enable = 1;
    gpu.common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

static void start(void)
{
    const struct virtio_pci_cap *cap;

    /* Compaction would move even locked pages. */
    write_file("/proc/sys/vm/compact_unevictable_allowed", "0");
    find_gpu();
    take_gpu();
    cap = find_cap(VIRTIO_PCI_CAP_COMMON_CFG);
    gpu.common = (volatile void *)map_registers(cap);
    gpu.status_address = bar_address(cap->bar) + cap->offset +
                         offsetof(struct virtio_pci_common_cfg, device_status);
    gpu.request = new_page();
    gpu.answer = new_page();
    reset();
    atexit(forget_queue);
    negotiate();
    start_queue();
}

/* Waits until the chain that begins at @head is used; false on a timeout. */
static bool wait_for(uint16_t head, unsigned int ms)
{
    volatile vring_used_t *used = gpu.ring.used;
    double end = now_ms() + ms;

    for (;;) {
        while (gpu.seen != used->idx) {
            atomic_thread_fence(memory_order_seq_cst);
            if (used->ring[gpu.seen++ % QUEUE_SIZE].id == head) {
                atomic_thread_fence(memory_order_seq_cst);
                return true;
            }
            /* a late answer to an earlier request */
        }
        if (now_ms() > end) {
            return false;
        }
        usleep(1000);
    }
}

/* Checks no addresses, since this program is meant to send bad ones. */
static bool send_chain(const struct piece *piece, unsigned int n,
                       unsigned int ms)
{
    vring_avail_t *avail = gpu.ring.avail;
    uint16_t head = gpu.next;

    for (unsigned int i = 0; i < n; i++) {
        uint16_t at = gpu.next;

        gpu.next = (at + 1) % QUEUE_SIZE;
        gpu.ring.desc[at] = (struct vring_desc) {
            .addr = piece[i].address,
            .len = piece[i].bytes,
            .flags = (piece[i].in ? VRING_DESC_F_WRITE : 0) |
                     (i + 1 < n ? VRING_DESC_F_NEXT : 0),
            .next = gpu.next,
        };
    }
    avail->ring[avail->idx % QUEUE_SIZE] = head;
    atomic_thread_fence(memory_order_seq_cst);
    avail->idx++;
    atomic_thread_fence(memory_order_seq_cst);
    *gpu.notify = 0;
    return wait_for(head, ms);
}

/* Sets @type to the first word of the answer. */
static bool ask(const struct piece *piece, unsigned int n, const void *request,
                unsigned int ms, uint32_t *type)
{
    bool answered;

    memset(gpu.answer.at, 0, PAGE);
    memcpy(gpu.request.at, request, piece[0].bytes);
    answered = send_chain(piece, n, ms);
    memcpy(type, gpu.answer.at, sizeof(*type));
    return answered;
}

/* Returns the type of the answer, or 0 if there is none. */
static uint32_t command(const void *request, size_t bytes)
{
    const struct piece pieces[] = {
        { gpu.request.address, bytes, false },
        { gpu.answer.address, PAGE, true },
    };
    uint32_t type;

    return ask(pieces, 2, request, ANSWER_MS, &type) ? type : 0;
}

static void expect(uint32_t type, uint32_t wanted, const char *what)
{
    if (type != wanted) {
        die("%s: the answer is 0x%x (0: no answer)", what, type);
    }
}

static bool alive(void)
{
    struct virtio_gpu_ctrl_hdr get = {
        .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
    };

    return command(&get, sizeof(get)) == VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static struct virtio_gpu_ctx_create ctx_create(uint32_t ctx, uint32_t flags)
{
    return (struct virtio_gpu_ctx_create) {
        .hdr.type = VIRTIO_GPU_CMD_CTX_CREATE,
        .hdr.flags = flags,
        .hdr.fence_id = ctx,
        .hdr.ctx_id = ctx,
        .context_init = CAPSET_VENUS,
    };
}

static void create_context(uint32_t ctx)
{
    struct virtio_gpu_ctx_create request = ctx_create(ctx, 0);

    expect(command(&request, sizeof(request)), VIRTIO_GPU_RESP_OK_NODATA,
           "CTX_CREATE");
}

static uint32_t create_blob(uint32_t id, uint32_t ctx, uint64_t bytes)
{
    /* To Venus, blob ID 0 is shared memory, which its rings use. */
    struct virtio_gpu_resource_create_blob create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
        .hdr.ctx_id = ctx,
        .resource_id = id,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .size = bytes,
    };

    return command(&create, sizeof(create));
}

/* MAP, UNMAP and UNREF have the same start; only MAP has an offset. */
static uint32_t about_blob(uint32_t type, uint32_t id, uint64_t offset)
{
    struct virtio_gpu_resource_map_blob request = {
        .hdr.type = type,
        .resource_id = id,
        .offset = offset,
    };

    return command(&request, sizeof(request));
}

/*
 * Directs the sixth octet of the answer to the status register, where a 0
 * resets the device. That octet is the second one of the flags; the first one
 * is 1 if there is a fence.
 */
static bool answer_into_status(const void *request, size_t bytes)
{
    enum { HEAD = offsetof(struct virtio_gpu_ctrl_hdr, flags) + 1 };
    const struct piece pieces[] = {
        { gpu.request.address, bytes, false },
        { gpu.answer.address, HEAD, true },
        { gpu.status_address, 1, true },
    };
    uint8_t before = gpu.common->device_status, after;
    bool answered, fine;
    uint32_t type;

    answered = ask(pieces, 3, request, HOSTILE_MS, &type);
    after = gpu.common->device_status;
    fine = after == before && alive();
    printf("\"answered\": %s, \"status_before\": %u, \"status_after\": %u, "
           "\"type\": %u, \"alive\": %s", answered ? "true" : "false", before,
           after, type, fine ? "true" : "false");
    return fine;
}

/*
 * A request that is answered when a fence is reached: a fence of the renderer's
 * own GL context, possibly at once, or (VIRTIO_GPU_FLAG_INFO_RING_IDX) one of
 * the new context. Another process serves the latter, so the answer comes from
 * QEMU's timer.
 */
static bool fence_into_status(const char *name, uint32_t ctx, uint32_t flags)
{
    struct virtio_gpu_ctx_create create =
        ctx_create(ctx, VIRTIO_GPU_FLAG_FENCE | flags);
    bool fine;

    printf(", \"%s\": {", name);
    fine = answer_into_status(&create, sizeof(create));
    printf("}");
    return fine;
}

static void run_answer_into_device(void)
{
    struct virtio_gpu_resource_unmap_blob unmap = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
        .resource_id = 1,
    };

    create_context(1);
    expect(create_blob(1, 1, 65536), VIRTIO_GPU_RESP_OK_NODATA,
           "RESOURCE_CREATE_BLOB");
    expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 1, 0),
           VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
    printf("{");
    if (answer_into_status(&unmap, sizeof(unmap)) &&
        fence_into_status("fenced", 2, 0)) {
        fence_into_status("ring_fenced", 3, VIRTIO_GPU_FLAG_INFO_RING_IDX);
    }
    printf("}\n");
}

/* What is refused, in different ways */
static void fill_refused(unsigned int n, uint8_t request[REFUSED_BYTES])
{
    struct virtio_gpu_ctrl_hdr *head = (void *)request;

    memset(request, 0x5a, REFUSED_BYTES);
    *head = (struct virtio_gpu_ctrl_hdr) { .ctx_id = 1 };
    switch (n % 8) {
    case 0:
        head->type = 0x9999;
        break;
    case 1:
        head->type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB;
        break;
    case 2:
        head->type = VIRTIO_GPU_CMD_RESOURCE_UNREF;
        break;
    case 3:
        head->type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB;
        break;
    case 4:
        head->type = VIRTIO_GPU_CMD_SET_SCANOUT;
        break;
    case 5:
        head->type = VIRTIO_GPU_CMD_GET_CAPSET;
        break;
    case 6:
        /* Refused by the renderer, in QEMU's process */
        head->type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D;
        break;
    default:
        /* Garbage for Vulkan, in the render server's process */
        head->type = VIRTIO_GPU_CMD_SUBMIT_3D;
        ((struct virtio_gpu_cmd_submit *)request)->size = 64;
        break;
    }
}

/* As many as the queue takes at once; true if all are answered */
static bool flood_queue(unsigned int first)
{
    vring_avail_t *avail = gpu.ring.avail;
    volatile vring_used_t *used = gpu.ring.used;
    double end = now_ms() + HOSTILE_MS;

    for (unsigned int i = 0; i < QUEUE_SIZE / 2; i++) {
        uint16_t at = gpu.next, next = (at + 1) % QUEUE_SIZE;
        uint64_t place = i * REFUSED_BYTES;

        fill_refused(first + i, gpu.request.at + place);
        gpu.ring.desc[at] = (struct vring_desc) {
            gpu.request.address + place, REFUSED_BYTES, VRING_DESC_F_NEXT, next,
        };
        gpu.ring.desc[next] = (struct vring_desc) {
            gpu.answer.address, PAGE, VRING_DESC_F_WRITE, 0,
        };
        gpu.next = (next + 1) % QUEUE_SIZE;
        avail->ring[(uint16_t)(avail->idx + i) % QUEUE_SIZE] = at;
    }
    atomic_thread_fence(memory_order_seq_cst);
    avail->idx += QUEUE_SIZE / 2;
    atomic_thread_fence(memory_order_seq_cst);
    *gpu.notify = 0;
    while ((uint16_t)(used->idx - gpu.seen) < QUEUE_SIZE / 2) {
        if (now_ms() > end) {
            return false;
        }
        usleep(1000);
    }
    gpu.seen += QUEUE_SIZE / 2;
    return true;
}

static void run_flood(unsigned int count)
{
    unsigned int sent = 0;

    create_context(1);
    while (sent < count && flood_queue(sent)) {
        sent += QUEUE_SIZE / 2;
    }
    printf("{\"answered\": %u, \"alive\": %s}\n", sent,
           alive() ? "true" : "false");
}

static void wait_for_line(void)
{
    fflush(stdout);
    while (getchar() != '\n' && !feof(stdin)) {
        continue;
    }
}

/* A command that does nothing, answered when the context's ring 0 gets there */
static bool ask_fenced(uint32_t ctx, unsigned int ms, uint32_t *type)
{
    const struct virtio_gpu_ctx_resource nothing = {
        .hdr.type = VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
        .hdr.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
        .hdr.fence_id = ctx,
        .hdr.ctx_id = ctx,
        .resource_id = MOST_BLOBS,
    };
    const struct piece pieces[] = {
        { gpu.request.address, sizeof(nothing), false },
        { gpu.answer.address, PAGE, true },
    };

    return ask(pieces, 2, &nothing, ms, type);
}

static void run_fences(void)
{
    const struct virtio_gpu_ctx_destroy destroy = {
        .hdr.type = VIRTIO_GPU_CMD_CTX_DESTROY,
        .hdr.ctx_id = 1,
    };
    volatile uint16_t *used = &gpu.ring.used->idx;
    bool answered, at_once;
    uint32_t unknown, type;

    create_context(1);
    printf("{\"context\": 1}\n");
    wait_for_line();
    answered = ask_fenced(99, HOSTILE_MS, &unknown);
    at_once = ask_fenced(1, 1000, &type);
    expect(command(&destroy, sizeof(destroy)), VIRTIO_GPU_RESP_OK_NODATA,
           "CTX_DESTROY");
    usleep(100000);
    printf("{\"unknown_answered\": %s, \"unknown\": %u, \"at_once\": %s, "
           "\"unanswered\": %u}\n", answered ? "true" : "false", unknown,
           at_once ? "true" : "false",
           (uint16_t)(gpu.ring.avail->idx - *used));
    wait_for_line();
}

static void run_hoard(unsigned int count, unsigned int mib)
{
    unsigned int created = 0;
    uint32_t answer = 0;

    create_context(1);
    for (unsigned int n = 0; n < count; n++) {
        answer = create_blob(n + 1, 1, (uint64_t)mib << 20);
        if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
            break;
        }
        created++;
        expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, n + 1, 0),
               VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
        expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, n + 1, 0),
               VIRTIO_GPU_RESP_OK_NODATA, "RESOURCE_UNMAP_BLOB");
    }
    printf("{\"created\": %u, \"answer\": %u, \"alive\": %s}\n", created,
           answer, alive() ? "true" : "false");
    wait_for_line();
}

/* The first word and the last whole one of each blob can be written and read. */
static void run_sizes(int count, char **sizes)
{
    const unsigned int step = 1 << 20;
    int fd = open_file("resource4", O_RDWR);
    unsigned int wrong = 0;

    create_context(1);
    for (int n = 0; n < count; n++) {
        uint64_t bytes = strtoul(sizes[n], NULL, 10);
        uint64_t last = (bytes + PAGE - 1) / PAGE * PAGE - sizeof(uint32_t);
        volatile uint32_t *at = mmap(NULL, step, PROT_READ | PROT_WRITE,
                                     MAP_SHARED, fd, (off_t)n * step);

        if (at == MAP_FAILED) {
            die("resource4: %s", strerror(errno));
        }
        expect(create_blob(n + 1, 1, bytes), VIRTIO_GPU_RESP_OK_NODATA,
               "RESOURCE_CREATE_BLOB");
        expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, n + 1,
                          (uint64_t)n * step),
               VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
        at[0] = n + 1;
        at[last / sizeof(*at)] = ~n;
        wrong += (last && at[0] != (uint32_t)n + 1) ||
                 at[last / sizeof(*at)] != (uint32_t)~n;
    }
    printf("{\"mapped\": %d, \"wrong\": %u}\n", count, wrong);
    wait_for_line();
}

/* Maps resource n + 1 at page n, and resets without unmapping any. */
static void run_reset_mapped(unsigned int count)
{
    for (unsigned int n = 0; n < count; n++) {
        uint32_t ctx = 1 + n / BLOBS_PER_CTX;

        if (n % BLOBS_PER_CTX == 0) {
            create_context(ctx);
        }
        expect(create_blob(n + 1, ctx, PAGE), VIRTIO_GPU_RESP_OK_NODATA,
               "RESOURCE_CREATE_BLOB");
        expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, n + 1, n * PAGE),
               VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
    }
    printf("{\"mapped\": %u, \"reset_ms\": %.1f}\n", count, reset());
}

/* Resource n + 1, in a context that can hold it. */
static void create_shared(unsigned int n, uint64_t bytes)
{
    uint32_t ctx = 1 + n / BLOBS_PER_CTX;

    if (n % BLOBS_PER_CTX == 0) {
        create_context(ctx);
    }
    expect(create_blob(n + 1, ctx, bytes), VIRTIO_GPU_RESP_OK_NODATA,
           "RESOURCE_CREATE_BLOB");
}

static void map_shared(unsigned int n, uint64_t offset)
{
    expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, n + 1, offset),
           VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
}

static void run_sparse(unsigned int count, uint64_t step)
{
    char line[16];

    for (unsigned int n = 0; n < count; n++) {
        create_shared(n, PAGE);
        map_shared(n, n * step);
    }
    create_shared(count, 1 << 20);
    map_shared(count, count * step);
    printf("{\"mapped\": %u}\n", count + 1);
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        die("no line to read");
    }
}

/* What is in the first word of a blob, and in the last one. */
static uint32_t far_word(unsigned int n, unsigned int at)
{
    return (n + 1) * 2654435761u + at;
}

/* Each blob has words of its own, wherever in the window it is. */
static void run_far(unsigned int count, uint64_t step)
{
    enum { LAST = PAGE / sizeof(uint32_t) - 1 };
    int fd = open_file("resource4", O_RDWR);
    unsigned int wrong = 0;

    for (unsigned int n = 0; n < count; n++) {
        create_shared(n, PAGE);
        map_shared(n, n * step);
    }
    for (unsigned int pass = 0; pass < 2; pass++) {
        for (unsigned int n = 0; n < count; n++) {
            volatile uint32_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                                         MAP_SHARED, fd, (off_t)(n * step));

            if (at == MAP_FAILED) {
                die("resource4 at 0x%" PRIx64 ": %s", n * step,
                    strerror(errno));
            }
            if (pass == 0) {
                at[0] = far_word(n, 0);
                at[LAST] = far_word(n, LAST);
            } else {
                wrong += at[0] != far_word(n, 0);
                wrong += at[LAST] != far_word(n, LAST);
            }
            munmap((void *)at, PAGE);
        }
    }
    close(fd);
    printf("{\"mapped\": %u, \"wrong\": %u}\n", count, wrong);
    wait_for_line();
}

static void run_fight(unsigned int seconds, unsigned int count, uint64_t bytes)
{
    double start, end;
    uint64_t turns = 0;

    for (unsigned int n = 0; n < count; n++) {
        create_shared(n, bytes);
        map_shared(n, n * bytes);
    }
    start = now_ms();
    end = start + seconds * 1e3;
    for (; now_ms() < end; turns++) {
        unsigned int n = turns % count;

        expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, n + 1, 0),
               VIRTIO_GPU_RESP_OK_NODATA, "RESOURCE_UNMAP_BLOB");
        map_shared(n, n * bytes);
    }
    printf("{\"turns\": %" PRIu64 ", \"ms\": %.0f}\n", turns,
           now_ms() - start);
}

static void start_again(void)
{
    gpu.next = gpu.seen = 0;
    negotiate();
    start_queue();
}

/* Needs no VIRTIO_F_RING_RESET, which is not negotiated. */
static void reset_queue(void)
{
    volatile uint8_t *common = (volatile uint8_t *)gpu.common;

    gpu.common->queue_select = 0;
    *(volatile uint16_t *)(common + VIRTIO_PCI_COMMON_Q_RESET) = 1;
    gpu.next = gpu.seen = 0;
}

static void run_queue_reset(void)
{
    uint8_t idle, before, after;
    bool idle_alive, at_once, broken_alive;
    uint32_t type;

    reset_queue();
    idle = gpu.common->device_status;
    start_queue();
    idle_alive = alive();
    create_context(1);
    printf("{\"context\": 1}\n");
    wait_for_line();
    at_once = ask_fenced(1, 1000, &type);
    before = gpu.common->device_status;
    reset_queue();
    after = gpu.common->device_status;
    start_queue();
    broken_alive = alive();

    reset();
    start_again();
    printf("{\"idle\": %u, \"idle_alive\": %s, \"at_once\": %s, "
           "\"before\": %u, \"after\": %u, \"broken_alive\": %s, "
           "\"alive\": %s}\n", idle, idle_alive ? "true" : "false",
           at_once ? "true" : "false", before, after,
           broken_alive ? "true" : "false", alive() ? "true" : "false");
    wait_for_line();
}

/*
 * The backings are anywhere in RAM, each time elsewhere, so that what stays
 * mapped adds up. The device is not asked to transfer anything.
 */
static void attach_backing(unsigned int n)
{
    enum { PIECES = 16, BYTES = 0x10000 };
    const uint64_t start = 64 << 20, room = 384 << 20;
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entry[PIECES];
    } attach = {
        .head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
        .head.resource_id = 1,
        .head.nr_entries = PIECES,
    };

    for (unsigned int i = 0; i < PIECES; i++) {
        attach.entry[i].addr = start + (uint64_t)n * 2 * PIECES * BYTES % room +
                               i * BYTES;
        attach.entry[i].length = BYTES;
    }
    expect(command(&attach, sizeof(attach)), VIRTIO_GPU_RESP_OK_NODATA,
           "RESOURCE_ATTACH_BACKING");
}

/* A texture of 512 x 512 */
static uint32_t create_3d(uint32_t id, uint32_t format)
{
    const struct virtio_gpu_resource_create_3d create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
        .resource_id = id,
        .target = 2,
        .format = format,
        .bind = 2,
        .width = 512,
        .height = 512,
        .depth = 1,
        .array_size = 1,
    };

    return command(&create, sizeof(create));
}

static void run_reset_backed(unsigned int count)
{
    double worst = 0;

    for (unsigned int n = 0; n < count; n++) {
        double ms;

        if (n) {
            start_again();
        }
        expect(create_3d(1, BGRA), VIRTIO_GPU_RESP_OK_NODATA,
               "RESOURCE_CREATE_3D");
        attach_backing(n);
        ms = reset();
        worst = ms > worst ? ms : worst;
    }
    printf("{\"resets\": %u, \"worst_ms\": %.1f}\n", count, worst);
}

static uint8_t *map_window(size_t bytes)
{
    int fd = open_file("resource4", O_RDWR);
    uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        die("mapping the window: %s", strerror(errno));
    }
    close(fd);
    return at;
}

static void run_in_blob(unsigned int kib)
{
    const struct virtio_gpu_ctrl_hdr get = {
        .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
    };
    uint32_t bytes = kib << 10, type;
    const struct piece pieces[] = {
        { bar_address(WINDOW_BAR), bytes, false },
        { bar_address(WINDOW_BAR) + bytes, PAGE, true },
    };
    uint8_t *at;
    double start, ms;
    bool answered;

    create_context(1);
    expect(create_blob(1, 1, bytes + PAGE), VIRTIO_GPU_RESP_OK_NODATA,
           "RESOURCE_CREATE_BLOB");
    expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 1, 0),
           VIRTIO_GPU_RESP_OK_MAP_INFO, "RESOURCE_MAP_BLOB");
    at = map_window(bytes + PAGE);
    memcpy(at, &get, sizeof(get));
    start = now_ms();
    answered = send_chain(pieces, 2, IN_BLOB_MS);
    ms = now_ms() - start;
    memcpy(&type, at + bytes, sizeof(type));
    printf("{\"answered\": %s, \"type\": %u, \"status\": %u, \"ms\": %.0f, "
           "\"alive\": ", answered ? "true" : "false", type,
           gpu.common->device_status, ms);
    if (!answered) {
        reset();
        start_again();
    }
    printf("%s}\n", alive() ? "true" : "false");
}

/*
 * Blobs of guest memory, which a plain virtio-gpu shows. The picture has 64 x 64
 * pixels and fills so many pages.
 */
#define SHOWN_PIXELS    64
#define SHOWN_BYTES     (SHOWN_PIXELS * SHOWN_PIXELS * 4u)
#define SHOWN_PAGES     (SHOWN_BYTES / PAGE)
#define MOST_ENTRIES    250     /* fit the page of the request */

static uint32_t create_backed(uint32_t id, uint64_t bytes,
                              const struct virtio_gpu_mem_entry *entry,
                              uint32_t n)
{
    struct {
        struct virtio_gpu_resource_create_blob head;
        struct virtio_gpu_mem_entry entry[MOST_ENTRIES];
    } create = {
        .head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
        .head.resource_id = id,
        .head.blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
        .head.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
        .head.nr_entries = n,
        .head.size = bytes,
    };

    memcpy(create.entry, entry, n * sizeof(*entry));
    return command(&create, sizeof(create.head) + n * sizeof(*entry));
}

static uint32_t show_blob(uint32_t id)
{
    const struct virtio_gpu_set_scanout_blob set = {
        .hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
        .r.width = SHOWN_PIXELS,
        .r.height = SHOWN_PIXELS,
        .resource_id = id,
        .width = SHOWN_PIXELS,
        .height = SHOWN_PIXELS,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
        .strides[0] = SHOWN_PIXELS * 4,
    };

    return command(&set, sizeof(set));
}

static uint32_t flush_blob(uint32_t id)
{
    const struct virtio_gpu_resource_flush flush = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
        .resource_id = id,
        .r.width = SHOWN_PIXELS,
        .r.height = SHOWN_PIXELS,
    };

    return command(&flush, sizeof(flush));
}

static void ok(uint32_t type, const char *what)
{
    expect(type, VIRTIO_GPU_RESP_OK_NODATA, what);
}

/* Pages of ours, as entries in no order */
static void shown_pages(struct page page[SHOWN_PAGES],
                        struct virtio_gpu_mem_entry entry[SHOWN_PAGES])
{
    for (unsigned int n = 0; n < SHOWN_PAGES; n++) {
        page[n] = new_page();
        memset(page[n].at, 0x11 * (n + 1), PAGE);
        entry[SHOWN_PAGES - 1 - n] = (struct virtio_gpu_mem_entry) {
            .addr = page[n].address,
            .length = PAGE,
        };
    }
}

/* Returns how many are refused, which must be all. */
static unsigned int refused_backings(uint64_t good)
{
    const struct {
        const char *name;
        uint64_t addr;
        uint32_t length, n;
    } cases[] = {
        { "no bytes", good, 0, 1 },
        { "a window", bar_address(WINDOW_BAR), PAGE, 1 },
        { "registers of the device", gpu.status_address & -PAGE, PAGE, 1 },
        { "the local APIC", 0xfee00000, PAGE, 1 },
        { "VGA's hole", 0xa0000, PAGE, 1 },
        { "from RAM into VGA's hole", 0x9f000, 2 * PAGE, 1 },
        { "Xen's own pages", 0xfeffc000, PAGE, 1 },
        { "after the RAM", 0x80000000, PAGE, 1 },
        { "above 4 GiB", 1ull << 36, PAGE, 1 },
        { "frame 2^40, which looks like frame 0", 1ull << 52, PAGE, 1 },
        { "the same, a good page", 1ull << 52 | good, PAGE, 1 },
        { "the last page of all", -(uint64_t)PAGE, PAGE, 1 },
        { "wraps around", -(uint64_t)PAGE, 2 * PAGE, 1 },
        { "4 GiB", 0x100000, -PAGE, 1 },
        { "4 GiB, many times", 0x100000, -PAGE, MOST_ENTRIES },
        { "half of the RAM, many times", 0x1000000, 0x18000000, MOST_ENTRIES },
    };
    struct virtio_gpu_mem_entry entry[MOST_ENTRIES];
    unsigned int refused = 0;

    for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        double start = now_ms();
        uint32_t type;

        for (unsigned int n = 0; n < cases[i].n; n++) {
            entry[n].addr = cases[i].addr;
            entry[n].length = cases[i].length;
            entry[n].padding = 0;
        }
        type = create_backed(1, PAGE, entry, cases[i].n);
        if (type < VIRTIO_GPU_RESP_ERR_UNSPEC || !alive() ||
            now_ms() - start > HOSTILE_MS) {
            die("%s: the answer is 0x%x, after %.0f ms", cases[i].name, type,
                now_ms() - start);
        }
        refused++;
    }
    return refused;
}

/* What is not whole pages, or the same page again, is shown all the same. */
static void odd_backings(uint64_t good)
{
    struct virtio_gpu_mem_entry same[SHOWN_PAGES], odd[2 * SHOWN_PAGES];

    for (unsigned int n = 0; n < SHOWN_PAGES; n++) {
        same[n] = (struct virtio_gpu_mem_entry) { .addr = good, .length = PAGE };
    }
    for (unsigned int n = 0; n < 2 * SHOWN_PAGES; n++) {
        odd[n] = (struct virtio_gpu_mem_entry) {
            .addr = good + n,
            .length = PAGE / 2,
        };
    }
    ok(create_backed(1, SHOWN_BYTES, same, SHOWN_PAGES), "a page many times");
    ok(show_blob(1), "showing a page many times");
    ok(create_backed(2, SHOWN_BYTES, odd, 2 * SHOWN_PAGES), "parts of pages");
    ok(show_blob(2), "showing parts of pages");
    ok(flush_blob(2), "flushing parts of pages");
    ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0), "UNREF of 1");
    ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2, 0), "UNREF of 2");
}

static void memory_op(int privcmd, unsigned int op, uint64_t address)
{
    static struct {
        xen_memory_reservation_t reservation;
        xen_pfn_t frame;
    } *shared;
    privcmd_hypercall_t call = { .op = __HYPERVISOR_memory_op };
    long done;

    if (!shared) {
        shared = (void *)new_page().at;
    }
    shared->frame = address / PAGE;
    shared->reservation = (xen_memory_reservation_t) {
        .nr_extents = 1,
        .domid = DOMID_SELF,
    };
    set_xen_guest_handle(shared->reservation.extent_start, &shared->frame);
    call.arg[0] = op;
    call.arg[1] = (uintptr_t)&shared->reservation;
    done = ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);
    if (done != 1) {
        die("memory operation %u: %ld, %s", op, done, strerror(errno));
    }
}

static int open_privcmd(void)
{
    int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        die("/dev/xen/privcmd: %s", strerror(errno));
    }
    return fd;
}

static void run_ring_gone(void)
{
    struct page page = new_page();
    int privcmd = open_privcmd();

    memory_op(privcmd, XENMEM_decrease_reservation, page.address);
    for (unsigned int n = 0; n < ARRAY_SIZE(elsewhere); n++) {
        elsewhere[n] = page.address;
        reset();
        start_again();
        send_chain((struct piece[]) {{ gpu.request.address, PAGE, false },
                                     { gpu.answer.address, PAGE, true }}, 2,
                   GONE_MS);
        elsewhere[n] = 0;
    }
    memory_op(privcmd, XENMEM_populate_physmap, page.address);
    memset(page.at, 0, PAGE);
    reset();
    start_again();
    printf("{\"parts\": %zu, \"alive\": %s}\n", ARRAY_SIZE(elsewhere),
           alive() ? "true" : "false");
}

/* Gives pages back to Xen while they are shown, and shows others that are gone. */
static void pages_given_back(void)
{
    struct virtio_gpu_mem_entry entry[SHOWN_PAGES];
    struct page page[SHOWN_PAGES];
    int privcmd = open_privcmd();
    uint32_t type;

    shown_pages(page, entry);
    ok(create_backed(1, SHOWN_BYTES, entry, SHOWN_PAGES), "pages to give back");
    ok(show_blob(1), "showing pages to give back");
    for (unsigned int n = 0; n < SHOWN_PAGES; n++) {
        memory_op(privcmd, XENMEM_decrease_reservation, page[n].address);
    }
    ok(flush_blob(1), "flushing pages that were given back");
    type = create_backed(2, SHOWN_BYTES, entry, SHOWN_PAGES);
    if (type < VIRTIO_GPU_RESP_ERR_UNSPEC) {
        die("pages that are gone: the answer is 0x%x", type);
    }
    ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0), "UNREF of what is gone");
    for (unsigned int n = 0; n < SHOWN_PAGES; n++) {
        memory_op(privcmd, XENMEM_populate_physmap, page[n].address);
        memset(page[n].at, 0, PAGE);
    }
    close(privcmd);
}

/* Resets with blobs that are shown, or have had their backing detached */
static unsigned int resets_with_backings(void)
{
    enum { ROUNDS = 30, BLOBS = 20 };
    struct virtio_gpu_mem_entry entry[SHOWN_PAGES];
    struct page page[SHOWN_PAGES];

    shown_pages(page, entry);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        for (unsigned int id = 1; id <= BLOBS; id++) {
            ok(create_backed(id, SHOWN_BYTES, entry, SHOWN_PAGES), "a blob");
            if (id % 3 == 0) {
                ok(show_blob(id), "showing a blob");
            }
            if (id % 4 == 0) {
                ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, id, 0),
                   "DETACH_BACKING");
            }
        }
        ok(show_blob(1), "showing the first blob");
        reset();
        start_again();
    }
    return ROUNDS;
}

static uint32_t create_2d(uint32_t id, uint32_t format)
{
    const struct virtio_gpu_resource_create_2d create = {
        .hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
        .resource_id = id,
        .format = format,
        .width = 512,
        .height = 512,
    };

    return command(&create, sizeof(create));
}

/* What the renderer refuses is not there, and its ID can be used. */
static void run_refused(unsigned int count)
{
    enum { NO_FORMAT = 0x7fffffff };
    uint32_t (*const create[])(uint32_t id, uint32_t format) = {
        create_2d, create_3d,
    };

    for (unsigned int n = 0; n < count; n++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(create); i++) {
            expect(create[i](1, NO_FORMAT), VIRTIO_GPU_RESP_ERR_UNSPEC,
                   "a format that does not exist");
            expect(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0),
                   VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
                   "UNREF of what was refused");
            ok(create[i](1, BGRA), "a resource of the same ID");
            ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0), "UNREF");
        }
    }
    printf("{\"refused\": %u, \"alive\": %s}\n",
           count * (unsigned int)ARRAY_SIZE(create), alive() ? "true" : "false");
}

/*
 * The renderer has the backing of a blob of guest memory, and it may be taken
 * from there, or replaced, before the device forgets the blob.
 */
static void run_blob_backings(unsigned int resets, unsigned int unrefs)
{
    enum { LEFT, DETACHED, REPLACED, KINDS };
    struct virtio_gpu_mem_entry entry[MOST_ENTRIES];
    struct page page = new_page();

    for (unsigned int i = 0; i < MOST_ENTRIES; i++) {
        entry[i] = (struct virtio_gpu_mem_entry) {
            .addr = page.address,
            .length = PAGE,
        };
    }
    for (unsigned int n = 0; n < resets; n++) {
        ok(create_backed(1, MOST_ENTRIES * PAGE, entry, MOST_ENTRIES), "a blob");
        if (n % KINDS != LEFT) {
            ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1, 0),
               "DETACH_BACKING");
        }
        if (n % KINDS == REPLACED) {
            attach_backing(n);
        }
        reset();
        start_again();
    }
    for (unsigned int n = 0; n < unrefs; n++) {
        ok(create_backed(1, MOST_ENTRIES * PAGE, entry, MOST_ENTRIES), "a blob");
        ok(about_blob(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0), "UNREF");
    }
    printf("{\"resets\": %u, \"unrefs\": %u, \"alive\": %s}\n", resets, unrefs,
           alive() ? "true" : "false");
}

static void run_backings(void)
{
    struct page good = new_page();
    unsigned int refused = refused_backings(good.address);
    struct virtio_gpu_mem_entry entry[SHOWN_PAGES];
    struct page page[SHOWN_PAGES];
    unsigned int resets;

    odd_backings(good.address);
    pages_given_back();
    resets = resets_with_backings();
    shown_pages(page, entry);
    ok(create_backed(1, SHOWN_BYTES, entry, SHOWN_PAGES), "the last blob");
    ok(show_blob(1), "showing the last blob");
    printf("{\"refused\": %u, \"resets\": %u, \"alive\": %s, \"pixels\": %u}\n",
           refused, resets, alive() ? "true" : "false", SHOWN_PIXELS);
    wait_for_line();
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (argc == 2 && !strcmp(name, "answer-into-device")) {
        start();
        run_answer_into_device();
    } else if (argc == 3 && !strcmp(name, "flood")) {
        start();
        run_flood(strtoul(argv[2], NULL, 10));
    } else if (argc == 4 && !strcmp(name, "hoard")) {
        start();
        run_hoard(number(argv[2], MOST_BLOBS), number(argv[3], MOST_KIB));
    } else if (argc == 2 && !strcmp(name, "fences")) {
        start();
        run_fences();
    } else if (argc == 2 && !strcmp(name, "queue-reset")) {
        start();
        run_queue_reset();
    } else if (argc > 2 && !strcmp(name, "sizes")) {
        start();
        run_sizes(argc - 2, argv + 2);
    } else if (argc == 3 && !strcmp(name, "reset-mapped")) {
        start();
        run_reset_mapped(number(argv[2], MOST_BLOBS));
    } else if (argc == 3 && !strcmp(name, "reset-backed")) {
        start();
        run_reset_backed(number(argv[2], MOST_BLOBS));
    } else if (argc == 3 && !strcmp(name, "refused")) {
        start();
        run_refused(number(argv[2], MOST_BLOBS));
    } else if (argc == 4 && !strcmp(name, "blob-backings")) {
        start();
        run_blob_backings(number(argv[2], MOST_BLOBS),
                          number(argv[3], MOST_BLOBS));
    } else if (argc == 3 && !strcmp(name, "in-blob")) {
        start();
        run_in_blob(number(argv[2], MOST_KIB));
    } else if (argc == 4 && !strcmp(name, "sparse")) {
        start();
        run_sparse(number(argv[2], MOST_BLOBS),
                   (uint64_t)number(argv[3], MOST_KIB) << 10);
    } else if (argc == 4 && !strcmp(name, "far")) {
        start();
        run_far(number(argv[2], MOST_BLOBS),
                (uint64_t)number(argv[3], MOST_KIB) << 10);
    } else if (argc == 5 && !strcmp(name, "fight")) {
        start();
        run_fight(number(argv[2], MOST_SECONDS), number(argv[3], MOST_BLOBS),
                  (uint64_t)number(argv[4], MOST_KIB) << 10);
    } else if (argc == 2 && !strcmp(name, "ring-gone")) {
        start();
        run_ring_gone();
    } else if (argc == 2 && !strcmp(name, "backings")) {
        wanted[0] = 1 << VIRTIO_GPU_F_RESOURCE_BLOB;
        start();
        run_backings();
    } else {
        fprintf(stderr, "usage: rawgpu answer-into-device\n"
                        "       rawgpu flood COUNT\n"
                        "       rawgpu hoard COUNT MIB\n"
                        "       rawgpu sizes BYTES...\n"
                        "       rawgpu fences\n"
                        "       rawgpu queue-reset\n"
                        "       rawgpu reset-mapped COUNT\n"
                        "       rawgpu reset-backed COUNT\n"
                        "       rawgpu refused COUNT\n"
                        "       rawgpu blob-backings RESETS UNREFS\n"
                        "       rawgpu in-blob KIB\n"
                        "       rawgpu sparse COUNT KIB\n"
                        "       rawgpu far COUNT KIB\n"
                        "       rawgpu fight SECONDS COUNT KIB\n"
                        "       rawgpu ring-gone\n"
                        "       rawgpu backings\n");
        return 2;
    }
    /* Before the reset at exit, which may take a long time. */
    fflush(stdout);
    return 0;
}
