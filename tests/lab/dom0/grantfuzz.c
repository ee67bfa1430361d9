// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * grantfuzz: random and hostile ioctls of /dev/xen/dmabuf-grant, in dom0
 *
 *   grantfuzz SECONDS [SEED]
 *
 * Several threads share descriptors of the device, of dma-bufs and of other
 * files, and open, duplicate and close them while others use them. Requests are
 * valid ones in which any field may be replaced, by a number at a limit or by
 * any at all; they lie in memory that is not there, not writable, ends early,
 * or is being unmapped by another thread. Processes that hold imports are
 * killed. Where the domain can map its own grants (PV), a thread maps
 * references at random, and so acts as a peer that keeps some.
 *
 * At the end everything is closed, and the module's counters have to be what
 * they were at the start. Nothing else may use the device meanwhile. Prints a
 * line of JSON. Needs root, debugfs, and the modules that grantcheck needs.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "grantcheck.h"

enum { THREADS = 6, DEVICES = 4, BUFFERS = 5, HANDLES = 64, PAGES_MAX = 1500,
       PEER = 30000, PEERS = 8, ARENA_PAGES = 8 };

static const uint32_t buffer_pages[BUFFERS] = { 1, 3, 64, 700, PAGES_MAX };

/* Used by all threads, without locks: that is the point. */
static volatile int devices[DEVICES];
static volatile uint64_t handles[HANDLES];
static volatile uint32_t some_refs[HANDLES];
static int buffers[BUFFERS];
static int not_buffers[3];
static volatile bool stop;
/* Pages: writable, read-only, none, moving, and then none. */
static uint8_t *arena;

struct fuzzer {
    pthread_t thread;
    uint64_t state;
    uint64_t calls, imports, releases, restricts, maps, kills;
};

static uint64_t next(struct fuzzer *f)
{
    f->state ^= f->state << 13;
    f->state ^= f->state >> 7;
    f->state ^= f->state << 17;
    return f->state;
}

static uint32_t below(struct fuzzer *f, uint32_t n)
{
    return (next(f) >> 11) % n;
}

static bool one_in(struct fuzzer *f, uint32_t n)
{
    return below(f, n) == 0;
}

/* Any number, mostly one at a limit. */
static uint64_t odd(struct fuzzer *f)
{
    static const uint64_t limits[] = {
        0, 1, 4095, 4096, 0x7fef, 0x7ff0, 0x7fff, 0xffff, 0x10000, INT32_MAX,
        1u << 31, UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63, -4096ull,
        UINT64_MAX,
    };
    uint64_t value = limits[below(f, sizeof(limits) / sizeof(*limits))];

    return one_in(f, 4) ? next(f) : value + below(f, 3) - 1;
}

/* A place for a request or for references: good ones are per thread. */
static void *place(struct fuzzer *f, void *good)
{
    switch (below(f, 24)) {
    case 0:
        return (void *)(uintptr_t)odd(f);
    case 1:
        return arena + PAGE;                            /* read-only */
    case 2:
        return arena + PAGE - 8 * below(f, 8);          /* ends early */
    case 3:
        return arena + 2 * PAGE;                        /* not there */
    case 4:
        return arena + 3 * PAGE + 8 * below(f, 512);    /* moving */
    case 5:
        return (void *)0xffff888000000000ull;           /* the kernel's */
    default:
        return good;
    }
}

static int some_fd(struct fuzzer *f)
{
    switch (below(f, 12)) {
    case 0:
        return odd(f);
    case 1:
        return not_buffers[below(f, 3)];
    case 2:
        return devices[below(f, DEVICES)];
    default:
        return buffers[below(f, BUFFERS)];
    }
}

static uint32_t some_domain(struct fuzzer *f)
{
    return one_in(f, 3) ? self : PEER + below(f, PEERS);
}

