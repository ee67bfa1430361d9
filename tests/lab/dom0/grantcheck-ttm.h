/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grantcheck's cases of a GPU driver's habits: buffers of lab-dmabuf-ttm
 */
#ifndef GRANTCHECK_TTM_H
#define GRANTCHECK_TTM_H

#include <signal.h>
#include <sys/wait.h>

#include "../dmabuf-ttm/lab-dmabuf-ttm.h"
#include "grantcheck.h"

#define TTM_DRIVER "/sys/bus/platform/drivers/lab-dmabuf-ttm/"
#define UNBIND_WAIT "/sys/module/xen_dmabuf_grant/parameters/unbind_wait"
#define UNBIND_WAIT_PROCESS UNBIND_WAIT "_process"
#define TTM_ODD (2 * 512 + 32 + 3)  /* two blocks of 2 MiB, and smaller ones */

static int open_ttm(void)
{
    int fd = open(LAB_TTM_PATH, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        skip(LAB_TTM_PATH ": %s (insmod lab-dmabuf-ttm.ko)", strerror(errno));
    }
    return keep_fd(fd, LAB_TTM_PATH);
}

static int make_ttm_buffer(uint32_t pages, uint32_t flags)
{
    struct lab_ttm_create create = { .nr_pages = pages, .flags = flags };
    int dev = open_ttm();

    if (ioctl(dev, LAB_TTM_CREATE, &create) < 0) {
        fail("LAB_TTM_CREATE of %u pages: %s", pages, strerror(errno));
    }
    drop_fd(dev);
    return keep_fd(create.fd, "a buffer of lab-dmabuf-ttm");
}

/* Returns 0 or a negative error code. */
static int move_ttm_buffer(int dmabuf)
{
    int dev = open_ttm();
    int err = ioctl(dev, LAB_TTM_MOVE, dmabuf) < 0 ? -errno : 0;

    drop_fd(dev);
    return err;
}

/* Buffers in system memory, of all kinds: granted, word for word. */

static void ttm_content(uint32_t flags)
{
    int dmabuf = make_ttm_buffer(TTM_ODD, flags);

    fill_dmabuf(dmabuf, TTM_ODD);
    check_content(dmabuf, TTM_ODD, 0, TTM_ODD, NULL);
    check_content(dmabuf, TTM_ODD, 511, 515, NULL);
    check_content(dmabuf, TTM_ODD, TTM_ODD - 1, 1, NULL);
}

static void ttm_pages(void) { ttm_content(0); }
static void ttm_blocks(void) { ttm_content(LAB_TTM_BLOCKS); }
static void ttm_wc(void) { ttm_content(LAB_TTM_WC | LAB_TTM_BLOCKS); }
static void ttm_dma(void) { ttm_content(LAB_TTM_DMA_ALLOC | LAB_TTM_BLOCKS); }

static void ttm_dma_wc(void)
{
    ttm_content(LAB_TTM_DMA_ALLOC | LAB_TTM_WC | LAB_TTM_BLOCKS);
}

/*
 * Imported, a buffer in video memory is moved to system memory and stays there.
 * The owner has mapped it before, and finds what the peer writes.
 */
static void ttm_grant_and_look(int dmabuf, uint64_t *own, uint32_t pages)
{
    struct import imp = import_range(open_device(), dmabuf, 0, pages);
    uint64_t *peer = keep_mem(pages, PAGE);

    copy_refs(imp.refs, pages, peer, false);
    expect_pages(peer, pages, 0, NULL, false, "the peer");
    if (move_ttm_buffer(dmabuf) != -EBUSY) {
        fail("a buffer can be moved while it is granted");
    }
    invert_words(peer, pages);
    copy_refs(imp.refs, pages, peer, true);
    expect_pages(own, pages, 0, NULL, true, "the owner");
    invert_words(own, pages);
    expect_release(&imp, 0);
    drop_mem(peer);
    drop_mem(imp.refs);
    drop_fd(imp.dev);
}

