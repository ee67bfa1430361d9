// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gntdevcheck: exercise the dma-bufs of gntdev in dom0, with our series for it
 *
 *   gntdevcheck DOMID FILE [--stock] [--only NAME] [--disk PATH]
 *
 * FILE has a seed and the references to pages that guest DOMID has granted to
 * us, with the contents that belong to the seed. No case changes them, or it
 * restores them. What is granted, is granted to domain 0 itself, as
 * grantcheck does.
 *
 * With --stock, gntdev is Linux' own: the cases show what fails, and how.
 *
 * Prints "ok NAME", "not ok NAME: why" or "skip NAME: why" for each case and
 * a line of JSON at the end, with microseconds a page of making a dma-buf and
 * so on. A case that leaves a dma-buf or a user of the
 * module behind fails, whatever its other results.
 *
 * Requires root, debugfs on /sys/kernel/debug, the modules udmabuf and lab-dma,
 * and a xen-gntdev with CONFIG_XEN_GNTDEV_DMABUF.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "child.h"
#include "gntdevcheck.h"

#define RW (PROT_READ | PROT_WRITE)

/* Cases of Linux' own gntdev. */

/* PV: it does not even try. Translated: Xen refuses to map for devices. */
static void stock_export(void)
{
    int is = try_export(open_gntdev(), 0, grants.refs, 1);

    if (is != -EINVAL) {
        fail("EXP_FROM_REFS: %s", is < 0 ? strerror(-is) : "worked");
    }
}

/*
 * Afterwards the kernel counts one free reference more than there is. So this
 * is not done in a boot whose other cases use up all references.
 */
static void stock_count(void)
{
    uint32_t pages = 65536, *refs = keep_mem(pages, sizeof(*refs));
    int is;

    if (!is_pv()) {
        skip("only in a PV domain");
    }
    is = try_import_v1(open_gntdev(), make_udmabuf(pages), pages, refs);
    if (is != -ENOSPC) {
        fail("IMP_TO_REFS of %u pages: %s", pages,
             is < 0 ? strerror(-is) : "worked");
    }
}

static void stock_part(void)
{
    uint32_t refs[2];
    int is = try_import_v1(open_gntdev(), make_udmabuf(4), 2, refs);

    if (is != -EINVAL) {
        fail("IMP_TO_REFS of a part: %s", is < 0 ? strerror(-is) : "worked");
    }
    is = try_release_v2(open_gntdev(), 1);
    if (is != -ENOTTY) {
        fail("IMP_RELEASE_V2: %d", is);
    }
}

/* Cases: export. */

static void export_words(void)
{
    expect_words(map_part(export_all(), 0, grants.nr, PROT_READ), 0, grants.nr,
                 "the dma-buf");
}

/* What is written through one dma-buf is what another shows. */
static void export_written(void)
{
    uint64_t *one = map_part(export_all(), 0, grants.nr, RW);
    uint64_t *other = map_part(export_all(), 0, grants.nr, PROT_READ);
    size_t wrong;

    for (size_t i = 0; i < (size_t)grants.nr * WORDS_PER_PAGE; i++) {
        one[i] = lab_word(grants.seed + 1, i);
    }
    wrong = wrong_words(other, grants.seed + 1, 0, grants.nr);
    for (size_t i = 0; i < (size_t)grants.nr * WORDS_PER_PAGE; i++) {
        one[i] = lab_word(grants.seed, i);
    }
    if (wrong) {
        fail("%zu words are wrong in the other dma-buf", wrong);
    }
    expect_words(other, 0, grants.nr, "the other dma-buf, restored");
}

static void export_parts(void)
{
    int fd = export_all();

    expect_words(map_part(fd, 33, 40, RW), 33, 40, "the middle");
    expect_words(map_part(fd, grants.nr - 1, 1, PROT_READ), grants.nr - 1, 1,
                 "the last page");
    expect_words(map_part(fd, 0, grants.nr, RW), 0, grants.nr,
                 "a third mapping");
}