static void import(struct fuzzer *f, uint32_t *refs)
{
    struct xen_dmabuf_grant_import req = { .fd = some_fd(f) }, *at;
    uint32_t pages = 1 + below(f, one_in(f, 4) ? PAGES_MAX : 8);

    req.domid = some_domain(f);
    req.nr_pages = pages;
    req.offset = one_in(f, 3) ? (uint64_t)below(f, 64) * PAGE : 0;
    req.refs = (uintptr_t)place(f, refs);
    switch (below(f, 10)) {
    case 0:
        req.domid = odd(f);
        break;
    case 1:
        req.nr_pages = odd(f);
        break;
    case 2:
        req.offset = odd(f);
        break;
    case 3:
        req.flags = odd(f);
        break;
    }
    at = place(f, &req);
    if (ioctl(devices[below(f, DEVICES)], XEN_DMABUF_GRANT_IMPORT, at) == 0) {
        uint32_t slot = below(f, HANDLES);

        f->imports++;
        if (at == &req) {
            handles[slot] = req.handle;
        }
        if (req.domid == self && req.refs == (uintptr_t)refs) {
            some_refs[slot] = refs[below(f, pages)];
        }
    }
}

static void release(struct fuzzer *f)
{
    struct xen_dmabuf_grant_release req = {
        .handle = handles[below(f, HANDLES)],
    };

    if (one_in(f, 8)) {
        req.handle = odd(f);
    }
    if (one_in(f, 16)) {
        req.flags = odd(f);
    }
    f->releases += ioctl(devices[below(f, DEVICES)], XEN_DMABUF_GRANT_RELEASE,
                         place(f, &req)) == 0;
}

static void restrict_device(struct fuzzer *f)
{
    struct xen_dmabuf_grant_restrict req = { .domid = some_domain(f) };

    if (one_in(f, 4)) {
        req.domid = odd(f);
    }
    if (one_in(f, 4)) {
        req.flags = odd(f);
    }
    f->restricts += ioctl(devices[below(f, DEVICES)],
                          XEN_DMABUF_GRANT_RESTRICT, place(f, &req)) == 0;
}

/* Any ioctl of any size, at any of the files. */
static void other(struct fuzzer *f)
{
    uint8_t junk[256];

    for (size_t i = 0; i < sizeof(junk); i++) {
        junk[i] = next(f);
    }
    ioctl(devices[below(f, DEVICES)],
          _IOC(below(f, 4), 'X', 0xc8 + below(f, 16), below(f, 256)),
          place(f, junk));
}

/* dup3() replaces the file while others use the number. */
static void reopen(struct fuzzer *f)
{
    int fd = open(XEN_DMABUF_GRANT_PATH, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        dup3(fd, devices[below(f, DEVICES)], O_CLOEXEC);
        close(fd);
    }
}

/* As a peer: map something, perhaps keep it for a while; see need_pv(). */
static void map(struct fuzzer *f)
{
    struct ioctl_gntdev_map_grant_ref req = { .count = 1 };
    int fd = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
    void *at;

    if (fd < 0) {
        return;
    }
    req.refs[0].domid = self;
    req.refs[0].ref = some_refs[below(f, HANDLES)];
    if (ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &req) == 0) {
        at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, req.index);
        if (at != MAP_FAILED) {
            f->maps++;
            *(volatile uint64_t *)at = next(f);
            usleep(below(f, 20000));
            munmap(at, PAGE);
        }
    }
    close(fd);
}

