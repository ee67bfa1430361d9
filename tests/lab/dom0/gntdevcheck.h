/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Helpers for gntdevcheck's cases: what our series adds to gntdev, the guest's
 * references, and the calls for both directions.
 */
#ifndef GNTDEVCHECK_H
#define GNTDEVCHECK_H

#include "grantcheck.h"
#include "gntdev-series.h"
#include "guest-type.h"
#include "../dma/lab-dma.h"

#define GNTDEV_LIMIT "/sys/module/xen_gntdev/parameters/limit"
#define GNTDEV_USERS "/sys/module/xen_gntdev/refcnt"
#define BUFINFO "/sys/kernel/debug/dma_buf/bufinfo"
#define MOST 4096

/* The guest's pages, granted to us, and the seed of their contents */
static struct {
    uint64_t seed;
    uint32_t refs[MOST];
    uint32_t nr;
} grants;

static uint32_t domid;
static const char *disk;

/* What a case may leave behind: users of the module, and dma-bufs. */
struct counters_of_gntdev {
    long users, buffers;
};

static long count_buffers(void)
{
    FILE *file = fopen(BUFINFO, "r");
    char line[400];
    long number = -1;

    while (file && fgets(line, sizeof(line), file)) {
        sscanf(line, "Total %ld objects", &number);
    }
    if (file) {
        fclose(file);
    }
    return number;
}

static struct counters_of_gntdev read_users(void)
{
    struct counters_of_gntdev now = { read_long(GNTDEV_USERS),
                                      count_buffers() };

    if (now.users < 0 || now.buffers < 0) {
        fprintf(stderr, "gntdevcheck: cannot read " GNTDEV_USERS " or " BUFINFO
                ": load xen-gntdev, and mount debugfs\n");
        exit(2);
    }
    return now;
}

static bool users_settle_to(struct counters_of_gntdev wanted)
{
    time_t end = time(NULL) + SETTLE_SECONDS;
    struct counters_of_gntdev now = read_users();

    while (memcmp(&now, &wanted, sizeof(now)) && time(NULL) <= end) {
        short_sleep();
        now = read_users();
    }
    return memcmp(&now, &wanted, sizeof(now)) == 0;
}

/* Export: a dma-buf's descriptor, or the negative error. */
static int try_export(int dev, uint32_t flags, const uint32_t *refs,
                      uint32_t count)
{
    struct ioctl_gntdev_dmabuf_exp_from_refs *req =
        keep_mem(1, sizeof(*req) + count * sizeof(*refs));
    int fd;

    req->flags = flags;
    req->count = count;
    req->domid = domid;
    memcpy(req->refs, refs, count * sizeof(*refs));
    fd = ioctl(dev, IOCTL_GNTDEV_DMABUF_EXP_FROM_REFS, req) < 0 ?
        -errno : (int)req->fd;
    drop_mem(req);
    return fd;
}

static int export_all(void)
{
    int dev = open_gntdev();
    int fd = try_export(dev, 0, grants.refs, grants.nr);

    if (fd < 0) {
        fail("EXP_FROM_REFS of %u: %s", grants.nr, strerror(-fd));
    }
    drop_fd(dev);
    return keep_fd(fd, "the dma-buf");
}

static uint64_t *map_part(int fd, uint32_t first, uint32_t nr, int prot)
{
    size_t len = (size_t)nr * PAGE;

    return keep_map(mmap(NULL, len, prot, MAP_SHARED, fd, (off_t)first * PAGE),
                    len, "the dma-buf");
}

static size_t wrong_words(const uint64_t *words, uint64_t seed, uint32_t first,
                          uint32_t nr)
{
    const volatile uint64_t *at = words;
    size_t wrong = 0;

    for (size_t i = 0; i < (size_t)nr * WORDS_PER_PAGE; i++) {
        wrong += at[i] != lab_word(seed, (size_t)first * WORDS_PER_PAGE + i);
    }
    return wrong;
}

