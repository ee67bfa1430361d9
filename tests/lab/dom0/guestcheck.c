// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guestcheck: exercise /dev/xen/guest-dmabuf in dom0, with a guest's pages
 *
 *   guestcheck DOMID FILE [--only NAME] [--disk PATH]
 *   guestcheck DOMID FILE --hold frames|grants [--disk PATH]
 *
 * FILE tells about the pages of the guest, which its program "pages" has: words
 * "frames SEED", "grants SEED" or "read-only SEED", each followed by numbers.
 * None of the cases changes their contents, or it restores them.
 *
 * Prints "ok NAME", "not ok NAME: why" or "skip NAME: why" for each case and
 * a line of JSON at the end. A case that leaves a buffer, a page, a mapping or
 * an attachment behind fails, whatever its other results.
 *
 * With --hold it makes one buffer, maps it, prints "true" and answers lines:
 *   check SEED     number of words that are not these
 *   fill SEED      write these
 *   map            map it once more; the new mapping is the one that is used
 *   attach         map it for a device
 *   write, read    write it to the disk, read it from there
 *   times N        make, use and close N buffers; the time of each step in us:
 *                  median, least, most
 *   disk N         N times write it to the disk and read it, and as many pages
 *                  of dom0's own; the times in us for a page, in the same way
 *
 * Requires root, debugfs on /sys/kernel/debug, and the modules
 * xen-guest-dmabuf and lab-dma; "disk", udmabuf.
 */
#define _GNU_SOURCE
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "child.h"
#include "guestcheck.h"

#define WRITE XEN_GUEST_DMABUF_WRITE
#define RW (PROT_READ | PROT_WRITE)

static const char *disk;

/* Cases: contents. */

static void content(const struct pages *of, uint32_t flags)
{
    int fd = create(of, flags);

    expect_words(map_some(fd, 0, of->nr, flags ? RW : PROT_READ), of, 0, of->nr,
                 "the buffer");
}

static void content_frames(void) { content(&frames, WRITE); }
static void content_frames_ro(void) { content(&frames, 0); }
static void content_grants(void) { content(&grants, WRITE); }
static void content_grants_ro(void) { content(&read_only, 0); }

/* What is written through one buffer is what another shows. */
static void content_written(const struct pages *of)
{
    uint64_t *one = map_some(create(of, WRITE), 0, of->nr, RW);
    uint64_t *other = map_some(create(of, 0), 0, of->nr, PROT_READ);
    size_t wrong;

    fill_words(one, of->seed + 1, of->nr);
    wrong = wrong_words(other, of->seed + 1, 0, of->nr);
    fill_words(one, of->seed, of->nr);
    if (wrong) {
        fail("%zu words are wrong in the other buffer", wrong);
    }
    expect_words(other, of, 0, of->nr, "the other buffer, restored");
}

static void content_written_frames(void) { content_written(&frames); }
static void content_written_grants(void) { content_written(&grants); }

/* In another order, and some of them more than once. */
static void content_order(const struct pages *of)
{
    enum { N = 100 };
    struct pages mixed = { .request = of->request, .seed = of->seed, .nr = N };
    const uint64_t *at;

    for (uint32_t i = 0; i < N; i++) {
        mixed.entry[i] = of->entry[i * 7 % of->nr / 2];
    }
    at = map_some(create(&mixed, WRITE), 0, N, RW);
    for (uint32_t i = 0; i < N; i++) {
        expect_words(at + i * WORDS_PER_PAGE, of, i * 7 % of->nr / 2, 1,
                     "a page");
    }
}

static void content_order_frames(void) { content_order(&frames); }
static void content_order_grants(void) { content_order(&grants); }

static void content_part(void)
{
    int fd = create(&frames, WRITE);

    expect_words(map_some(fd, 33, 40, RW), &frames, 33, 40, "the middle");
    expect_words(map_some(fd, frames.nr - 1, 1, RW), &frames, frames.nr - 1, 1,
                 "the last page");
    expect_words(map_some(create_some(&frames, 5, 1, 0), 0, 1, PROT_READ),
                 &frames, 5, 1, "a buffer of one page");
}

static int child_maps(int fd, void *at)
{
    const uint64_t *words = mmap(NULL, (size_t)frames.nr * PAGE, PROT_READ,
                                 MAP_SHARED, fd, 0);

    (void)at;
    return words == MAP_FAILED ||
           wrong_words(words, frames.seed, 0, frames.nr) != 0;
}

/* A child that has no more than the descriptor, as a display's client has. */
static void content_child(void)
{
    int is = in_child(child_maps, create(&frames, 0), NULL);

    if (is) {
        fail("the child: %d", is);
    }
}

/* Cases: what user space may do with a mapping. */

static void map_private(void)
{
    expect_no_map(create(&frames, WRITE), PAGE, PROT_READ, MAP_PRIVATE, 0,
                  EINVAL, "a private mapping");
}

static void map_beyond(void)
{
    int fd = create(&frames, WRITE);
    size_t size = (size_t)frames.nr * PAGE;

    expect_no_map(fd, size + PAGE, RW, MAP_SHARED, 0, EINVAL, "a page more");
    expect_no_map(fd, PAGE, RW, MAP_SHARED, size, EINVAL, "the page behind it");
    expect_no_map(fd, 2 * PAGE, RW, MAP_SHARED, 0x7ffffffffffff000, 0,
                  "an offset that wraps around");
}

static void map_write_refused(void)
{
    int fd = create(&frames, 0);

    expect_no_map(fd, PAGE, RW, MAP_SHARED, 0, EACCES, "a writable mapping");
}

static void map_exec_refused(void)
{
    expect_no_map(create(&frames, WRITE), PAGE, PROT_READ | PROT_EXEC,
                  MAP_SHARED, 0, 0, "executing the guest's memory");
}

