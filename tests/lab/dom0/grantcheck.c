// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * grantcheck: exercise /dev/xen/dmabuf-grant in dom0, without any guest
 *
 *   grantcheck [--self DOMID] [--only NAME] [--balloon MIB] [--no-exhaust]
 *              [--fixed-gntdev]
 *
 * Buffers are granted to this domain itself (DOMID, default 0) and, where it
 * matters, accessed and mapped back through /dev/xen/gntdev. This verifies
 * that each reference is for the right page, and acts as a peer that does not
 * unmap.
 *
 * --balloon first scatters the domain's memory over the machine, by giving MIB
 * of it back to Xen for a moment; otherwise no bounce buffer is ever needed.
 * Nothing else may use the device meanwhile, because its counters are
 * compared. One case fills most of the grant table for a moment, which other
 * guests notice; --no-exhaust skips it. The limit of what one domain may have
 * is lifted, but for the cases that test it. --fixed-gntdev says that gntdev
 * has dma-buf calls and upstream/patches/gntdev-segments.patch, and tests that.
 * The cases "ttm" need the lab's module lab-dmabuf-ttm.
 *
 * Prints "ok NAME", "not ok NAME: why" or "skip NAME: why" for each case and
 * a line of JSON at the end. A case that leaves a reference, an import or a
 * pending import behind fails, whatever its other results.
 *
 * Requires root, debugfs on /sys/kernel/debug, and the modules
 * xen-dmabuf-grant, udmabuf and xen-gntdev.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "grantcheck.h"
#include "grantcheck-ttm.h"

static bool fixed_gntdev;

/* Cases: sizes. */

static void size_case(uint32_t pages)
{
    int dmabuf = make_udmabuf(pages);
    struct counters before = read_counters();
    struct import imp = import_range(open_device(), dmabuf, 0, pages);

    before.imports++;
    before.references += pages;
    before.pinned += pages;
    expect_counters(before, "after the import");
    expect_release(&imp, 0);
}

static void size_1(void) { size_case(1); }
static void size_2(void) { size_case(2); }
static void size_513(void) { size_case(513); }
static void size_16384(void) { size_case(16384); }
static void size_65535(void) { size_case(65535); }
static void size_65536(void) { size_case(65536); }
static void size_100000(void) { size_case(100000); }

/* Cases: the contents behind the references. */

static void content_whole(void)
{
    int dmabuf = make_udmabuf(600);

    fill_dmabuf(dmabuf, 600);
    check_content(dmabuf, 600, 0, 600, NULL);
}

static void content_sub_range(void)
{
    int dmabuf = make_udmabuf(64);

    fill_dmabuf(dmabuf, 64);
    check_content(dmabuf, 64, 0, 1, NULL);
    check_content(dmabuf, 64, 63, 1, NULL);
    check_content(dmabuf, 64, 17, 30, NULL);
}

/*
 * Segments of 1 MiB and 64 KiB. On a PV domain whose machine memory is
 * scattered (--balloon) the DMA API would replace the larger ones by a bounce
 * buffer if it could, and it silently used to replace the smaller ones.
 */
static void heap_case(uint32_t pages, uint32_t first, uint32_t some)
{
    int dmabuf = make_heap_buffer((uint64_t)pages * PAGE);

    fill_dmabuf(dmabuf, pages);
    check_content(dmabuf, pages, 0, pages, NULL);
    check_content(dmabuf, pages, first, some, NULL);
}

static void content_heap_large(void) { heap_case(512 + 32 + 3, 7, 530); }
static void content_heap_small(void) { heap_case(3 * 16 + 5, 15, 20); }

static void content_vgem(void)
{
    int dmabuf = make_vgem_buffer(300);

    fill_dmabuf(dmabuf, 300);
    check_content(dmabuf, 300, 0, 300, NULL);
    check_content(dmabuf, 300, 40, 100, NULL);
}

static void content_huge_pages(void)
{
    uint32_t pages = 1024;
    int dmabuf = make_huge_buffer(pages);

    check_content(dmabuf, pages, 0, pages, NULL);
    check_content(dmabuf, pages, 100, 700, NULL);
}

/* The buffer's pages are not in the order of the memory behind it. */
static void content_scattered(void)
{
    enum { N = 16 };
    struct udmabuf_create_list *list =
        keep_mem(1, sizeof(*list) + N * sizeof(list->list[0]));
    int memfd = make_memfd(N), dev = open_udmabuf(), dmabuf;
    uint32_t order[N];

    fill_memfd(memfd, N);
    list->flags = UDMABUF_FLAGS_CLOEXEC;
    list->count = N;
    for (uint32_t i = 0; i < N; i++) {
        order[i] = (i * 7 + 3) % N;
        list->list[i].memfd = memfd;
        list->list[i].offset = (uint64_t)order[i] * PAGE;
        list->list[i].size = PAGE;
    }
    dmabuf = keep_fd(ioctl(dev, UDMABUF_CREATE_LIST, list),
                     "UDMABUF_CREATE_LIST");
    check_content(dmabuf, N, 0, N, order);
}

/* Cases: lifetime. */

static void busy_is_counted(void)
{
    struct import imp;
    void *at;

    need_pv();
    imp = import_range(open_device(), make_udmabuf(8), 0, 8);
    at = map_refs(imp.refs + 2, 3);
    expect_release(&imp, 3);
    expect_release(&imp, 3);
    drop_map(at);
    expect_free(&imp);
    expect_release(&imp, -ENOENT);
}