static void export_map_refused(void)
{
    int fd = export_all();
    void *at = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd,
                    (off_t)(grants.nr - 1) * PAGE);

    if (at != MAP_FAILED) {
        munmap(at, 2 * PAGE);
        fail("a mapping beyond the end");
    }
    at = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
    if (at != MAP_FAILED) {
        munmap(at, PAGE);
        fail("a private mapping");
    }
}

/* The dma-buf and its mappings outlive all descriptors. */
static void export_descriptors_closed(void)
{
    int fd = export_all();
    uint64_t *at = map_part(fd, 0, grants.nr, PROT_READ);

    drop_fd(fd);
    expect_words(at, 0, grants.nr, "the mapping");
}

static int child_maps(int fd, void *at)
{
    at = mmap(NULL, (size_t)grants.nr * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ||
           wrong_words(at, grants.seed, 0, grants.nr) != 0;
}

/* A child that has no more than the descriptor, as a display's client has. */
static void export_child(void)
{
    int is = in_child(child_maps, export_all(), NULL);

    if (is) {
        fail("the child: %d", is);
    }
}

static int child_reads(int fd, void *at)
{
    (void)fd;
    return wrong_words(at, grants.seed, 0, 1) != 0;
}

static int child_moves(int fd, void *at)
{
    (void)fd;
    at = mremap(at, grants.nr * PAGE, grants.nr * PAGE,
                MREMAP_MAYMOVE | MREMAP_FIXED, 0x7e0000000000);
    return at == MAP_FAILED ? 2 : wrong_words(at, grants.seed, 0, 1) != 0;
}

static int child_protects(int fd, void *at)
{
    (void)fd;
    if (mprotect(at, (size_t)grants.nr * PAGE, PROT_READ)) {
        return 2;
    }
    return wrong_words(at, grants.seed, 0, 1) != 0;
}

static int child_unmaps_middle(int fd, void *at)
{
    const uint64_t *words = at;

    (void)fd;
    if (munmap((char *)at + 8 * PAGE, 8 * PAGE)) {
        return 2;
    }
    return wrong_words(words, grants.seed, 0, 8) ||
           wrong_words(words + 16 * WORDS_PER_PAGE, grants.seed, 16,
                       grants.nr - 16);
}

static int child_with_map(int (*run)(int fd, void *at))
{
    int fd = export_all();

    return in_child(run, fd, NULL);
}

/* In a child that maps for itself, so that a signal ends nobody else. */
static int map_and(int fd, int (*run)(int fd, void *at))
{
    uint64_t *at = mmap(NULL, (size_t)grants.nr * PAGE, RW, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED || wrong_words(at, grants.seed, 0, grants.nr)) {
        return 3;
    }
    return run(fd, at);
}

static int map_and_move(int fd, void *at)
{
    (void)at;
    return map_and(fd, child_moves);
}

static int map_and_protect(int fd, void *at)
{
    (void)at;
    return map_and(fd, child_protects);
}

static int map_and_unmap(int fd, void *at)
{
    (void)at;
    return map_and(fd, child_unmaps_middle);
}

/* A PV domain loses the mapping; there is never another page. */
static void expect_lost_in_pv(int is, const char *what)
{
    if (is != (is_pv() ? -SIGBUS : 0)) {
        fail("after %s: %d", what, is);
    }
}

static void export_mremap(void)
{
    expect_lost_in_pv(child_with_map(map_and_move), "mremap");
}

static void export_mprotect(void)
{
    expect_lost_in_pv(child_with_map(map_and_protect), "mprotect");
}

static void export_munmap(void)
{
    int is = child_with_map(map_and_unmap);

    if (is) {
        fail("after munmap of a part: %d", is);
    }
}

/* A PV domain's child does not inherit it. */
static void export_fork(void)
{
    int fd = export_all();
    uint64_t *at = map_part(fd, 0, grants.nr, PROT_READ);
    int is = in_child(child_reads, fd, at);

    if (is != (is_pv() ? -SIGSEGV : 0)) {
        fail("the child: %d", is);
    }
    expect_words(at, 0, grants.nr, "the parent");
}

/* The map behind a dma-buf is nobody's to release or to map. */
static void export_not_listed(void)
{
    int dev = open_gntdev();
    int fd = try_export(dev, 0, grants.refs, grants.nr);
    struct ioctl_gntdev_unmap_grant_ref unmap = { .count = grants.nr };
    void *at;

    keep_fd(fd, "the dma-buf");
    if (ioctl(dev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap) == 0 ||
        errno != ENOENT) {
        fail("UNMAP_GRANT_REF: %s", strerror(errno));
    }
    at = mmap(NULL, (size_t)grants.nr * PAGE, RW, MAP_SHARED, dev, 0);
    if (at != MAP_FAILED) {
        munmap(at, (size_t)grants.nr * PAGE);
        fail("mmap of the device");
    }
    expect_words(map_part(fd, 0, grants.nr, PROT_READ), 0, grants.nr,
                 "the dma-buf");
}

static void export_bad(void)
{
    int dev = open_gntdev(), is;
    uint32_t refs[4];

    memcpy(refs, grants.refs, sizeof(refs));
    refs[2] = 0x7fffffff;
    is = try_export(dev, 0, refs, 4);
    if (is != -EINVAL) {
        fail("a wrong reference: %d", is);
    }
    is = try_export(dev, GNTDEV_DMA_FLAG_WC, grants.refs, 4);
    if (is >= 0) {
        fail("memory of the DMA API is there");
    }
    if (is_pv() && is != -EINVAL) {
        fail("memory of the DMA API: %s", strerror(-is));
    }
}

/* Many at once, released in another order */
static void export_many(void)
{
    int dev = open_gntdev(), fd[16];

    for (uint32_t i = 0; i < 16; i++) {
        fd[i] = keep_fd(try_export(dev, 0, grants.refs + i * 8, 8), "one");
        expect_words(map_part(fd[i], 0, 8, PROT_READ), i * 8, 8, "one");
    }
    for (uint32_t i = 0; i < 16; i++) {
        drop_fd(fd[i * 7 % 16]);
    }
}

static void export_attach(void)
{
    struct lab_dma_map map;
    int is = try_attach(export_all(), 64, &map);

    if (is < 0) {
        fail("attach: %s", strerror(-is));
    }
    if (is_pv() && map.segments != grants.nr) {
        fail("%u segments, expected one a page", map.segments);
    }
}

/* The guest's memory is not where a device of 24 bits could find it. */
static void export_bounced(void)
{
    struct lab_dma_map map;
    int is;

    if (!is_pv()) {
        skip("only in a PV domain");
    }
    is = try_attach(export_all(), 24, &map);
    if (is >= 0) {
        fail("bounce pages are handed out");
    }
}

static void disk_io(int device, bool read)
{
    struct lab_dma_disk io = { .read = read };

    snprintf(io.path, sizeof(io.path), "%s", disk);
    if (ioctl(device, LAB_DMA_DISK, &io) < 0) {
        fail("%s %s: %s, after %u pages", read ? "reading" : "writing", disk,
             strerror(errno), io.pages);
    }
    if (io.pages != grants.nr) {
        fail("%s: %u pages, expected %u", disk, io.pages, grants.nr);
    }
}

/* A device's DMA reads the pages, and writes them. */
static void export_disk(void)
{
    int fd = export_all(), device;
    uint64_t *at = map_part(fd, 0, grants.nr, RW);
    struct lab_dma_map map;

    if (!disk) {
        skip("without --disk");
    }
    device = try_attach(fd, 64, &map);
    if (device < 0) {
        fail("attach: %s", strerror(-device));
    }
    disk_io(device, false);
    memset(at, 0, (size_t)grants.nr * PAGE);
    disk_io(device, true);
    expect_words(at, 0, grants.nr, "what came from the disk");
}

enum { MAKE, MAP, TOUCH, CLOSE, STEPS };
static double us_a_page[STEPS];

static double lap(double *from)
{
    struct timespec now;
    double at, since;

    clock_gettime(CLOCK_MONOTONIC, &now);
    at = now.tv_sec * 1e6 + now.tv_nsec / 1e3;
    since = at - *from;
    *from = at;
    return since;
}

static void export_times(void)
{
    enum { ROUNDS = 20 };
    int dev = open_gntdev(), fd;
    volatile uint64_t *at;
    double from = 0;

    for (int n = 0; n < ROUNDS; n++) {
        lap(&from);
        fd = keep_fd(try_export(dev, 0, grants.refs, grants.nr), "one");
        us_a_page[MAKE] += lap(&from);
        at = map_part(fd, 0, grants.nr, RW);
        us_a_page[MAP] += lap(&from);
        for (uint32_t i = 0; i < grants.nr; i++) {
            (void)at[(size_t)i * WORDS_PER_PAGE];
        }
        us_a_page[TOUCH] += lap(&from);
        drop_map((void *)at);
        drop_fd(fd);
        us_a_page[CLOSE] += lap(&from);
    }
    for (int i = 0; i < STEPS; i++) {
        us_a_page[i] /= ROUNDS * grants.nr;
    }
}

/* Cases: import. */

/* Some pages of a large buffer hold their number. */
#define MARKED 1021

static void check_large(uint32_t pages)
{
    int memfd = make_memfd(pages), dmabuf;
    uint64_t *own = map_buffer(memfd, pages);
    uint64_t *peer = keep_mem(1, PAGE);
    uint32_t *refs = keep_mem(pages, sizeof(*refs));
    int dev = open_gntdev(), is;

    for (uint32_t i = 0; i < pages; i += MARKED) {
        own[(size_t)i * WORDS_PER_PAGE] = lab_word(SEED, i);
    }
    dmabuf = wrap_memfd(memfd, (uint64_t)pages * PAGE);
    is = try_import_v1(dev, dmabuf, pages, refs);
    if (is) {
        fail("IMP_TO_REFS of %u pages: %s", pages, strerror(-is));
    }
    for (uint32_t i = 0; i < pages; i += MARKED) {
        copy_refs(refs + i, 1, peer, false);
        if (peer[0] != lab_word(SEED, i)) {
            fail("the reference of page %u is for another", i);
        }
    }
    copy_refs(refs + pages - 1, 1, peer, false);
}

static void import_65536(void) { check_large(65536); }

static void import_70000(void)
{
    long limit = read_long(GNTDEV_LIMIT);

    /* It stays if the case fails; nothing depends on it. */
    write_long(GNTDEV_LIMIT, 131072);
    check_large(70000);
    write_long(GNTDEV_LIMIT, limit);
}

/* As check_content() of grantcheck.h does with our module. */
static void check_part(int dmabuf, uint32_t total, uint32_t first,
                       uint32_t count)
{
    uint32_t *refs = keep_mem(count, sizeof(*refs)), end = first + count;
    uint64_t *peer = keep_mem(count, PAGE), *own = map_buffer(dmabuf, total);
    uint64_t *range = own + (size_t)first * WORDS_PER_PAGE;
    int dev = open_gntdev();
    uint64_t handle = import_part(dev, dmabuf, first, count, 0, refs);

    copy_refs(refs, count, peer, false);
    expect_pages(peer, count, first, NULL, false, "the peer");
    invert_words(peer, count);
    copy_refs(refs, count, peer, true);
    expect_pages(range, count, first, NULL, true, "the owner");
    expect_pages(own, first, 0, NULL, false, "the owner, before it,");
    expect_pages(range + (size_t)count * WORDS_PER_PAGE, total - end, end, NULL,
                 false, "the owner, after it,");
    invert_words(range, count);
    expect_release_v2(dev, handle, 0);
    expect_release_v2(dev, handle, -ENOENT);
    drop_map(own);
    drop_mem(peer);
    drop_mem(refs);
    drop_fd(dev);
}

static void import_parts(void)
{
    int dmabuf = make_udmabuf(64);

    fill_dmabuf(dmabuf, 64);
    check_part(dmabuf, 64, 0, 1);
    check_part(dmabuf, 64, 63, 1);
    check_part(dmabuf, 64, 17, 30);
    check_part(dmabuf, 64, 0, 64);
}

/* Segments of several pages, and parts that begin in the middle of one */
static void import_heap(void)
{
    int dmabuf;

    if (is_pv()) {
        skip("a PV domain grants bounce pages");
    }
    dmabuf = make_heap_buffer(547 * PAGE);
    fill_dmabuf(dmabuf, 547);
    check_part(dmabuf, 547, 0, 547);
    check_part(dmabuf, 547, 7, 530);
    check_part(dmabuf, 547, 300, 5);
}

/* Segments whose offsets are up to 511 pages */
static void import_huge_pages(void)
{
    int dmabuf = make_huge_buffer(1024);

    check_part(dmabuf, 1024, 0, 1024);
    check_part(dmabuf, 1024, 100, 700);
}

static void import_readonly(void)
{
    int dmabuf = make_udmabuf(4), dev = open_gntdev();
    uint64_t *peer = keep_mem(1, PAGE);
    uint32_t refs[4];
    uint64_t handle;

    fill_dmabuf(dmabuf, 4);
    handle = import_part(dev, dmabuf, 0, 4, GNTDEV_DMABUF_IMP_READONLY, refs);
    if (copy_status(refs[1], peer, false) != 0) {
        fail("the peer cannot read");
    }
    if (copy_status(refs[1], peer, true) == 0) {
        fail("the peer can write");
    }
    expect_release_v2(dev, handle, 0);
    if (copy_status(refs[1], peer, false) == 0) {
        fail("the peer can read after the release");
    }
}

/* A descriptor's number may be used again, and means nothing. */
static void import_handles(void)
{
    int dev = open_gntdev(), one = make_udmabuf(2), two;
    uint64_t *peer = keep_mem(1, PAGE), first, second;
    struct ioctl_gntdev_dmabuf_imp_release old = { 0 };
    uint32_t refs[2], other[2];

    first = import_part(dev, one, 0, 2, 0, refs);
    two = make_udmabuf(2);
    if (dup2(two, one) != one) {
        fail("dup2: %s", strerror(errno));
    }
    second = import_part(dev, one, 0, 2, 0, other);
    old.fd = one;
    if (ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_RELEASE, &old) == 0 ||
        errno != ENOENT) {
        fail("IMP_RELEASE takes an import that has a handle");
    }
    expect_release_v2(dev, second, 0);
    if (copy_status(refs[0], peer, false) != 0 ||
        copy_status(other[0], peer, false) == 0) {
        fail("the wrong import was released");
    }
    expect_release_v2(dev, first, 0);
    expect_release_v2(open_gntdev(), first, -ENOENT);
}