static void mprotect_refused(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, frames.nr, RW);
    char *ro = (char *)map_some(create(&frames, 0), 0, frames.nr, PROT_READ);

    if (mprotect(at, PAGE, PROT_READ) == 0 || errno != EACCES) {
        fail("mprotect to less: %s", strerror(errno));
    }
    if (mprotect(at + PAGE, PAGE, PROT_NONE) == 0 || errno != EACCES) {
        fail("mprotect to nothing: %s", strerror(errno));
    }
    if (mprotect(ro, PAGE, RW) == 0 || errno != EACCES) {
        fail("mprotect to more: %s", strerror(errno));
    }
    expect_words((void *)at, &frames, 0, frames.nr, "the mapping");
}

/* A place of that size where nothing is. */
static char *room_for(size_t len)
{
    char *at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return keep_map(at, len, "room");
}

static void move(char *from, size_t len, char *to)
{
    if (mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
        fail("mremap: %s", strerror(errno));
    }
}

static void mremap_whole(const struct pages *of)
{
    size_t len = (size_t)of->nr * PAGE;
    char *at = (char *)map_some(create(of, WRITE), 0, of->nr, RW);
    char *to = room_for(len), *back = room_for(len);

    move(at, len, to);
    expect_words((void *)to, of, 0, of->nr, "where it was moved");
    move(to, len, back);
    fill_words((void *)back, of->seed + 1, of->nr);
    if (wrong_words((void *)back, of->seed + 1, 0, of->nr)) {
        fail("what is written after the second move is not read");
    }
    fill_words((void *)back, of->seed, of->nr);
}

static void mremap_frames(void) { mremap_whole(&frames); }
static void mremap_grants(void) { mremap_whole(&grants); }

static void mremap_part(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, frames.nr, RW);
    char *to = room_for(20 * PAGE);

    move(at + 10 * PAGE, 20 * PAGE, to);
    expect_words((void *)to, &frames, 10, 20, "the part that was moved");
    expect_words((void *)at, &frames, 0, 10, "what is before it");
    expect_words((void *)(at + 30 * PAGE), &frames, 30, frames.nr - 30,
                 "what is behind it");
}

/* Over another part of itself: what was there is gone. */
static void mremap_over_itself(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, frames.nr, RW);

    move(at, 8 * PAGE, at + 50 * PAGE);
    expect_words((void *)(at + 8 * PAGE), &frames, 8, 42, "what stayed");
    expect_words((void *)(at + 50 * PAGE), &frames, 0, 8, "what was moved");
    expect_words((void *)(at + 58 * PAGE), &frames, 58, frames.nr - 58,
                 "the rest");
}

static void mremap_refused(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, 4, RW);
    char *to = room_for(8 * PAGE);

    if (mremap(at, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED) {
        fail("it can be made longer");
    }
    if (mremap(at, 0, 4 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED) {
        fail("it can be duplicated");
    }
    if (mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED |
               MREMAP_DONTUNMAP, to) != MAP_FAILED) {
        fail("it can be moved and left behind");
    }
    expect_words((void *)at, &frames, 0, 4, "the mapping");
}

static void unmap_middle(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, frames.nr, RW);

    munmap(at + 5 * PAGE, 30 * PAGE);
    expect_words((void *)at, &frames, 0, 5, "the front");
    expect_words((void *)(at + 35 * PAGE), &frames, 35, frames.nr - 35,
                 "the end");
}

static int child_reads(int fd, void *at)
{
    (void)fd;
    return *(volatile char *)at & 1;
}

static void fork_copies_nothing(void)
{
    void *at = map_some(create(&frames, WRITE), 0, frames.nr, RW);
    int is = in_child(child_reads, -1, at);

    if (is != -SIGSEGV) {
        fail("the child: %d, expected a SIGSEGV", is);
    }
    expect_words(at, &frames, 0, frames.nr, "the parent's mapping");
}

static void madvise_refused(void)
{
    static const struct { int advice; const char *name; } refused[] = {
        { MADV_DOFORK, "MADV_DOFORK" }, { MADV_DONTNEED, "MADV_DONTNEED" },
        { MADV_REMOVE, "MADV_REMOVE" }, { MADV_FREE, "MADV_FREE" },
        { MADV_PAGEOUT, "MADV_PAGEOUT" }, { MADV_DODUMP, "MADV_DODUMP" },
        { MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE" },
    };
    void *at = map_some(create(&frames, WRITE), 0, frames.nr, RW);

    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        if (madvise(at, PAGE, refused[i].advice) == 0) {
            fail("%s is allowed", refused[i].name);
        }
    }
    expect_words(at, &frames, 0, frames.nr, "the mapping");
}

/* Whether the kernel says of a mapping that it could be made writable */
static bool may_be_made_writable(const void *at)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    unsigned long start, end;
    char line[512];
    bool here = false;
    int may = -1;

    while (may < 0 && file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            here = (uintptr_t)at >= start && (uintptr_t)at < end;
        } else if (here && !strncmp(line, "VmFlags:", 8)) {
            may = strstr(line, " mw") != NULL;
        }
    }
    if (file) {
        fclose(file);
    }
    if (may < 0) {
        fail("/proc/self/smaps does not have the mapping");
    }
    return may;
}

static int open_userfaultfd(uint64_t features)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static unsigned try_userfaultfd(char *at, uint64_t features)
{
    int fd = open_userfaultfd(features);
    uint64_t mode = 0;
    bool taken = false;

    while (fd >= 0 && !taken && ++mode < 16) {
        struct uffdio_register request = {
            .range = { (uintptr_t)at, 2 * PAGE }, .mode = mode,
        };

        taken = ioctl(fd, UFFDIO_REGISTER, &request) == 0;
    }
    close(fd);
    if (taken) {
        fail("features %" PRIx64 ", mode %" PRIx64 " is allowed", features,
             mode);
    }
    return mode;
}

/*
 * Linux from 6.7 on took WP of any mapping, until that was mended, and then
 * changed its entries. In a PV domain, where these must not change, a flag of
 * the mapping shows that such a kernel refuses it, too.
 */
static void userfaultfd_refused(void)
{
    char *at = (char *)map_some(create(&frames, WRITE), 0, frames.nr, RW);
    unsigned tried = try_userfaultfd(at, 0) +
                     try_userfaultfd(at, UFFD_FEATURE_WP_ASYNC |
                                         UFFD_FEATURE_WP_UNPOPULATED);

    if (is_pv() && may_be_made_writable(at)) {
        fail("the mapping has VM_MAYWRITE");
    }
    expect_words((void *)at, &frames, 0, frames.nr, "the mapping");
    if (!tried) {
        skip("no userfaultfd");
    }
}

