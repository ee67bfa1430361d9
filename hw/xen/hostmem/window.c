/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: what is mapped where in a window
 *
 * This file has the window: its ranges, what its user asks for and what the
 * frontend's comings and goings mean. One mapping's way through its states is
 * in mapping.c.
 */

#include "qemu/osdep.h"
#include "mapping.h"

/*
 * Placed mappings never overlap each other. So "any overlap is equal" is an
 * order among them, and finds one that a given range meets.
 */
static gint compare_ranges(XenHostmemRange a, XenHostmemRange b)
{
    return a.end <= b.offset ? -1 : a.offset >= b.end ? 1 : 0;
}

static gint compare_mappings(gconstpointer a, gconstpointer b, gpointer unused)
{
    return compare_ranges(xen_hostmem_mapping_range(a),
                          xen_hostmem_mapping_range(b));
}

static gint search_mapping(gconstpointer mapping, gconstpointer range)
{
    return compare_ranges(*(const XenHostmemRange *)range,
                          xen_hostmem_mapping_range(mapping));
}

static XenHostmemMapping *find_placed(XenHostmemWindow *w, XenHostmemRange r)
{
    return g_tree_search(w->placed, search_mapping, &r);
}

XenHostmemWindow *xen_hostmem_window_new(uint64_t size,
                                         const XenHostmemRules *rules,
                                         const XenHostmemWindowOps *ops,
                                         void *opaque)
{
    XenHostmemWindow *w = g_new0(XenHostmemWindow, 1);

    w->size = size;
    w->rules = *rules;
    w->ops = ops;
    w->opaque = opaque;
    w->leave_deadline = INT64_MAX;
    w->placed = g_tree_new_full(compare_mappings, NULL, NULL, NULL);
    g_queue_init(&w->waiting);
    g_queue_init(&w->work);
    w->by_blob = g_hash_table_new(NULL, NULL);
    w->refused = g_hash_table_new(NULL, NULL);
    w->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    w->settled = g_array_new(false, false, sizeof(uint32_t));
    w->settling = g_hash_table_new(NULL, NULL);
    return w;
}

static gboolean collect(gpointer mapping, gpointer value, gpointer list)
{
    g_ptr_array_add(list, mapping);
    return false;
}

GPtrArray *xen_hostmem_window_placed(XenHostmemWindow *w)
{
    GPtrArray *list = g_ptr_array_new();

    g_tree_foreach(w->placed, collect, list);
    return list;
}

void xen_hostmem_window_free(XenHostmemWindow *w)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);

    for (guint i = 0; i < placed->len; i++) {
        xen_hostmem_mapping_free(placed->pdata[i]);
    }
    while (!g_queue_is_empty(&w->waiting)) {
        xen_hostmem_mapping_free(g_queue_pop_head(&w->waiting));
    }
    g_tree_destroy(w->placed);
    g_queue_clear(&w->work);
    g_hash_table_destroy(w->by_blob);
    g_hash_table_destroy(w->refused);
    g_hash_table_destroy(w->by_id);
    g_array_free(w->settled, true);
    g_hash_table_destroy(w->settling);
    g_free(w);
}

void xen_hostmem_window_settle(XenHostmemWindow *w, uint32_t blob)
{
    g_array_append_val(w->settled, blob);
    g_hash_table_add(w->settling, GUINT_TO_POINTER(blob));
}

static void place(XenHostmemMapping *m)
{
    g_tree_insert(m->window->placed, m, m);
    xen_hostmem_mapping_begin(m);
}

void xen_hostmem_window_vacate(XenHostmemWindow *w, XenHostmemMapping *m)
{
    GList *l, *next;

    g_tree_remove(w->placed, m);
    for (l = w->waiting.head; l; l = next) {
        XenHostmemMapping *waiting = l->data;

        next = l->next;
        if (find_placed(w, xen_hostmem_mapping_range(waiting))) {
            continue;
        }
        g_queue_delete_link(&w->waiting, l);
        place(waiting);
        if (waiting->state == XEN_HOSTMEM_TRAPPED) {
            xen_hostmem_mapping_settle_trapped(waiting);
        } else {
            waiting->deadline = w->ops->now_ms(w->opaque) +
                                XEN_HOSTMEM_MAP_LIMIT_MS;
        }
    }
}