/* A process that dies with imports, perhaps in the middle of one. */
static void kill_one(struct fuzzer *f)
{
    pid_t pid = fork();

    if (pid == 0) {
        uint32_t *refs = mmap(NULL, PAGES_MAX * 4, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int fd = open(XEN_DMABUF_GRANT_PATH, O_RDWR);

        for (;;) {
            struct xen_dmabuf_grant_import req = {
                .fd = buffers[BUFFERS - 1], .domid = PEER,
                .nr_pages = PAGES_MAX, .refs = (uintptr_t)refs,
            };

            ioctl(fd, XEN_DMABUF_GRANT_IMPORT, &req);
        }
    }
    if (pid > 0) {
        usleep(below(f, 10000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        f->kills++;
    }
}

static void *fuzz(void *opaque)
{
    struct fuzzer *f = opaque;
    uint32_t *refs = malloc(PAGES_MAX * sizeof(*refs));

    while (!stop) {
        f->calls++;
        switch (below(f, 64)) {
        case 0:
            other(f);
            break;
        case 1:
            restrict_device(f);
            break;
        case 2:
        case 3:
            reopen(f);
            break;
        case 4:
            if (is_pv()) {
                map(f);
            }
            break;
        case 5:
            if (one_in(f, 16)) {
                kill_one(f);
            }
            break;
        default:
            if (one_in(f, 2)) {
                import(f, refs);
            } else {
                release(f);
            }
        }
    }
    free(refs);
    return NULL;
}

/* Takes the last page of the arena away and puts it back. */
static void *move(void *opaque)
{
    while (!stop) {
        mprotect(arena + 3 * PAGE, PAGE, PROT_NONE);
        usleep(100);
        mmap(arena + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        usleep(100);
    }
    return opaque;
}

static void prepare(void)
{
    arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    keep_map(arena, ARENA_PAGES * PAGE, "the arena");
    mprotect(arena + PAGE, PAGE, PROT_READ);
    mprotect(arena + 2 * PAGE, PAGE, PROT_NONE);
    mprotect(arena + 4 * PAGE, (ARENA_PAGES - 4) * PAGE, PROT_NONE);
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i] = make_udmabuf(buffer_pages[i]);
    }
    for (int i = 0; i < DEVICES; i++) {
        devices[i] = open_device();
    }
    not_buffers[0] = make_memfd(8);
    not_buffers[1] = keep_fd(open("/dev/null", O_RDWR), "/dev/null");
    not_buffers[2] = keep_fd(open("/dev/xen/gntdev", O_RDWR), "gntdev");
}

static void run(unsigned int seconds, uint64_t seed)
{
    static struct fuzzer fuzzers[THREADS];
    struct fuzzer sum = { 0 };
    pthread_t mover;

    prepare();
    for (int i = 0; i < THREADS; i++) {
        fuzzers[i].state = (seed + 1) * 0x9e3779b97f4a7c15ull + i;
        if (pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i])) {
            fail("pthread_create: thread %d", i);
        }
    }
    if (pthread_create(&mover, NULL, move, NULL)) {
        fail("pthread_create: the mover");
    }
    sleep(seconds);
    stop = true;
    pthread_join(mover, NULL);
    for (int i = 0; i < THREADS; i++) {
        const struct fuzzer *f = &fuzzers[i];

        pthread_join(f->thread, NULL);
        sum.calls += f->calls;
        sum.imports += f->imports;
        sum.releases += f->releases;
        sum.restricts += f->restricts;
        sum.maps += f->maps;
        sum.kills += f->kills;
    }
    snprintf(why, sizeof(why), "\"calls\": %" PRIu64 ", \"imports\": %" PRIu64
             ", \"releases\": %" PRIu64 ", \"restricts\": %" PRIu64
             ", \"maps\": %" PRIu64 ", \"kills\": %" PRIu64, sum.calls,
             sum.imports, sum.releases, sum.restricts, sum.maps, sum.kills);
}

int main(int argc, char **argv)
{
    struct counters before, after;

    if (argc < 2) {
        fprintf(stderr, "usage: grantfuzz SECONDS [SEED]\n");
        return 2;
    }
    before = read_counters();
    outcome = PASSED;
    if (setjmp(case_end) == 0) {
        run(atoi(argv[1]), argc > 2 ? strtoull(argv[2], NULL, 0) :
                                      (uint64_t)time(NULL));
    }
    clean_up();
    if (outcome != PASSED) {
        printf("{\"error\": \"%s\"}\n", why);
        return 1;
    }
    if (!settles_to(before)) {
        after = read_counters();
        printf("{%s, \"left\": [%ld, %ld, %ld, %ld]}\n", why,
               after.imports - before.imports,
               after.references - before.references,
               after.pending - before.pending,
               after.pinned - before.pinned);
        return 1;
    }
    printf("{%s, \"left\": [0, 0, 0, 0]}\n", why);
    return 0;
}