/* Moved, so that in a PV domain its entries are made anew, read, and written */
static int child_dirties(int fd, void *to)
{
    size_t len = (size_t)frames.nr * PAGE;
    uint64_t *at = mmap(NULL, len, RW, MAP_SHARED, fd, 0);

    write_long("/proc/self/clear_refs", 4);
    if (at == MAP_FAILED ||
        mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
        return 1;
    }
    at = to;
    alarm(20);
    if (wrong_words(at, frames.seed, 0, frames.nr)) {
        return 2;
    }
    fill_words(at, frames.seed + 1, frames.nr);
    if (wrong_words(at, frames.seed + 1, 0, frames.nr)) {
        return 3;
    }
    fill_words(at, frames.seed, frames.nr);
    return 0;
}

/*
 * When dirty pages are tracked, Linux maps pages for reading, and changes their
 * entries when they are first written.
 */
static void dirty_pages_tracked(void)
{
    int is = in_child(child_dirties, create(&frames, WRITE),
                      room_for((size_t)frames.nr * PAGE));

    if (is) {
        fail("the child: %d", is);
    }
}

/* The kernel must not take references on its pages. */
static void pages_not_taken(void)
{
    void *at = map_some(create(&frames, WRITE), 0, frames.nr, RW);
    char here[64];
    struct iovec to = { here, sizeof(here) }, from = { at, sizeof(here) };
    int file = keep_fd(open("/var/tmp", O_RDWR | O_TMPFILE | O_DIRECT, 0600),
                       "/var/tmp");

    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) > 0) {
        fail("process_vm_readv() reads it");
    }
    if (pwrite(file, at, PAGE, 0) == PAGE && pread(file, at, PAGE, 0) == PAGE) {
        expect_words(at, &frames, 0, 1, "a page written and read");
    }
    expect_words(at, &frames, 0, frames.nr, "the mapping");
}

/* Cases: life. */

/* Neither descriptor is needed for a mapping. */
static void life_descriptors(void)
{
    int fd = create(&frames, WRITE);
    uint64_t *at = map_some(fd, 0, frames.nr, RW);

    drop_fd(fd);
    expect_words(at, &frames, 0, frames.nr, "without a descriptor");
    if (read_long(MODULE_USERS) < 1) {
        fail("the module could be unloaded");
    }
}

static void life_counted(void)
{
    struct counters before = read_counters(), held = before;
    int fd = create(&frames, WRITE);
    void *at;

    held.of[BUFFERS]++;
    held.of[PAGES] += frames.nr;
    expect_counters(held, "a buffer");
    at = map_some(fd, 0, frames.nr, RW);
    held.of[VIEWS]++;
    expect_counters(held, "mapped");
    drop_map(at);
    drop_fd(fd);
    expect_counters(before, "closed");
}

static int child_dies(int fd, void *at)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = WRITE, .nr_pages = frames.nr,
        .list = (uintptr_t)at,
    };
    int buffer = try_create(fd, XEN_GUEST_DMABUF_FRAMES, &req);

    mmap(NULL, (size_t)frames.nr * PAGE, RW, MAP_SHARED, buffer, 0);
    kill(getpid(), buffer < 0 ? SIGTERM : SIGKILL);
    return 1;
}

static void life_killed(void)
{
    struct counters before = read_counters();
    void *list = list_of(frames.request, frames.entry, frames.nr);
    int dev = open_device();

    for (int i = 0; i < 20; i++) {
        int is = in_child(child_dies, dev, list);

        if (is != -SIGKILL) {
            fail("round %d: the child: %d", i, is);
        }
    }
    expect_counters(before, "after kill -9");
}

static void no_descriptors(void)
{
    struct counters before = read_counters();
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .nr_pages = frames.nr,
        .list = (uintptr_t)list_of(frames.request, frames.entry, frames.nr),
    };
    struct rlimit old, few;
    int dev = open_device(), is;

    getrlimit(RLIMIT_NOFILE, &old);
    few = (struct rlimit) { dev + 1, old.rlim_max };
    setrlimit(RLIMIT_NOFILE, &few);
    is = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    setrlimit(RLIMIT_NOFILE, &old);
    if (is != -EMFILE) {
        fail("without a free descriptor: %d", is);
    }
    expect_counters(before, "after EMFILE");
}

static void many_rounds(void)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = WRITE, .nr_pages = 4,
        .list = (uintptr_t)list_of(frames.request, frames.entry, 4),
    };
    int dev = open_device();

    for (int i = 0; i < 1000; i++) {
        int fd = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
        uint64_t *at;

        if (fd < 0) {
            fail("round %d: %s", i, strerror(-fd));
        }
        at = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
        close(fd);
        if (at == MAP_FAILED || at[0] != lab_word(frames.seed, 0)) {
            fail("round %d: mapping: %s", i, strerror(errno));
        }
        munmap(at, 4 * PAGE);
    }
}

static volatile bool stop;
/* Changed by all threads while the module reads it for one of them. */
static volatile uint64_t raced[40];

/* Moves the front of a mapping over its end. */
static void race_mapping(int fd)
{
    char *at = mmap(NULL, 40 * PAGE, RW, MAP_SHARED, fd, 0), *to;

    if (at == MAP_FAILED) {
        return;
    }
    to = mremap(at, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                at + 20 * PAGE);
    if (to == MAP_FAILED) {
        munmap(at, 40 * PAGE);
    } else {
        (void)*(volatile char *)to;
        munmap(to, 20 * PAGE);
    }
}

static void *race_thread(void *unused)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = WRITE, .nr_pages = 40,
        .list = (uintptr_t)raced,
    };
    int dev = open(XEN_GUEST_DMABUF_PATH, O_RDWR | O_CLOEXEC);

    (void)unused;
    while (!stop) {
        int fd = ioctl(dev, XEN_GUEST_DMABUF_FRAMES, &req) < 0 ? -1 : req.fd;

        race_mapping(fd);
        close(fd);
        raced[39] ^= 1ull << 41;
    }
    close(dev);
    return NULL;
}