static void ttm_moves(uint32_t flags)
{
    int dmabuf = make_ttm_buffer(TTM_ODD, flags | LAB_TTM_BLOCKS);
    uint64_t *own = map_buffer(dmabuf, TTM_ODD);

    fill_words(own, TTM_ODD);
    for (int round = 0; round < 4; round++) {
        ttm_grant_and_look(dmabuf, own, TTM_ODD);
        if (move_ttm_buffer(dmabuf) != 0) {
            fail("a buffer cannot be moved after its release");
        }
        expect_pages(own, TTM_ODD, 0, NULL, false, "the owner, moved,");
    }
}

static void ttm_vram(void) { ttm_moves(LAB_TTM_VRAM); }
static void ttm_vram_wc(void) { ttm_moves(LAB_TTM_VRAM | LAB_TTM_WC); }
static void ttm_system(void) { ttm_moves(LAB_TTM_DMA_ALLOC); }

/* Two importers of one buffer: the first one to go does not unpin it. */
static void ttm_two_importers(void)
{
    int dmabuf = make_ttm_buffer(64, LAB_TTM_VRAM);
    uint64_t *own = map_buffer(dmabuf, 64);
    struct import first;

    fill_words(own, 64);
    first = import_range(open_device(), dmabuf, 0, 64);
    ttm_grant_and_look(dmabuf, own, 64);
    if (move_ttm_buffer(dmabuf) != -EBUSY) {
        fail("a buffer can be moved although one of two importers has it");
    }
    expect_release(&first, 0);
}

/* Buffers that cannot be granted: an error that says so, and nothing is left. */
static void ttm_refused(uint32_t flags, int error)
{
    int dmabuf = make_ttm_buffer(16, flags | LAB_TTM_VRAM);
    struct counters before = read_counters();
    uint64_t *own = map_buffer(dmabuf, 16);
    uint32_t refs[16];
    struct xen_dmabuf_grant_import req = {
        .fd = dmabuf, .domid = self, .nr_pages = 16, .refs = (uintptr_t)refs,
    };

    fill_words(own, 16);
    for (int i = 0; i < 3; i++) {
        expect_error(ioctl(open_device(), XEN_DMABUF_GRANT_IMPORT, &req),
                     error, "IMPORT");
    }
    expect_counters(before, "after the refusal");
    expect_pages(own, 16, 0, NULL, false, "the owner");
    if (move_ttm_buffer(dmabuf) != 0) {
        fail("the buffer stays pinned");
    }
}

static void ttm_fixed(void) { ttm_refused(LAB_TTM_FIXED, EOPNOTSUPP); }
static void ttm_bar(void) { ttm_refused(LAB_TTM_MAP_BAR, EOPNOTSUPP); }
static void ttm_bus(void) { ttm_refused(LAB_TTM_MAP_BUS, EOPNOTSUPP); }
static void ttm_full(void) { ttm_refused(LAB_TTM_FULL, ENOMEM); }

/* Where the first page of a buffer is. */
static uint64_t frame_of(int dmabuf)
{
    struct lab_ttm_frame frame = { .fd = dmabuf };
    int dev = open_ttm();

    if (ioctl(dev, LAB_TTM_FRAME, &frame) < 0) {
        fail("LAB_TTM_FRAME: %s", strerror(errno));
    }
    drop_fd(dev);
    return frame.frame;
}

/*
 * Whether the pool gives out the block that starts with @frame. It gets a block
 * when the last reference to its buffer is dropped, which a worker does: there
 * may be a moment between that and what the counters say. Buffers are kept, so
 * that each is another block.
 */
static bool used_again(uint64_t frame, uint32_t pages, uint32_t flags)
{
    for (int i = 0; i < 20; i++) {
        if (frame_of(make_ttm_buffer(pages, flags)) == frame) {
            return true;
        }
        usleep(100000);
    }
    return false;
}

/*
 * The pool uses pages again at once. As long as the peer has them mapped, they
 * are not in the pool, even if everybody in this domain has let go.
 */
