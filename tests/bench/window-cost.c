/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cost of a map and an unmap for QEMU, in instructions
 *
 * Run it under callgrind, which counts only while it is toggled on. A minimal
 * peer replaces the kernel and the guest; instructions.py subtracts the cost of
 * its own functions, named peer_*, and of main(). The fake guest of the unit
 * tests is not suitable: it checks everything after each step, and has only 64
 * pages.
 *
 * The ring is the real one; the code that frontend.c and device.c have around
 * it is repeated here.
 */

#include "qemu/osdep.h"
#include <stdio.h>
#include <valgrind/callgrind.h>
#include "hw/xen/hostmem/window.h"

#define OTHER_PAGES     16
#define WARM_UP         4       /* until hash tables have grown */
#define BURST           64      /* maps before the guest answers any */
#define SLOTS           __CONST_RING_SIZE(xen_hostmem, XEN_HOSTMEM_PAGE_SIZE)

typedef struct Peer {
    XenHostmemWindow *w;
    XenHostmemRing *ring;
    xen_hostmem_sring_t *page;
    uint32_t *refs;
    RING_IDX answered;
    bool woken;
    unsigned unsettled;         /* calls for which settled() is due */
    uint32_t table_full_at;     /* imports of that many pages fail */
    bool proves;                /* that the guest has nothing mapped */
    uint64_t next_handle;
    uint64_t requests;
    int64_t now;
} Peer;

/* One row of the table. */
typedef struct Scenario {
    uint64_t pages, others, trapped, gref_pages;
    const char *why;            /* why blobs are trapped */
} Scenario;

/* The kernel */

static int peer_import(void *opaque, int dmabuf, uint32_t nr_pages,
                       uint32_t *refs, uint64_t *handle)
{
    Peer *p = opaque;

    if (nr_pages == p->table_full_at) {
        return -ENOSPC;
    }
    for (uint32_t i = 0; i < nr_pages; i++) {
        refs[i] = i + 1;
    }
    *handle = p->next_handle++;
    return 0;
}

static int peer_release(void *opaque, uint64_t handle, bool confirmed)
{
    Peer *p = opaque;

    return confirmed || p->proves ? 0 : -EBUSY;
}

static void peer_export(void *opaque, uint32_t blob, XenHostmemBuffer *buf)
{
    g_assert_not_reached();
}

/* QEMU's side of the window */

static bool qemu_post(void *opaque, const XenHostmemRequest *req,
                      const uint32_t *refs)
{
    Peer *p = opaque;

    return xen_hostmem_ring_post(p->ring, req, refs);
}

static void qemu_push(void *opaque)
{
    Peer *p = opaque;

    xen_hostmem_ring_push(p->ring);
}

static void qemu_settled(void *opaque, uint32_t blob, XenHostmemResult result)
{
    Peer *p = opaque;

    p->unsettled--;
}

static void peer_wake(void *opaque)
{
    Peer *p = opaque;

    p->woken = true;
}

static void peer_transition(void *opaque, const XenHostmemTransition *t)
{
}

static int64_t peer_now(void *opaque)
{
    Peer *p = opaque;

    return p->now;
}

static bool peer_runs(void *opaque)
{
    return true;
}

static const XenHostmemOps peer_ops = {
    .import = peer_import,
    .release = peer_release,
    .export = peer_export,
    .post = qemu_post,
    .push = qemu_push,
    .wake = peer_wake,
    .settled = qemu_settled,
    .transition = peer_transition,
    .now_ms = peer_now,
    .guest_runs = peer_runs,
};

/* Does the same as frontend_event(). */
static void G_NO_INLINE qemu_event(Peer *p)
{
    XenHostmemReply reply;

    while (xen_hostmem_ring_next(p->ring, &reply) == XEN_HOSTMEM_RING_REPLY) {
        xen_hostmem_window_reply(p->w, &reply);
    }
    xen_hostmem_window_post(p->w);
}

/* The guest: answers the oldest request. Returns false if there is none. */
static bool peer_answer(Peer *p)
{
    const struct xen_hostmem_request *req;
    struct xen_hostmem_response rsp;

    if (p->page->req_prod == p->answered) {
        return false;
    }
    req = &p->page->ring[p->answered % SLOTS].req;
    rsp = (struct xen_hostmem_response) {
        .id = req->id, .operation = req->operation, .status = XEN_HOSTMEM_OK,
    };
    p->page->ring[p->answered % SLOTS].rsp = rsp;
    p->page->rsp_prod = ++p->answered;
    p->requests++;
    return true;
}

/* Counting */

/* CALLGRIND_ZERO_STATS does not reset all: the totals differ from the sum. */
static void peer_begin(void)
{
    CALLGRIND_DUMP_STATS_AT("before");
}

static void peer_end(const char *what)
{
    CALLGRIND_DUMP_STATS_AT(what);
}