static void race(void)
{
    pthread_t thread[4];

    stop = false;
    memcpy((void *)raced, frames.entry, sizeof(raced));
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&thread[i], NULL, race_thread, NULL)) {
            fail("no thread");
        }
    }
    sleep(2);
    stop = true;
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    content_frames();
}

/* Cases: limits. */

static void limit_case(const char *path, int wanted)
{
    long old = read_long(path), now = read_counters().of[PAGES];
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .nr_pages = 2,
        .list = (uintptr_t)list_of(frames.request, frames.entry, 2),
    };
    int dev = open_device(), first, second, third;

    write_long(path, now + 3);
    first = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    second = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    close(first);
    third = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    close(third);
    write_long(path, old);
    if (first < 0 || second != -wanted || third < 0) {
        fail("%d, %d, after the first was closed %d", first, second, third);
    }
}

static void limit_domain(void) { limit_case(PARAMETERS "domain_limit", EDQUOT); }
static void limit_total(void) { limit_case(PARAMETERS "total_limit", ENOSPC); }

/* Cases: a descriptor that is tied to a domain. */

static int restrict_to(int dev, uint32_t to, uint32_t flags)
{
    struct xen_guest_dmabuf_restrict req = { to, flags };

    return ioctl(dev, XEN_GUEST_DMABUF_RESTRICT, &req) < 0 ? -errno : 0;
}

static void restricted(void)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .nr_pages = 1,
        .list = (uintptr_t)list_of(frames.request, frames.entry, 1),
    };
    int dev = open_device(), is;

    if (restrict_to(dev, domid, 1) != -EINVAL ||
        restrict_to(dev, 1 << 16 | domid, 0) != -EINVAL ||
        restrict_to(dev, 0, 0) != -EINVAL) {
        fail("a wrong number is accepted");
    }
    if (restrict_to(dev, NO_DOMAIN, 0) || restrict_to(dev, NO_DOMAIN, 0)) {
        fail("it cannot be tied: %s", strerror(errno));
    }
    if (restrict_to(dev, domid, 0) != -EPERM) {
        fail("it can be tied to another");
    }
    is = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    if (is != -EPERM) {
        fail("frames of another domain: %d", is);
    }
    req.list = (uintptr_t)list_of(grants.request, grants.entry, 1);
    is = try_create(dev, XEN_GUEST_DMABUF_GRANTS, &req);
    if (is != -EPERM) {
        fail("grants of another domain: %d", is);
    }
    dev = open_device();
    if (restrict_to(dev, domid, 0)) {
        fail("it cannot be tied to the guest: %s", strerror(errno));
    }
    is = try_create(dev, XEN_GUEST_DMABUF_GRANTS, &req);
    if (is < 0) {
        fail("grants of its own domain: %d", is);
    }
    keep_fd(is, "the buffer");
}

/* Cases: devices. */

static void attach_case(const struct pages *of, uint32_t flags, bool both)
{
    struct lab_dma_map map;
    struct counters held = read_counters();
    int fd = create(of, flags), dev = try_attach(fd, 64, both, &map);

    if (dev < 0) {
        fail("attach: %s", strerror(-dev));
    }
    keep_fd(dev, "the attachment");
    drop_fd(fd);
    if (map.segments != of->nr) {
        fail("%u segments, expected %u", map.segments, of->nr);
    }
    held.of[BUFFERS]++;
    held.of[PAGES] += of->nr;
    held.of[ATTACHMENTS]++;
    expect_counters(held, "attached, and closed");
}

static void attach_frames(void) { attach_case(&frames, WRITE, true); }
static void attach_grants(void) { attach_case(&grants, WRITE, true); }
static void attach_read(void) { attach_case(&frames, 0, false); }

static void attach_ro_refused(void)
{
    struct lab_dma_map map;
    int dev = try_attach(create(&frames, 0), 64, true, &map);

    if (dev >= 0) {
        close(dev);
        fail("a device may write what is for reading only");
    }
    if (dev != -EACCES) {
        fail("refused with %s", strerror(-dev));
    }
}

/* A device that does not reach the pages. */
static void attach_bounced(const struct pages *of)
{
    struct lab_dma_map map;
    int fd, dev;

    /* Elsewhere Linux has no bounce buffer, but a warning. */
    need_pv();
    fd = create(of, WRITE);
    dev = try_attach(fd, 64, true, &map);
    if (dev < 0) {
        fail("attach: %s", strerror(-dev));
    }
    close(dev);
    if (map.highest < 1ull << 32) {
        skip("all pages are below 4 GiB: %" PRIx64, (uint64_t)map.highest);
    }
    dev = try_attach(fd, 32, true, &map);
    if (dev >= 0) {
        close(dev);
        fail("pages are replaced by a bounce buffer");
    }
    if (dev != -EOPNOTSUPP) {
        fail("refused with %s", strerror(-dev));
    }
}

static void bounced_frames(void) { attach_bounced(&frames); }
static void bounced_grants(void) { attach_bounced(&grants); }

/* Written to a disk, changed, and read back. */
static void disk_case(const struct pages *of)
{
    struct lab_dma_map map;
    int fd = create(of, WRITE), dev = try_attach(fd, 64, true, &map);
    uint64_t *at = map_some(fd, 0, of->nr, RW);

    if (!disk) {
        skip("no --disk");
    }
    if (dev < 0) {
        fail("attach: %s", strerror(-dev));
    }
    keep_fd(dev, "the attachment");
    disk_io(dev, disk, false, of->nr);
    fill_words(at, of->seed + 1, of->nr);
    disk_io(dev, disk, true, of->nr);
    expect_words(at, of, 0, of->nr, "read from the disk");
}

static void disk_frames(void) { disk_case(&frames); }
static void disk_grants(void) { disk_case(&grants); }

/* Cases: requests that are refused. */

enum { FRAME_BATCH = 32 };      /* as in the module's driver.h */