/* The caller's descriptors are not needed; the pages stay the same. */
static void buffer_outlives_fd(void)
{
    int memfd = make_memfd(4);
    int dmabuf = wrap_memfd(memfd, 4 * PAGE);
    uint64_t *peer = keep_mem(4, PAGE);
    struct import imp;

    fill_dmabuf(dmabuf, 4);
    imp = import_range(open_device(), dmabuf, 0, 4);
    drop_fd(dmabuf);
    drop_fd(memfd);
    /* Would reuse the pages and the descriptors' numbers, if they were free. */
    make_udmabuf(256);
    copy_refs(imp.refs, 4, peer, false);
    expect_pages(peer, 4, 0, NULL, false, "the peer");
    expect_release(&imp, 0);
}

static void close_releases(void)
{
    struct counters before = read_counters();
    int dmabuf = make_udmabuf(16), dev = open_device();

    import_range(dev, dmabuf, 0, 16);
    import_range(dev, dmabuf, 4, 4);
    drop_fd(dev);
    expect_counters(before, "after close");
}

/* Closed while the peer maps pages: pending until it unmaps, not longer. */
static void close_while_mapped(void)
{
    struct counters before = read_counters(), held = before;
    int dmabuf, dev = open_device();
    struct import imp;
    void *at;

    need_pv();
    dmabuf = make_udmabuf(16);
    fill_dmabuf(dmabuf, 16);
    imp = import_range(dev, dmabuf, 0, 16);
    at = map_refs(imp.refs + 5, 3);
    drop_fd(dmabuf);
    drop_fd(dev);
    held.imports += 1;
    held.pending += 1;
    held.references += 3;
    held.pinned += 16;          /* the buffer is pinned as a whole */
    expect_counters(held, "while the peer holds three pages");
    /* Longer than the reaper's first interval: it must not give up. */
    for (int i = 0; i < 60; i++) {
        short_sleep();
    }
    expect_counters(held, "a second later");
    if (read_long("/sys/module/xen_dmabuf_grant/refcnt") < 1) {
        fail("the module could be unloaded with an import pending");
    }
    expect_pages(at, 3, 5, NULL, false, "the peer");
    drop_map(at);
    expect_counters(before, "after the peer unmapped");
}

static void owner_killed(void)
{
    struct counters before = read_counters(), held = before;
    int dmabuf = make_udmabuf(64), tell[2];
    char byte;
    pid_t pid;

    if (pipe(tell) < 0) {
        fail("pipe: %s", strerror(errno));
    }
    keep_fd(tell[0], "pipe");
    keep_fd(tell[1], "pipe");
    pid = fork();
    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        uint32_t refs[64];
        struct xen_dmabuf_grant_import req = {
            .fd = dmabuf, .domid = self, .nr_pages = 64,
            .refs = (uintptr_t)refs,
        };
        int dev = open(XEN_DMABUF_GRANT_PATH, O_RDWR);

        byte = ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) == 0;
        if (write(tell[1], &byte, 1) == 1) {
            pause();
        }
        _exit(1);
    }
    /* Otherwise, if the child dies early, the read never returns. */
    drop_fd(tell[1]);
    byte = 0;
    if (read(tell[0], &byte, 1) != 1 || !byte) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail("the child could not import");
    }
    held.imports++;
    held.references += 64;
    held.pinned += 64;
    if (!same_counters(read_counters(), held)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail("the child's import is not counted");
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    expect_counters(before, "after kill -9 of the owner");
}

/*
 * An exporter that frees pages while the peer has them mapped. If nothing held
 * them, the memory that is allocated and written next would be the same.
 */
static void pages_are_held(void)
{
    enum { PAGES = 64, MIB = 256 };
    int leaky = open("/dev/lab-leaky", O_RDWR), dmabuf;
    struct import imp;
    uint8_t *at, *more;

    need_pv();
    if (leaky < 0) {
        skip("no /dev/lab-leaky: %s", strerror(errno));
    }
    keep_fd(leaky, "/dev/lab-leaky");
    dmabuf = keep_fd(ioctl(leaky, _IO('L', 0)), "a leaky buffer");
    imp = import_range(open_device(), dmabuf, 0, PAGES);
    at = map_refs(imp.refs, PAGES);
    if (ioctl(leaky, _IO('L', 1)) < 0) {
        fail("freeing its pages: %s", strerror(errno));
    }
    more = mmap(NULL, MIB << 20, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    keep_map(more, MIB << 20, "other memory");
    memset(more, 0xee, MIB << 20);
    for (size_t i = 0; i < (size_t)PAGES * PAGE; i++) {
        if (at[i] != i / PAGE + 1) {
            fail("the peer sees 0x%02x in page %zu, which is used again", at[i],
                 i / PAGE);
        }
    }
    drop_map(at);
    expect_free(&imp);
}

static void many_rounds(void)
{
    int dmabuf = make_udmabuf(4), dev = open_device();
    uint32_t refs[4];
    uint64_t last = 0;

    for (int i = 0; i < 5000; i++) {
        struct xen_dmabuf_grant_import req = {
            .fd = dmabuf, .domid = self, .nr_pages = 4,
            .refs = (uintptr_t)refs,
        };

        if (ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) < 0) {
            fail("round %d: IMPORT: %s", i, strerror(errno));
        }
        if (req.handle == last) {
            fail("round %d: handle %" PRIu64 " reused at once", i, last);
        }
        last = req.handle;
        if (try_release(dev, last) != 0) {
            fail("round %d: RELEASE failed", i);
        }
    }
}