static bool range_is_valid(const XenHostmemWindow *w, uint64_t offset,
                           uint64_t size)
{
    return size && offset % XEN_HOSTMEM_PAGE_SIZE == 0 && offset < w->size &&
           size <= w->size - offset;
}

/* Does another blob that is wanted, or waits to be, lie in the range? */
static bool range_is_taken(XenHostmemWindow *w, XenHostmemRange r)
{
    XenHostmemMapping *m = find_placed(w, r);

    /*
     * Of several placed mappings in the range, the search finds one; walk all
     * that overlap only if that one is on its way out.
     */
    if (m && m->wanted) {
        return true;
    }
    if (m) {
        g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);

        for (guint i = 0; i < placed->len; i++) {
            m = placed->pdata[i];
            if (m->wanted &&
                !compare_ranges(xen_hostmem_mapping_range(m), r)) {
                return true;
            }
        }
    }
    for (GList *l = w->waiting.head; l; l = l->next) {
        if (!compare_ranges(xen_hostmem_mapping_range(l->data), r)) {
            return true;
        }
    }
    return false;
}

static XenHostmemMapping *mapping_new(XenHostmemWindow *w, uint32_t blob,
                                      uint64_t offset,
                                      const XenHostmemBuffer *buf)
{
    XenHostmemMapping *m = g_new0(XenHostmemMapping, 1);

    m->window = w;
    m->blob = blob;
    m->offset = offset;
    m->nr_pages = (buf->size - 1) / XEN_HOSTMEM_PAGE_SIZE + 1;
    m->buf = *buf;
    m->wanted = true;
    m->state = XEN_HOSTMEM_WAITING;
    return m;
}

/* The GPU device has no use for it any more. May free @m. */
static void drop(XenHostmemMapping *m)
{
    m->wanted = false;
    m->window->counters.unmaps++;
    m->buf.host = NULL;
    if (m->state == XEN_HOSTMEM_WAITING) {
        g_queue_remove(&m->window->waiting, m);
        m->owed = false;
        xen_hostmem_mapping_settle(m);
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_GONE);
        xen_hostmem_mapping_free(m);
        return;
    }
    xen_hostmem_mapping_undo(m);
}

static int refuse_map(const XenHostmemBuffer *buf, int err)
{
    if (buf->dmabuf >= 0) {
        close(buf->dmabuf);
    }
    return err;
}

/*
 * A map posts at once: it is as long as what the guest does for it, which may
 * begin while the next blob is imported. An unmap is left to the next pump:
 * nobody waits for it, and the guest does many at once for the price of one.
 */
static void post_work(XenHostmemWindow *w)
{
    bool posted = false;

    while (w->accepting && !g_queue_is_empty(&w->work)) {
        XenHostmemMapping *m = g_queue_peek_head(&w->work);

        posted = true;
        if (!xen_hostmem_mapping_post(m)) {
            break;
        }
        m->work_link = NULL;
        g_queue_pop_head(&w->work);
    }
    if (posted) {
        w->ops->push(w->opaque);
    }
}

int xen_hostmem_window_map(XenHostmemWindow *w, uint32_t blob, uint64_t offset,
                           const XenHostmemBuffer *buf)
{
    int64_t now = w->ops->now_ms(w->opaque);
    XenHostmemMapping *m;

    if (!range_is_valid(w, offset, buf->size)) {
        return refuse_map(buf, -EINVAL);
    }
    if (g_tree_nnodes(w->placed) + w->waiting.length >= XEN_HOSTMEM_MAX_BLOBS) {
        return refuse_map(buf, -ENOSPC);
    }
    m = mapping_new(w, blob, offset, buf);
    if (g_hash_table_contains(w->by_blob, GUINT_TO_POINTER(blob)) ||
        g_hash_table_contains(w->settling, GUINT_TO_POINTER(blob)) ||
        range_is_taken(w, xen_hostmem_mapping_range(m))) {
        g_free(m);
        return refuse_map(buf, -EEXIST);
    }
    g_hash_table_remove(w->refused, GUINT_TO_POINTER(blob));
    g_hash_table_insert(w->by_blob, GUINT_TO_POINTER(blob), m);
    w->counters.maps++;

    if (find_placed(w, xen_hostmem_mapping_range(m))) {
        m->owed = true;
        m->deadline = now + XEN_HOSTMEM_WAIT_LIMIT_MS;
        g_queue_push_tail(&w->waiting, m);
        w->ops->wake(w->opaque);
        return -EINPROGRESS;
    }

    place(m);
    if (m->state == XEN_HOSTMEM_TRAPPED && !w->rules.trap) {
        g_hash_table_remove(w->by_blob, GUINT_TO_POINTER(blob));
        drop(m);
        return -EPERM;
    }
    if (m->state == XEN_HOSTMEM_TRAPPED) {
        return 0;
    }
    m->owed = true;
    m->deadline = now + XEN_HOSTMEM_MAP_LIMIT_MS;
    post_work(w);
    return -EINPROGRESS;
}