/* Only PV domains can map what they granted to themselves. */
static void import_busy(void)
{
    int dev = open_gntdev();
    uint32_t refs[8];
    uint64_t handle;
    time_t end;
    void *at;

    need_pv();
    handle = import_part(dev, make_udmabuf(8), 0, 8, 0, refs);
    at = map_refs(refs + 2, 3);
    expect_release_v2(dev, handle, 3);
    expect_release_v2(dev, handle, 3);
    drop_map(at);
    end = time(NULL) + SETTLE_SECONDS;
    while (try_release_v2(dev, handle) > 0 && time(NULL) <= end) {
        short_sleep();
    }
    expect_release_v2(dev, handle, -ENOENT);
}

/* Closed, or released the old way, while the peer has pages mapped */
static void import_kept(bool by_close)
{
    struct counters_of_gntdev before = read_users(), held = before;
    struct ioctl_gntdev_dmabuf_imp_release release;
    int dev = open_gntdev(), dmabuf;
    uint32_t refs[4];
    void *at;

    need_pv();
    dmabuf = make_udmabuf(4);
    if (try_import_v1(dev, dmabuf, 4, refs)) {
        fail("IMP_TO_REFS: %s", strerror(errno));
    }
    at = map_refs(refs, 4);
    release.fd = dmabuf;
    if (!by_close && ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_RELEASE, &release)) {
        fail("IMP_RELEASE: %s", strerror(errno));
    }
    drop_fd(dmabuf);
    drop_fd(dev);
    held.users += 2;            /* the mapping, and what is pending */
    held.buffers++;
    for (int i = 0; i < 150; i++) {     /* the worker comes by */
        short_sleep();
    }
    if (!users_settle_to(held)) {
        fail("%ld users and %ld dma-bufs, expected %ld and %ld",
             read_users().users, read_users().buffers, held.users,
             held.buffers);
    }
    drop_map(at);
    if (!users_settle_to(before)) {
        fail("%ld users and %ld dma-bufs after the unmap, expected %ld and %ld",
             read_users().users, read_users().buffers, before.users,
             before.buffers);
    }
}

