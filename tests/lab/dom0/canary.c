// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * canary PROVIDER EXPORTER DOMID ROUNDS PAGES: grant buffers to a guest that
 * keeps them mapped, release them nevertheless, and use the memory for others
 *
 * PROVIDER: module (/dev/xen/dmabuf-grant), gntdev, or gntdev-v2, which is the calls
 * that our series adds to gntdev. EXPORTER: udmabuf, pool
 * (/dev/lab-dmabuf-pool), ttm (/dev/lab-dmabuf-ttm: write-combined blocks from a
 * pool), or vram (the same, and what is granted is in video memory before). The
 * first line of output is {"mailbox": REFERENCE}, for the program keeper in the
 * guest. The last one counts, over all rounds:
 *   foreign    words that the guest saw and that were not its own buffer's
 *   damaged    words of other buffers that the guest has overwritten
 *   busy       rounds in which the provider said that the guest has pages mapped
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/udmabuf.h>
#include <xen/sys/gntdev.h>

#include "../dmabuf-pool/lab-dmabuf-pool.h"
#include "../dmabuf-ttm/lab-dmabuf-ttm.h"
#include "canary.h"
#include "gntdev-series.h"
#include "hw/xen/interface/dmabuf-grant.h"
#include "words.h"

#define PAGE            4096
#define OTHERS          2       /* buffers that may get the memory */
#define TURN_S          20

struct buffer {
    int fd;
    uint64_t *words;
    size_t count;
};

static struct canary_mailbox *box;
static bool module, v2;
static const struct kind *kind;
static int exporter, provider;
static uint32_t domid, nr_pages;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list args;

    printf("{\"error\": \"");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\"}\n");
    exit(1);
}

static int must_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        die("%s: %s", path, strerror(errno));
    }
    return fd;
}

/* Buffers */

struct kind {
    const char *name, *device;
    int (*create)(int device, uint32_t pages);  /* what is granted */
    int (*other)(int device, uint32_t pages);   /* what may get its memory */
};

static int new_udmabuf(int device, uint32_t pages)
{
    int memfd = memfd_create("canary", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    struct udmabuf_create create = {
        .memfd = memfd,
        .flags = UDMABUF_FLAGS_CLOEXEC,
        .size = (uint64_t)pages * PAGE,
    };
    int fd;

    if (ftruncate(memfd, create.size) ||
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
        die("a memfd: %s", strerror(errno));
    }
    fd = ioctl(device, UDMABUF_CREATE, &create);
    close(memfd);
    return fd;
}

static int new_from_pool(int device, uint32_t pages)
{
    struct lab_pool_create create = { .nr_pages = pages };

    return ioctl(device, LAB_POOL_CREATE, &create) ? -1 : create.fd;
}

static int new_of_ttm(int device, uint32_t pages)
{
    struct lab_ttm_create create = {
        .nr_pages = pages, .flags = LAB_TTM_WC | LAB_TTM_BLOCKS,
    };

    return ioctl(device, LAB_TTM_CREATE, &create) ? -1 : create.fd;
}

static int new_in_vram(int device, uint32_t pages)
{
    struct lab_ttm_create create = {
        .nr_pages = pages,
        .flags = LAB_TTM_WC | LAB_TTM_BLOCKS | LAB_TTM_VRAM,
    };

    return ioctl(device, LAB_TTM_CREATE, &create) ? -1 : create.fd;
}

static const struct kind kinds[] = {
    { "udmabuf", "/dev/udmabuf", new_udmabuf, new_udmabuf },
    { "pool", LAB_POOL_PATH, new_from_pool, new_from_pool },
    { "ttm", LAB_TTM_PATH, new_of_ttm, new_of_ttm },
    { "vram", LAB_TTM_PATH, new_in_vram, new_of_ttm },
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!strcmp(kinds[i].name, name)) {
            return &kinds[i];
        }
    }
    die("no such exporter: %s", name);
}

static struct buffer map_buffer(int fd, uint32_t pages)
{
    struct buffer b = { .fd = fd, .count = (size_t)pages * CANARY_WORDS };

    if (fd < 0) {
        die("a dma-buf: %s", strerror(errno));
    }
    b.words = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
    if (b.words == MAP_FAILED) {
        die("mapping a dma-buf: %s", strerror(errno));
    }
    return b;
}

static struct buffer new_buffer(int fd, uint64_t seed)
{
    struct buffer b = map_buffer(fd, nr_pages);

    for (size_t i = 0; i < b.count; i++) {
        b.words[i] = lab_word(seed, i);
    }
    return b;
}

static uint64_t count_wrong(const struct buffer *b, uint64_t seed)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < b->count; i++) {
        wrong += b->words[i] != lab_word(seed, i);
    }
    return wrong;
}

static void free_buffer(struct buffer *b)
{
    munmap(b->words, b->count * sizeof(*b->words));
    close(b->fd);
}

/* Grants */

static int open_provider(void)
{
    return must_open(module ? XEN_DMABUF_GRANT_PATH : "/dev/xen/gntdev");
}

static uint64_t import_by_module(int device, int fd, uint32_t pages,
                                 uint32_t *refs)
{
    struct xen_dmabuf_grant_import op = {
        .fd = fd, .domid = domid, .nr_pages = pages, .refs = (uintptr_t)refs,
    };

    if (ioctl(device, XEN_DMABUF_GRANT_IMPORT, &op)) {
        die("importing: %s", strerror(errno));
    }
    return op.handle;
}