int xen_hostmem_window_unmap(XenHostmemWindow *w, uint32_t blob)
{
    gpointer key = GUINT_TO_POINTER(blob);
    XenHostmemMapping *m = g_hash_table_lookup(w->by_blob, key);

    if (g_hash_table_contains(w->settling, key)) {
        return -EALREADY;
    }
    g_hash_table_remove(w->refused, key);
    if (!m) {
        return -ENOENT;
    }
    if (!m->wanted) {
        return -EALREADY;
    }

    m->owed = false;
    drop(m);
    m = g_hash_table_lookup(w->by_blob, key);
    if (!m) {
        return 0;
    }
    m->owed = true;
    m->deadline = INT64_MAX;
    return -EINPROGRESS;
}

int xen_hostmem_window_status(XenHostmemWindow *w, uint32_t blob)
{
    gpointer key = GUINT_TO_POINTER(blob);
    XenHostmemMapping *m = g_hash_table_lookup(w->by_blob, key);

    /* Who waits for it is to be told first. */
    if (g_hash_table_contains(w->settling, key)) {
        return -EALREADY;
    }
    if (g_hash_table_remove(w->refused, key)) {
        return -EBUSY;
    }
    if (!m) {
        return -ENOENT;
    }
    if (!m->wanted) {
        return -EALREADY;
    }
    return m->owed ? -EINPROGRESS : 0;
}

void xen_hostmem_window_reset(XenHostmemWindow *w)
{
    g_autoptr(GPtrArray) placed = NULL;

    while (!g_queue_is_empty(&w->waiting)) {
        drop(g_queue_peek_head(&w->waiting));
    }
    placed = xen_hostmem_window_placed(w);
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        m->owed = false;
        g_hash_table_remove(w->by_blob, GUINT_TO_POINTER(m->blob));
        if (m->wanted) {
            drop(m);
        }
    }
    g_hash_table_remove_all(w->by_blob);
    g_hash_table_remove_all(w->refused);
    g_array_set_size(w->settled, 0);
    g_hash_table_remove_all(w->settling);
}

void *xen_hostmem_window_host(XenHostmemWindow *w, uint64_t offset,
                              uint64_t *len)
{
    XenHostmemMapping *m;
    uint64_t at;

    m = find_placed(w, (XenHostmemRange) { offset, offset + 1 });
    if (!m || !m->buf.host) {
        return NULL;
    }
    at = offset - m->offset;
    if (at >= m->buf.size) {
        return NULL;
    }
    *len = MIN(*len, m->buf.size - at);
    return (uint8_t *)m->buf.host + at;
}

static void grant_trapped(GPtrArray *placed, bool rings)
{
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (m->wanted && m->state == XEN_HOSTMEM_TRAPPED &&
            xen_hostmem_may_be_ring(m) == rings) {
            m->live = true;
            xen_hostmem_mapping_begin(m);
        }
    }
}

void xen_hostmem_window_arrived(XenHostmemWindow *w, uint32_t max_pages)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);

    w->accepting = true;
    w->leave_deadline = INT64_MAX;
    w->max_pages = max_pages;
    w->retry_at = 0;
    w->retry_ms = 0;
    grant_trapped(placed, true);
    grant_trapped(placed, false);
}

void xen_hostmem_window_leaving(XenHostmemWindow *w)
{
    if (w->accepting) {
        w->leave_deadline = w->ops->now_ms(w->opaque) +
                            XEN_HOSTMEM_LEAVE_LIMIT_MS;
    }
    w->accepting = false;
}

