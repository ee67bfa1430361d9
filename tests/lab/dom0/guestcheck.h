/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Helpers for guestcheck's cases: the guest's pages, the module's counters, the
 * device, buffers, and what is done with them.
 */
#ifndef GUESTCHECK_H
#define GUESTCHECK_H

#include <inttypes.h>

#include "../../../dom0/guest-dmabuf/guest-dmabuf.h"
#include "../dma/lab-dma.h"
#include "check.h"
#include "guest-type.h"

#define DEBUGFS "/sys/kernel/debug/xen-guest-dmabuf/"
#define PARAMETERS "/sys/module/xen_guest_dmabuf/parameters/"
#define MODULE_USERS "/sys/module/xen_guest_dmabuf/refcnt"
#define SETTLE_SECONDS 10       /* what a dying process has is released late */
#define MOST 4096
#define NO_DOMAIN 32000         /* that exists */

/* The guest's pages, and the seed of their contents */
struct pages {
    unsigned long request;      /* that makes buffers of them */
    uint64_t seed;
    uint64_t entry[MOST];
    uint32_t nr;
};

static uint32_t domid;
static struct pages frames = { .request = XEN_GUEST_DMABUF_FRAMES };
static struct pages grants = { .request = XEN_GUEST_DMABUF_GRANTS };
static struct pages read_only = { .request = XEN_GUEST_DMABUF_GRANTS };

enum { BUFFERS, PAGES, ATTACHMENTS, VIEWS, LOST, COUNTERS };

struct counters {
    long of[COUNTERS];
};

static struct counters read_counters(void)
{
    static const char *const files[COUNTERS] = {
        DEBUGFS "buffers", DEBUGFS "pages", DEBUGFS "attachments",
        DEBUGFS "views", DEBUGFS "lost",
    };
    struct counters now;

    for (int i = 0; i < COUNTERS; i++) {
        now.of[i] = read_long(files[i]);
        if (now.of[i] < 0) {
            fprintf(stderr, "guestcheck: cannot read %s: load "
                    "xen-guest-dmabuf, and mount debugfs\n", files[i]);
            exit(2);
        }
    }
    return now;
}

static bool settles_to(struct counters wanted)
{
    time_t end = time(NULL) + SETTLE_SECONDS;
    struct counters now = read_counters();

    while (memcmp(&now, &wanted, sizeof(now)) && time(NULL) <= end) {
        short_sleep();
        now = read_counters();
    }
    return memcmp(&now, &wanted, sizeof(now)) == 0;
}

static void expect_counters(struct counters wanted, const char *when)
{
    struct counters is;

    if (!settles_to(wanted)) {
        is = read_counters();
        fail("%s: %ld buffers, %ld pages, %ld attachments, %ld views, %ld "
             "lost; expected %ld, %ld, %ld, %ld, %ld", when, is.of[0],
             is.of[1], is.of[2], is.of[3], is.of[4], wanted.of[0],
             wanted.of[1], wanted.of[2], wanted.of[3], wanted.of[4]);
    }
}

static void need_pv(void)
{
    if (!is_pv()) {
        skip("only in a PV domain");
    }
}

static int open_device(void)
{
    return keep_fd(open(XEN_GUEST_DMABUF_PATH, O_RDWR | O_CLOEXEC),
                   XEN_GUEST_DMABUF_PATH);
}

/* The list that a request takes: 64 bits each for frames, 32 for references. */
static void *list_of(unsigned long request, const uint64_t *entry, uint32_t nr)
{
    uint64_t *wide = keep_mem(nr ? nr : 1, sizeof(*wide));
    uint32_t *narrow = (void *)wide;

    for (uint32_t i = 0; i < nr; i++) {
        if (request == XEN_GUEST_DMABUF_FRAMES) {
            wide[i] = entry[i];
        } else {
            narrow[i] = entry[i];
        }
    }
    return wide;
}

/* A buffer's descriptor, or the negative error. */
static int try_create(int dev, unsigned long request,
                      struct xen_guest_dmabuf_create *req)
{
    req->fd = -1;
    return ioctl(dev, request, req) < 0 ? -errno : req->fd;
}

static int create_some(const struct pages *of, uint32_t first, uint32_t nr,
                       uint32_t flags)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = flags, .nr_pages = nr,
        .list = (uintptr_t)list_of(of->request, of->entry + first, nr),
    };
    int dev = open_device(), fd = try_create(dev, of->request, &req);

    if (fd < 0) {
        fail("a buffer of %u pages: %s, entry %u", nr, strerror(-fd), req.bad);
    }
    if (req.bad != XEN_GUEST_DMABUF_NO_ENTRY) {
        fail("bad is %u after success", req.bad);
    }
    if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC)) {
        fail("the descriptor has no FD_CLOEXEC");
    }
    drop_mem((void *)(uintptr_t)req.list);
    drop_fd(dev);
    return keep_fd(fd, "the buffer");
}

static int create(const struct pages *of, uint32_t flags)
{
    return create_some(of, 0, of->nr, flags);
}

static uint64_t *map_some(int fd, uint32_t first, uint32_t nr, int prot)
{
    size_t len = (size_t)nr * PAGE;

    return keep_map(mmap(NULL, len, prot, MAP_SHARED, fd, (off_t)first * PAGE),
                    len, "the buffer");
}

/* wanted: the error; 0: any */
static void expect_no_map(int fd, size_t len, int prot, int flags, off_t at,
                          int wanted, const char *what)
{
    void *is = mmap(NULL, len, prot, flags, fd, at);

    if (is != MAP_FAILED) {
        munmap(is, len);
        fail("%s is allowed", what);
    }
    if (wanted && errno != wanted) {
        fail("%s: %s, expected %s", what, strerror(errno), strerror(wanted));
    }
}

/* The number of words that are not those of the guest's page first and on. */
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

static void expect_words(const uint64_t *words, const struct pages *of,
                         uint32_t first, uint32_t nr, const char *where)
{
    size_t wrong = wrong_words(words, of->seed, first, nr);

    if (wrong) {
        fail("%s: %zu of %u words are wrong", where, wrong,
             nr * WORDS_PER_PAGE);
    }
}

static void fill_words(uint64_t *words, uint64_t seed, uint32_t nr)
{
    for (size_t i = 0; i < (size_t)nr * WORDS_PER_PAGE; i++) {
        words[i] = lab_word(seed, i);
    }
}

/* A device with so many address bits; its descriptor, or the negative error. */
static int try_attach(int fd, uint32_t bits, bool both, struct lab_dma_map *map)
{
    int dev = open("/dev/lab-dma", O_RDWR | O_CLOEXEC), err;

    if (dev < 0) {
        skip("/dev/lab-dma: %s", strerror(errno));
    }
    *map = (struct lab_dma_map) { .fd = fd, .bits = bits, .both = both };
    if (ioctl(dev, LAB_DMA_MAP, map) < 0) {
        err = errno;
        close(dev);
        return -err;
    }
    return dev;
}

static void disk_io(int device, const char *path, bool read, uint32_t nr)
{
    struct lab_dma_disk io = { .read = read };

    snprintf(io.path, sizeof(io.path), "%s", path);
    if (ioctl(device, LAB_DMA_DISK, &io) < 0) {
        fail("%s %s: %s, after %u pages", read ? "reading" : "writing", path,
             strerror(errno), io.pages);
    }
    if (io.pages != nr) {
        fail("%s: %u pages, expected %u", path, io.pages, nr);
    }
}

#endif /* GUESTCHECK_H */