/* Several threads release one handle: one succeeds, the others get ENOENT. */

struct racer {
    int dev;
    uint64_t handle;
    long result;
};

static void *race(void *opaque)
{
    struct racer *racer = opaque;

    racer->result = try_release(racer->dev, racer->handle);
    return NULL;
}

static void release_race(void)
{
    enum { THREADS = 4 };
    int dmabuf = make_udmabuf(64), dev = open_device();

    for (int round = 0; round < 100; round++) {
        pthread_t thread[THREADS];
        struct racer racer[THREADS];
        struct import imp = import_range(dev, dmabuf, 0, 64);
        int winners = 0, losers = 0, started = 0;

        for (int i = 0; i < THREADS; i++) {
            racer[i] = (struct racer) { dev, imp.handle, 0 };
            started += !pthread_create(&thread[i], NULL, race, &racer[i]);
            if (started != i + 1) {
                break;
            }
        }
        for (int i = 0; i < started; i++) {
            pthread_join(thread[i], NULL);
            winners += racer[i].result == 0;
            losers += racer[i].result == -ENOENT;
        }
        if (started < 2 || winners != 1 || losers != started - 1) {
            fail("of %d threads %d released the handle, %d got ENOENT",
                 started, winners, losers);
        }
        drop_mem(imp.refs);
    }
}

/* Cases: what a peer may have. */

/* Domains that do not exist: a grant is only an entry in our own table. */
enum { PEER = 30000 };

static bool try_import(int dev, int dmabuf, uint32_t pages, uint32_t domid)
{
    static uint32_t refs[4096];
    struct xen_dmabuf_grant_import req = {
        .fd = dmabuf, .domid = domid, .nr_pages = pages,
        .refs = (uintptr_t)refs,
    };

    return ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) == 0;
}

/* Imports until it fails with this error; returns the number of pages. */
static long hoard(int dev, int dmabuf, uint32_t pages, uint32_t domid,
                  int error)
{
    long done = 0;

    while (try_import(dev, dmabuf, pages, domid)) {
        done += pages;
        if (done >= MAX_REFS) {
            skip("this grant table holds more than %u references", MAX_REFS);
        }
    }
    if (errno != error) {
        fail("domain %u, after %ld pages: %s instead of %s", domid, done,
             strerror(errno), strerror(error));
    }
    return done;
}

/*
 * Two peers take all that they can get, in large imports and in small ones.
 * A third one has its share for small ones nevertheless. What they have counts
 * until it is released, not until it is imported by another descriptor.
 */
static void peers_share(void)
{
    enum { LARGE = 4096, SMALL = 1024 };
    struct counters before = read_counters();
    int large = make_udmabuf(LARGE), medium = make_udmabuf(SMALL);
    int page = make_udmabuf(1), dev = open_device();
    long one, other, small, third;

    if (!exhaust) {
        skip("--no-exhaust");
    }
    set_limit(0);
    one = hoard(dev, large, LARGE, PEER, EDQUOT);
    small = hoard(dev, medium, SMALL, PEER, EDQUOT);
    one += hoard(dev, page, 1, PEER, EDQUOT);
    if (try_import(open_device(), page, 1, PEER) || errno != EDQUOT) {
        fail("through another descriptor it gets more");
    }
    other = hoard(dev, large, LARGE, PEER + 1, EDQUOT);
    hoard(dev, medium, SMALL, PEER + 1, EDQUOT);
    other += hoard(dev, page, 1, PEER + 1, EDQUOT);
    if (one != other) {
        fail("one peer gets %ld pages, the other %ld", one, other);
    }
    if (try_import(dev, large, LARGE, PEER + 2) || errno != ENOSPC) {
        fail("a third peer got a large import, or %s", strerror(errno));
    }
    third = hoard(dev, medium, SMALL, PEER + 2, ENOSPC);
    if (third < 2 * SMALL || third > small) {
        fail("a third peer gets %ld pages of small imports, the first %ld",
             third, small);
    }
    drop_fd(dev);
    expect_counters(before, "after close");
    import_range(open_device(), large, 0, LARGE);
}

/*
 * A page of a large buffer, over and over: each import counts as much as the
 * buffer, whatever descriptor it is made by.
 */
static void pinned_counts(void)
{
    enum { PAGES = 4096, TIMES = 5 };
    struct counters before = read_counters(), held = before;
    int dmabuf = make_udmabuf(PAGES), page = make_udmabuf(1);
    int dev = open_device();

    write_long(PEER_PINNED, TIMES * PAGES + 3);
    for (int round = 0; round < 2; round++) {
        if (hoard(dev, dmabuf, 1, PEER, ENOBUFS) != TIMES) {
            fail("the limit is hit after another number of imports");
        }
        held = before;
        held.imports += TIMES;
        held.references += TIMES;
        held.pinned += TIMES * PAGES;
        expect_counters(held, "at the limit");
        if (try_import(open_device(), dmabuf, 1, PEER) || errno != ENOBUFS) {
            fail("through another descriptor it gets more");
        }
        if (!try_import(dev, dmabuf, 1, PEER + 1)) {
            fail("another peer gets nothing: %s", strerror(errno));
        }
        if (hoard(dev, page, 1, PEER, ENOBUFS) != 3) {
            fail("what is left is not for smaller buffers");
        }
        drop_fd(dev);
        expect_counters(before, "after close");
        dev = open_device();
    }
}

