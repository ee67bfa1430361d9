/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's driver, with a backend that gets every number wrong once
 *
 * The driver's own files, on a machine that the test plays (guest/). The
 * machine checks what has to hold whatever the backend does: nothing is mapped
 * outside the window (I6), nowhere twice (R13), over no memory (R17), and
 * nothing is mapped or shared when the driver says so (R19) or is gone.
 */
#include "guest/machine.h"

#define SLOTS       64
#define NR_REFS     (XEN_HOSTMEM_MAX_GREF_PAGES * XEN_HOSTMEM_REFS_PER_PAGE)
#define PAGE        4096ull
#define NOT_ANSWERED 99

/* The backend's side of the ring, which follows no rule by itself */
static struct {
    RING_IDX posted, read;
} backend;

static xen_hostmem_sring_t *ring(void)
{
    return machine.ring;
}

static void start(void)
{
    machine_start();
    memset(&backend, 0, sizeof(backend));
}

static void start_connected(void)
{
    start();
    machine_connect();
    for (unsigned int i = 0; i < NR_REFS; i++) {
        ((u32 *)machine.refs)[i] = i;
    }
}

static void post(struct xen_hostmem_request req)
{
    ring()->ring[backend.posted++ % SLOTS].req = req;
    ring()->req_prod = backend.posted;
}

/* Returns the status of the next response, which is to that request. */
static int answer_to(const struct xen_hostmem_request *req)
{
    const struct xen_hostmem_response *rsp;

    if (backend.read == ring()->rsp_prod) {
        return NOT_ANSWERED;
    }
    rsp = &ring()->ring[backend.read++ % SLOTS].rsp;
    g_assert_cmpuint(rsp->id, ==, req->id);
    g_assert_cmpuint(rsp->operation, ==, req->operation);
    return rsp->status;
}

/* Each request is answered once, and by itself. */
static int ask(struct xen_hostmem_request req)
{
    int status;

    post(req);
    machine_kick();
    status = answer_to(&req);
    g_assert_cmpuint(backend.read, ==, ring()->rsp_prod);
    return status;
}

static struct xen_hostmem_request map_of(u64 id, u64 page, u32 nr_pages)
{
    return (struct xen_hostmem_request) {
        .id = id, .offset = page * PAGE, .nr_pages = nr_pages,
        .operation = XEN_HOSTMEM_OP_MAP,
    };
}

static struct xen_hostmem_request unmap_of(u64 id, u64 page, u32 nr_pages)
{
    return (struct xen_hostmem_request) {
        .id = id, .offset = page * PAGE, .nr_pages = nr_pages,
        .operation = XEN_HOSTMEM_OP_UNMAP,
    };
}

