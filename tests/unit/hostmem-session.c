/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of a scripted guest
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/reason.h"
#include "hostmem-session.h"

static unsigned pick(Session *s, unsigned n)
{
    return s->pick(s->source, n);
}

void session_start(Session *s, SessionPick *pick_fn, void *source)
{
    XenHostmemRules rules;
    bool proves;

    *s = (Session) { .pick = pick_fn, .source = source };
    proves = pick(s, 2);
    rules.grant = pick(s, 8);
    rules.trap = pick(s, 4);
    rules.quota = (1 + pick(s, FAKE_PAGES)) * XEN_HOSTMEM_PAGE_SIZE;
    s->f = fake_guest_new_rules(&rules);
    s->f->proves = proves;
}

static int32_t pick_status(Session *s)
{
    static const int32_t failures[] = {
        XEN_HOSTMEM_EIO, XEN_HOSTMEM_ENOMEM, XEN_HOSTMEM_ENODEV,
        XEN_HOSTMEM_EEXIST, XEN_HOSTMEM_EINVAL, XEN_HOSTMEM_ENOSPC,
    };

    return pick(s, 6) ? XEN_HOSTMEM_OK
                      : failures[pick(s, G_N_ELEMENTS(failures))];
}

static uint32_t pick_blob(Session *s)
{
    return 1 + pick(s, FAKE_BLOBS);
}

/* Some blobs are parts of larger buffers, unless they are exported again. */
static bool is_part(uint32_t blob)
{
    return blob % 4 == 0;
}

static uint64_t buffer_pages(uint32_t blob, unsigned pages)
{
    return is_part(blob) ? 2 * pages + 1 : pages;
}

static void step_map(Session *s)
{
    uint32_t blob = pick_blob(s);
    uint64_t first = pick(s, FAKE_PAGES + 2);
    uint64_t pages = pick(s, 16);

    if (s->f->blobs[blob].use != FAKE_UNUSED) {
        return;
    }
    switch (pick(s, 8)) {
    case 0:
        fake_map_no_dmabuf(s->f, blob, first, pages,
                           XEN_HOSTMEM_REASON_NOT_EXPORTABLE);
        break;
    case 1:
        fake_map_no_dmabuf(s->f, blob, first, pages,
                           XEN_HOSTMEM_REASON_NO_DESCRIPTORS);
        break;
    case 2 ... 3:
        fake_map_ring(s->f, blob, first, pages);
        break;
    default:
        s->f->buffer_pages = buffer_pages(blob, pages);
        fake_map(s->f, blob, first, pages);
        break;
    }
}

static void step_answer(Session *s)
{
    unsigned n = g_queue_get_length(&s->f->posted);

    if (n) {
        n = pick(s, n);
        s->f->busy = !pick(s, 4);
        fake_answer_nth(s->f, n, pick_status(s));
    }
}

static void leave(Session *s)
{
    /* Only a provider that proves releases detects a lie. */
    if (!s->f->leaving && pick(s, 2)) {
        fake_leaving(s->f);
    } else if (s->f->proves && !pick(s, 4)) {
        fake_leave_lying(s->f);
    } else {
        (pick(s, 2) ? fake_leave : fake_crash)(s->f);
    }
}

static void step_frontend(Session *s)
{
    if (s->f->leaving || (s->f->connected && !pick(s, 3))) {
        leave(s);
    } else if (!s->f->connected) {
        fake_arrive(s->f);
    }
}

/* Shortages come and go. */
static void step_shortage(Session *s)
{
    static const int errors[] = {
        0, 0, 0, -ENOSPC, -ENOSYS, -EOPNOTSUPP, -EDQUOT,
    };

    s->f->import_error = errors[pick(s, G_N_ELEMENTS(errors))];
    s->f->import_limit = pick(s, 2) ? UINT32_MAX : pick(s, 16);
    s->f->export_error = pick(s, 2) ? XEN_HOSTMEM_REASON_NO_DESCRIPTORS :
                         XEN_HOSTMEM_REASON_UDMABUF_FAILED;
    s->f->export_fails = pick(s, 2) ? 0 : pick(s, 256) << 1;
}