/* The main loop and the guest, until both are idle. */
static void peer_run(Peer *p)
{
    for (;;) {
        if (p->woken) {
            p->woken = false;
            CALLGRIND_TOGGLE_COLLECT;
            xen_hostmem_window_pump(p->w);
            CALLGRIND_TOGGLE_COLLECT;
        } else if (peer_answer(p)) {
            CALLGRIND_TOGGLE_COLLECT;
            qemu_event(p);
            CALLGRIND_TOGGLE_COLLECT;
        } else {
            break;
        }
    }
    g_assert_cmpuint(p->unsettled, ==, 0);
}

static int peer_open(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* Does not run the main loop. */
static void peer_ask(Peer *p, uint32_t blob, uint64_t first, uint64_t pages,
                     bool exportable)
{
    XenHostmemBuffer buf = {
        .size = pages * XEN_HOSTMEM_PAGE_SIZE,
        .host = p,
        .dmabuf = exportable ? peer_open() : -1,
        .reason = exportable ? XEN_HOSTMEM_REASON_NONE
                             : XEN_HOSTMEM_REASON_NOT_EXPORTABLE,
    };
    int rc;

    CALLGRIND_TOGGLE_COLLECT;
    rc = xen_hostmem_window_map(p->w, blob, first * XEN_HOSTMEM_PAGE_SIZE,
                                &buf);
    CALLGRIND_TOGGLE_COLLECT;
    g_assert_true(rc == 0 || rc == -EINPROGRESS);
    p->unsettled += rc != 0;
}

static void peer_map(Peer *p, uint32_t blob, uint64_t first, uint64_t pages,
                     bool exportable)
{
    peer_ask(p, blob, first, pages, exportable);
    peer_run(p);
}

static void peer_unmap(Peer *p, uint32_t blob)
{
    int rc;

    CALLGRIND_TOGGLE_COLLECT;
    rc = xen_hostmem_window_unmap(p->w, blob);
    CALLGRIND_TOGGLE_COLLECT;
    g_assert_cmpint(rc, ==, -EINPROGRESS);
    p->unsettled++;
    peer_run(p);
}

/* A second later. */
static void peer_tick(Peer *p)
{
    p->now += 1000;
    CALLGRIND_TOGGLE_COLLECT;
    xen_hostmem_window_tick(p->w);
    CALLGRIND_TOGGLE_COLLECT;
    peer_run(p);
}

/* Scenarios */

/* A quota of which blobs other than rings can use @pages pages. */
static uint64_t quota_for(uint64_t pages)
{
    uint64_t quota = pages;

    while (quota - MIN(quota / 8, 4096) < pages) {
        quota++;
    }
    return quota * XEN_HOSTMEM_PAGE_SIZE;
}

static void peer_init(Peer *p, const Scenario *s)
{
    uint32_t nr_refs = s->gref_pages * XEN_HOSTMEM_REFS_PER_PAGE;
    /* Trapped blobs are larger, so unmapping the measured one does not help. */
    uint64_t size = s->pages + s->others * OTHER_PAGES +
                    s->trapped * (s->pages + 1) + BURST * s->pages;
    XenHostmemRules rules = {
        .grant = true,
        .trap = true,
        .quota = !strcmp(s->why, "quota") ?
                 quota_for(s->pages + s->others * OTHER_PAGES) : UINT64_MAX,
    };

    *p = (Peer) { .now = 1 };
    if (!strcmp(s->why, "table-full")) {
        p->table_full_at = s->pages + 1;
    }
    p->page = g_malloc0(XEN_HOSTMEM_PAGE_SIZE);
    p->refs = g_new0(uint32_t, nr_refs);
    SHARED_RING_INIT(p->page);
    p->ring = xen_hostmem_ring_new(p->page, p->refs, nr_refs);
    /* Twice the size: a quota as large as the window limits nothing. */
    p->w = xen_hostmem_window_new(2 * size * XEN_HOSTMEM_PAGE_SIZE, &rules,
                                  &peer_ops, p);
    xen_hostmem_window_arrived(p->w, nr_refs / 4);
}

/* Returns the first page after them. */
static uint64_t peer_map_others(Peer *p, const Scenario *s)
{
    bool exportable = strcmp(s->why, "not-exportable");
    uint32_t blob = 2;
    uint64_t at = 0;

    for (uint64_t i = 0; i < s->others; i++, at += OTHER_PAGES) {
        peer_map(p, blob++, at, OTHER_PAGES, true);
    }
    for (uint64_t i = 0; i < s->trapped; i++, at += s->pages + 1) {
        peer_map(p, blob++, at, s->pages + 1, exportable);
    }
    return at;
}

static void count_state(void *opaque, const XenHostmemView *view)
{
    unsigned *n = opaque;

    n[view->state]++;
}

/* Check that the blobs are granted and trapped as the scenario requires. */
static void check(Peer *p, const Scenario *s, unsigned measured)
{
    unsigned n[XEN_HOSTMEM_STATE_GONE + 1] = { 0 };

    xen_hostmem_window_foreach(p->w, count_state, n);
    g_assert_cmpuint(n[XEN_HOSTMEM_STATE_MAPPED], ==, s->others + measured);
    g_assert_cmpuint(n[XEN_HOSTMEM_STATE_TRAPPED], ==, s->trapped);
}

/*
 * The device is reset while a driver that has just connected does not answer.
 * Rings are queued first, so that the queue and the window differ in order.
 */
static void peer_measure_reset(const Scenario *s)
{
    uint64_t blobs = MAX(s->others, 1);
    Peer p;

    peer_init(&p, s);
    xen_hostmem_window_left(p.w, true);
    for (uint64_t i = 0; i < blobs; i++) {
        XenHostmemBuffer buf = {
            .size = XEN_HOSTMEM_PAGE_SIZE,
            .host = &p,
            .dmabuf = peer_open(),
            .shared_memory = i % 2,
        };

        g_assert_cmpint(xen_hostmem_window_map(p.w, i + 1,
                                               i * XEN_HOSTMEM_PAGE_SIZE, &buf),
                        ==, 0);
    }
    xen_hostmem_window_arrived(p.w, 1);
    xen_hostmem_window_pump(p.w);
    peer_begin();
    CALLGRIND_TOGGLE_COLLECT;
    xen_hostmem_window_reset(p.w);
    CALLGRIND_TOGGLE_COLLECT;
    peer_end("reset");
}

/* Blobs of a page each that a driver left mapped when it crashed. */
static void peer_quarantine(Peer *p, uint64_t blobs)
{
    for (uint64_t i = 0; i < blobs; i++) {
        peer_map(p, i + 1, i, 1, true);
    }
    xen_hostmem_window_left(p->w, false);
    for (uint64_t i = 0; i < blobs; i++) {
        g_assert_cmpint(xen_hostmem_window_unmap(p->w, i + 1), ==, 0);
    }
    peer_run(p);
}

/*
 * Maps that wait for quarantined ranges: to ask for them, a tick meanwhile, and
 * the ticks at the end of the quarantine.
 */
static void peer_measure_waiters(uint64_t quarantined, uint64_t waiting)
{
    Scenario s = { .pages = 1, .others = 0, .trapped = quarantined,
                   .why = "not-exportable", .gref_pages = 16 };
    Peer p;

    peer_init(&p, &s);
    peer_quarantine(&p, quarantined);
    peer_begin();
    for (uint64_t i = 0; i < waiting; i++) {
        peer_ask(&p, UINT32_MAX - i, i, 1, true);
    }
    peer_end("wait");
    g_assert_cmpuint(p.unsettled, ==, waiting);

    p.woken = false;
    p.now += 1000;
    peer_begin();
    CALLGRIND_TOGGLE_COLLECT;
    xen_hostmem_window_tick(p.w);
    CALLGRIND_TOGGLE_COLLECT;
    peer_end("wait-tick");
    g_assert_cmpuint(p.unsettled, ==, waiting);

    p.proves = true;
    peer_begin();
    for (int i = 0; p.unsettled && i < 100; i++) {
        p.now += 1;             /* no limit expires */
        CALLGRIND_TOGGLE_COLLECT;
        xen_hostmem_window_tick(p.w);
        CALLGRIND_TOGGLE_COLLECT;
    }
    peer_end("wait-end");
    g_assert_cmpuint(p.unsettled, ==, 0);
}

static void peer_measure(const Scenario *s)
{
    uint64_t at;
    Peer p;

    peer_init(&p, s);
    at = peer_map_others(&p, s);
    for (int i = 0; i < WARM_UP; i++) {
        peer_map(&p, 1, at, s->pages, true);
        check(&p, s, 1);
        peer_unmap(&p, 1);
        check(&p, s, 0);
    }

    p.requests = 0;
    peer_begin();
    peer_map(&p, 1, at, s->pages, true);
    peer_end("map");
    printf("requests %" PRIu64 "\n", p.requests);
    check(&p, s, 1);

    peer_begin();
    peer_tick(&p);
    peer_end("tick");

    peer_begin();
    peer_unmap(&p, 1);
    peer_end("unmap");
    check(&p, s, 0);
    if (strcmp(s->why, "quota")) {
        peer_begin();
        for (uint32_t i = 0; i < BURST; i++) {
            peer_ask(&p, UINT32_MAX - i, at + i * s->pages, s->pages, true);
        }
        peer_run(&p);
        peer_end("burst");
        check(&p, s, BURST);
    }
    /* Not freed: the process exits. */
}

int main(int argc, char **argv)
{
    Scenario s;

    if (argc == 4 && !strcmp(argv[1], "waiters")) {
        peer_measure_waiters(g_ascii_strtoull(argv[2], NULL, 0),
                             g_ascii_strtoull(argv[3], NULL, 0));
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: %s PAGES OTHERS TRAPPED WHY GREF-PAGES\n"
                "       %s waiters QUARANTINED WAITING\n"
                "WHY: quota, table-full or not-exportable\n", argv[0], argv[0]);
        return 2;
    }
    s = (Scenario) {
        .pages = g_ascii_strtoull(argv[1], NULL, 0),
        .others = g_ascii_strtoull(argv[2], NULL, 0),
        .trapped = g_ascii_strtoull(argv[3], NULL, 0),
        .why = argv[4],
        .gref_pages = g_ascii_strtoull(argv[5], NULL, 0),
    };
    peer_measure(&s);
    peer_measure_reset(&s);
    return 0;
}