/* Unless it is set, that limit is what the peer may have granted. */
static void pinned_default(void)
{
    enum { LARGE = 4096, SMALL = 1024 };
    struct counters before = read_counters();
    int large = make_udmabuf(LARGE), dev = open_device();
    long granted, times;

    if (!exhaust) {
        skip("--no-exhaust");
    }
    set_limit(0);
    granted = hoard(dev, large, LARGE, PEER, EDQUOT);
    granted += hoard(dev, make_udmabuf(SMALL), SMALL, PEER, EDQUOT);
    granted += hoard(dev, make_udmabuf(1), 1, PEER, EDQUOT);
    if (read_counters().pinned - before.pinned != granted) {
        fail("%ld pages are granted, as whole buffers, %ld are pinned", granted,
             read_counters().pinned - before.pinned);
    }
    times = hoard(dev, large, 1, PEER + 1, ENOBUFS);
    if (times != granted / LARGE) {
        fail("%ld times %u pages are pinned, and %ld can be granted", times,
             LARGE, granted);
    }
    drop_fd(dev);
    expect_counters(before, "after close");
}

/* What a peer has mapped counts after its descriptor is closed, too. */
static void kept_counts(void)
{
    enum { PAGES = 2000, KEPT = 3 };
    struct counters before = read_counters();
    int dmabuf = make_udmabuf(PAGES), dev = open_device(), next;
    struct import imp;
    void *at;

    need_pv();
    set_limit(PAGES);
    write_long(PEER_PINNED, UINT32_MAX);
    imp = import_range(dev, dmabuf, 0, PAGES);
    at = map_refs(imp.refs, KEPT);
    drop_fd(dev);
    next = open_device();
    if (try_import(next, dmabuf, PAGES, self) || errno != EDQUOT) {
        fail("with %d pages kept, it gets its whole limit", KEPT);
    }
    if (!try_import(next, dmabuf, PAGES - KEPT, self)) {
        fail("it does not get the rest: %s", strerror(errno));
    }
    drop_fd(next);
    /* What it keeps is three pages, what that costs is the buffer. */
    write_long(PEER_PINNED, PAGES);
    if (try_import(open_device(), make_udmabuf(1), 1, self) ||
        errno != ENOBUFS) {
        fail("with %d pages kept, it has a part of the buffer pinned", KEPT);
    }
    drop_map(at);
    expect_counters(before, "after the peer unmapped");
    if (!try_import(open_device(), dmabuf, PAGES, self)) {
        fail("afterwards it does not get its limit: %s", strerror(errno));
    }
}

/* Cases: a descriptor that is tied to one domain. */

static int try_restrict(int dev, uint32_t domid, uint32_t flags)
{
    struct xen_dmabuf_grant_restrict req = { .domid = domid, .flags = flags };

    return ioctl(dev, XEN_DMABUF_GRANT_RESTRICT, &req) == 0 ? 0 : -errno;
}

static void expect_restrict(int dev, uint32_t domid, uint32_t flags, int wanted)
{
    int got = try_restrict(dev, domid, flags);

    if (got != wanted) {
        fail("RESTRICT to %u, flags %u: %s instead of %s", domid, flags,
             strerror(-got), strerror(-wanted));
    }
}

static void restricted(void)
{
    int dmabuf = make_udmabuf(4), dev = open_device();
    struct import early;

    expect_restrict(dev, 0x7ff0, 0, -EINVAL);
    expect_restrict(dev, 0x10000 + self, 0, -EINVAL);
    expect_restrict(dev, UINT32_MAX, 0, -EINVAL);
    expect_restrict(dev, self, 1, -EINVAL);
    if (ioctl(dev, XEN_DMABUF_GRANT_RESTRICT, (void *)BAD_POINTER) == 0 ||
        errno != EFAULT) {
        fail("RESTRICT of a wild pointer: %s", strerror(errno));
    }
    /* None of this has tied it to anything. */
    early = import_range(dev, dmabuf, 0, 4);
    if (!try_import(dev, dmabuf, 4, PEER)) {
        fail("not restricted, for another domain: %s", strerror(errno));
    }
    expect_restrict(dev, PEER, 0, 0);
    expect_restrict(dev, PEER, 0, 0);
    expect_restrict(dev, self, 0, -EPERM);
    expect_restrict(dev, UINT32_MAX, 0, -EINVAL);
    if (try_import(dev, dmabuf, 4, self) || errno != EPERM) {
        fail("tied to another domain: %s instead of EPERM", strerror(errno));
    }
    if (!try_import(dev, dmabuf, 4, PEER)) {
        fail("tied to this domain: %s", strerror(errno));
    }
    expect_release(&early, 0);
    import_range(open_device(), dmabuf, 0, 4);
}