static void import_kept_released(void) { import_kept(false); }
static void import_kept_closed(void) { import_kept(true); }

static const struct bad {
    const char *name;
    struct ioctl_gntdev_dmabuf_imp_to_refs_v2 req;
    int error;
} bad_imports[] = {
    { "no page", { .count = 0 }, EINVAL },
    { "more pages than the limit", { .count = 65537 }, EINVAL },
    { "2^32 - 1 pages", { .count = UINT32_MAX }, EINVAL },
    { "an unknown flag", { .count = 1, .flags = 2 }, EINVAL },
    { "an offset in a page", { .count = 1, .offset = 8 }, EINVAL },
    { "beyond the end", { .count = 2, .offset = 3 * PAGE }, EINVAL },
    { "at the end", { .count = 1, .offset = 4 * PAGE }, EINVAL },
    { "a huge offset", { .count = 1, .offset = -(uint64_t)PAGE }, EINVAL },
    { "no such domain", { .count = 1, .domid = 0x7ff0 }, EINVAL },
    { "a domain of 32 bits", { .count = 1, .domid = 0x10000 }, EINVAL },
};

static void import_bad(void)
{
    int dev = open_gntdev(), dmabuf = make_udmabuf(4), is;
    struct ioctl_gntdev_dmabuf_imp_to_refs_v2 req;
    struct ioctl_gntdev_dmabuf_imp_release_v2 release = { .reserved = 1 };
    uint32_t refs[4];

    for (size_t i = 0; i < sizeof(bad_imports) / sizeof(*bad_imports); i++) {
        req = bad_imports[i].req;
        req.fd = dmabuf;
        req.refs = (uintptr_t)refs;
        is = try_import_v2(dev, &req);
        if (is != -bad_imports[i].error) {
            fail("%s: %d", bad_imports[i].name, is);
        }
    }
    req = (struct ioctl_gntdev_dmabuf_imp_to_refs_v2) {
        .fd = dmabuf, .count = 4, .refs = BAD_POINTER,
    };
    is = try_import_v2(dev, &req);
    if (is != -EFAULT) {
        fail("a wild pointer: %d", is);
    }
    req = (struct ioctl_gntdev_dmabuf_imp_to_refs_v2) {
        .fd = dev, .count = 4, .refs = (uintptr_t)refs,
    };
    is = try_import_v2(dev, &req);
    if (is != -EINVAL) {
        fail("a descriptor that is no dma-buf: %d", is);
    }
    if (ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_RELEASE_V2, &release) == 0 ||
        errno != EINVAL) {
        fail("reserved is not zero: %s", strerror(errno));
    }
    expect_release_v2(dev, 0, -ENOENT);
}

