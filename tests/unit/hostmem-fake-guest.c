/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted guest and kernel around a real window
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/stat.h>
#include "hw/xen/hostmem/mapping.h"
#include "hw/xen/hostmem/reason.h"
#include "hostmem-fake-guest.h"

/* A reference encodes its import and the page of the import. */
static uint32_t make_ref(uint64_t handle, uint32_t page)
{
    return (uint32_t)(handle << 8 | page) + 1;
}

static uint64_t ref_handle(uint32_t ref)
{
    return (ref - 1) >> 8;
}

static uint32_t ref_page(uint32_t ref)
{
    return (ref - 1) & 0xff;
}

uint64_t fake_identify(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return st.st_ino;
}

static FakeImport *get_import(FakeGuest *f, uint64_t handle)
{
    g_assert_cmpuint(handle, <, f->imports->len);
    return &g_array_index(f->imports, FakeImport, handle);
}

/* Invariants */

/*
 * I2: all pages that the guest has mapped are still imported.  A kernel without
 * proof cannot know of those that it has mapped elsewhere.
 */
static void check_frames(FakeGuest *f)
{
    for (guint i = 0; f->proves && i < f->kept->len; i++) {
        uint32_t ref = g_array_index(f->kept, uint32_t, i);

        g_assert_true(get_import(f, ref_handle(ref))->live);
    }
    for (unsigned i = 0; i < FAKE_PAGES; i++) {
        if (f->frames[i]) {
            g_assert_true(get_import(f, ref_handle(f->frames[i]))->live);
        }
    }
}

/* I1: an access at page @page of the blob reaches that page of its memory. */
static void check_access(FakeGuest *f, const FakeBlob *b, unsigned page)
{
    uint64_t offset = (b->first + page) * XEN_HOSTMEM_PAGE_SIZE, len = 8;
    uint32_t ref = f->frames[b->first + page];

    if (ref) {
        g_assert_cmpuint(get_import(f, ref_handle(ref))->buffer, ==,
                         b->buffer);
        g_assert_cmpuint(ref_page(ref), ==, page);
    } else {
        g_assert_true(xen_hostmem_window_host(f->w, offset, &len) ==
                      b->host + (size_t)page * XEN_HOSTMEM_PAGE_SIZE);
        g_assert_cmpuint(len, ==, 8);
    }
}

/* I5: the granted pages are counted correctly, and within the quota. */
static void check_quota(FakeGuest *f)
{
    uint64_t granted = 0, pinned = 0;

    for (guint i = 0; i < f->imports->len; i++) {
        if (get_import(f, i)->live) {
            granted += get_import(f, i)->pages * XEN_HOSTMEM_PAGE_SIZE;
            pinned += get_import(f, i)->pinned * XEN_HOSTMEM_PAGE_SIZE;
        }
    }
    g_assert_cmpuint(xen_hostmem_window_granted(f->w), ==, granted);
    g_assert_cmpuint(xen_hostmem_window_pinned(f->w), ==, pinned);
    g_assert_cmpuint(pinned, <=, f->rules.quota);
}

void fake_check(FakeGuest *f)
{
    check_frames(f);
    check_quota(f);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        const FakeBlob *b = &f->blobs[blob];

        for (unsigned i = 0; b->use == FAKE_IN_USE && i < b->pages; i++) {
            check_access(f, b, i);
        }
    }
}

/* Window operations */

/* Does this call fail, whatever the script says? */
static bool injected(FakeGuest *f)
{
    return ++f->calls == f->fail_nth;
}

static int injected_error(const FakeGuest *f)
{
    static const int errors[] = {
        -EIO, -ENOMEM, -EDQUOT, -ENOSPC, -ENOSYS, -EMFILE, -EOPNOTSUPP, -E2BIG,
        -ERANGE, -EINVAL,
    };

    return errors[f->calls % G_N_ELEMENTS(errors)];
}

/* A buffer that is made without a size is as large as what is granted. */
static uint64_t buffer_pages(int fd, uint32_t nr_pages)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return st.st_size ? xen_hostmem_nr_pages(st.st_size) : nr_pages;
}