static void ttm_reuse(void)
{
    enum { PAGES = 512, OTHERS = 3 };
    uint32_t flags = LAB_TTM_WC | LAB_TTM_BLOCKS;
    int dmabuf = make_ttm_buffer(PAGES, flags), dev = open_device();
    struct counters before = read_counters();
    uint64_t frame = frame_of(dmabuf);
    struct import imp;
    uint64_t *at;

    need_pv();
    fill_dmabuf(dmabuf, PAGES);
    imp = import_range(dev, dmabuf, 0, PAGES);
    at = map_refs(imp.refs, PAGES);
    drop_fd(dmabuf);
    expect_release(&imp, PAGES);
    drop_fd(dev);
    for (int i = 0; i < OTHERS; i++) {
        int other = make_ttm_buffer(PAGES, flags);

        memset(map_buffer(other, PAGES), 0xee, (size_t)PAGES * PAGE);
        if (frame_of(other) == frame) {
            fail("the peer's pages are used again");
        }
    }
    expect_pages(at, PAGES, 0, NULL, false, "the peer");
    drop_map(at);
    expect_counters(before, "after the peer unmapped");
    if (!used_again(frame, PAGES, flags)) {
        fail("the pool does not use pages again at once: nothing was tested");
    }
}

/* Unbinding frees the pages of pinned buffers. */

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        fprintf(stderr, "grantcheck: %s: %s\n", path, strerror(errno));
    }
    close(fd);
}

static pid_t unbind_ttm(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        write_text(TTM_DRIVER "unbind", "lab-dmabuf-ttm");
        _exit(0);
    }
    return pid;
}

static bool has_ended(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == pid;
}

static bool ends_within(pid_t pid, int seconds)
{
    for (int i = 0; i < seconds * 50; i++) {
        if (has_ended(pid)) {
            return true;
        }
        short_sleep();
    }
    return false;
}

static bool is_bound(void)
{
    return access(TTM_DRIVER "lab-dmabuf-ttm", F_OK) == 0;
}

/* Whatever became of a case: the next one needs the driver. */
static void bind_ttm(void)
{
    if (access(TTM_DRIVER, F_OK) == 0 && !is_bound()) {
        write_text(TTM_DRIVER "bind", "lab-dmabuf-ttm");
    }
}

/*
 * The unbinding waits as long as the peer has pages of any buffer, and meanwhile
 * nothing is imported.
 */
static void ttm_unbinding_waits(void)
{
    enum { PAGES = 512 };
    int dmabuf = make_ttm_buffer(PAGES, LAB_TTM_BLOCKS);
    int later = make_ttm_buffer(4, 0), dev = open_device();
    uint32_t refs[4];
    struct xen_dmabuf_grant_import req = {
        .fd = later, .domid = self, .nr_pages = 4, .refs = (uintptr_t)refs,
    };
    uint64_t *peer = keep_mem(PAGES, PAGE);
    struct import imp;
    const char *wrong = NULL;
    pid_t pid;

    fill_dmabuf(dmabuf, PAGES);
    imp = import_range(dev, dmabuf, 0, PAGES);
    pid = unbind_ttm();
    if (ends_within(pid, 2)) {
        fail("the driver was unbound with a buffer granted");
    }
    if (ioctl(open_device(), XEN_DMABUF_GRANT_IMPORT, &req) == 0 ||
        errno != EOPNOTSUPP) {
        wrong = "a buffer is imported while its driver is being unbound";
    }
    copy_refs(imp.refs, PAGES, peer, false);
    expect_pages(peer, PAGES, 0, NULL, false, "the peer");
    expect_release(&imp, 0);
    if (!ends_within(pid, 10)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        wrong = "the driver is not unbound after the release";
    }
    bind_ttm();
    if (wrong) {
        fail("%s", wrong);
    }
}

/*
 * Who kills what waits has the driver unbound. Then pages that have a count of
 * their own are held: the peer sees what it saw, whatever uses memory next.
 */
