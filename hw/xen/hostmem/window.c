/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the window: which blob is mapped where
 *
 * This file implements the GPU device's calls, and the effects of a frontend
 * connecting and leaving.  mapping.c has the state machine of one mapping,
 * ranges.c finds it.
 */

#include "qemu/osdep.h"
#include "window.h"
#include "blob.h"
#include "mapping.h"
#include "ranges.h"
#include "retry.h"

struct XenHostmemWindow {
    uint64_t size;              /* bytes */
    XenHostmemRanges ranges;
    XenHostmemMappings all;
    XenHostmemBlobs blobs;
    XenHostmemRetry retry;
    XenHostmemCounters counters;
    XenHostmemClock clock;      /* for the time limits */
    int64_t leave_deadline;     /* guest_ms; for a Closing frontend */
};

static bool range_is_valid(const XenHostmemWindow *w, uint64_t offset,
                           uint64_t size)
{
    return size && offset % XEN_HOSTMEM_PAGE_SIZE == 0 && offset < w->size &&
           size <= w->size - offset;
}

static int64_t now_ms(XenHostmemWindow *w)
{
    return w->all.ops->now_ms(w->all.ops_opaque);
}

static void wake(XenHostmemWindow *w)
{
    w->all.ops->wake(w->all.ops_opaque);
}

/* State changes of a mapping */

static void settle(XenHostmemWindow *w, XenHostmemBlob *b,
                   XenHostmemResult result)
{
    xen_hostmem_blob_settle(&w->blobs, b, result);
    wake(w);
}

/* Separate the mapping from its blob, which has been unmapped or refused. */
static void detach(XenHostmemMapping *m)
{
    m->blob->mapping = NULL;
    m->blob = NULL;
}

/* Fail the GPU device's map and undo it.  May free @m. */
static void refuse(XenHostmemWindow *w, XenHostmemMapping *m)
{
    XenHostmemBlob *b = m->blob;

    detach(m);
    settle(w, b, XEN_HOSTMEM_REFUSED);
    w->counters.unmaps++;
    xen_hostmem_mapping_end(m);
}

static void on_mapped(XenHostmemWindow *w, XenHostmemMapping *m)
{
    if (xen_hostmem_blob_in_use(m->blob)) {
        xen_hostmem_retry_helped(&w->retry);
        wake(w);
    } else {
        settle(w, m->blob, XEN_HOSTMEM_MAPPED);
    }
}

/* TRAPPED, or STALE: pages that the guest has not mapped are trapped. */
static void on_trapped(XenHostmemWindow *w, XenHostmemMapping *m)
{
    if (m->queue) {
        wake(w);                /* start the timer, for retries */
    }
    if (m->blob->wait == XEN_HOSTMEM_WAIT_MAP) {
        if (!w->all.rules.trap) {
            refuse(w, m);
            return;
        }
        settle(w, m->blob, XEN_HOSTMEM_MAPPED);
    }
    /* The proof came after a new frontend had connected: grant it the blob. */
    if (m->state == XEN_HOSTMEM_STATE_TRAPPED && w->all.accepting &&
        m->reason == XEN_HOSTMEM_REASON_NO_FRONTEND) {
        xen_hostmem_mapping_serve(m);
    }
}

/* The GPU device's unmap is complete. */
static void on_unmapped(XenHostmemWindow *w, XenHostmemMapping *m)
{
    if (m->blob) {
        settle(w, m->blob, XEN_HOSTMEM_UNMAPPED);
        detach(m);
    }
}

static void on_gone(XenHostmemWindow *w, XenHostmemMapping *m)
{
    on_unmapped(w, m);
    if (xen_hostmem_ranges_remove(&w->ranges, m)) {
        wake(w);
    }
    xen_hostmem_mapping_free(m);
}

static void count(XenHostmemWindow *w, const XenHostmemTransition *t)
{
    if (t->to == XEN_HOSTMEM_STATE_MAPPED) {
        w->counters.grants++;
    } else if (t->to == XEN_HOSTMEM_STATE_TRAPPED) {
        w->counters.fallbacks[t->reason]++;
    }
}

/* XenHostmemMappingChanged of all mappings */
static void xen_hostmem_window_changed(void *opaque, XenHostmemMapping *m,
                                       const XenHostmemTransition *t)
{
    XenHostmemWindow *w = opaque;

    count(w, t);
    w->all.ops->transition(w->all.ops_opaque, t);
    if (xen_hostmem_state_is_granted(t->from) &&
        !xen_hostmem_state_is_granted(t->to)) {
        xen_hostmem_retry_released(&w->retry, t->to == XEN_HOSTMEM_STATE_GONE,
                                   now_ms(w));
        wake(w);
    }
    if (xen_hostmem_state_is_wanted(t->from) &&
        !xen_hostmem_state_is_wanted(t->to)) {
        xen_hostmem_ranges_unwant(&w->ranges, m);
    }
    switch (t->to) {
    case XEN_HOSTMEM_STATE_MAPPED:
        on_mapped(w, m);
        break;
    case XEN_HOSTMEM_STATE_TRAPPED:
    case XEN_HOSTMEM_STATE_STALE:
        on_trapped(w, m);
        break;
    case XEN_HOSTMEM_STATE_QUARANTINED:
        on_unmapped(w, m);
        wake(w);                /* start the timer, to retry the release */
        break;
    case XEN_HOSTMEM_STATE_GONE:
        on_gone(w, m);
        break;
    default:
        break;
    }
}