static void expect_words(const uint64_t *words, uint32_t first, uint32_t nr,
                         const char *where)
{
    size_t wrong = wrong_words(words, grants.seed, first, nr);

    if (wrong) {
        fail("%s: %zu of %u words are wrong", where, wrong,
             nr * WORDS_PER_PAGE);
    }
}

/* A device with so many address bits; its descriptor, or the negative error. */
static int try_attach(int fd, uint32_t bits, struct lab_dma_map *map)
{
    int dev = open("/dev/lab-dma", O_RDWR | O_CLOEXEC), err;

    if (dev < 0) {
        skip("/dev/lab-dma: %s", strerror(errno));
    }
    *map = (struct lab_dma_map) { .fd = fd, .bits = bits, .both = true };
    if (ioctl(dev, LAB_DMA_MAP, map) < 0) {
        err = errno;
        close(dev);
        return -err;
    }
    return keep_fd(dev, "the device");
}

/* Import: both versions; 0 or the negative error. */
static int try_import_v1(int dev, int dmabuf, uint32_t count, uint32_t *refs)
{
    struct ioctl_gntdev_dmabuf_imp_to_refs *req =
        keep_mem(1, sizeof(*req) + count * sizeof(*refs));
    int err = 0;

    req->fd = dmabuf;
    req->count = count;
    req->domid = self;
    if (ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_TO_REFS, req) < 0) {
        err = -errno;
    } else {
        memcpy(refs, req->refs, count * sizeof(*refs));
    }
    drop_mem(req);
    return err;
}

static int try_import_v2(int dev,
                         struct ioctl_gntdev_dmabuf_imp_to_refs_v2 *req)
{
    return ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_TO_REFS_V2, req) < 0 ? -errno : 0;
}

/* Import a part; returns the handle. */
static uint64_t import_part(int dev, int dmabuf, uint32_t first, uint32_t count,
                            uint32_t flags, uint32_t *refs)
{
    struct ioctl_gntdev_dmabuf_imp_to_refs_v2 req = {
        .fd = dmabuf, .domid = self, .flags = flags, .count = count,
        .offset = (uint64_t)first * PAGE, .refs = (uintptr_t)refs,
    };
    int err = try_import_v2(dev, &req);

    if (err) {
        fail("IMP_TO_REFS_V2 of %u pages: %s", count, strerror(-err));
    }
    if (!req.handle) {
        fail("the handle is 0");
    }
    return req.handle;
}

/* References that are in use, or the negative error. */
static long try_release_v2(int dev, uint64_t handle)
{
    struct ioctl_gntdev_dmabuf_imp_release_v2 req = {
        .handle = handle, .busy = UINT32_MAX,
    };

    return ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_RELEASE_V2, &req) < 0 ?
        -errno : (long)req.busy;
}

static void expect_release_v2(int dev, uint64_t handle, long wanted)
{
    long is = try_release_v2(dev, handle);

    if (is != wanted) {
        fail("IMP_RELEASE_V2: %ld, expected %ld", is, wanted);
    }
}

/* What Xen says to a copy from, or to, one page. */
static int copy_status(uint32_t ref, void *page, bool write)
{
    struct gntdev_grant_copy_segment seg = {
        .len = PAGE,
        .flags = write ? GNTCOPY_DEST_GREF : GNTCOPY_SOURCE_GREF,
    };
    struct ioctl_gntdev_grant_copy copy = { 1, &seg };
    int dev = open_gntdev();

    if (write) {
        seg.source.virt = page;
        seg.dest.foreign.ref = ref;
        seg.dest.foreign.domid = self;
    } else {
        seg.dest.virt = page;
        seg.source.foreign.ref = ref;
        seg.source.foreign.domid = self;
    }
    if (ioctl(dev, IOCTL_GNTDEV_GRANT_COPY, &copy) < 0) {
        fail("grant copy: %s", strerror(errno));
    }
    drop_fd(dev);
    return seg.status;
}

#endif /* GNTDEVCHECK_H */