static uint64_t import_by_gntdev(int device, int fd, uint32_t pages,
                                 uint32_t *refs)
{
    struct {
        struct ioctl_gntdev_dmabuf_imp_to_refs op;
        uint32_t more[CANARY_MAX_PAGES];
    } request = { .op = { .fd = fd, .count = pages, .domid = domid } };

    if (ioctl(device, IOCTL_GNTDEV_DMABUF_IMP_TO_REFS, &request)) {
        die("importing by gntdev: %s", strerror(errno));
    }
    memcpy(refs, request.op.refs, pages * sizeof(*refs));
    return fd;
}

static uint64_t import_by_gntdev_v2(int device, int fd, uint32_t pages,
                                    uint32_t *refs)
{
    struct ioctl_gntdev_dmabuf_imp_to_refs_v2 op = {
        .fd = fd, .count = pages, .domid = domid, .refs = (uintptr_t)refs,
    };

    if (ioctl(device, IOCTL_GNTDEV_DMABUF_IMP_TO_REFS_V2, &op)) {
        die("importing by gntdev-v2: %s", strerror(errno));
    }
    return op.handle;
}

static uint64_t import(int device, int fd, uint32_t pages, uint32_t *refs)
{
    return module ? import_by_module(device, fd, pages, refs)
           : v2 ? import_by_gntdev_v2(device, fd, pages, refs)
                : import_by_gntdev(device, fd, pages, refs);
}

static bool release_v2(int device, uint64_t handle)
{
    struct ioctl_gntdev_dmabuf_imp_release_v2 op = { .handle = handle };

    if (ioctl(device, IOCTL_GNTDEV_DMABUF_IMP_RELEASE_V2, &op)) {
        die("releasing by gntdev-v2: %s", strerror(errno));
    }
    return op.busy;
}

/* Returns whether the provider says that pages are mapped. */
static bool release(int device, uint64_t handle)
{
    struct xen_dmabuf_grant_release op = { .handle = handle };
    struct ioctl_gntdev_dmabuf_imp_release gntdev_op = { .fd = handle };

    if (v2) {
        return release_v2(device, handle);
    }
    if (module ? ioctl(device, XEN_DMABUF_GRANT_RELEASE, &op)
               : ioctl(device, IOCTL_GNTDEV_DMABUF_IMP_RELEASE, &gntdev_op)) {
        die("releasing: %s", strerror(errno));
    }
    return module && op.busy;
}

/* Turns */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void let_guest(enum canary_turn turn)
{
    double end = now() + TURN_S;

    box->turn = turn;
    while (box->turn != CANARY_DOM0) {
        if (now() > end) {
            die("no answer from the guest within %u s", TURN_S);
        }
        usleep(20);
    }
}

static void make_mailbox(void)
{
    int device = must_open("/dev/udmabuf");
    struct buffer b = map_buffer(new_udmabuf(device, 1), 1);
    uint32_t ref;

    box = (void *)b.words;
    memset(box, 0, PAGE);
    import(provider, b.fd, 1, &ref);    /* until we exit */
    printf("{\"mailbox\": %u}\n", ref);
    fflush(stdout);
}

/*
 * Every second round ends as a killed QEMU does, by closing the provider. Then
 * there is nobody to ask whether the guest has let go.
 */
static void run_round(uint64_t round, uint64_t *damaged, uint64_t *busy)
{
    uint64_t seed = 2 * round + 1, handle;
    bool killed = round % 2;
    int device = killed ? open_provider() : provider;
    struct buffer own = new_buffer(kind->create(exporter, nr_pages), seed);
    struct buffer others[OTHERS];
    bool kept = false;

    box->seed = seed;
    box->nr_pages = nr_pages;
    handle = import(device, own.fd, nr_pages, box->refs);
    let_guest(CANARY_MAP);
    if (killed) {
        close(device);
    } else {
        kept = release(device, handle);
        *busy += kept;
    }
    free_buffer(&own);
    for (unsigned int i = 0; i < OTHERS; i++) {
        others[i] = new_buffer(kind->other(exporter, nr_pages), seed + 1);
    }
    let_guest(CANARY_LOOK);
    for (unsigned int i = 0; i < OTHERS; i++) {
        *damaged += count_wrong(&others[i], seed + 1);
    }
    let_guest(CANARY_DROP);
    if (kept && release(device, handle)) {
        die("round %" PRIu64 ": busy although the guest has unmapped", round);
    }
    for (unsigned int i = 0; i < OTHERS; i++) {
        free_buffer(&others[i]);
    }
}

int main(int argc, char **argv)
{
    uint64_t rounds, damaged = 0, busy = 0;
    double start;

    if (argc != 6) {
        die("usage: canary module|gntdev|gntdev-v2 EXPORTER DOMID ROUNDS PAGES");
    }
    module = !strcmp(argv[1], "module");
    v2 = !strcmp(argv[1], "gntdev-v2");
    kind = find_kind(argv[2]);
    domid = strtoul(argv[3], NULL, 10);
    rounds = strtoull(argv[4], NULL, 10);
    nr_pages = strtoul(argv[5], NULL, 10);
    if (!nr_pages || nr_pages > CANARY_MAX_PAGES) {
        die("PAGES is from 1 to %u", CANARY_MAX_PAGES);
    }
    exporter = must_open(kind->device);
    provider = open_provider();
    make_mailbox();
    start = now();
    for (uint64_t round = 0; round < rounds; round++) {
        run_round(round, &damaged, &busy);
    }
    printf("{\"rounds\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"damaged\": %"
           PRIu64 ", \"wrong\": %" PRIu64 ", \"failed\": %u, \"busy\": %" PRIu64
           ", \"seconds\": %.1f}\n", rounds, box->foreign, damaged, box->wrong,
           box->failed, busy, now() - start);
    box->turn = CANARY_END;
    usleep(200000);             /* it unmaps the mailbox */
    return 0;
}