/* Creation and destruction */

XenHostmemWindow *xen_hostmem_window_new(uint64_t size,
                                         const XenHostmemRules *rules,
                                         const XenHostmemOps *ops,
                                         void *opaque)
{
    XenHostmemWindow *w = g_new0(XenHostmemWindow, 1);

    w->size = size;
    w->leave_deadline = INT64_MAX;
    w->clock.seen_ms = ops->now_ms(opaque);
    xen_hostmem_ranges_init(&w->ranges);
    w->all.ops = ops;
    w->all.ops_opaque = opaque;
    w->all.changed = xen_hostmem_window_changed;
    w->all.changed_opaque = w;
    w->all.rules = *rules;
    xen_hostmem_room_init(&w->all.room, rules->quota, size);
    xen_hostmem_p2m_init(&w->all.p2m, size);
    xen_hostmem_mappings_init(&w->all);
    xen_hostmem_blobs_init(&w->blobs);
    return w;
}

void xen_hostmem_window_limit_p2m(XenHostmemWindow *w, uint64_t pool_pages)
{
    xen_hostmem_p2m_limit(&w->all.p2m, pool_pages);
}

void xen_hostmem_window_free(XenHostmemWindow *w)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_ranges_list(&w->ranges);

    for (guint i = 0; i < placed->len; i++) {
        xen_hostmem_mapping_free(placed->pdata[i]);
    }
    while (!g_queue_is_empty(&w->all.waiting)) {
        xen_hostmem_mapping_free(g_queue_peek_head(&w->all.waiting));
    }
    xen_hostmem_ranges_destroy(&w->ranges);
    xen_hostmem_mappings_destroy(&w->all);
    xen_hostmem_blobs_destroy(&w->blobs);
    g_free(w);
}

/* The GPU device's calls */

static int refuse_map(const XenHostmemBuffer *buf, int err)
{
    if (buf->dmabuf >= 0) {
        close(buf->dmabuf);
    }
    return err;
}

static int check_map(XenHostmemWindow *w, uint32_t blob, uint64_t offset,
                     uint64_t size)
{
    if (!range_is_valid(w, offset, size)) {
        return -EINVAL;
    }
    if (xen_hostmem_ranges_placed(&w->ranges) + w->all.waiting.length >=
        XEN_HOSTMEM_MAX_BLOBS) {
        return -ENOSPC;
    }
    if (xen_hostmem_blob_find(&w->blobs, blob) ||
        xen_hostmem_ranges_is_taken(&w->ranges,
                                    xen_hostmem_range(offset, size))) {
        return -EEXIST;
    }
    return 0;
}

/*
 * Post a map at once: its latency is the guest's work, which can start while
 * the next blob is being imported.  Leave unmaps to the next pump: their
 * latency matters less, and the guest handles a batch at the cost of one.
 */
int xen_hostmem_window_map(XenHostmemWindow *w, uint32_t blob, uint64_t offset,
                           const XenHostmemBuffer *buf)
{
    int err = check_map(w, blob, offset, buf->size);
    XenHostmemMapping *m;
    XenHostmemBlob *b;

    if (err) {
        return refuse_map(buf, err);
    }
    w->counters.maps++;
    b = xen_hostmem_blob_new(&w->blobs, blob);
    m = b->mapping = xen_hostmem_mapping_new(&w->all, b, offset, buf);

    xen_hostmem_ranges_add(&w->ranges, m);

    if (!xen_hostmem_ranges_place(&w->ranges, m)) {
        xen_hostmem_blob_wait_map(&w->blobs, b,
                                  w->clock.guest_ms +
                                  XEN_HOSTMEM_WAIT_LIMIT_MS);
        xen_hostmem_mapping_wait(m);
        wake(w);
        return -EINPROGRESS;
    }

    xen_hostmem_mapping_serve(m);
    if (m->state != XEN_HOSTMEM_STATE_TRAPPED) {
        xen_hostmem_blob_wait_map(&w->blobs, b,
                                  w->clock.guest_ms +
                                  XEN_HOSTMEM_MAP_LIMIT_MS);
        xen_hostmem_mappings_post(&w->all);
        return -EINPROGRESS;
    }
    if (!w->all.rules.trap) {
        xen_hostmem_window_unmap(w, blob);
        return -EPERM;
    }
    return 0;
}

