/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Helpers for grantcheck's cases: the module's counters, buffers of several
 * kinds, the device, and the peer.
 */
#ifndef GRANTCHECK_H
#define GRANTCHECK_H

#include <inttypes.h>

#include <drm/drm.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

/* The kernel's header needs these types. */
typedef uint32_t grant_ref_t;
typedef uint16_t domid_t;
#include <xen/gntdev.h>
/* From Xen's grant_table.h. */
#define GNTCOPY_SOURCE_GREF (1u << 0)
#define GNTCOPY_DEST_GREF (1u << 1)

#include "../../../dom0/linux/dmabuf-grant.h"
#include "../common/udmabuf.h"
#include "check.h"
#include "guest-type.h"

#define SEED 0x6772616e74ull
#define DEBUGFS "/sys/kernel/debug/xen-dmabuf-grant/"
#define MEMORY "/sys/devices/system/xen_memory/xen_memory0/"
#define UDMABUF_LIMIT "/sys/module/udmabuf/parameters/size_limit_mb"
#define PEER_LIMIT "/sys/module/xen_dmabuf_grant/parameters/peer_limit"
#define PEER_PINNED "/sys/module/xen_dmabuf_grant/parameters/peer_pinned"
#define RESERVE "/sys/module/xen_dmabuf_grant/parameters/reserve"
#define SETTLE_SECONDS 10       /* the reaper runs once a second */
#define MAX_REFS (1u << 22)     /* 16 GiB: no dom0's table is that large */

static uint32_t self;
static bool exhaust = true;

/* Counters of the module. */

struct counters {
    long imports, references, pending, pinned;
};

/* Pages that one domain may have; 0: the default; UINT32_MAX: all there are. */
static void set_limit(uint32_t pages)
{
    write_long(PEER_LIMIT, pages);
    write_long(PEER_PINNED, 0);
    write_long(RESERVE, pages == UINT32_MAX);
}

static struct counters read_counters(void)
{
    struct counters now = { read_long(DEBUGFS "imports"),
                            read_long(DEBUGFS "references"),
                            read_long(DEBUGFS "pending"),
                            read_long(DEBUGFS "pinned") };

    if (now.imports < 0 || now.references < 0 || now.pending < 0 ||
        now.pinned < 0) {
        fprintf(stderr, "grantcheck: cannot read " DEBUGFS "*: load "
                "xen-dmabuf-grant, and mount debugfs\n");
        exit(2);
    }
    return now;
}

static bool same_counters(struct counters a, struct counters b)
{
    return a.imports == b.imports && a.references == b.references &&
           a.pending == b.pending && a.pinned == b.pinned;
}

/* Waits a while: the reaper or a dying process may not be done yet. */
static bool settles_to(struct counters wanted)
{
    time_t end = time(NULL) + SETTLE_SECONDS;

    while (!same_counters(read_counters(), wanted)) {
        if (time(NULL) > end) {
            return false;
        }
        short_sleep();
    }
    return true;
}

static void expect_counters(struct counters wanted, const char *when)
{
    struct counters is;

    if (!settles_to(wanted)) {
        is = read_counters();
        fail("%s: %ld imports, %ld references, %ld pending, %ld pages pinned; "
             "expected %ld, %ld, %ld, %ld", when, is.imports, is.references,
             is.pending, is.pinned, wanted.imports, wanted.references,
             wanted.pending, wanted.pinned);
    }
}

static void expect_error(int ret, int error, const char *what)
{
    if (ret == 0) {
        fail("%s worked", what);
    }
    if (errno != error) {
        fail("%s: %s instead of %s", what, strerror(errno), strerror(error));
    }
}

/* Buffers. */

static int make_memfd(uint32_t pages)
{
    int fd = memfd_create("grantcheck", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    keep_fd(fd, "memfd_create");
    if (ftruncate(fd, (off_t)pages * PAGE) < 0) {
        fail("ftruncate of %u pages: %s", pages, strerror(errno));
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
        fail("F_ADD_SEALS: %s", strerror(errno));
    }
    return fd;
}

static int open_udmabuf(void)
{
    int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        skip("/dev/udmabuf: %s (modprobe udmabuf)", strerror(errno));
    }
    return keep_fd(fd, "/dev/udmabuf");
}