/* The driver still does what a backend asks for that behaves. */
static void check_alive(void)
{
    g_assert_cmpint(ask(map_of(7000, 2000, 3)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpuint(machine.frames[2001], ==, 2);
    g_assert_cmpint(ask(unmap_of(7000, 2000, 3)), ==, XEN_HOSTMEM_OK);
}

static void said(const char *text)
{
    if (!strstr(machine.log->str, text)) {
        g_error("the log lacks '%s': %s", text, machine.log->str);
    }
}

static void test_good(void)
{
    start_connected();
    g_assert_cmpstr(machine_read(MACHINE_FRONTEND, "unmapped"), ==, "0");
    check_alive();
    g_assert_cmpuint(machine.stops, ==, 0);
    machine_stop();
}

/* A request's numbers (R16): wrong, refused, and nothing done */

typedef struct {
    const char *name;
    struct xen_hostmem_request req;
} Wrong;

static const Wrong wrong_requests[] = {
    { "operation 0", { .nr_pages = 1, .operation = 0 } },
    { "operation 3", { .nr_pages = 1, .operation = 3 } },
    { "operation 255", { .nr_pages = 1, .operation = 255 } },
    { "flag 2", { .nr_pages = 1, .operation = 1, .flags = 2 } },
    { "all flags", { .nr_pages = 1, .operation = 1, .flags = 255 } },
    { "no pages", { .nr_pages = 0, .operation = 1 } },
    { "a page too many", { .nr_pages = MACHINE_WINDOW_PAGES + 1,
                           .operation = 1 } },
    { "all pages there are", { .nr_pages = UINT32_MAX, .operation = 1 } },
    { "more than references", { .nr_pages = NR_REFS + 1, .operation = 1 } },
    { "odd offset", { .offset = 1, .nr_pages = 1, .operation = 1 } },
    { "half a page", { .offset = 2048, .nr_pages = 1, .operation = 1 } },
    { "the end", { .offset = MACHINE_WINDOW_BYTES, .nr_pages = 1,
                   .operation = 1 } },
    { "across the end", { .offset = MACHINE_WINDOW_BYTES - PAGE, .nr_pages = 2,
                          .operation = 1 } },
    { "last offset", { .offset = -PAGE, .nr_pages = 1, .operation = 1 } },
    { "wraps", { .offset = -PAGE, .nr_pages = 2, .operation = 1 } },
    { "half of all offsets", { .offset = 1ull << 63, .nr_pages = 1,
                               .operation = 1 } },
    { "in the BAR, before the window", { .offset = -MACHINE_WINDOW_OFFSET,
                                         .nr_pages = 1, .operation = 1 } },
    { "4 GiB further", { .offset = 1ull << 32, .nr_pages = 1,
                         .operation = 1 } },
    { "first behind", { .nr_pages = 1, .first = NR_REFS, .operation = 1 } },
    { "across the last", { .nr_pages = 2, .first = NR_REFS - 1,
                           .operation = 1 } },
    { "first wraps", { .nr_pages = 2, .first = UINT32_MAX, .operation = 1 } },
    { "first and pages wrap", { .nr_pages = 1024, .first = UINT32_MAX - 1022,
                                .operation = 1 } },
    { "UNMAP with first", { .nr_pages = 1, .first = 1, .operation = 2 } },
    { "UNMAP of nothing", { .nr_pages = 0, .operation = 2 } },
    { "UNMAP outside", { .offset = MACHINE_WINDOW_BYTES, .nr_pages = 1,
                         .operation = 2 } },
    { "UNMAP of too much", { .nr_pages = UINT32_MAX, .operation = 2 } },
};

static void test_request(void)
{
    start_connected();
    for (unsigned int i = 0; i < G_N_ELEMENTS(wrong_requests); i++) {
        struct xen_hostmem_request req = wrong_requests[i].req;
        unsigned int calls = machine.hypercalls;

        g_test_message("%s", wrong_requests[i].name);
        req.id = 100 + i;
        g_assert_cmpint(ask(req), ==, XEN_HOSTMEM_EINVAL);
        g_assert_cmpuint(machine.hypercalls, ==, calls);
        said("malformed request");
        g_string_truncate(machine.log, 0);
    }
    check_alive();
    machine_stop();
}

static void test_reserved(void)
{
    start_connected();
    for (unsigned int i = 0; i < 6; i++) {
        struct xen_hostmem_request req = map_of(i, 0, 1);

        req.reserved[i] = 1 << i;
        g_assert_cmpint(ask(req), ==, XEN_HOSTMEM_EINVAL);
    }
    g_assert_cmpuint(machine.hypercalls, ==, 0);
    check_alive();
    machine_stop();
}

/* A MAP over what is mapped, however they overlap (R13) */
static void test_overlap(void)
{
    static const struct { u64 page; u32 nr; } over[] = {
        { 10, 10 }, { 10, 1 }, { 19, 1 }, { 12, 3 }, { 5, 6 }, { 19, 5 },
        { 5, 30 }, { 0, 2048 },
    };

    start_connected();
    g_assert_cmpint(ask(map_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    for (unsigned int i = 0; i < G_N_ELEMENTS(over); i++) {
        g_assert_cmpint(ask(map_of(2 + i, over[i].page, over[i].nr)), ==,
                        XEN_HOSTMEM_EEXIST);
    }
    g_assert_cmpint(ask(map_of(1, 20, 1)), ==, XEN_HOSTMEM_OK);  /* same id */
    g_assert_cmpuint(machine.mapped, ==, 11);
    g_assert_cmpint(ask(unmap_of(1, 20, 1)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpint(ask(unmap_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    check_alive();
    machine_stop();
}

/* An UNMAP with a wrong number removes nothing (R9, R14). */
static void test_unmap(void)
{
    static const struct { u64 id, page; u32 nr; int status; } wrong[] = {
        { 2, 10, 10, XEN_HOSTMEM_EINVAL }, { 1, 11, 9, XEN_HOSTMEM_EINVAL },
        { 1, 10, 9, XEN_HOSTMEM_EINVAL }, { 1, 10, 11, XEN_HOSTMEM_EINVAL },
        { 1, 9, 11, XEN_HOSTMEM_EINVAL }, { 1, 0, 2048, XEN_HOSTMEM_EINVAL },
        { 1, 20, 10, XEN_HOSTMEM_ENOENT }, { 1, 0, 10, XEN_HOSTMEM_ENOENT },
        { 0, 10, 10, XEN_HOSTMEM_EINVAL }, { -1, 10, 10, XEN_HOSTMEM_EINVAL },
    };

    start_connected();
    g_assert_cmpint(ask(map_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    for (unsigned int i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_cmpint(ask(unmap_of(wrong[i].id, wrong[i].page, wrong[i].nr)),
                        ==, wrong[i].status);
        g_assert_cmpuint(machine.mapped, ==, 10);
    }
    g_assert_cmpint(ask(unmap_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpint(ask(unmap_of(1, 10, 10)), ==, XEN_HOSTMEM_ENOENT);
    check_alive();
    machine_stop();
}

/* The same UNMAP twice, and others, in one go: they share a hypercall. */
static void test_unmaps_at_once(void)
{
    struct xen_hostmem_request reqs[] = {
        unmap_of(1, 10, 10), unmap_of(1, 10, 10), unmap_of(2, 30, 2),
        unmap_of(3, 30, 2), map_of(4, 10, 1), unmap_of(4, 10, 1),
    };
    static const int statuses[] = {
        XEN_HOSTMEM_OK, XEN_HOSTMEM_ENOENT, XEN_HOSTMEM_OK, XEN_HOSTMEM_ENOENT,
        XEN_HOSTMEM_OK, XEN_HOSTMEM_OK,
    };

    start_connected();
    g_assert_cmpint(ask(map_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpint(ask(map_of(2, 30, 2)), ==, XEN_HOSTMEM_OK);
    for (unsigned int i = 0; i < G_N_ELEMENTS(reqs); i++) {
        post(reqs[i]);
    }
    machine_kick();
    for (unsigned int i = 0; i < G_N_ELEMENTS(reqs); i++) {
        g_assert_cmpint(answer_to(&reqs[i]), ==, statuses[i]);
    }
    g_assert_cmpuint(machine.mapped, ==, 0);
    machine_stop();
}

/* References that Xen does not take */

static u32 bad_ref;
static int bad_status;

static int refuse_ref(const struct gnttab_map_grant_ref *op)
{
    return op->ref == bad_ref ? bad_status : GNTST_okay;
}

static int refuse_unmap(const struct gnttab_unmap_grant_ref *op)
{
    return GNTST_general_error;
}

static int status_for(int gntst)
{
    switch (gntst) {
    case GNTST_no_space:        /* maptrack */
        return XEN_HOSTMEM_ENOMEM;
    case GNTST_general_error:   /* page tables */
        return XEN_HOSTMEM_ENOSPC;
    default:
        return XEN_HOSTMEM_EIO;
    }
}

/* All or nothing (R11), for each status that Xen knows */
static void test_references(void)
{
    start_connected();
    machine.answer_map = refuse_ref;
    for (bad_status = GNTST_eagain; bad_status < 0; bad_status++) {
        for (bad_ref = 0; bad_ref < 600; bad_ref += 299) {
            struct xen_hostmem_request req = map_of(1, 40, 600);

            req.flags = bad_ref == 299 ? XEN_HOSTMEM_LIVE : 0;
            g_assert_cmpint(ask(req), ==, status_for(bad_status));
            g_assert_cmpuint(machine.mapped, ==, 0);
        }
    }
    g_assert_cmpuint(shim_jiffies, <, 100000);  /* it does not try for ever */
    machine.answer_map = NULL;
    check_alive();
    machine_stop();
}

/* What Xen does not unmap stays in the books, and closing does not lie. */
static void test_stuck(void)
{
    start_connected();
    g_assert_cmpint(ask(map_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    machine.answer_unmap = refuse_unmap;
    g_assert_cmpint(ask(unmap_of(1, 10, 10)), ==, XEN_HOSTMEM_EIO);
    g_assert_cmpint(ask(map_of(2, 15, 1)), ==, XEN_HOSTMEM_EEXIST);
    machine_backend(XenbusStateClosing);
    g_assert_cmpint(machine_state(), ==, XenbusStateClosing);
    g_assert_cmpstr(machine_read(MACHINE_FRONTEND, "unmapped"), ==, "0");
    said("cannot be unmapped");
    machine.answer_unmap = NULL;
    machine_stop();
}

/* A MAP that fails half-way, and whose first half Xen then keeps (R11) */
static void test_half_stuck(void)
{
    start_connected();
    machine.answer_map = refuse_ref;
    machine.answer_unmap = refuse_unmap;
    bad_ref = 5;
    bad_status = GNTST_bad_gntref;
    g_assert_cmpint(ask(map_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpuint(machine.mapped, ==, 9);
    machine.answer_unmap = NULL;
    g_assert_cmpint(ask(unmap_of(1, 10, 10)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpuint(machine.mapped, ==, 0);
    machine_stop();
}

/* The references change while they are being mapped (R8). */
static int scribble(const struct gnttab_map_grant_ref *op)
{
    memset(machine.refs, 0xee, NR_REFS * 4);
    return GNTST_okay;
}

static void test_references_change(void)
{
    start_connected();
    machine.answer_map = scribble;
    g_assert_cmpint(ask(map_of(1, 0, 600)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpint(ask(unmap_of(1, 0, 600)), ==, XEN_HOSTMEM_OK);
    machine_stop();
}

/* The ring's indices (R22, from the other side) */
static void test_index(void)
{
    static const RING_IDX ahead[] = {
        SLOTS + 1, 1000, 1u << 31, -1u, -SLOTS,
    };

    for (unsigned int i = 0; i < G_N_ELEMENTS(ahead); i++) {
        start_connected();
        g_assert_cmpint(ask(map_of(1, 0, 2)), ==, XEN_HOSTMEM_OK);
        ring()->req_prod = backend.posted + ahead[i];
        machine_kick();
        said("invalid request index");
        g_assert_cmpuint(machine.mapped, ==, 0);
        g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
        machine_kick();         /* and is not served again */
        machine_backend(XenbusStateClosed);
        g_assert_cmpuint(machine.granted, ==, 0);
        machine_stop();
    }
}

/* The backend writes where only the driver should. */
static void test_indices_that_are_ours(void)
{
    struct xen_hostmem_request req = map_of(1, 0, 2);

    start_connected();
    post(req);
    ring()->rsp_prod = 12345;
    ring()->req_event = 999;
    ring()->rsp_event = -1;
    machine_kick();
    g_assert_cmpuint(ring()->rsp_prod, ==, 1);
    g_assert_cmpint(answer_to(&req), ==, XEN_HOSTMEM_OK);
    machine_stop();
}

/* A request that changes while it is served; and a full ring at once */
static void test_flood(void)
{
    start_connected();
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < SLOTS; i++) {
            post(map_of(i, i * 20, 20 + (i == 7)));
        }
        machine_kick();
        g_assert_cmpuint(ring()->rsp_prod, ==, backend.posted);
        for (int i = 0; i < SLOTS; i++) {
            post(unmap_of(i, i * 20, 20 + (i == 7)));
        }
        machine_kick();
        g_assert_cmpuint(machine.mapped, ==, 0);
    }
    backend.read = backend.posted;
    check_alive();
    machine_stop();
}

/* Interrupts without a request */
static void test_interrupts(void)
{
    start_connected();
    for (int i = 0; i < 1000; i++) {
        machine_kick();
    }
    g_assert_cmpuint(machine.eois, ==, 1000);
    check_alive();
    machine_stop();
}

/* Nodes: what the driver does not believe (R2, R6) */

typedef struct {
    const char *node, *value, *says;
} WrongNode;

static const WrongNode wrong_versions[] = {
    { "versions", NULL, "reading" }, { "versions", "", "update the older" },
    { "versions", "0", "update the older" },
    { "versions", "2", "update the older" },
    { "versions", "1x", "update the older" },
    { "versions", "-1", "update the older" },
    { "versions", "4294967297", "update the older" },
    { "versions", "18446744073709551617", "update the older" },
    { "versions", ",,,2,,", "update the older" },
    { "versions", "1.0", "update the older" },
};

static void test_versions(void)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(wrong_versions); i++) {
        const WrongNode *w = &wrong_versions[i];

        g_test_message("versions '%s'", w->value);
        start();
        machine_remove();
        if (w->value) {
            machine_write(MACHINE_BACKEND, w->node, "%s", w->value);
        } else {
            g_hash_table_remove(machine.store, MACHINE_BACKEND "/versions");
        }
        machine_write(MACHINE_FRONTEND, "state", "1");
        machine_probe();
        g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
        g_assert_cmpuint(machine.granted, ==, 0);
        said(w->says);
        machine_stop();
    }
}

static const WrongNode wrong_nodes[] = {
    { "pci-address", NULL, "does not have the form" },
    { "pci-address", "", "does not have the form" },
    { "pci-address", "0000:00:04", "does not have the form" },
    { "pci-address", "0000:00:04.0g", "does not have the form" },
    { "pci-address", "10000:00:04.0", "does not have the form" },
    { "pci-address", "0000:100:04.0", "does not have the form" },
    { "pci-address", "0000:00:20.0", "does not have the form" },
    { "pci-address", "0000:00:04.8", "does not have the form" },
    { "pci-address", "0000:00:05.0", "there is no PCI function" },
    { "pci-address", "0001:00:04.0", "there is no PCI function" },
    { "shm-id", NULL, "is not a number" },
    { "shm-id", "one", "is not a number" },
    { "shm-id", "1 1", "is not a number" },
    { "shm-id", "256", "is not a number" },
    { "shm-id", "-1", "is not a number" },
    { "shm-id", "0", "no shared memory region 0" },
    { "shm-id", "2", "no shared memory region 2" },
    { "window-size", NULL, "positive multiple" },
    { "window-size", "0", "positive multiple" },
    { "window-size", "4097", "positive multiple" },
    { "window-size", "8388608x", "positive multiple" },
    { "window-size", "8392704", "but the backend says" },
    { "window-size", "8384512", "but the backend says" },
    { "window-size", "-4096", "but the backend says" },
    { "window-size", "9223372036854775808", "but the backend says" },
};

static void refuses_to_connect(const char *says)
{
    g_assert_cmpint(machine_state(), ==, XenbusStateInitialised);
    machine_backend(XenbusStateConnected);
    said(says);
    g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
    g_assert_cmpint(machine.gpu->references, ==, 0);
    /* A request all the same: nothing happens. */
    post(map_of(1, 0, 1));
    machine_kick();
    g_assert_cmpuint(machine.mapped, ==, 0);
    machine_stop();
}

static void test_nodes(void)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(wrong_nodes); i++) {
        const WrongNode *w = &wrong_nodes[i];
        g_autofree char *path = g_strdup_printf("%s/%s", MACHINE_BACKEND,
                                                w->node);

        g_test_message("%s '%s'", w->node, w->value);
        start();
        if (w->value) {
            machine_write(MACHINE_BACKEND, w->node, "%s", w->value);
        } else {
            g_hash_table_remove(machine.store, path);
        }
        refuses_to_connect(w->says);
    }
}

/* The PCI function: one octet, or the BAR, is wrong (R6). */

static void gpu_is_another(void) { machine.gpu->device = 0x1041; }
static void gpu_is_foreign(void) { machine.gpu->vendor = 0x8086; }
static void gpu_is_gone(void) { machine.gpu->gone = true; }

static u8 *capability(void)
{
    return &machine.gpu->config[MACHINE_CAPABILITY];
}

static void no_capability(void)
{
    machine.gpu->config[0x34] = 0;
}

static void capability_loops(void)
{
    capability()[3] = 9;                            /* another type */
    capability()[1] = MACHINE_CAPABILITY;
}
static void capability_is_short(void) { capability()[2] = 16; }
static void capability_at_end(void)
{
    /* Its fields would be outside of the configuration space. */
    machine.gpu->config[0x34] = 0xfc;
    machine.gpu->config[0xfc] = PCI_CAP_ID_VNDR;
    machine.gpu->config[0xfe] = 24;
    machine.gpu->config[0xff] = 8;
}
static void bar_is_6(void) { capability()[4] = 6; }
static void bar_is_255(void) { capability()[4] = 255; }
static void bar_is_unused(void) { capability()[4] = 2; }
static void bar_is_io(void)
{
    machine.gpu->resource[MACHINE_BAR].flags = IORESOURCE_IO;
}
static void bar_without_address(void)
{
    machine.gpu->resource[MACHINE_BAR].end -= MACHINE_BAR_AT;
    machine.gpu->resource[MACHINE_BAR].start = 0;
}
static void region_is_behind(void) { capability()[11] = 0xff; }
static void region_crosses_end(void)
{
    capability()[9] = 0xf0;
    capability()[10] = 0xff;
}
static void region_is_high(void) { capability()[16] = 1; }
static void region_is_large(void) { capability()[20] = 1; }
static void region_is_odd(void) { capability()[8] = 8; }

static const struct {
    const char *name;
    void (*break_it)(void);
    const char *says;
} wrong_functions[] = {
    { "another device", gpu_is_another, "is not a virtio GPU" },
    { "another vendor", gpu_is_foreign, "is not a virtio GPU" },
    { "gone", gpu_is_gone, "no shared memory region" },
    { "no capability", no_capability, "no shared memory region" },
    { "a loop", capability_loops, "no shared memory region" },
    { "too short", capability_is_short, "no shared memory region" },
    { "BAR 6", bar_is_6, "does not fit BAR" },
    { "BAR 255", bar_is_255, "does not fit BAR" },
    { "unused BAR", bar_is_unused, "does not fit BAR" },
    { "I/O BAR", bar_is_io, "does not fit BAR" },
    { "BAR at 0", bar_without_address, "does not fit BAR" },
    { "region behind the BAR", region_is_behind, "does not fit BAR" },
    { "region across the BAR's end", region_crosses_end, "does not fit BAR" },
    { "region 4 GiB further", region_is_high, "does not fit BAR" },
    { "region of 4 GiB more", region_is_large, "but the backend says" },
    { "region not of pages", region_is_odd, "does not fit BAR" },
};

static void test_function(void)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(wrong_functions); i++) {
        g_test_message("%s", wrong_functions[i].name);
        start();
        wrong_functions[i].break_it();
        refuses_to_connect(wrong_functions[i].says);
    }
}

/* Found by a capability at the very end of the configuration space */
static void test_capability_at_end(void)
{
    start();
    capability_at_end();
    refuses_to_connect("no shared memory region");
}

/* After it has connected: the BAR moves, or memory appears in it (R17). */

static void test_bar_moves(void)
{
    u32 *command, *low;

    start_connected();
    command = (u32 *)&machine.gpu->config[PCI_COMMAND];
    low = (u32 *)&machine.gpu->config[PCI_BASE_ADDRESS_0 + 4 * MACHINE_BAR];

    shim_jiffies += 2 * HZ;
    *command = 0;
    g_assert_cmpint(ask(map_of(1, 0, 1)), ==, XEN_HOSTMEM_ENODEV);
    *command = PCI_COMMAND_MEMORY;
    *low += 0x1000000;
    g_assert_cmpint(ask(map_of(1, 0, 1)), ==, XEN_HOSTMEM_ENODEV);
    *low -= 0x1000000;
    machine.gpu->gone = true;
    g_assert_cmpint(ask(map_of(1, 0, 1)), ==, XEN_HOSTMEM_ENODEV);
    machine.gpu->gone = false;
    check_alive();

    machine.gpu->resource[MACHINE_BAR].start += 0x1000000;  /* by the kernel */
    g_assert_cmpint(ask(map_of(1, 0, 1)), ==, XEN_HOSTMEM_ENODEV);
    machine.gpu->resource[MACHINE_BAR].start -= 0x1000000;
    g_assert_cmpuint(machine.mapped, ==, 0);
    machine_stop();
}

static void test_memory_in_window(void)
{
    start_connected();
    machine.ram_at = MACHINE_WINDOW_AT + 100 * PAGE;
    machine.ram_bytes = PAGE;
    g_assert_cmpint(ask(map_of(1, 90, 20)), ==, XEN_HOSTMEM_ENODEV);
    g_assert_cmpint(ask(map_of(1, 90, 10)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpint(ask(map_of(2, 101, 10)), ==, XEN_HOSTMEM_OK);
    machine_stop();
}

/* LIVE stops the CPUs, for a bounded number of pages at a time (R12). */
static void test_live(void)
{
    struct xen_hostmem_request req = map_of(1, 0, 1000);

    start_connected();
    req.flags = XEN_HOSTMEM_LIVE;
    g_assert_cmpint(ask(req), ==, XEN_HOSTMEM_OK);
    g_assert_cmpuint(machine.stops, ==, 4);
    g_assert_cmpint(ask(unmap_of(1, 0, 1000)), ==, XEN_HOSTMEM_OK);
    g_assert_cmpuint(machine.stops, ==, 4);
    machine_stop();
}

/* States: any of them at any time */

static void test_states(void)
{
    for (unsigned int seed = 0; seed < 300; seed++) {
        GRand *rand = g_rand_new_with_seed(seed);

        start();
        for (int i = 0; i < 60; i++) {
            unsigned int what = g_rand_int_range(rand, 0, 12);

            if (what <= 10) {
                machine_backend(what);          /* 9 and 10 are none */
            } else if (machine.ring) {
                backend.posted = ring()->req_prod;
                post(map_of(i, i * 3, 3));
                machine_kick();
            }
            /* R19: nothing mapped when it says so */
            if (machine_state() == XenbusStateClosed) {
                g_assert_cmpuint(machine.mapped, ==, 0);
            }
        }
        machine_stop();
        g_rand_free(rand);
    }
}

/* A backend that neither closes nor goes: closing takes a bounded time. */
static void test_backend_stays(void)
{
    u64 before;

    start_connected();
    g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
    before = shim_jiffies;
    machine.reboot->notifier_call(machine.reboot, 0, NULL);
    g_assert_cmpuint(machine.mapped, ==, 0);
    g_assert_cmpuint(shim_jiffies - before, <, 7 * HZ);
    g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
    machine_stop();
}

/* It goes on asking while the driver closes. */
static void ask_more(void)
{
    if (machine.ring && ring()->req_prod - ring()->rsp_prod < SLOTS) {
        backend.posted = ring()->req_prod;
        post(map_of(9, backend.posted % 100 * 10, 4));
        if (machine.handler) {
            machine.handler(33, machine.handler_data);
        }
    }
}

/* What it asks for is refused (R17). */
static int no_more(const struct gnttab_map_grant_ref *op)
{
    g_assert_not_reached();
}

static void test_asks_while_closing(void)
{
    start_connected();
    g_assert_cmpint(ask(map_of(1, 1500, 5)), ==, XEN_HOSTMEM_OK);
    machine.answer_map = no_more;
    machine.while_asleep = ask_more;
    machine.reboot->notifier_call(machine.reboot, 0, NULL);
    machine.while_asleep = NULL;
    g_assert_cmpuint(machine.mapped, ==, 0);
    g_assert_cmpuint(machine.granted, ==, 0);
    machine_stop();
}

/* The backend's nodes disappear, whichever state it was in. */
static void test_nodes_vanish(void)
{
    start_connected();
    g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
    g_hash_table_remove(machine.store, MACHINE_BACKEND "/state");
    shim_driver->otherend_changed(machine.device, XenbusStateUnknown);
    machine_run();
    g_assert_cmpuint(machine.mapped, ==, 0);
    g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
    g_assert_cmpuint(machine.granted, ==, 0);
    machine_stop();
}

/*
 * xenbus has removed an instance as one that vanished: its state stays, here
 * Initialised, and the backend cannot map what that had granted.
 */
static void test_previous_vanished(void)
{
    start_connected();
    machine_remove();
    machine_write(MACHINE_FRONTEND, "state", "%d", XenbusStateInitialised);
    machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateClosing);
    machine_probe();
    g_assert_cmpint(machine_state(), ==, XenbusStateClosed);    /* R27 */
    machine_backend(XenbusStateClosed);
    g_assert_cmpint(machine_state(), ==, XenbusStateInitialising);
    machine_backend(XenbusStateInitWait);
    g_assert_cmpint(machine_state(), ==, XenbusStateInitialised);
    machine_stop();
}

/* It has left pages mapped: nobody says that it has not (R19). */
static void test_previous_left_pages(void)
{
    start_connected();
    machine_remove();
    machine_write(MACHINE_FRONTEND, "state", "%d", XenbusStateClosing);
    machine_write(MACHINE_FRONTEND, "unmapped", "0");
    machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateClosing);
    machine_probe();
    g_assert_cmpint(machine_state(), ==, XenbusStateClosing);
    machine_stop();
}

/*
 * A suspend that was cancelled: xenbus says nothing, and the driver connects
 * again, in xenwatch (machine.c checks it). Twice, as the first leaves a watch.
 */
static void test_suspend_cancelled(void)
{
    start_connected();
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
        g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
        g_assert_cmpuint(machine.mapped, ==, 0);
        g_assert_cmpuint(machine.granted, ==, 0);
        g_assert_cmpint(machine_state(), ==, XenbusStateClosed);
        machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateInitWait);
        shim_thaw();
        machine_run();
        machine_connect();
        backend.posted = backend.read = 0;
    }
    machine_stop();
}

/*
 * The backend's state changes, and xenwatch tells so, after the driver has been
 * told to start again and before it has: xenwatch has to wait for it, too.
 */
static void test_suspend_then_backend(void)
{
    start_connected();
    g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
    shim_thaw();
    machine_backend(XenbusStateClosed);         /* machine.c checks it */
    g_assert_cmpint(machine_state(), ==, XenbusStateInitialising);
    machine_backend(XenbusStateInitWait);
    machine_connect();
    machine_stop();
}

/* Each allocation after it fails once, that of the watch, too. */
static void test_suspend_without_memory(void)
{
    for (unsigned int n = 2; n < 4; n++) {
        start_connected();
        g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
        machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateInitWait);
        machine.fail_allocation = n;
        shim_thaw();
        machine_run();
        machine.fail_allocation = 0;
        machine_stop();
    }
}

/* The device goes while xenwatch has yet to call. */
static void test_suspend_then_removed(void)
{
    start_connected();
    g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
    shim_thaw();
    machine_stop();
}

/* Transactions that conflict for ever */
static void test_transactions(void)
{
    start();
    machine_remove();
    machine.transactions_to_fail = 1000000;
    machine_write(MACHINE_FRONTEND, "state", "1");
    machine_probe();
    said("writing to");
    g_assert_cmpuint(machine.granted, ==, 0);
    machine.transactions_to_fail = 0;
    machine_stop();
}

/* Each allocation fails once: an error, and nothing is lost. */
static void test_memory(void)
{
    for (unsigned int n = 1; n < 20; n++) {
        start();
        machine_remove();
        machine_write(MACHINE_FRONTEND, "state", "1");
        machine_write(MACHINE_BACKEND, "state", "1");
        machine_probe();                        /* waits for InitWait */
        machine.fail_allocation = n;
        machine_backend(XenbusStateInitWait);
        if (machine_state() == XenbusStateInitialised) {
            machine_backend(XenbusStateConnected);
        }
        if (machine_state() == XenbusStateConnected) {
            backend.posted = backend.read = 0;
            ask(map_of(1, 0, 4));
            machine.fail_allocation = 0;
            g_assert_cmpint(ask(map_of(2, 10, 4)), ==, XEN_HOSTMEM_OK);
        }
        machine_stop();
    }
}

/*
 * An unbind waits for the programs that use the memory, because a trapped
 * atomic instruction is none.
 */

static unsigned int naps;

static void programs_end(void)
{
    if (++naps == 20) {
        g_assert_cmpuint(machine.mapped, ==, 5);
        post(unmap_of(1, 0, 5));
        machine_kick();
    }
}

static void test_unbind_waits(void)
{
    start_connected();
    g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
    naps = 0;
    machine.while_asleep = programs_end;
    machine_remove();
    g_assert_cmpuint(naps, >=, 20);
    g_assert_cmpuint(machine.stops, ==, 0);     /* nothing was in use */
    said("waiting for the programs");
    machine.while_asleep = NULL;
    machine_stop();
}

/*
 * Who unregisters a watch waits for xenwatch, and xenwatch for the device's
 * lock if the device has vanished. The lock is held from when an unbind or a
 * suspend begins, so the driver must not sleep with its watch (R19: it has to
 * end).
 */

static void programs_end_unwatched(void)
{
    g_assert_null(machine.watch);
    programs_end();
}

static void map_after_suspend(void)
{
    machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateInitWait);
    shim_thaw();
    machine_run();
    machine_connect();
    g_assert_nonnull(machine.watch);
    backend.posted = backend.read = 0;
    g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
    naps = 0;
}

static void test_watch_goes_first(void)
{
    start_connected();
    g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
    map_after_suspend();
    machine.while_asleep = programs_end_unwatched;
    g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
    g_assert_cmpuint(naps, >, 0);
    machine.while_asleep = NULL;

    map_after_suspend();
    machine.while_asleep = programs_end_unwatched;
    machine_remove();
    g_assert_cmpuint(naps, >=, 20);
    machine.while_asleep = NULL;
    machine_stop();
}

static void kill_it(void)
{
    shim_task.killed = ++naps > 3;
}

static void force_it(void)
{
    *shim_parameter_force_unbind() = ++naps > 3;
}

static void backend_leaves(void)
{
    if (++naps > 3) {
        machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateClosed);
    }
}

static void test_unbind_anyway(void)
{
    void (*const ends[])(void) = { kill_it, force_it, backend_leaves };

    for (unsigned int i = 0; i < G_N_ELEMENTS(ends); i++) {
        start_connected();
        g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
        naps = 0;
        machine.while_asleep = ends[i];
        machine_remove();
        g_assert_cmpuint(naps, >=, 4);
        g_assert_cmpuint(machine.mapped, ==, 0);
        g_assert_cmpuint(machine.stops, ==, 1);
        shim_task.killed = false;
        machine.while_asleep = NULL;
        machine_stop();
    }
}

static void nobody_ends(void)
{
    g_assert_cmpuint(++naps, <, 1000);
}

/* The device vanishes from xenstore: xenwatch removes it. */
static void test_removed_by_kernel(void)
{
    start_connected();
    g_assert_cmpint(ask(map_of(1, 0, 5)), ==, XEN_HOSTMEM_OK);
    naps = 0;
    machine.while_asleep = nobody_ends;
    shim_task.flags = PF_KTHREAD;
    machine_remove();
    g_assert_cmpuint(machine.mapped, ==, 0);
    said("removed while programs use memory");
    shim_task.flags = 0;
    machine.while_asleep = NULL;
    machine_stop();
}

/* Any request, any index: what must hold is in the machine. */
static void test_random(void)
{
    for (unsigned int seed = 0; seed < 200; seed++) {
        GRand *rand = g_rand_new_with_seed(seed);

        start_connected();
        for (int i = 0; i < 400 && machine.ring; i++) {
            struct xen_hostmem_request req = {
                .id = g_rand_int_range(rand, 0, 8),
                .offset = g_rand_int_range(rand, -4, 40) * 51 * PAGE,
                .nr_pages = g_rand_int_range(rand, 0, 110),
                .first = g_rand_int_range(rand, 0, 50) ? 0 :
                         g_rand_int(rand) >> g_rand_int_range(rand, 0, 32),
                .operation = g_rand_int_range(rand, 0, 40) % 3,
                .flags = !g_rand_int_range(rand, 0, 6),
            };

            bad_ref = g_rand_int_range(rand, 0, 400);
            bad_status = -g_rand_int_range(rand, 1, 13);
            machine.answer_map = refuse_ref;
            post(req);
            if (g_rand_int_range(rand, 0, 3) ||
                ring()->req_prod - ring()->rsp_prod == SLOTS) {
                machine_kick();
                g_assert_cmpuint(ring()->rsp_prod, ==, backend.posted);
            }
        }
        machine_stop();
        g_rand_free(rand);
    }
}

/* A backend that follows the frontend, by one step */
static void follow(void)
{
    switch (machine_state()) {
    case XenbusStateInitialising:
        machine_backend(XenbusStateInitWait);
        break;
    case XenbusStateInitialised:
        machine_backend(XenbusStateConnected);
        break;
    case XenbusStateConnected:
        break;
    case XenbusStateClosing:
        machine_backend(XenbusStateClosing);
        break;
    default:
        machine_backend(XenbusStateClosed);
        break;
    }
}

static void post_any(GRand *rand, unsigned int n)
{
    if (!machine.ring || ring()->req_prod - ring()->rsp_prod == SLOTS) {
        return;
    }
    backend.posted = ring()->req_prod;
    post(g_rand_boolean(rand) ? map_of(n, n * 3, 3) :
                                unmap_of(n - 1, n * 3 - 3, 3));
    if (g_rand_boolean(rand)) {
        machine_kick();
    }
}

/* With or without xenbus' .restore; thawed later, if at all */
static void suspend_any(GRand *rand)
{
    g_assert_cmpint(shim_driver->suspend(machine.device), ==, 0);
    g_assert_cmpuint(machine.mapped, ==, 0);
    if (g_rand_boolean(rand)) {
        machine.device->state = XenbusStateInitialising;
    }
}

static void load_again(GRand *rand)
{
    *shim_parameter_force_unbind() = true;
    machine_remove();
    *shim_parameter_force_unbind() = false;
    g_assert_cmpuint(machine.mapped, ==, 0);
    g_assert_cmpuint(machine.granted, ==, 0);
    if (g_rand_boolean(rand)) {
        machine_write(MACHINE_FRONTEND, "state", "%d",
                      XenbusStateInitialising);
    }
    machine_probe();
}

static void any_event(GRand *rand, unsigned int n)
{
    switch (g_rand_int_range(rand, 0, 14)) {
    case 0 ... 3:
        follow();
        break;
    case 4:
        machine_backend(g_rand_int_range(rand, 0, 9));
        break;
    case 5 ... 8:
        post_any(rand, n);
        break;
    case 9:
        suspend_any(rand);
        break;
    case 10:
        shim_thaw();            /* what that queues may run later */
        break;
    case 11:
        machine_run();
        break;
    case 12:
        load_again(rand);
        break;
    case 13:
        if (!g_rand_int_range(rand, 0, 8)) {
            machine.reboot->notifier_call(machine.reboot, 0, NULL);
            g_assert_cmpuint(machine.mapped, ==, 0);
        }
        break;
    }
}

/*
 * What can happen to a device, in any order. The machine checks the rest; and
 * after a suspend that was cancelled the driver connects, whatever was before.
 */
static void test_lives(void)
{
    for (unsigned int seed = 0; seed < 300; seed++) {
        GRand *rand = g_rand_new_with_seed(seed);

        start();
        for (unsigned int n = 1; n < 80; n++) {
            any_event(rand, n);
        }
        suspend_any(rand);
        shim_thaw();
        for (int i = 0; i < 5; i++) {
            machine_run();
            follow();
        }
        g_assert_cmpint(machine_state(), ==, XenbusStateConnected);
        machine_stop();
        g_rand_free(rand);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/good", test_good);
    g_test_add_func("/guest/request", test_request);
    g_test_add_func("/guest/reserved", test_reserved);
    g_test_add_func("/guest/overlap", test_overlap);
    g_test_add_func("/guest/unmap", test_unmap);
    g_test_add_func("/guest/unmaps-at-once", test_unmaps_at_once);
    g_test_add_func("/guest/references", test_references);
    g_test_add_func("/guest/references-change", test_references_change);
    g_test_add_func("/guest/stuck", test_stuck);
    g_test_add_func("/guest/half-stuck", test_half_stuck);
    g_test_add_func("/guest/index", test_index);
    g_test_add_func("/guest/our-indices", test_indices_that_are_ours);
    g_test_add_func("/guest/flood", test_flood);
    g_test_add_func("/guest/interrupts", test_interrupts);
    g_test_add_func("/guest/versions", test_versions);
    g_test_add_func("/guest/nodes", test_nodes);
    g_test_add_func("/guest/function", test_function);
    g_test_add_func("/guest/capability-at-end", test_capability_at_end);
    g_test_add_func("/guest/bar-moves", test_bar_moves);
    g_test_add_func("/guest/memory-in-window", test_memory_in_window);
    g_test_add_func("/guest/live", test_live);
    g_test_add_func("/guest/states", test_states);
    g_test_add_func("/guest/suspend-cancelled", test_suspend_cancelled);
    g_test_add_func("/guest/suspend-then-backend", test_suspend_then_backend);
    g_test_add_func("/guest/suspend-without-memory",
                    test_suspend_without_memory);
    g_test_add_func("/guest/suspend-then-removed", test_suspend_then_removed);
    g_test_add_func("/guest/backend-stays", test_backend_stays);
    g_test_add_func("/guest/asks-while-closing", test_asks_while_closing);
    g_test_add_func("/guest/nodes-vanish", test_nodes_vanish);
    g_test_add_func("/guest/previous-vanished", test_previous_vanished);
    g_test_add_func("/guest/previous-left-pages", test_previous_left_pages);
    g_test_add_func("/guest/transactions", test_transactions);
    g_test_add_func("/guest/memory", test_memory);
    g_test_add_func("/guest/unbind-waits", test_unbind_waits);
    g_test_add_func("/guest/unbind-anyway", test_unbind_anyway);
    g_test_add_func("/guest/watch-goes-first", test_watch_goes_first);
    g_test_add_func("/guest/removed-by-kernel", test_removed_by_kernel);
    g_test_add_func("/guest/random", test_random);
    g_test_add_func("/guest/lives", test_lives);
    return g_test_run();
}