void xen_hostmem_window_left(XenHostmemWindow *w, bool clean)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);

    w->accepting = false;
    w->leave_deadline = INT64_MAX;
    for (guint i = 0; i < placed->len; i++) {
        xen_hostmem_mapping_abandon(placed->pdata[i], clean);
    }
}

void xen_hostmem_window_reply(XenHostmemWindow *w,
                              const XenHostmemReply *reply)
{
    XenHostmemChunk *c = g_hash_table_lookup(w->by_id, &reply->id);

    if (c) {
        xen_hostmem_mapping_reply(c, reply->operation, reply->status);
    }
}

static void deliver_settled(XenHostmemWindow *w)
{
    g_autoptr(GArray) settled = NULL;

    if (!w->settled->len) {
        return;
    }
    settled = w->settled;
    /* What settled() does may settle more: that is for the next pump. */
    w->settled = g_array_new(false, false, sizeof(uint32_t));
    for (guint i = 0; i < settled->len; i++) {
        uint32_t blob = g_array_index(settled, uint32_t, i);

        if (g_hash_table_remove(w->settling, GUINT_TO_POINTER(blob))) {
            w->ops->settled(w->opaque, blob);
        }
    }
}

void xen_hostmem_window_pump(XenHostmemWindow *w)
{
    if (w->try_quota || w->try_others) {
        xen_hostmem_room_retry(w);
    }
    post_work(w);
    deliver_settled(w);
}

static void see_one(const XenHostmemMapping *m,
                    void (*see)(void *opaque, const XenHostmemView *view),
                    void *opaque)
{
    XenHostmemView view = {
        .blob = m->blob,
        .offset = m->offset,
        .size = m->buf.size,
        .wanted = m->wanted,
        .state = m->state,
        .reason = m->reason,
        .shared_memory = m->buf.shared_memory,
    };

    see(opaque, &view);
}

void xen_hostmem_window_look(XenHostmemWindow *w,
                             void (*see)(void *opaque,
                                         const XenHostmemView *view),
                             void *opaque)
{
    g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);

    for (guint i = 0; i < placed->len; i++) {
        see_one(placed->pdata[i], see, opaque);
    }
    for (GList *l = w->waiting.head; l; l = l->next) {
        see_one(l->data, see, opaque);
    }
}

const XenHostmemCounters *
xen_hostmem_window_counters(const XenHostmemWindow *w)
{
    return &w->counters;
}

uint64_t xen_hostmem_window_granted(const XenHostmemWindow *w)
{
    return w->granted_pages << XEN_HOSTMEM_PAGE_SHIFT;
}

/* The guest has had its time: the user's map fails, and is undone. */
static void refuse_late(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;
    uint32_t blob = m->blob;

    m->owed = false;
    g_hash_table_remove(w->by_blob, GUINT_TO_POINTER(blob));
    g_hash_table_add(w->refused, GUINT_TO_POINTER(blob));
    xen_hostmem_window_settle(w, blob);
    drop(m);
}

static bool is_late(const XenHostmemMapping *m, int64_t now)
{
    return m->wanted && m->owed && m->deadline <= now;
}

bool xen_hostmem_window_tick(XenHostmemWindow *w)
{
    int64_t now = w->ops->now_ms(w->opaque);
    g_autoptr(GPtrArray) placed = xen_hostmem_window_placed(w);
    bool again = false;
    GList *l, *next;

    for (l = w->waiting.head; l; l = next) {
        next = l->next;
        if (is_late(l->data, now)) {
            refuse_late(l->data);
        }
    }
    for (guint i = 0; i < placed->len; i++) {
        XenHostmemMapping *m = placed->pdata[i];

        if (is_late(m, now)) {
            again = true;
            refuse_late(m);
        } else if (m->state == XEN_HOSTMEM_UNMAPPING && !m->wanted &&
                   w->leave_deadline <= now) {
            xen_hostmem_mapping_give_up(m);
        } else if (m->state == XEN_HOSTMEM_QUARANTINED) {
            again = true;
            xen_hostmem_mapping_retry(m);
        } else if (m->owed) {
            again = true;
        }
    }
    again |= xen_hostmem_room_retry(w);
    xen_hostmem_window_pump(w);
    return again || !g_queue_is_empty(&w->waiting);
}