int xen_hostmem_window_unmap(XenHostmemWindow *w, uint32_t blob)
{
    XenHostmemBlob *b = xen_hostmem_blob_find(&w->blobs, blob);

    if (!b) {
        return -ENOENT;
    }
    if (b->wait == XEN_HOSTMEM_WAIT_UNMAP ||
        b->wait == XEN_HOSTMEM_WAIT_SETTLED) {
        return -EALREADY;
    }
    w->counters.unmaps++;
    xen_hostmem_blob_wait_unmap(&w->blobs, b);
    xen_hostmem_mapping_end(b->mapping);
    if (b->wait == XEN_HOSTMEM_WAIT_SETTLED) {
        /* Already complete: return the result instead of calling settled(). */
        xen_hostmem_blob_forget(&w->blobs, b);
        return 0;
    }
    wake(w);                    /* for the timer: the frontend may be Closing */
    return -EINPROGRESS;
}

int xen_hostmem_window_status(const XenHostmemWindow *w, uint32_t blob)
{
    const XenHostmemBlob *b = xen_hostmem_blob_find(&w->blobs, blob);

    if (!b) {
        return -ENOENT;
    }
    switch (b->wait) {
    case XEN_HOSTMEM_WAIT_NONE:
        return 0;
    case XEN_HOSTMEM_WAIT_MAP:
        return -EINPROGRESS;
    default:
        return -EALREADY;
    }
}

/*
 * Unmap without calling settled().  May free @m.
 *
 * When Linux unbinds the GPU's driver, it takes from programs what they have
 * mapped of DRM files, but not of dma-bufs.  These still lead into the window
 * after the reset, also once it belongs to the next instance of the driver.
 */
static void drop(XenHostmemWindow *w, XenHostmemMapping *m)
{
    bool wanted = xen_hostmem_state_is_wanted(m->state);

    if (xen_hostmem_blob_in_use(m->blob)) {
        xen_hostmem_mappings_stay_live(m);
    }
    if (m->blob) {
        xen_hostmem_blob_forget(&w->blobs, m->blob);
        m->blob = NULL;
    }
    if (wanted) {
        w->counters.unmaps++;
        xen_hostmem_mapping_end(m);
    }
}

void xen_hostmem_window_reset(XenHostmemWindow *w)
{
    g_autoptr(GPtrArray) placed = NULL;
    uint32_t blob;
    XenHostmemResult result;

    while (!g_queue_is_empty(&w->all.waiting)) {
        drop(w, g_queue_peek_head(&w->all.waiting));
    }
    placed = xen_hostmem_ranges_list(&w->ranges);
    for (guint i = 0; i < placed->len; i++) {
        drop(w, placed->pdata[i]);
    }
    while (xen_hostmem_blob_take(&w->blobs, &blob, &result)) {
        /* Discard results that have not been delivered yet. */
    }
}

void *xen_hostmem_window_host(XenHostmemWindow *w, uint64_t offset,
                              uint64_t *len)
{
    XenHostmemMapping *m;
    uint64_t at;

    m = xen_hostmem_ranges_find(&w->ranges,
                                (XenHostmemRange) { offset, offset + 1 });
    if (!m || !xen_hostmem_state_is_wanted(m->state)) {
        return NULL;
    }
    at = offset - m->offset;
    if (at >= m->buf.size) {
        return NULL;
    }
    *len = MIN(*len, m->buf.size - at);
    return (uint8_t *)m->buf.host + at;
}

/* The frontend */

static void serve_trapped(GPtrArray *placed, bool rings)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (m->state == XEN_HOSTMEM_STATE_TRAPPED &&
            xen_hostmem_mapping_is_ring(m) == rings) {
            xen_hostmem_mapping_serve(m);
        }
    }
}

void xen_hostmem_window_arrived(XenHostmemWindow *w, uint32_t max_pages)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_ranges_list(&w->ranges);

    w->all.accepting = true;
    w->all.max_pages = max_pages;
    w->leave_deadline = INT64_MAX;
    w->retry.at = 0;
    w->retry.pause = 0;
    serve_trapped(placed, true);
    serve_trapped(placed, false);
    wake(w);                    /* for the timer: some may be retried */
}

void xen_hostmem_window_leaving(XenHostmemWindow *w)
{
    if (w->all.accepting) {
        w->leave_deadline = w->clock.guest_ms + XEN_HOSTMEM_LEAVE_LIMIT_MS;
        wake(w);                /* for the timer */
    }
    w->all.accepting = false;
}