/* As QEMU with -runas: opened and tied by root, used by nobody. */
static void deprived(void)
{
    enum { NOBODY = 65534 };
    int dmabuf = make_udmabuf(4), dev = open_device(), status;
    pid_t pid;

    expect_restrict(dev, PEER, 0, 0);
    pid = fork();
    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        char path[32];

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0) {
            _exit(1);
        }
        if (!try_import(dev, dmabuf, 4, PEER)) {
            _exit(2);
        }
        if (try_import(dev, dmabuf, 4, self) || errno != EPERM) {
            _exit(3);
        }
        snprintf(path, sizeof(path), "/proc/self/fd/%d", dev);
        if (open(XEN_DMABUF_GRANT_PATH, O_RDWR) >= 0 ||
            open(path, O_RDWR) >= 0) {
            _exit(4);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fail("the child failed at step %d", WEXITSTATUS(status));
    }
}

/* Cases: calls of the module that fail, in the copy of it that can do that. */

#define PARAMETERS "/sys/module/xen_dmabuf_grant/parameters/"

static void need_faults(void)
{
    if (read_long(PARAMETERS "fail_nth") < 0) {
        skip("this module is not the one with faults");
    }
    write_long(PARAMETERS "fail_task", 0);
    write_long(PARAMETERS "refuse_task", 0);
}

/* What a device model does; false if any of it fails. */
static bool whole_life(int dmabuf)
{
    enum { PAGES = 5 };
    int dev = open(XEN_DMABUF_GRANT_PATH, O_RDWR);
    uint32_t refs[PAGES];
    struct xen_dmabuf_grant_import req = {
        .fd = dmabuf, .domid = PEER, .nr_pages = PAGES, .refs = (uintptr_t)refs,
    };
    bool fine;

    if (dev < 0) {
        return false;
    }
    fine = try_restrict(dev, PEER, 0) == 0 &&
           ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) == 0;
    if (fine) {
        /* Nobody has it mapped, so it ends at the second attempt. */
        fine = try_release(dev, req.handle) == 0;
        if (!fine && try_release(dev, req.handle) != 0) {
            fail("a release that failed cannot be tried again");
        }
    }
    close(dev);
    return fine;
}

static void each_call_fails(void)
{
    struct counters before = read_counters();
    int dmabuf = make_udmabuf(5);
    long left, nth = 0, failures = 0;

    need_faults();
    do {
        write_long(PARAMETERS "fail_nth", ++nth);
        failures += !whole_life(dmabuf);
        left = read_long(PARAMETERS "fail_nth");
        write_long(PARAMETERS "fail_nth", 0);
        expect_counters(before, "after a fault");
        if (!whole_life(dmabuf)) {
            fail("after fault %ld the device does not work", nth);
        }
    } while (left == 0 && nth < 1000);
    /* All but the pages that could not be held, and a retried reference. */
    if (nth < 20 || failures < nth / 2) {
        fail("%ld calls, of which %ld failed visibly", nth, failures);
    }
    write_long(PARAMETERS "fail_nth", 0);
}

/* A thread whose imports are all refused, for what the buffer is. */
static volatile bool refuse;

static void *be_refused(void *opaque)
{
    const int *fds = opaque;
    bool *wrong = NULL;

    write_long(PARAMETERS "refuse_task", gettid());
    refuse = true;
    while (refuse) {
        if (try_import(fds[0], fds[1], 1, PEER) || errno != EOPNOTSUPP) {
            static bool found;

            found = true;
            wrong = &found;
        }
    }
    return wrong;
}

/* Lack of memory beside it is lack of memory. */
static void refusal_is_not_anothers(void)
{
    int fds[2] = { open_device(), make_udmabuf(4) }, dev = open_device();
    bool mixed_up = false;
    pthread_t thread;
    void *wrong;

    need_faults();
    refuse = false;
    if (pthread_create(&thread, NULL, be_refused, fds)) {
        fail("pthread_create");
    }
    while (!refuse) {
        short_sleep();
    }
    write_long(PARAMETERS "fail_task", gettid());
    for (int i = 0; i < 3000 && !mixed_up; i++) {
        write_long(PARAMETERS "fail_nth", 1 + i % 12);
        mixed_up = !try_import(dev, fds[1], 2, self) && errno == EOPNOTSUPP;
    }
    write_long(PARAMETERS "fail_nth", 0);
    write_long(PARAMETERS "fail_task", 0);
    refuse = false;
    pthread_join(thread, &wrong);
    write_long(PARAMETERS "refuse_task", 0);
    if (mixed_up) {
        fail("a lack of memory was taken for a refusal");
    }
    if (wrong) {
        fail("what cannot be granted was granted, or failed otherwise");
    }
}

/* Cases: errors of IMPORT. Each modifies a request that would work. */

#define BUFFER_PAGES 8
#define WHOLE UINT32_MAX        /* nr_pages left at BUFFER_PAGES */

enum refs_at {
    REFS_GOOD, REFS_NULL, REFS_BAD, REFS_READ_ONLY, REFS_CROSS_END,
};

enum fd_is { FD_GOOD, FD_NONE, FD_CLOSED, FD_MEMFD, FD_DEVICE };