void session_step_others(Session *s)
{
    switch (pick(s, 9)) {
    case 0 ... 3:
        step_answer(s);
        break;
    case 4:
        fake_pump(s->f);
        break;
    case 5:
        fake_pass(s->f, (1 + pick(s, 40)) * 1000);
        break;
    case 6 ... 7:
        step_frontend(s);
        break;
    case 8:
        step_shortage(s);
        break;
    }
}

void session_step(Session *s)
{
    switch (pick(s, 17)) {
    case 0 ... 3:
        step_map(s);
        break;
    case 4 ... 6:
        fake_unmap(s->f, pick_blob(s));
        break;
    case 7:
        if (!pick(s, 6)) {
            fake_reset(s->f);
        }
        break;
    default:
        session_step_others(s);
        break;
    }
}

/* Temporary reasons are gone after some time without any shortage. */
static void check_recovered(void *opaque, const XenHostmemView *view)
{
    FakeGuest *f = opaque;
    uint64_t pinned = xen_hostmem_window_pinned(f->w);
    bool room = view->size <= f->rules.quota - pinned;
    /* Some may be parts of buffers, which count as a whole. */
    bool parts = is_part(view->blob) ||
                 pinned != xen_hostmem_window_granted(f->w);

    if (view->state != XEN_HOSTMEM_STATE_TRAPPED || !view->wanted ||
        !xen_hostmem_reason_may_pass(view->reason)) {
        return;
    }
    g_assert_cmpint(view->reason, ==, XEN_HOSTMEM_REASON_QUOTA);
    /* The part reserved for rings cannot be used by other blobs. */
    g_assert_true(!room || parts || f->rules.quota < FAKE_SIZE);
}

static void count_unrecovered(void *opaque, const XenHostmemView *view)
{
    unsigned *n = opaque;

    switch (view->state) {
    case XEN_HOSTMEM_STATE_TRAPPED:
        *n += xen_hostmem_reason_may_pass(view->reason);
        break;
    case XEN_HOSTMEM_STATE_MAPPED:
    case XEN_HOSTMEM_STATE_STALE:
    case XEN_HOSTMEM_STATE_QUARANTINED:
        break;
    default:
        *n += 1;
        break;
    }
}

/* Is there something that more time may change? */
static bool is_recovering(FakeGuest *f)
{
    unsigned n = 0;

    xen_hostmem_window_foreach(f->w, count_unrecovered, &n);
    return n || f->woken || !g_queue_is_empty(&f->posted);
}

static void recover(FakeGuest *f)
{
    f->import_error = 0;
    f->import_limit = UINT32_MAX;
    f->export_fails = 0;
    for (int second = 0; second < 200; second++) {
        fake_pass(f, 1000);
        fake_answer_all(f);
        if (!is_recovering(f)) {
            break;
        }
    }
    xen_hostmem_window_foreach(f->w, check_recovered, f);
}

void session_recover(Session *s)
{
    FakeGuest *f = s->f;

    f->busy = false;
    if (f->leaving) {
        fake_leave(f);
    }
    if (!f->connected) {
        fake_arrive(f);
    }
    recover(f);
}

void session_finish(Session *s)
{
    FakeGuest *f = s->f;

    session_recover(s);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        if (f->blobs[blob].use == FAKE_IN_USE) {
            fake_unmap(f, blob);
        }
    }
    fake_pump(f);
    fake_answer_all(f);
    fake_pass(f, XEN_HOSTMEM_MAP_LIMIT_MS + 1000);
    fake_answer_all(f);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        g_assert_cmpint(f->blobs[blob].use, !=, FAKE_MAP_PENDING);
        g_assert_cmpint(f->blobs[blob].use, !=, FAKE_UNMAP_PENDING);
    }
    fake_guest_free(f);
}