static int fake_import(void *opaque, int dmabuf, uint32_t nr_pages,
                       uint32_t *refs, uint64_t *handle)
{
    FakeGuest *f = opaque;
    FakeImport import = {
        .buffer = fake_identify(dmabuf), .pages = nr_pages, .live = true,
        .pinned = buffer_pages(dmabuf, nr_pages),
    };

    g_assert_true(f->rules.grant);
    f->imports_tried++;
    if (injected(f)) {
        return injected_error(f);
    }
    if (f->import_error) {
        return f->import_error;
    }
    if (nr_pages > f->import_limit) {
        return -ENOSPC;
    }
    if (import.pinned > f->pin_limit) {
        return -ENOBUFS;
    }
    *handle = f->imports->len;
    for (uint32_t i = 0; i < nr_pages; i++) {
        refs[i] = make_ref(*handle, i);
    }
    g_array_append_val(f->imports, import);
    return 0;
}

/* Does the guest have any page of the import mapped elsewhere? */
static bool is_kept(const FakeGuest *f, uint64_t handle)
{
    for (guint i = 0; i < f->kept->len; i++) {
        if (ref_handle(g_array_index(f->kept, uint32_t, i)) == handle) {
            return true;
        }
    }
    return false;
}

static int fake_release(void *opaque, uint64_t handle, bool confirmed)
{
    FakeGuest *f = opaque;
    FakeImport *import = get_import(f, handle);

    g_assert_true(import->live);
    if (injected(f)) {
        return -EBUSY;
    }
    for (unsigned i = 0; i < FAKE_PAGES; i++) {
        if (f->frames[i] && ref_handle(f->frames[i]) == handle) {
            /* The fake frontend must not lie to a kernel without proof. */
            g_assert_true(f->proves || !confirmed);
            return -EBUSY;
        }
    }
    if (f->proves ? is_kept(f, handle) : !confirmed) {
        return -EBUSY;
    }
    import->live = false;
    return 0;
}