struct bad_entry {
    const char *name;
    struct pages *of;
    uint32_t flags;
    uint64_t value;
    int error;
};

/* Stand for such references; dom0 itself never has the first ones. */
#define FOR_READING 0
#define UNUSED 1

static const struct bad_entry bad_entries[] = {
    { "entry: frame 2^40", &frames, WRITE, 1ull << 40, ERANGE },
    { "entry: frame 2^40 and a real one", &frames, WRITE, 1ull << 40 | 1,
      ERANGE },
    { "entry: frame 2^52", &frames, WRITE, 1ull << 52, ERANGE },
    { "entry: frame 2^64 - 1", &frames, 0, UINT64_MAX, ERANGE },
    { "entry: frame 2^40 - 1", &frames, WRITE, (1ull << 40) - 1, ENXIO },
    { "entry: a hole above the memory", &frames, WRITE, 0x7fffff, ENXIO },
    { "entry: the VGA window", &frames, WRITE, 0xa0, ENXIO },
    { "entry: the IO-APIC", &frames, 0, 0xfec00, ENXIO },
    { "entry: a hole for devices", &frames, WRITE, 0xf8000, ENXIO },
    { "entry: reference 2^31", &grants, WRITE, 1u << 31, ENXIO },
    { "entry: reference 2^32 - 1", &grants, 0, UINT32_MAX, ENXIO },
    { "entry: a reference not in use", &grants, WRITE, UNUSED, EACCES },
    { "entry: a reference for reading, to write", &grants, WRITE, FOR_READING,
      EACCES },
};

/* The last one in the part of the guest's table in which its others are. */
static uint64_t unused_reference(void)
{
    uint64_t highest = 0;

    for (uint32_t i = 0; i < grants.nr; i++) {
        highest = grants.entry[i] > highest ? grants.entry[i] : highest;
    }
    return highest | 511;
}

static uint64_t bad_value(const struct bad_entry *bad)
{
    if (bad->of == &grants && bad->value == UNUSED) {
        return unused_reference();
    }
    if (bad->of == &grants && bad->value == FOR_READING) {
        return read_only.entry[0];
    }
    return bad->value;
}

/* At the start, across a batch, and at the end, the entry at fault is named. */
static void bad_entry(const struct bad_entry *bad)
{
    const uint32_t places[] = { 0, FRAME_BATCH + 1, 99 };
    struct counters before = read_counters();
    struct pages mixed = *bad->of;
    int dev = open_device();

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        uint32_t at = places[i];
        struct xen_guest_dmabuf_create req = {
            .domid = domid, .flags = bad->flags, .nr_pages = 100,
        };
        int is;

        memcpy(mixed.entry, bad->of->entry, sizeof(mixed.entry));
        mixed.entry[at] = bad_value(bad);
        req.list = (uintptr_t)list_of(mixed.request, mixed.entry, 100);
        is = try_create(dev, mixed.request, &req);
        if (is >= 0) {
            close(is);
            fail("accepted at %u", at);
        }
        if (is != -bad->error || req.bad != at) {
            fail("at %u: %s, entry %d", at, strerror(-is), (int)req.bad);
        }
        drop_mem((void *)(uintptr_t)req.list);
    }
    expect_counters(before, "after the refusals");
}

struct bad_request {
    const char *name;
    struct xen_guest_dmabuf_create req;
    int error;
};

#define GOOD_LIST 1     /* stands for the address of a list of 100 frames */
#define SHORT_LIST 2    /* one that ends after half of them */

static const struct bad_request bad_requests[] = {
    { "request: this domain", { .domid = 0, .nr_pages = 1, .list = GOOD_LIST },
      EINVAL },
    { "request: DOMID_SELF",
      { .domid = 0x7ff0, .nr_pages = 1, .list = GOOD_LIST }, EINVAL },
    { "request: DOMID_IO",
      { .domid = 0x7ff1, .nr_pages = 1, .list = GOOD_LIST }, EINVAL },
    { "request: DOMID_XEN",
      { .domid = 0x7ff2, .nr_pages = 1, .list = GOOD_LIST }, EINVAL },
    { "request: domid 2^16", { .domid = 1u << 16, .nr_pages = 1,
      .list = GOOD_LIST }, EINVAL },
    { "request: no such domain", { .domid = NO_DOMAIN, .nr_pages = 1,
      .list = GOOD_LIST }, ESRCH },
    { "request: no pages", { .nr_pages = 0, .list = GOOD_LIST }, EINVAL },
    { "request: 2^31 pages", { .nr_pages = 1u << 31, .list = GOOD_LIST },
      EINVAL },
    { "request: 2^32 - 1 pages", { .nr_pages = UINT32_MAX, .list = GOOD_LIST },
      EINVAL },
    { "request: more than the limit", { .nr_pages = 65537, .list = GOOD_LIST },
      EDQUOT },
    { "request: flags", { .flags = 2, .nr_pages = 1, .list = GOOD_LIST },
      EINVAL },
    { "request: all flags", { .flags = UINT32_MAX, .nr_pages = 1,
      .list = GOOD_LIST }, EINVAL },
    { "request: reserved", { .reserved = 1, .nr_pages = 1, .list = GOOD_LIST },
      EINVAL },
    { "request: list wild", { .nr_pages = 1, .list = BAD_POINTER }, EFAULT },
    { "request: list of the kernel", { .nr_pages = 1,
      .list = 0xffff888000000000 }, EFAULT },
    { "request: list ends early", { .nr_pages = 100, .list = SHORT_LIST },
      EFAULT },
};

static const void *short_list(void)
{
    char *two = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *start = two + PAGE - 50 * sizeof(uint64_t);

    keep_map(two, 2 * PAGE, "two pages");
    munmap(two + PAGE, PAGE);
    memcpy(start, frames.entry, 50 * sizeof(uint64_t));
    return start;
}