static const struct bad_import {
    const char *name;
    int error;                  /* if not a dma-buf, ENOTTY is fine, too */
    enum fd_is fd;
    enum refs_at refs;
    uint64_t offset;
    uint32_t nr_pages, flags, domid;
} bad_imports[] = {
    { "import: no descriptor", EBADF, .fd = FD_NONE, .nr_pages = WHOLE },
    { "import: closed descriptor", EBADF, .fd = FD_CLOSED,
      .nr_pages = WHOLE },
    { "import: a memfd", EINVAL, .fd = FD_MEMFD, .nr_pages = WHOLE },
    { "import: the device itself", EINVAL, .fd = FD_DEVICE,
      .nr_pages = WHOLE },
    { "import: no pages", EINVAL, .nr_pages = 0 },
    { "import: one page too many", EINVAL, .nr_pages = BUFFER_PAGES + 1 },
    { "import: 2^32 - 2 pages", EINVAL, .nr_pages = UINT32_MAX - 1 },
    { "import: offset not of a page", EINVAL, .offset = 2048, .nr_pages = 1 },
    { "import: offset 1", EINVAL, .offset = 1, .nr_pages = 1 },
    { "import: offset at the end", EINVAL, .offset = BUFFER_PAGES * PAGE,
      .nr_pages = 1 },
    { "import: offset behind the end", EINVAL,
      .offset = (uint64_t)PAGE << 32, .nr_pages = 1 },
    { "import: offset + size overflows", EINVAL, .offset = -(uint64_t)PAGE,
      .nr_pages = 1 },
    { "import: offset + size wraps to 0", EINVAL,
      .offset = -(uint64_t)PAGE, .nr_pages = 2 },
    { "import: range across the end", EINVAL,
      .offset = (BUFFER_PAGES - 1) * PAGE, .nr_pages = 2 },
    { "import: flags", EINVAL, .nr_pages = WHOLE, .flags = 1 },
    { "import: flags, top bit", EINVAL, .nr_pages = WHOLE,
      .flags = 1u << 31 },
    { "import: DOMID_SELF", EINVAL, .nr_pages = WHOLE, .domid = 0x7ff0 },
    { "import: DOMID_IO", EINVAL, .nr_pages = WHOLE, .domid = 0x7ff1 },
    { "import: domid 2^16", EINVAL, .nr_pages = WHOLE, .domid = 0x10000 },
    { "import: domid 2^32 - 1", EINVAL, .nr_pages = WHOLE,
      .domid = UINT32_MAX },
    { "import: refs NULL", EFAULT, .refs = REFS_NULL, .nr_pages = WHOLE },
    { "import: refs wild", EFAULT, .refs = REFS_BAD, .nr_pages = WHOLE },
    { "import: refs read-only", EFAULT, .refs = REFS_READ_ONLY,
      .nr_pages = WHOLE },
    { "import: refs end early", EFAULT, .refs = REFS_CROSS_END,
      .nr_pages = WHOLE },
};

static uint64_t bad_refs(enum refs_at where)
{
    static uint32_t good[BUFFER_PAGES];
    char *map;

    switch (where) {
    case REFS_GOOD:
        return (uintptr_t)good;
    case REFS_NULL:
        return 0;
    case REFS_BAD:
        return UINT64_MAX - 4095;
    case REFS_READ_ONLY:
        map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return (uintptr_t)keep_map(map, PAGE, "a page");
    case REFS_CROSS_END:
        map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        keep_map(map, 2 * PAGE, "two pages");
        mprotect(map + PAGE, PAGE, PROT_NONE);
        return (uintptr_t)map + PAGE - 8;
    }
    return 0;
}

static int bad_fd(enum fd_is what, int dmabuf, int dev)
{
    int fd;

    switch (what) {
    case FD_GOOD:
        return dmabuf;
    case FD_NONE:
        return -1;
    case FD_CLOSED:
        fd = keep_fd(dup(dmabuf), "dup");
        drop_fd(fd);
        return fd;
    case FD_MEMFD:
        return make_memfd(BUFFER_PAGES);
    case FD_DEVICE:
        return dev;
    }
    return -1;
}

static void bad_import(const struct bad_import *bad)
{
    int dmabuf = make_udmabuf(BUFFER_PAGES), dev = open_device();
    struct counters before = read_counters();
    struct xen_dmabuf_grant_import req = {
        .fd = bad_fd(bad->fd, dmabuf, dev),
        .domid = bad->domid ? bad->domid : self,
        .offset = bad->offset, .flags = bad->flags,
        .nr_pages = bad->nr_pages == WHOLE ? BUFFER_PAGES : bad->nr_pages,
        .refs = bad_refs(bad->refs),
    };

    if (ioctl(dev, XEN_DMABUF_GRANT_IMPORT, &req) == 0) {
        fail("IMPORT worked");
    }
    if (errno != bad->error && !(errno == ENOTTY && bad->fd != FD_GOOD)) {
        fail("%s, expected %s", strerror(errno), strerror(bad->error));
    }
    expect_counters(before, "after the refused import");
    /* The device still works. */
    import_range(dev, dmabuf, 0, BUFFER_PAGES);
}

/* Cases: other errors. */