static void ttm_unbinding_killed(void)
{
    enum { PAGES = 64, MIB = 256 };
    int dmabuf = make_ttm_buffer(PAGES, 0);
    uint64_t *peer = keep_mem(PAGES, PAGE);
    struct lab_ttm_create create = { .nr_pages = 1 };
    struct import imp;
    void *more;
    pid_t pid;

    fill_dmabuf(dmabuf, PAGES);
    imp = import_range(open_device(), dmabuf, 0, PAGES);
    pid = unbind_ttm();
    if (ends_within(pid, 1)) {
        fail("the driver was unbound with a buffer granted");
    }
    kill(pid, SIGKILL);
    if (!ends_within(pid, 10)) {
        fail("killing what waits does not end the wait");
    }
    if (ioctl(open_ttm(), LAB_TTM_CREATE, &create) == 0 || errno != ENODEV) {
        fail("the driver is still bound");
    }
    more = mmap(NULL, MIB << 20, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    keep_map(more, MIB << 20, "other memory");
    memset(more, 0xee, MIB << 20);
    copy_refs(imp.refs, PAGES, peer, false);
    expect_pages(peer, PAGES, 0, NULL, false, "the peer");
    expect_release(&imp, 0);
    bind_ttm();
}

/* A process waits for a limited time only if it is told so. */
static void ttm_unbinding_limited(void)
{
    enum { PAGES = 4, LIMIT = 3 };
    int dmabuf = make_ttm_buffer(PAGES, 0);
    struct import imp = import_range(open_device(), dmabuf, 0, PAGES);
    long limit = read_long(UNBIND_WAIT_PROCESS);
    bool early, ended;
    pid_t pid;

    write_long(UNBIND_WAIT_PROCESS, LIMIT);
    pid = unbind_ttm();
    early = ends_within(pid, LIMIT - 2);
    ended = early || ends_within(pid, 20);
    write_long(UNBIND_WAIT_PROCESS, limit);
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (limit || early || !ended) {
        fail("limit %d s: %s; by default %ld s", LIMIT,
             early ? "too early" : ended ? "in time" : "too late", limit);
    }
    expect_release(&imp, 0);
    bind_ttm();
}

/*
 * Has a thread of the kernel unbind the driver; returns after how many seconds
 * that is done, or -1. A call that makes a buffer waits for the device's lock.
 */
static long unbind_by_kernel(const struct import *release)
{
    struct lab_ttm_create create = { .nr_pages = 1 };
    int dev = open_ttm();
    time_t begin = time(NULL);

    if (ioctl(dev, LAB_TTM_UNBIND) < 0) {
        fail("LAB_TTM_UNBIND: %s", strerror(errno));
    }
    if (release) {
        sleep(1);
        expect_release(release, 0);
    }
    while (ioctl(dev, LAB_TTM_CREATE, &create) == 0) {
        close(create.fd);
        if (time(NULL) - begin > 100) {
            return -1;
        }
        short_sleep();
    }
    return errno == ENODEV ? time(NULL) - begin : -1;
}

/*
 * Nobody can kill a thread of the kernel, which therefore waits for a limited
 * time: until the peer lets go, or as long as unbind_wait says. Thereafter,
 * pages that have a count of their own are held.
 */
static void ttm_unbinding_by_kernel(void)
{
    enum { PAGES = 64, LIMIT = 4 };
    int dmabuf = make_ttm_buffer(PAGES, 0);
    uint64_t *peer = keep_mem(PAGES, PAGE);
    long limit = read_long(UNBIND_WAIT), patient, limited;
    struct import imp = import_range(open_device(), dmabuf, 0, PAGES);

    patient = unbind_by_kernel(&imp);
    bind_ttm();
    dmabuf = make_ttm_buffer(PAGES, 0);
    fill_dmabuf(dmabuf, PAGES);
    imp = import_range(open_device(), dmabuf, 0, PAGES);
    write_long(UNBIND_WAIT, LIMIT);
    limited = unbind_by_kernel(NULL);
    write_long(UNBIND_WAIT, limit);
    if (limit < 20 || patient < 0 || patient > limit / 2) {
        fail("the driver is unbound %ld s after the release (limit %ld s)",
             patient, limit);
    }
    if (limited < LIMIT - 1 || limited > LIMIT + 20) {
        fail("the driver is unbound after %ld s, the limit is %d s", limited,
             LIMIT);
    }
    copy_refs(imp.refs, PAGES, peer, false);
    expect_pages(peer, PAGES, 0, NULL, false, "the peer");
    expect_release(&imp, 0);
    bind_ttm();
}

#endif /* GRANTCHECK_TTM_H */