static void bad_request(const struct bad_request *bad)
{
    struct xen_guest_dmabuf_create req = bad->req;
    struct counters before = read_counters();
    bool whose = strstr(bad->name, "domain") || strstr(bad->name, "domid") ||
                 strstr(bad->name, "DOMID");
    int dev = open_device(), is;

    req.domid = whose ? req.domid : domid;
    if (req.list == GOOD_LIST) {
        req.list = (uintptr_t)list_of(frames.request, frames.entry, 100);
    } else if (req.list == SHORT_LIST) {
        req.list = (uintptr_t)short_list();
    }
    is = try_create(dev, XEN_GUEST_DMABUF_FRAMES, &req);
    if (is >= 0) {
        close(is);
        fail("accepted");
    }
    if (is != -bad->error || req.bad != XEN_GUEST_DMABUF_NO_ENTRY) {
        fail("%s, entry %d", strerror(-is), (int)req.bad);
    }
    expect_counters(before, "after the refusal");
}

/* The answer cannot be written: no descriptor may be left. */
static void request_unwritable(void)
{
    struct counters before = read_counters();
    struct xen_guest_dmabuf_create *req;
    int dev = open_device(), next, is;

    req = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    keep_map(req, PAGE, "a page");
    *req = (struct xen_guest_dmabuf_create) {
        .domid = domid, .nr_pages = 10,
        .list = (uintptr_t)list_of(frames.request, frames.entry, 10),
    };
    mprotect(req, PAGE, PROT_READ);
    next = dup(dev);
    close(next);
    is = ioctl(dev, XEN_GUEST_DMABUF_FRAMES, req) < 0 ? errno : 0;
    if (is != EFAULT) {
        fail("%s", strerror(is));
    }
    is = dup(dev);
    close(is);
    if (is != next) {
        fail("descriptor %d is left", next);
    }
    expect_counters(before, "after EFAULT");
}

static void request_wild(void)
{
    int dev = open_device();

    if (ioctl(dev, XEN_GUEST_DMABUF_FRAMES, BAD_POINTER) == 0 ||
        errno != EFAULT) {
        fail("a wild structure: %s", strerror(errno));
    }
    if (ioctl(dev, _IO('X', 0xdf), 0) == 0 || errno != ENOTTY) {
        fail("an unknown request: %s", strerror(errno));
    }
}

/* Cases: calls of the module that fail, in the copy of it that can do that. */

enum { FEW = 40 };              /* more than the module handles at once */

static void need_faults(void)
{
    if (read_long(PARAMETERS "fail_nth") < 0) {
        skip("this module is not the one with faults");
    }
    write_long(PARAMETERS "fail_task", getpid());
}

/* Mapped, and moved; where that fails, the mapping can be read as before. */
static bool maps_and_moves(int fd, const struct pages *of)
{
    size_t len = FEW * PAGE;
    char *to = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at = mmap(NULL, len, RW, MAP_SHARED, fd, 0), *is;

    if (at == MAP_FAILED) {
        munmap(to, len);
        return false;
    }
    expect_words((void *)at, of, 0, FEW, "what is mapped");
    is = mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (is != to) {
        expect_words((void *)at, of, 0, FEW, "what could not be moved");
        munmap(at, len);
        munmap(to, len);
        return false;
    }
    fill_words((void *)to, of->seed, FEW);
    expect_words((void *)to, of, 0, FEW, "what was moved");
    munmap(to, len);
    return true;
}

/* What a device model and its clients do; false if any of it fails. */
static bool whole_life(const struct pages *of)
{
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = WRITE, .nr_pages = FEW,
        .list = (uintptr_t)list_of(of->request, of->entry, FEW),
    };
    int dev = open(XEN_GUEST_DMABUF_PATH, O_RDWR | O_CLOEXEC), fd = -1;
    struct lab_dma_map map;
    bool fine = dev >= 0 && restrict_to(dev, domid, 0) == 0;
    int device;

    if (fine) {
        fd = try_create(dev, of->request, &req);
        fine = fd >= 0 && maps_and_moves(fd, of);
    }
    if (fine) {
        device = try_attach(fd, 64, true, &map);
        fine = device >= 0;
        close(device);
    }
    close(fd);
    close(dev);
    drop_mem((void *)(uintptr_t)req.list);
    return fine;
}

/* Until there is no further call to fail. */
static void each_call_fails(const struct pages *of)
{
    struct counters before = read_counters();
    long left, nth = 0, failures = 0;

    need_faults();
    do {
        write_long(PARAMETERS "fail_nth", ++nth);
        failures += !whole_life(of);
        left = read_long(PARAMETERS "fail_nth");
        write_long(PARAMETERS "fail_nth", 0);
        expect_counters(before, "after a fault");
        if (!whole_life(of)) {
            fail("after fault %ld the device does not work", nth);
        }
    } while (left == 0 && nth < 1000);
    /* Each ends in an error, but for the round that had no fault. */
    if (failures < 20 || failures != nth - 1) {
        fail("of %ld calls %ld failed visibly", nth - 1, failures);
    }
}

static void each_call_fails_frames(void) { each_call_fails(&frames); }
static void each_call_fails_grants(void) { each_call_fails(&grants); }

/* Pages that Xen does not unmap are nobody's any more, and are counted. */
static void release_fails(const struct pages *of)
{
    struct counters wanted = read_counters();

    need_faults();
    write_long(PARAMETERS "fail_release", 1);
    close(create_some(of, 0, FEW, WRITE));
    wanted.of[LOST] += FEW;
    expect_counters(wanted, "after a release that failed");
    write_long(PARAMETERS "fail_release", 0);
    if (!whole_life(of)) {
        fail("afterwards the device does not work");
    }
    expect_counters(wanted, "after the next one");
}

/*
 * The first entry is refused, and those behind it that Xen has mapped meanwhile
 * do not come back. In a PV domain Xen stops at the first frame that it refuses.
 */
static void rollback_fails(const struct pages *of, uint64_t bad, bool stops)
{
    struct counters wanted = read_counters();
    struct pages mixed = *of;
    struct xen_guest_dmabuf_create req = {
        .domid = domid, .flags = WRITE, .nr_pages = FEW,
    };
    int is;

    need_faults();
    mixed.entry[0] = bad;
    req.list = (uintptr_t)list_of(of->request, mixed.entry, FEW);
    write_long(PARAMETERS "fail_release", 1);
    is = try_create(open_device(), of->request, &req);
    write_long(PARAMETERS "fail_release", 0);
    if (is >= 0 || req.bad != 0) {
        fail("the first entry is bad: %d, entry %d", is, (int)req.bad);
    }
    wanted.of[LOST] += stops ? 0 : FEW;
    expect_counters(wanted, "after a rollback that failed");
    if (!whole_life(of)) {
        fail("afterwards the device does not work");
    }
    expect_counters(wanted, "after the next one");
}