struct test {
    const char *name;
    void (*run)(void);
};

static const struct test stock_cases[] = {
    { "stock: export", stock_export },
    { "stock: 65536 pages", stock_count },
    { "stock: a part", stock_part },
    { NULL, NULL },
};

static const struct test cases[] = {
    { "export: words", export_words },
    { "export: words written", export_written },
    { "export: parts", export_parts },
    { "export: mappings that are refused", export_map_refused },
    { "export: descriptors closed", export_descriptors_closed },
    { "export: a child with the descriptor", export_child },
    { "export: fork", export_fork },
    { "export: mremap", export_mremap },
    { "export: mprotect", export_mprotect },
    { "export: munmap of a part", export_munmap },
    { "export: not to be found by its index", export_not_listed },
    { "export: bad requests", export_bad },
    { "export: many", export_many },
    { "export: for a device", export_attach },
    { "export: for a device of 24 bits", export_bounced },
    { "export: to a disk and back", export_disk },
    { "export: times", export_times },
    { "import: 65536 pages", import_65536 },
    { "import: 70000 pages", import_70000 },
    { "import: parts", import_parts },
    { "import: parts, system heap", import_heap },
    { "import: parts, huge pages", import_huge_pages },
    { "import: for reading", import_readonly },
    { "import: handles", import_handles },
    { "import: in use", import_busy },
    { "import: kept when released", import_kept_released },
    { "import: kept when closed", import_kept_closed },
    { "import: bad requests", import_bad },
    { NULL, NULL },
};