static void bad_argument(void)
{
    int dev = open_device();
    char byte;

    expect_error(ioctl(dev, XEN_DMABUF_GRANT_IMPORT, NULL), EFAULT,
                 "IMPORT of NULL");
    expect_error(ioctl(dev, XEN_DMABUF_GRANT_RELEASE, (void *)BAD_POINTER),
                 EFAULT, "RELEASE of a wild pointer");
    expect_error(ioctl(dev, _IOWR('X', 0xd0, uint64_t), NULL), ENOTTY,
                 "IMPORT of another size");
    expect_error(ioctl(dev, _IO('X', 0xdf), NULL), ENOTTY,
                 "an unknown ioctl");
    expect_error(read(dev, &byte, 1) < 0 ? -1 : 0, EINVAL, "read");
}

/* The references can be written, but not the handle. */
static void handle_unwritable(void)
{
    int dmabuf = make_udmabuf(8), dev = open_device();
    struct counters before = read_counters();
    uint32_t refs[8];
    struct xen_dmabuf_grant_import *req =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    keep_map(req, PAGE, "the request");
    req->fd = dmabuf;
    req->domid = self;
    req->nr_pages = 8;
    req->refs = (uintptr_t)refs;
    mprotect(req, PAGE, PROT_READ);
    expect_error(ioctl(dev, XEN_DMABUF_GRANT_IMPORT, req), EFAULT,
                 "IMPORT with a read-only request");
    expect_counters(before, "after the refused import");
}

static void release_unknown(void)
{
    int dmabuf = make_udmabuf(1), dev = open_device(), other = open_device();
    struct import imp = import_range(dev, dmabuf, 0, 1);
    const uint64_t unknown[] = {
        0, imp.handle + 1, UINT32_MAX, imp.handle | 1ull << 32, UINT64_MAX,
    };

    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        if (try_release(dev, unknown[i]) != -ENOENT) {
            fail("handle %" PRIu64 " is not ENOENT", unknown[i]);
        }
    }
    if (try_release(other, imp.handle) != -ENOENT) {
        fail("another descriptor may release it");
    }
    expect_release(&imp, 0);
}

static void release_twice(void)
{
    struct import imp = import_range(open_device(), make_udmabuf(3), 0, 3);

    expect_release(&imp, 0);
    expect_release(&imp, -ENOENT);
}

static void release_flags(void)
{
    struct import imp = import_range(open_device(), make_udmabuf(3), 0, 3);
    struct xen_dmabuf_grant_release req = { .handle = imp.handle, .flags = 1 };

    expect_error(ioctl(imp.dev, XEN_DMABUF_GRANT_RELEASE, &req), EINVAL,
                 "RELEASE with flags");
    expect_release(&imp, 0);
}

/* Cases: gntdev, with our fix. Without it, it overruns the kernel's memory. */

static void need_fixed_gntdev(void)
{
    if (!fixed_gntdev) {
        skip("only with --fixed-gntdev");
    }
}

static void gntdev_huge_pages(void)
{
    uint32_t pages = 1024;
    struct ioctl_gntdev_dmabuf_imp_to_refs *req;
    uint64_t *peer = keep_mem(pages, PAGE), *own;
    int dev, dmabuf;

    need_fixed_gntdev();
    dev = open_gntdev();
    dmabuf = make_huge_buffer(pages);
    own = map_buffer(dmabuf, pages);
    req = keep_mem(1, sizeof(*req) + pages * sizeof(*req->refs));
    req->fd = dmabuf;
    req->count = pages;
    req->domid = self;
    if (ioctl(dev, IOCTL_GNTDEV_DMABUF_IMP_TO_REFS, req) < 0) {
        fail("IMP_TO_REFS of %u pages: %s", pages, strerror(errno));
    }
    copy_refs(req->refs, pages, peer, false);
    expect_pages(peer, pages, 0, NULL, false, "the peer");
    invert_words(peer, pages);
    copy_refs(req->refs, pages, peer, true);
    expect_pages(own, pages, 0, NULL, true, "the owner");
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "size 1", size_1 },
    { "size 2", size_2 },
    { "size 513", size_513 },
    { "size 16384", size_16384 },
    { "size 65535", size_65535 },
    { "size 65536", size_65536 },
    { "size 100000", size_100000 },
    { "content: whole buffer", content_whole },
    { "content: sub-range", content_sub_range },
    { "content: system heap, 1 MiB pieces", content_heap_large },
    { "content: system heap, 64 KiB pieces", content_heap_small },
    { "content: vgem", content_vgem },
    { "content: huge pages", content_huge_pages },
    { "content: scattered pages", content_scattered },
    { "life: busy is counted", busy_is_counted },
    { "life: buffer outlives its descriptors", buffer_outlives_fd },
    { "life: close releases", close_releases },
    { "life: close while mapped", close_while_mapped },
    { "life: owner killed", owner_killed },
    { "life: pages are held", pages_are_held },
    { "life: many rounds", many_rounds },
    { "life: release race", release_race },
    { "peers: share", peers_share },
    { "peers: what is kept counts", kept_counts },
    { "peers: whole buffers count", pinned_counts },
    { "peers: whole buffers, no parameter", pinned_default },
    { "restrict: one domain", restricted },
    { "restrict: deprived", deprived },
    { "fault: each call fails", each_call_fails },
    { "fault: a refusal is not another's", refusal_is_not_anothers },
    { "argument: wrong", bad_argument },
    { "argument: handle unwritable", handle_unwritable },
    { "release: unknown handle", release_unknown },
    { "release: twice", release_twice },
    { "release: flags", release_flags },
    { "gntdev: huge pages", gntdev_huge_pages },
    { "ttm: single pages", ttm_pages },
    { "ttm: blocks of 2 MiB", ttm_blocks },
    { "ttm: write-combined", ttm_wc },
    { "ttm: by the DMA API", ttm_dma },
    { "ttm: write-combined, by the DMA API", ttm_dma_wc },
    { "ttm: moved from video memory", ttm_vram },
    { "ttm: moved to write-combined memory", ttm_vram_wc },
    { "ttm: moved within system memory", ttm_system },
    { "ttm: two importers", ttm_two_importers },
    { "ttm: refuses who has no P2P", ttm_fixed },
    { "ttm: mapped in its BAR", ttm_bar },
    { "ttm: a bus address", ttm_bus },
    { "ttm: no system memory left", ttm_full },
    { "ttm: pages used again at once", ttm_reuse },
    { "ttm: unbinding waits", ttm_unbinding_waits },
    { "ttm: unbinding killed", ttm_unbinding_killed },
    { "ttm: unbinding limited", ttm_unbinding_limited },
    { "ttm: unbinding by the kernel", ttm_unbinding_by_kernel },
};