static void rollback_fails_frames(void)
{
    rollback_fails(&frames, (1ull << 40) - 1, is_pv());
}

static void rollback_fails_grants(void)
{
    rollback_fails(&grants, UINT32_MAX, false);
}

static void release_fails_frames(void) { release_fails(&frames); }
static void release_fails_grants(void) { release_fails(&grants); }

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "content: frames", content_frames },
    { "content: frames, for reading", content_frames_ro },
    { "content: grants", content_grants },
    { "content: grants, for reading", content_grants_ro },
    { "content: frames written", content_written_frames },
    { "content: grants written", content_written_grants },
    { "content: frames in any order, repeated", content_order_frames },
    { "content: grants in any order, repeated", content_order_grants },
    { "content: parts", content_part },
    { "content: a child with the descriptor", content_child },
    { "map: private", map_private },
    { "map: beyond the end", map_beyond },
    { "map: written, though for reading", map_write_refused },
    { "map: executed", map_exec_refused },
    { "map: mprotect", mprotect_refused },
    { "map: mremap of frames", mremap_frames },
    { "map: mremap of grants", mremap_grants },
    { "map: mremap of a part", mremap_part },
    { "map: mremap over itself", mremap_over_itself },
    { "map: mremap that is refused", mremap_refused },
    { "map: munmap of the middle", unmap_middle },
    { "map: fork", fork_copies_nothing },
    { "map: madvise", madvise_refused },
    { "map: userfaultfd", userfaultfd_refused },
    { "map: dirty pages tracked", dirty_pages_tracked },
    { "map: direct I/O and process_vm_readv", pages_not_taken },
    { "life: descriptors closed", life_descriptors },
    { "life: counted", life_counted },
    { "life: owner killed", life_killed },
    { "life: no descriptors", no_descriptors },
    { "life: many rounds", many_rounds },
    { "life: races", race },
    { "limit: one domain", limit_domain },
    { "limit: all domains", limit_total },
    { "restrict: one domain", restricted },
    { "device: frames", attach_frames },
    { "device: grants", attach_grants },
    { "device: frames, for reading", attach_read },
    { "device: writes what is for reading", attach_ro_refused },
    { "device: bounced frames", bounced_frames },
    { "device: bounced grants", bounced_grants },
    { "device: frames to a disk and back", disk_frames },
    { "device: grants to a disk and back", disk_grants },
    { "request: not writable", request_unwritable },
    { "request: wild", request_wild },
    { "fault: each call, frames", each_call_fails_frames },
    { "fault: each call, grants", each_call_fails_grants },
    { "fault: a release, frames", release_fails_frames },
    { "fault: a release, grants", release_fails_grants },
    { "fault: a rollback, frames", rollback_fails_frames },
    { "fault: a rollback, grants", rollback_fails_grants },
};

/* Runner. */

static int totals[3];

static void begin_case(void)
{
    outcome = PASSED;
    why[0] = 0;
}

/* One of the three is set. */
static void run_case(const char *name, void (*run)(void),
                     const struct bad_entry *entry,
                     const struct bad_request *request)
{
    static const char *const words[] = { "ok", "not ok", "skip" };
    struct counters before = read_counters();

    begin_case();
    if (setjmp(case_end) == 0) {
        if (entry) {
            bad_entry(entry);
        } else if (request) {
            bad_request(request);
        } else {
            run();
        }
    }
    clean_up();
    if (read_long(PARAMETERS "fail_nth") >= 0) {
        write_long(PARAMETERS "fail_nth", 0);
        write_long(PARAMETERS "fail_release", 0);
        before.of[LOST] = read_counters().of[LOST];     /* on purpose */
    }
    if (!settles_to(before)) {
        outcome = FAILED;
        snprintf(why + strlen(why), sizeof(why) - strlen(why),
                 "%sleft something behind: %ld pages", why[0] ? "; " : "",
                 read_counters().of[PAGES] - before.of[PAGES]);
    }
    totals[outcome]++;
    printf("%s %s%s%s\n", words[outcome], name, why[0] ? ": " : "", why);
    fflush(stdout);
}

static void run_cases(const char *only)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!only || strstr(cases[i].name, only)) {
            run_case(cases[i].name, cases[i].run, NULL, NULL);
        }
    }
    for (size_t i = 0; i < sizeof(bad_entries) / sizeof(*bad_entries); i++) {
        if (!only || strstr(bad_entries[i].name, only)) {
            run_case(bad_entries[i].name, NULL, &bad_entries[i], NULL);
        }
    }
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(*bad_requests); i++) {
        if (!only || strstr(bad_requests[i].name, only)) {
            run_case(bad_requests[i].name, NULL, NULL, &bad_requests[i]);
        }
    }
}

/* --hold */

enum { MAKE, MAP, TOUCH, UNMAP, ATTACH, DETACH, CLOSE, STEPS };
enum { MOST_ROUNDS = 100 };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int must_attach(int fd)
{
    struct lab_dma_map map;
    int device = try_attach(fd, 64, true, &map);

    if (device < 0) {
        fail("attach: %s", strerror(-device));
    }
    return device;
}

/* What one buffer takes from its creation to its end; the end of each step */
static void one_life(const struct pages *of, double end[STEPS])
{
    volatile uint64_t *at;
    int fd, device;

    fd = create(of, WRITE);
    end[MAKE] = now_us();
    at = map_some(fd, 0, of->nr, PROT_READ);
    end[MAP] = now_us();
    for (uint32_t i = 0; i < of->nr; i++) {
        (void)at[(size_t)i * WORDS_PER_PAGE];
    }
    end[TOUCH] = now_us();
    drop_map((void *)at);
    end[UNMAP] = now_us();
    device = must_attach(fd);
    end[ATTACH] = now_us();
    close(device);
    end[DETACH] = now_us();
    drop_fd(fd);
    end[CLOSE] = now_us();
}