static int wrap_memfd(int memfd, uint64_t bytes)
{
    struct udmabuf_create create = {
        .memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = bytes,
    };
    int dev = open_udmabuf();
    int fd = ioctl(dev, UDMABUF_CREATE, &create);

    if (fd < 0 && errno == EINVAL && bytes > 64u << 20) {
        skip("udmabuf refuses %" PRIu64 " MiB: set udmabuf.size_limit_mb",
             bytes >> 20);
    }
    drop_fd(dev);
    return keep_fd(fd, "UDMABUF_CREATE");
}

static int make_udmabuf(uint32_t pages)
{
    return wrap_memfd(make_memfd(pages), (uint64_t)pages * PAGE);
}

static int make_heap_buffer(uint64_t bytes)
{
    struct dma_heap_allocation_data data = {
        .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC,
    };
    int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);

    if (heap < 0) {
        skip("/dev/dma_heap/system: %s", strerror(errno));
    }
    keep_fd(heap, "heap");
    if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) < 0) {
        fail("DMA_HEAP_IOCTL_ALLOC of %" PRIu64 ": %s", bytes,
             strerror(errno));
    }
    return keep_fd(data.fd, "heap buffer");
}

/* A dumb buffer of vgem, which is a GPU without hardware. */
static int make_vgem_buffer(uint32_t pages)
{
    char name[32] = "";
    struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
    struct drm_mode_create_dumb dumb = {
        .width = PAGE / 4, .height = pages, .bpp = 32,
    };
    struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
    int card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);

    if (card < 0) {
        skip("/dev/dri/card0: %s", strerror(errno));
    }
    keep_fd(card, "card");
    if (ioctl(card, DRM_IOCTL_VERSION, &version) < 0 || strcmp(name, "vgem")) {
        skip("/dev/dri/card0 is not vgem but '%s'", name);
    }
    if (ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) < 0) {
        fail("DRM_IOCTL_MODE_CREATE_DUMB: %s", strerror(errno));
    }
    prime.handle = dumb.handle;
    if (ioctl(card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) < 0) {
        fail("DRM_IOCTL_PRIME_HANDLE_TO_FD: %s", strerror(errno));
    }
    return keep_fd(prime.fd, "vgem buffer");
}

static void sync_dmabuf(int fd, uint64_t flags)
{
    struct dma_buf_sync sync = { .flags = flags };

    if (lab_is_udmabuf(fd)) {
        return;
    }
    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) < 0) {
        fail("DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
    }
}

static uint64_t *map_buffer(int fd, uint32_t pages)
{
    size_t len = (size_t)pages * PAGE;

    return keep_map(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                    len, "the buffer");
}

static void fill_words(uint64_t *words, uint32_t pages)
{
    for (uint64_t i = 0; i < (uint64_t)pages * WORDS_PER_PAGE; i++) {
        words[i] = lab_word(SEED, i);
    }
}