int fake_dmabuf(void)
{
    int fd = memfd_create("fake-dmabuf", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void fake_export(void *opaque, uint32_t blob, XenHostmemBuffer *buf)
{
    FakeGuest *f = opaque;

    f->exports_tried++;
    if (injected(f)) {
        buf->reason = XEN_HOSTMEM_REASON_NO_DESCRIPTORS;
        return;
    }
    if (f->on_export) {
        f->on_export(f->user, blob, buf);
        return;
    }
    g_assert_true(f->blobs[blob].use == FAKE_IN_USE ||
                  f->blobs[blob].use == FAKE_MAP_PENDING);
    g_assert_cmpint(buf->dmabuf, ==, -1);
    buf->dmabuf = -1;
    if (f->export_error && (f->export_fails & (1u << blob))) {
        buf->reason = f->export_error;
    } else {
        buf->dmabuf = fake_dmabuf();
        f->blobs[blob].buffer = fake_identify(buf->dmabuf);
    }
}

static bool reset_in_use(const FakeGuest *f, const XenHostmemRequest *req)
{
    uint64_t page = req->offset / XEN_HOSTMEM_PAGE_SIZE;

    for (uint32_t i = 0; i < req->nr_pages; i++) {
        if (f->used_at_reset[page + i]) {
            return true;
        }
    }
    return false;
}

static bool in_use(const FakeGuest *f, uint64_t offset)
{
    uint64_t page = offset / XEN_HOSTMEM_PAGE_SIZE;

    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        const FakeBlob *b = &f->blobs[blob];

        if (b->use == FAKE_IN_USE && page >= b->first &&
            page < b->first + b->pages) {
            return true;
        }
    }
    return false;
}

static bool fake_post(void *opaque, const XenHostmemRequest *req,
                      const uint32_t *refs)
{
    FakeGuest *f = opaque;
    FakeRequest *posted;

    g_assert_true(f->connected);                        /* R7, R18 */
    g_assert_cmpuint(req->nr_pages, >, 0);
    g_assert_cmpuint(req->offset + (uint64_t)req->nr_pages *
                     XEN_HOSTMEM_PAGE_SIZE, <=, FAKE_SIZE);
    g_assert_true(req->live || !in_use(f, req->offset));        /* R12 */
    g_assert_true(req->live || !reset_in_use(f, req));          /* R14 */
    if (injected(f) || g_queue_get_length(&f->posted) == FAKE_SLOTS) {
        return false;
    }
    f->live_maps += req->live && req->operation == XEN_HOSTMEM_OP_MAP;
    posted = g_new0(FakeRequest, 1);
    posted->req = *req;
    if (refs) {
        memcpy(posted->refs, refs, req->nr_pages * sizeof(*refs));
    }
    g_queue_push_tail(&f->posted, posted);
    return true;
}

static void fake_push(void *opaque)
{
    FakeGuest *f = opaque;

    f->pushed++;
}

static void fake_wake(void *opaque)
{
    FakeGuest *f = opaque;

    f->woken = true;
}

static bool is_granted(const FakeGuest *f, const FakeBlob *b)
{
    for (uint64_t i = 0; i < b->pages; i++) {
        if (!f->frames[b->first + i]) {
            return false;
        }
    }
    return true;
}

static void fake_settled(void *opaque, uint32_t blob, XenHostmemResult result)
{
    FakeGuest *f = opaque;
    FakeBlob *b = &f->blobs[blob];

    if (f->on_settled) {
        f->on_settled(f->user, blob, result);
        return;
    }
    g_array_append_val(f->settled, blob);
    switch (result) {
    case XEN_HOSTMEM_MAPPED:
        g_assert_cmpint(xen_hostmem_window_status(f->w, blob), ==, 0);
        g_assert_cmpint(b->use, ==, FAKE_MAP_PENDING);
        b->use = FAKE_IN_USE;
        /* xen-hostmem=granted: fully mapped, unless the driver has left. */
        g_assert_true(f->rules.trap || !f->connected || is_granted(f, b));
        break;
    case XEN_HOSTMEM_REFUSED:
        g_assert_cmpint(xen_hostmem_window_status(f->w, blob), ==, -ENOENT);
        g_assert_cmpint(b->use, ==, FAKE_MAP_PENDING);
        b->use = FAKE_UNUSED;
        break;
    case XEN_HOSTMEM_UNMAPPED:
        g_assert_cmpint(xen_hostmem_window_status(f->w, blob), ==, -ENOENT);
        g_assert_cmpint(b->use, ==, FAKE_UNMAP_PENDING);
        b->use = FAKE_UNUSED;
        break;
    default:
        g_assert_not_reached();
    }
}

static void fake_transition(void *opaque, const XenHostmemTransition *t)
{
    FakeGuest *f = opaque;

    f->transitions[t->to]++;
    g_assert_cmpint(t->from, !=, XEN_HOSTMEM_STATE_GONE);
    if (t->to == XEN_HOSTMEM_STATE_TRAPPED) {
        g_assert_cmpint(t->reason, !=, XEN_HOSTMEM_REASON_NONE);
        g_assert_nonnull(xen_hostmem_reason_text(t->reason));
    }
}

static int64_t fake_now(void *opaque)
{
    return ((FakeGuest *)opaque)->now;
}

static bool fake_guest_runs(void *opaque)
{
    FakeGuest *f = opaque;

    return !f->paused && !injected(f);
}

static const XenHostmemOps fake_ops = {
    .import = fake_import,
    .release = fake_release,
    .export = fake_export,
    .post = fake_post,
    .push = fake_push,
    .wake = fake_wake,
    .settled = fake_settled,
    .transition = fake_transition,
    .now_ms = fake_now,
    .guest_runs = fake_guest_runs,
};

FakeGuest *fake_guest_new(void)
{
    XenHostmemRules rules = { true, true, FAKE_SIZE };

    return fake_guest_new_rules(&rules);
}

FakeGuest *fake_guest_new_rules(const XenHostmemRules *rules)
{
    return fake_guest_new_size(rules, FAKE_SIZE);
}

FakeGuest *fake_guest_new_size(const XenHostmemRules *rules, uint64_t size)
{
    FakeGuest *f = g_new0(FakeGuest, 1);

    f->rules = *rules;
    f->proves = true;
    f->import_limit = UINT32_MAX;
    f->pin_limit = UINT64_MAX;
    f->export_fails = UINT32_MAX;
    f->kept = g_array_new(false, false, sizeof(uint32_t));
    f->imports = g_array_new(false, false, sizeof(FakeImport));
    f->settled = g_array_new(false, false, sizeof(uint32_t));
    g_queue_init(&f->posted);
    f->w = xen_hostmem_window_new(size, rules, &fake_ops, f);
    return f;
}

static void drop_posted(FakeGuest *f)
{
    while (!g_queue_is_empty(&f->posted)) {
        g_free(g_queue_pop_head(&f->posted));
    }
}

void fake_guest_free(FakeGuest *f)
{
    /* At the end of the domain everything must be released. */
    f->proves = true;
    f->fail_nth = 0;
    fake_forget_frames(f);
    xen_hostmem_window_free(f->w);
    for (guint i = 0; i < f->imports->len; i++) {
        g_assert_false(get_import(f, i)->live);         /* I8 */
    }
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        g_free(f->blobs[blob].host);
    }
    drop_posted(f);
    g_array_free(f->imports, true);
    g_array_free(f->kept, true);
    g_array_free(f->settled, true);
    g_free(f);
}