static void print_times(const char *name, double *took, unsigned rounds)
{
    qsort(took, rounds, sizeof(double), by_value);
    printf(", \"%s\": [%.2f, %.2f, %.2f]", name, took[rounds / 2], took[0],
           took[rounds - 1]);
}

static void hold_times(const struct pages *of, unsigned rounds)
{
    static const char *const names[STEPS] = {
        "make", "map", "touch", "unmap", "attach", "detach", "close",
    };
    static double took[STEPS][MOST_ROUNDS];

    for (unsigned n = 0; n < rounds; n++) {
        double end[STEPS], from = now_us();

        one_life(of, end);
        for (int i = 0; i < STEPS; i++) {
            took[i][n] = end[i] - from;
            from = end[i];
        }
    }
    printf("{\"pages\": %u, \"rounds\": %u", of->nr, rounds);
    for (int i = 0; i < STEPS; i++) {
        print_times(names[i], took[i], rounds);
    }
    printf("}\n");
}

/* As many pages of dom0's own, as a dma-buf */
static int own_buffer(uint32_t nr)
{
    struct udmabuf_create create = {
        .flags = UDMABUF_FLAGS_CLOEXEC, .size = (uint64_t)nr * PAGE,
    };
    int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

    create.memfd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (dev < 0 || (int)create.memfd < 0 ||
        ftruncate(create.memfd, create.size) ||
        fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
        fail("no memory for a udmabuf: %s", strerror(errno));
    }
    fd = ioctl(dev, UDMABUF_CREATE, &create);
    if (fd < 0) {
        fail("UDMABUF_CREATE: %s", strerror(errno));
    }
    close(create.memfd);
    close(dev);
    return fd;
}

/* A disk and the buffer's pages, or dom0's own, in turn */
static void hold_disk(const struct pages *of, int fd, unsigned rounds)
{
    static const char *const names[] = {
        "guest_write", "guest_read", "own_write", "own_read",
    };
    static double took[4][MOST_ROUNDS];
    int own = own_buffer(of->nr);
    int device[] = { must_attach(fd), must_attach(own) };

    for (unsigned n = 0; n < rounds; n++) {
        for (int i = 0; i < 4; i++) {
            double from = now_us();

            disk_io(device[i / 2], disk, i % 2, of->nr);
            took[i][n] = (now_us() - from) / of->nr;
        }
    }
    close(device[0]);
    close(device[1]);
    close(own);
    printf("{\"pages\": %u, \"rounds\": %u", of->nr, rounds);
    for (int i = 0; i < 4; i++) {
        print_times(names[i], took[i], rounds);
    }
    printf("}\n");
}

static void hold_answer(const char *line, const struct pages *of, int fd,
                        uint64_t **at, int *device)
{
    unsigned rounds;
    uint64_t seed;

    if (sscanf(line, "times %u", &rounds) == 1 && rounds &&
        rounds <= MOST_ROUNDS) {
        hold_times(of, rounds);
        return;
    }
    if (sscanf(line, "disk %u", &rounds) == 1 && rounds &&
        rounds <= MOST_ROUNDS) {
        hold_disk(of, fd, rounds);
        return;
    }
    if (sscanf(line, "check %" SCNu64, &seed) == 1) {
        printf("%zu\n", wrong_words(*at, seed, 0, of->nr));
        return;
    }
    if (sscanf(line, "fill %" SCNu64, &seed) == 1) {
        fill_words(*at, seed, of->nr);
    } else if (!strcmp(line, "map\n")) {
        *at = map_some(fd, 0, of->nr, RW);
    } else if (!strcmp(line, "attach\n")) {
        *device = must_attach(fd);
    } else if (!strcmp(line, "write\n") || !strcmp(line, "read\n")) {
        disk_io(*device, disk, line[0] == 'r', of->nr);
    } else {
        fail("what is %.60s", line);
    }
    printf("true\n");
}

static int hold(const struct pages *of)
{
    static uint64_t *at;
    static int fd, device = -1;
    char line[200];

    begin_case();
    if (setjmp(case_end)) {
        printf("{\"error\": \"%s\"}\n", why);
        return 1;
    }
    fd = create(of, WRITE);
    at = map_some(fd, 0, of->nr, RW);
    printf("true\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        hold_answer(line, of, fd, &at, &device);
        fflush(stdout);
    }
    return 0;
}

static void read_pages(const char *path)
{
    FILE *file = fopen(path, "r");
    struct pages *into = NULL;
    char word[40];

    while (file && fscanf(file, "%39s", word) == 1) {
        bool seed = true;

        if (!strcmp(word, "frames")) {
            into = &frames;
        } else if (!strcmp(word, "grants")) {
            into = &grants;
        } else if (!strcmp(word, "read-only")) {
            into = &read_only;
        } else {
            seed = false;
        }
        if (seed && fscanf(file, "%" SCNu64, &into->seed) == 1) {
            continue;
        }
        if (!into || into->nr == MOST) {
            break;
        }
        into->entry[into->nr++] = strtoull(word, NULL, 10);
    }
    if (!file || !frames.nr) {
        fprintf(stderr, "guestcheck: no frames in %s\n", path);
        exit(2);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    const char *only = NULL, *held = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: guestcheck DOMID FILE [--only NAME] "
                "[--hold frames|grants] [--disk PATH]\n");
        return 2;
    }
    domid = strtoul(argv[1], NULL, 0);
    read_pages(argv[2]);
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--only")) {
            only = argv[i + 1];
        } else if (!strcmp(argv[i], "--hold")) {
            held = argv[i + 1];
        } else if (!strcmp(argv[i], "--disk")) {
            disk = argv[i + 1];
        }
    }
    if (held) {
        return hold(strcmp(held, "grants") ? &frames : &grants);
    }
    run_cases(only);
    printf("{\"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
           totals[PASSED], totals[FAILED], totals[SKIPPED]);
    return totals[FAILED] || !totals[PASSED] ? 1 : 0;
}