/* Runner. */

static int totals[3];
static long balloon;

static void run_case(const char *name, void (*run)(void),
                     const struct bad_import *bad)
{
    static const char *const words[] = { "ok", "not ok", "skip" };
    struct counters before = read_counters(), after;

    outcome = PASSED;
    why[0] = 0;
    set_limit(UINT32_MAX);
    if (setjmp(case_end) == 0) {
        if (bad) {
            bad_import(bad);
        } else {
            run();
        }
    }
    clean_up();
    bind_ttm();
    if (!settles_to(before)) {
        after = read_counters();
        outcome = FAILED;
        snprintf(why + strlen(why), sizeof(why) - strlen(why),
                 "%sleft %ld imports, %ld references, %ld pending, %ld pages "
                 "pinned behind", why[0] ? "; " : "",
                 after.imports - before.imports,
                 after.references - before.references,
                 after.pending - before.pending,
                 after.pinned - before.pinned);
    }
    totals[outcome]++;
    printf("%s %s%s%s\n", words[outcome], name, why[0] ? ": " : "", why);
    fflush(stdout);
}

static void wait_for_memory(long kib, bool at_most)
{
    time_t end = time(NULL) + 60;
    long now;

    do {
        short_sleep();
        now = read_long(MEMORY "info/current_kb");
        if (time(NULL) > end) {
            fprintf(stderr, "grantcheck: --balloon: memory stays at %ld KiB "
                    "on the way to %ld\n", now, kib);
            return;
        }
    } while (at_most ? now > kib : now < kib);
}

/*
 * Give memory back to Xen and take it again: the new memory is scattered over
 * the machine, unlike a domain's memory right after its start.
 */
static void scatter_memory(long mib)
{
    long target = read_long(MEMORY "target_kb"), less = target - mib * 1024;

    if (mib < 0 || less <= 0) {
        fprintf(stderr, "grantcheck: --balloon %ld: this domain has only "
                "%ld KiB\n", mib, target);
        exit(2);
    }
    write_long(MEMORY "target_kb", less);
    wait_for_memory(less, true);
    write_long(MEMORY "target_kb", target);
    wait_for_memory(target, false);
}

/* The default is 64 MiB, which is not enough for the large sizes. */
static long raise_udmabuf_limit(long mib)
{
    long old = read_long(UDMABUF_LIMIT);

    if (old > 0 && old < mib) {
        write_long(UDMABUF_LIMIT, mib);
    }
    return old;
}

static void parse_options(int argc, char **argv, const char **only)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--self") == 0 && i + 1 < argc) {
            self = strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            *only = argv[++i];
        } else if (strcmp(argv[i], "--balloon") == 0 && i + 1 < argc) {
            balloon = strtol(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--no-exhaust") == 0) {
            exhaust = false;
        } else if (strcmp(argv[i], "--fixed-gntdev") == 0) {
            fixed_gntdev = true;
        } else {
            fprintf(stderr, "usage: grantcheck [--self DOMID] [--only NAME] "
                    "[--balloon MIB] [--no-exhaust] [--fixed-gntdev]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    long limit, limit_before;

    parse_options(argc, argv, &only);
    limit = raise_udmabuf_limit(1024);
    if (balloon) {
        scatter_memory(balloon);
    }
    limit_before = read_long(PEER_LIMIT);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!only || strstr(cases[i].name, only)) {
            run_case(cases[i].name, cases[i].run, NULL);
        }
    }
    for (size_t i = 0; i < sizeof(bad_imports) / sizeof(*bad_imports); i++) {
        if (!only || strstr(bad_imports[i].name, only)) {
            run_case(bad_imports[i].name, NULL, &bad_imports[i]);
        }
    }
    if (limit > 0) {
        write_long(UDMABUF_LIMIT, limit);
    }
    set_limit(limit_before);
    printf("{\"passed\": %d, \"failed\": %d, \"skipped\": %d}\n",
           totals[PASSED], totals[FAILED], totals[SKIPPED]);
    return totals[FAILED] || !totals[PASSED] ? 1 : 0;
}