static void fill_dmabuf(int fd, uint32_t pages)
{
    uint64_t *words = map_buffer(fd, pages);

    sync_dmabuf(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
    fill_words(words, pages);
    sync_dmabuf(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
    drop_map(words);
}

static void fill_memfd(int fd, uint32_t pages)
{
    uint64_t *words = map_buffer(fd, pages);

    fill_words(words, pages);
    drop_map(words);
}

/* Filled; its segments have offsets of more than a page. */
static int make_huge_buffer(uint32_t pages)
{
    uint64_t bytes = (uint64_t)pages * PAGE;
    int memfd = memfd_create("grantcheck", MFD_ALLOW_SEALING | MFD_HUGETLB);

    if (memfd < 0) {
        skip("no huge pages here: %s", strerror(errno));
    }
    keep_fd(memfd, "memfd");
    if (ftruncate(memfd, bytes) < 0 ||
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
        skip("huge memfd: %s", strerror(errno));
    }
    if (fallocate(memfd, 0, 0, bytes) < 0) {
        skip("no huge page free (vm.nr_hugepages): %s", strerror(errno));
    }
    fill_memfd(memfd, pages);
    return wrap_memfd(memfd, bytes);
}

/* The device. */

struct import {
    int dev;
    uint32_t *refs;
    uint32_t pages;
    uint64_t handle;
};

static int open_device(void)
{
    return keep_fd(open(XEN_DMABUF_GRANT_PATH, O_RDWR | O_CLOEXEC),
                   XEN_DMABUF_GRANT_PATH);
}

static void check_refs(const struct import *imp)
{
    uint8_t *seen = keep_mem(MAX_REFS / 8, 1);

    for (uint32_t i = 0; i < imp->pages; i++) {
        uint32_t ref = imp->refs[i];

        if (ref < 8 || ref >= MAX_REFS) {
            fail("reference %u of page %u is out of range", ref, i);
        }
        if (seen[ref / 8] & 1u << ref % 8) {
            fail("reference %u was returned twice", ref);
        }
        seen[ref / 8] |= 1u << ref % 8;
    }
    drop_mem(seen);
}

static struct import import_range(int dev, int dmabuf, uint32_t first,
                                  uint32_t pages)
{
    struct import imp = {
        .dev = dev, .pages = pages, .refs = keep_mem(pages, sizeof(uint32_t)),
    };
    struct xen_dmabuf_grant_import req = {
        .fd = dmabuf, .domid = self, .offset = (uint64_t)first * PAGE,
        .nr_pages = pages, .refs = (uintptr_t)imp.refs,
    };

    if (ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) < 0) {
        fail("IMPORT of %u pages: %s%s", pages, strerror(errno),
             errno == ENOSPC ? " (raise gnttab_max_frames)" : "");
    }
    imp.handle = req.handle;
    if (!imp.handle) {
        fail("IMPORT gave handle 0");
    }
    check_refs(&imp);
    return imp;
}

/* References that are still busy, or the negative error. */
static long try_release(int dev, uint64_t handle)
{
    struct xen_dmabuf_grant_release req = {
        .handle = handle, .busy = UINT32_MAX,
    };

    if (ioctl(dev, XEN_DMABUF_GRANT_RELEASE, &req) < 0) {
        return -errno;
    }
    return req.busy;
}

static void expect_release(const struct import *imp, long wanted)
{
    long is = try_release(imp->dev, imp->handle);

    if (is != wanted) {
        fail("RELEASE returned %ld, expected %ld", is, wanted);
    }
}

/* The peer has unmapped, but its kernel may take a moment to do it. */
static void expect_free(const struct import *imp)
{
    time_t end = time(NULL) + SETTLE_SECONDS;
    long busy = try_release(imp->dev, imp->handle);

    while (busy > 0 && time(NULL) <= end) {
        short_sleep();
        busy = try_release(imp->dev, imp->handle);
    }
    if (busy) {
        fail("RELEASE still returns %ld after the peer's unmap", busy);
    }
}

/* The peer. */

static int open_gntdev(void)
{
    int dev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);

    if (dev < 0) {
        skip("/dev/xen/gntdev: %s (modprobe xen-gntdev)", strerror(errno));
    }
    return keep_fd(dev, "gntdev");
}

/*
 * Only PV domains can map what they granted to themselves. In a translated
 * domain a page has one guest-physical address: mapping one's own page moves
 * it there, and after the unmap there is a hole in the kernel's memory.
 */
static void need_pv(void)
{
    if (!is_pv()) {
        skip("only a PV domain can map its own pages");
    }
}

static void *map_refs(const uint32_t *refs, uint32_t count)
{
    size_t size = sizeof(struct ioctl_gntdev_map_grant_ref) +
                  (count - 1) * sizeof(struct ioctl_gntdev_grant_ref);
    struct ioctl_gntdev_map_grant_ref *map = keep_mem(1, size);
    int dev = open_gntdev();
    void *at;

    map->count = count;
    for (uint32_t i = 0; i < count; i++) {
        map->refs[i].domid = self;
        map->refs[i].ref = refs[i];
    }
    if (ioctl(dev, IOCTL_GNTDEV_MAP_GRANT_REF, map) < 0) {
        fail("gntdev, %u references: %s", count, strerror(errno));
    }
    at = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
              dev, map->index);
    /* The mapping keeps gntdev open; it ends with munmap(). */
    drop_fd(dev);
    return keep_map(at, (size_t)count * PAGE, "the references");
}