void xen_hostmem_window_left(XenHostmemWindow *w, bool clean)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_ranges_list(&w->ranges);

    w->all.accepting = false;
    w->leave_deadline = INT64_MAX;
    for (guint i = 0; i < placed->len; i++) {
        xen_hostmem_mapping_abandon(placed->pdata[i], clean);
    }
}

void xen_hostmem_window_reply(XenHostmemWindow *w, const XenHostmemReply *reply)
{
    xen_hostmem_mappings_reply(&w->all, reply);
}

void xen_hostmem_window_post(XenHostmemWindow *w)
{
    xen_hostmem_mappings_post(&w->all);
}

/* The main loop */

/* Serve the waiting mappings whose range has become free. */
static void serve_freed(XenHostmemWindow *w)
{
    XenHostmemMapping *m;

    while ((m = xen_hostmem_ranges_place_freed(&w->ranges))) {
        xen_hostmem_blob_wait_map(&w->blobs, m->blob,
                                  w->clock.guest_ms + XEN_HOSTMEM_MAP_LIMIT_MS);
        xen_hostmem_mapping_serve(m);
    }
}

static void deliver_settled(XenHostmemWindow *w)
{
    uint32_t blob;
    XenHostmemResult result;

    /* settled() may settle more blobs: leave those to the next pump. */
    for (guint n = w->blobs.settled.length; n; n--) {
        if (!xen_hostmem_blob_take(&w->blobs, &blob, &result)) {
            break;              /* settled() has reset the device */
        }
        w->all.ops->settled(w->all.ops_opaque, blob, result);
    }
}

void xen_hostmem_window_pump(XenHostmemWindow *w)
{
    serve_freed(w);
    if (xen_hostmem_retry_due(&w->retry)) {
        xen_hostmem_retry(&w->retry, &w->all);
    }
    xen_hostmem_mappings_post(&w->all);
    deliver_settled(w);
}

static void refuse_late(XenHostmemWindow *w)
{
    GList *l, *next;

    for (l = w->blobs.maps.head; l; l = next) {
        XenHostmemBlob *b = l->data;

        next = l->next;
        if (b->deadline <= w->clock.guest_ms) {
            refuse(w, b->mapping);
        }
    }
}

/* Do not wait any longer for a frontend that has been Closing for too long. */
static void give_up_unmapping(XenHostmemWindow *w)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_ranges_list(&w->ranges);

    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (m->state == XEN_HOSTMEM_STATE_UNMAPPING) {
            xen_hostmem_mapping_give_up(m);
        }
    }
}

bool xen_hostmem_window_tick(XenHostmemWindow *w)
{
    bool again;

    xen_hostmem_clock_tick(&w->clock, now_ms(w),
                           w->all.ops->guest_runs(w->all.ops_opaque));
    refuse_late(w);
    if (w->leave_deadline <= w->clock.guest_ms) {
        give_up_unmapping(w);
    }
    xen_hostmem_mappings_retry_releases(&w->all);
    again = xen_hostmem_retry(&w->retry, &w->all);
    xen_hostmem_window_pump(w);
    return again || !g_queue_is_empty(&w->blobs.maps) ||
           !g_queue_is_empty(&w->all.unproven) ||
           (w->all.accepting && !g_queue_is_empty(&w->all.work)) ||
           (w->leave_deadline != INT64_MAX &&
            w->clock.guest_ms < w->leave_deadline);
}

/* Inspection */

static void visit_mapping(const XenHostmemMapping *m,
                          void (*visit)(void *opaque,
                                        const XenHostmemView *view),
                          void *opaque)
{
    XenHostmemView view = {
        .blob = m->blob_id,
        .offset = m->offset,
        .size = m->buf.size,
        .wanted = xen_hostmem_state_is_wanted(m->state),
        .state = m->state,
        .reason = m->reason,
        .shared_memory = m->buf.shared_memory,
        .memory_type = m->buf.memory_type,
    };

    visit(opaque, &view);
}

void xen_hostmem_window_foreach(XenHostmemWindow *w,
                                void (*visit)(void *opaque,
                                              const XenHostmemView *view),
                                void *opaque)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_ranges_list(&w->ranges);

    for (guint i = 0; i < placed->len; i++) {
        visit_mapping(placed->pdata[i], visit, opaque);
    }
    for (GList *l = w->all.waiting.head; l; l = l->next) {
        visit_mapping(l->data, visit, opaque);
    }
}

const XenHostmemCounters *
xen_hostmem_window_counters(const XenHostmemWindow *w)
{
    return &w->counters;
}

uint64_t xen_hostmem_window_granted(const XenHostmemWindow *w)
{
    return w->all.room.granted << XEN_HOSTMEM_PAGE_SHIFT;
}

uint64_t xen_hostmem_window_pinned(const XenHostmemWindow *w)
{
    return w->all.room.pinned << XEN_HOSTMEM_PAGE_SHIFT;
}