/* What is mapped may be the first pages of a larger buffer. */
static int dmabuf_to_map(const FakeGuest *f)
{
    int fd = fake_dmabuf();

    g_assert_cmpint(ftruncate(fd, f->buffer_pages * XEN_HOSTMEM_PAGE_SIZE), ==,
                    0);
    return fd;
}

static int map(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages,
               int dmabuf, bool ring, XenHostmemReason reason)
{
    FakeBlob *b = &f->blobs[blob];
    g_autofree uint8_t *host = g_malloc0(MIN(pages, FAKE_PAGES) *
                                         XEN_HOSTMEM_PAGE_SIZE + 1);
    XenHostmemBuffer buf = {
        .size = pages * XEN_HOSTMEM_PAGE_SIZE,
        .host = host,
        .dmabuf = dmabuf,
        .reason = reason,
        .shared_memory = ring,
    };
    uint64_t buffer = dmabuf >= 0 ? fake_identify(dmabuf) : 0;
    int rc = xen_hostmem_window_map(f->w, blob, first * XEN_HOSTMEM_PAGE_SIZE,
                                    &buf);

    if (rc == 0 || rc == -EINPROGRESS) {
        g_free(b->host);
        *b = (FakeBlob) {
            .use = rc ? FAKE_MAP_PENDING : FAKE_IN_USE,
            .first = first,
            .pages = pages,
            .buffer = buffer,
            .host = g_steal_pointer(&host),
        };
    } else if (dmabuf >= 0) {
        /* The window owns it on error, too. */
        g_assert_cmpint(fcntl(dmabuf, F_GETFD), ==, -1);
    }
    fake_check(f);
    return rc;
}

int fake_map(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages)
{
    return map(f, blob, first, pages, dmabuf_to_map(f), false,
               XEN_HOSTMEM_REASON_NONE);
}

int fake_map_ring(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages)
{
    return map(f, blob, first, pages, fake_dmabuf(), true,
               XEN_HOSTMEM_REASON_NONE);
}

int fake_map_no_dmabuf(FakeGuest *f, uint32_t blob, uint64_t first,
                       uint64_t pages, XenHostmemReason reason)
{
    return map(f, blob, first, pages, -1, false, reason);
}

void fake_map_granted(FakeGuest *f, uint32_t blob, uint64_t first,
                      uint64_t pages)
{
    g_assert_cmpint(fake_map(f, blob, first, pages), ==, -EINPROGRESS);
    fake_pump(f);
    fake_answer_all(f);
    g_assert_true(fake_take_settled(f, blob));
    g_assert_true(is_granted(f, &f->blobs[blob]));
}

int fake_unmap(FakeGuest *f, uint32_t blob)
{
    FakeBlob *b = &f->blobs[blob], before = *b;
    int rc;

    if (b->use == FAKE_IN_USE) {
        /* The guest stops using it before it asks for the unmap. */
        b->use = FAKE_UNMAP_PENDING;
    }
    rc = xen_hostmem_window_unmap(f->w, blob);
    if (rc == 0) {
        b->use = FAKE_UNUSED;
    } else if (rc == -EINPROGRESS) {
        b->use = FAKE_UNMAP_PENDING;
    } else {
        b->use = before.use;
    }
    fake_check(f);
    return rc;
}

void fake_reset(FakeGuest *f)
{
    xen_hostmem_window_reset(f->w);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        FakeBlob *b = &f->blobs[blob];

        for (uint64_t i = 0; b->use == FAKE_IN_USE && i < b->pages &&
             b->first + i < FAKE_PAGES; i++) {
            f->used_at_reset[b->first + i] = true;
        }
        b->use = FAKE_UNUSED;
    }
    fake_check(f);
}

/* It runs only if the window asked for it: a lost wake-up shows. */
static void run_bottom_half(FakeGuest *f)
{
    if (f->woken) {
        fake_pump(f);
    } else {
        fake_check(f);
    }
}

void fake_arrive(FakeGuest *f)
{
    f->connected = true;
    xen_hostmem_window_arrived(f->w, 4);
    run_bottom_half(f);
}