/* Has Xen copy from or to the pages behind refs, without mapping them. */
static void copy_refs(const uint32_t *refs, uint32_t count, uint64_t *local,
                      bool write)
{
    struct gntdev_grant_copy_segment *seg = keep_mem(count, sizeof(*seg));
    struct ioctl_gntdev_grant_copy copy = { count, seg };
    int dev = open_gntdev();

    for (uint32_t i = 0; i < count; i++) {
        void *virt = local + (size_t)i * WORDS_PER_PAGE;

        seg[i].len = PAGE;
        seg[i].flags = write ? GNTCOPY_DEST_GREF : GNTCOPY_SOURCE_GREF;
        if (write) {
            seg[i].source.virt = virt;
            seg[i].dest.foreign.ref = refs[i];
            seg[i].dest.foreign.domid = self;
        } else {
            seg[i].dest.virt = virt;
            seg[i].source.foreign.ref = refs[i];
            seg[i].source.foreign.domid = self;
        }
    }
    if (ioctl(dev, IOCTL_GNTDEV_GRANT_COPY, &copy) < 0) {
        fail("grant copy: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (seg[i].status) {
            fail("reference %u of %u cannot be copied: Xen says %d", i, count,
                 seg[i].status);
        }
    }
    drop_fd(dev);
    drop_mem(seg);
}

/*
 * Page i of words must be page order[i], or first + i, of the pattern. What
 * the peer writes is the inverted pattern.
 */
static void expect_pages(const uint64_t *words, uint32_t count,
                         uint32_t first, const uint32_t *order, bool inverted,
                         const char *who)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t page = order ? order[i] : first + i;

        for (uint32_t w = 0; w < WORDS_PER_PAGE; w++) {
            uint64_t should = lab_word(SEED, page * WORDS_PER_PAGE + w);

            if (words[(uint64_t)i * WORDS_PER_PAGE + w] !=
                (inverted ? ~should : should)) {
                fail("%s finds wrong words in page %u of the range", who, i);
            }
        }
    }
}

static void invert_words(uint64_t *words, uint32_t pages)
{
    for (uint64_t i = 0; i < (uint64_t)pages * WORDS_PER_PAGE; i++) {
        words[i] = ~words[i];
    }
}

/*
 * The buffer, of total pages, holds the pattern. Import some of its pages: the
 * peer must find the pattern, the owner must find what the peer writes, and
 * the pages beside them must not change. Restores the pattern.
 */
static void check_content(int dmabuf, uint32_t total, uint32_t first,
                          uint32_t pages, const uint32_t *order)
{
    struct import imp = import_range(open_device(), dmabuf, first, pages);
    uint64_t *peer = keep_mem(pages, PAGE), *own = map_buffer(dmabuf, total);
    uint64_t *range = own + (size_t)first * WORDS_PER_PAGE;
    uint32_t end = first + pages;

    copy_refs(imp.refs, pages, peer, false);
    expect_pages(peer, pages, first, order, false, "the peer");
    invert_words(peer, pages);
    copy_refs(imp.refs, pages, peer, true);

    sync_dmabuf(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    expect_pages(range, pages, first, order, true, "the owner");
    if (!order) {
        expect_pages(own, first, 0, NULL, false, "the owner, before it,");
        expect_pages(range + (size_t)pages * WORDS_PER_PAGE, total - end, end,
                     NULL, false, "the owner, after it,");
    }
    invert_words(range, pages);
    sync_dmabuf(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);

    drop_map(own);
    drop_mem(peer);
    expect_release(&imp, 0);
    drop_mem(imp.refs);
    drop_fd(imp.dev);
}

#endif /* GRANTCHECK_H */