/* Runner. */

static int totals[3];

static void run_case(const struct test *test)
{
    static const char *const words[] = { "ok", "not ok", "skip" };
    struct counters_of_gntdev before = read_users(), now;

    outcome = PASSED;
    why[0] = 0;
    if (setjmp(case_end) == 0) {
        test->run();
    }
    clean_up();
    if (!users_settle_to(before)) {
        now = read_users();
        outcome = FAILED;
        snprintf(why + strlen(why), sizeof(why) - strlen(why),
                 "%sleft behind: %ld users, %ld dma-bufs", why[0] ? "; " : "",
                 now.users - before.users, now.buffers - before.buffers);
    }
    totals[outcome]++;
    printf("%s %s%s%s\n", words[outcome], test->name, why[0] ? ": " : "", why);
    fflush(stdout);
}

static void read_grants(const char *path)
{
    FILE *file = fopen(path, "r");
    uint32_t ref;

    if (!file || fscanf(file, "%" SCNu64, &grants.seed) != 1) {
        fprintf(stderr, "gntdevcheck: no seed in %s\n", path);
        exit(2);
    }
    while (grants.nr < MOST && fscanf(file, "%" SCNu32, &ref) == 1) {
        grants.refs[grants.nr++] = ref;
    }
    fclose(file);
    if (grants.nr < 128) {
        fprintf(stderr, "gntdevcheck: %s has only %u references, 128 are "
                "needed\n", path, grants.nr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    const struct test *test = cases;
    const char *only = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: gntdevcheck DOMID FILE [--stock] [--only NAME] "
                "[--disk PATH]\n");
        return 2;
    }
    domid = strtoul(argv[1], NULL, 0);
    read_grants(argv[2]);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "--stock")) {
            test = stock_cases;
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            only = argv[++i];
        } else if (!strcmp(argv[i], "--disk") && i + 1 < argc) {
            disk = argv[++i];
        }
    }
    for (; test->name; test++) {
        if (!only || strstr(test->name, only)) {
            run_case(test);
        }
    }
    printf("{\"passed\": %d, \"failed\": %d, \"skipped\": %d, "
           "\"make_us\": %.1f, \"map_us\": %.1f, \"touch_us\": %.1f, "
           "\"close_us\": %.1f}\n", totals[PASSED], totals[FAILED],
           totals[SKIPPED], us_a_page[MAKE], us_a_page[MAP], us_a_page[TOUCH],
           us_a_page[CLOSE]);
    return totals[FAILED] || !totals[PASSED] ? 1 : 0;
}