static void disconnect(FakeGuest *f, bool clean)
{
    f->connected = f->leaving = false;
    drop_posted(f);
    xen_hostmem_window_left(f->w, clean);
    run_bottom_half(f);
}

void fake_leaving(FakeGuest *f)
{
    xen_hostmem_window_leaving(f->w);
    f->connected = false;
    f->leaving = true;
    fake_check(f);
}

void fake_leave(FakeGuest *f)
{
    fake_leaving(f);
    fake_forget_frames(f);
    fake_check(f);              /* accesses are trapped meanwhile */
    disconnect(f, true);
}

void fake_leave_lying(FakeGuest *f)
{
    fake_leaving(f);
    disconnect(f, true);
}

void fake_crash(FakeGuest *f)
{
    disconnect(f, false);
}

void fake_forget_frames(FakeGuest *f)
{
    memset(f->frames, 0, sizeof(f->frames));
    g_array_set_size(f->kept, 0);
}

static void do_map(FakeGuest *f, const FakeRequest *r)
{
    uint64_t first = r->req.offset / XEN_HOSTMEM_PAGE_SIZE;

    for (uint32_t i = 0; i < r->req.nr_pages; i++) {
        g_assert_cmpuint(f->frames[first + i], ==, 0);      /* I7, R13 */
        f->frames[first + i] = r->refs[i];
    }
}

static void do_unmap(FakeGuest *f, const FakeRequest *r)
{
    uint64_t first = r->req.offset / XEN_HOSTMEM_PAGE_SIZE;

    for (uint32_t i = 0; i < r->req.nr_pages; i++) {
        g_assert_cmpuint(f->frames[first + i], !=, 0);
        if (f->hoards) {
            g_array_append_val(f->kept, f->frames[first + i]);
        }
        f->frames[first + i] = 0;
    }
}

void fake_answer_nth(FakeGuest *f, unsigned n, int32_t status)
{
    g_autofree FakeRequest *r = g_queue_pop_nth(&f->posted, n);
    XenHostmemReply reply;

    g_assert_nonnull(r);
    if (r->req.operation == XEN_HOSTMEM_OP_MAP &&
        !get_import(f, ref_handle(r->refs[0]))->live) {
        /* The import has been released, so Xen does not map it any more. */
        g_assert_true(f->leaving);
        status = XEN_HOSTMEM_EIO;
    }
    if (status == XEN_HOSTMEM_OK) {
        (r->req.operation == XEN_HOSTMEM_OP_MAP ? do_map : do_unmap)(f, r);
    }
    reply = (XenHostmemReply) {
        .id = r->req.id, .operation = r->req.operation, .status = status,
    };
    /* As frontend_event() in frontend.c does */
    xen_hostmem_window_reply(f->w, &reply);
    xen_hostmem_window_post(f->w);
    if (f->busy) {
        fake_check(f);
    } else {
        run_bottom_half(f);
    }
}

void fake_answer(FakeGuest *f, int32_t status)
{
    fake_answer_nth(f, 0, status);
}

void fake_answer_all(FakeGuest *f)
{
    while (!g_queue_is_empty(&f->posted)) {
        fake_answer(f, XEN_HOSTMEM_OK);
    }
}

void fake_pass(FakeGuest *f, int64_t ms)
{
    for (int64_t end = f->now + ms; f->now < end;) {
        f->now += MIN(1000, end - f->now);
        if (f->woken) {
            fake_pump(f);
        }
        if (f->ticking) {
            f->ticking = xen_hostmem_window_tick(f->w);
        }
        fake_check(f);
    }
}

void fake_sleep(FakeGuest *f, int64_t ms)
{
    f->now += ms;
}

/* Does the same as the BH in device.c. */
void fake_pump(FakeGuest *f)
{
    f->woken = false;
    f->ticking = true;
    xen_hostmem_window_pump(f->w);
    fake_check(f);
}

bool fake_take_settled(FakeGuest *f, uint32_t blob)
{
    for (guint i = 0; i < f->settled->len; i++) {
        if (g_array_index(f->settled, uint32_t, i) == blob) {
            g_array_remove_index(f->settled, i);
            return true;
        }
    }
    return false;
}

uint64_t fake_fallbacks(const FakeGuest *f, XenHostmemReason reason)
{
    return xen_hostmem_window_counters(f->w)->fallbacks[reason];
}

unsigned fake_granted(const FakeGuest *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_PAGES; i++) {
        n += f->frames[i] != 0;
    }
    return n;
}
