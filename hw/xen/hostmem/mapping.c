/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: one blob's way through its states
 */

#include "qemu/osdep.h"
#include "mapping.h"
#include "reason.h"

const char *xen_hostmem_state_name(XenHostmemState state)
{
    static const char *const names[] = {
        [XEN_HOSTMEM_WAITING] = "waiting",
        [XEN_HOSTMEM_TRAPPED] = "trapped",
        [XEN_HOSTMEM_GRANTED] = "granted",
        [XEN_HOSTMEM_MAPPING] = "mapping",
        [XEN_HOSTMEM_MAPPED] = "mapped",
        [XEN_HOSTMEM_UNMAPPING] = "unmapping",
        [XEN_HOSTMEM_QUARANTINED] = "quarantined",
        [XEN_HOSTMEM_GONE] = "gone",
    };

    return names[state];
}

static void count(const XenHostmemMapping *m)
{
    XenHostmemCounters *c = &m->window->counters;

    if (m->state == XEN_HOSTMEM_MAPPED) {
        c->grants++;
    } else if (m->state == XEN_HOSTMEM_TRAPPED) {
        c->fallbacks[m->reason]++;
    }
}

void xen_hostmem_mapping_set_state(XenHostmemMapping *m, XenHostmemState to)
{
    XenHostmemTransition t = {
        .blob = m->blob,
        .offset = m->offset,
        .nr_pages = m->nr_pages,
        .from = m->state,
        .to = to,
        .reason = m->reason,
    };

    m->state = to;
    m->window->nr_lacking -= m->lacks;
    m->lacks = to == XEN_HOSTMEM_TRAPPED && m->wanted &&
               xen_hostmem_reason_may_pass(m->reason);
    m->window->nr_lacking += m->lacks;
    /* Why it is trapped may change while it is: that is to be seen, too. */
    if (t.from != t.to || (to == XEN_HOSTMEM_TRAPPED && t.reason != m->told)) {
        m->told = t.reason;
        count(m);
        m->window->ops->transition(m->window->opaque, &t);
    }
}

void xen_hostmem_mapping_settle(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    if (!m->wanted && g_hash_table_lookup(w->by_blob,
                                          GUINT_TO_POINTER(m->blob)) == m) {
        g_hash_table_remove(w->by_blob, GUINT_TO_POINTER(m->blob));
    }
    if (m->owed) {
        m->owed = false;
        xen_hostmem_window_settle(w, m->blob);
        w->ops->wake(w->opaque);
    }
}

void xen_hostmem_mapping_settle_trapped(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    if (m->owed && !w->rules.trap) {
        /* The next tick finds it late, and refuses it. */
        m->deadline = w->ops->now_ms(w->opaque);
        w->ops->wake(w->opaque);
    } else {
        xen_hostmem_mapping_settle(m);
    }
}

static void queue_work(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    if (!m->work_link) {
        g_queue_push_tail(&w->work, m);
        m->work_link = w->work.tail;
    }
    w->ops->wake(w->opaque);
}

/* Cut the mapping into requests. */
static void make_chunks(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    m->nr_chunks = (m->nr_pages + w->max_pages - 1) / w->max_pages;
    m->chunks = g_new0(XenHostmemChunk, m->nr_chunks);
    memset(m->nr_in, 0, sizeof(m->nr_in));
    m->nr_in[CHUNK_IDLE] = m->nr_chunks;
    m->next_chunk = 0;
    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        uint32_t first = i * w->max_pages;

        m->chunks[i] = (XenHostmemChunk) {
            .mapping = m,
            .id = ++w->next_id,
            .first_page = first,
            .nr_pages = MIN(w->max_pages, m->nr_pages - first),
            .state = CHUNK_IDLE,
        };
    }
}

static int import(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;
    int rc;

    if (m->nr_pages > UINT32_MAX - w->max_pages) {
        return -E2BIG;
    }
    if (!xen_hostmem_room_for(m)) {
        return -EDQUOT;
    }
    m->refs = g_try_new(uint32_t, m->nr_pages);
    if (!m->refs) {
        return -ENOMEM;
    }
    rc = w->ops->import(w->opaque, m->buf.dmabuf, m->nr_pages, m->refs,
                        &m->handle);
    if (rc < 0) {
        g_clear_pointer(&m->refs, g_free);
        return rc;
    }
    m->imported = true;
    w->granted_pages += m->nr_pages;
    make_chunks(m);
    return 0;
}

void xen_hostmem_mapping_begin(XenHostmemMapping *m)
{
    int rc;

    if (!m->window->rules.grant) {
        m->reason = XEN_HOSTMEM_REASON_POLICY;
    } else if (m->buf.dmabuf < 0) {
        m->reason = m->buf.reason;
    } else if (!m->window->accepting) {
        m->reason = XEN_HOSTMEM_REASON_NO_FRONTEND;
    } else {
        rc = import(m);
        m->reason = rc < 0 ? xen_hostmem_reason_of_import(rc)
                           : XEN_HOSTMEM_REASON_NONE;
    }

    if (!m->imported) {
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_TRAPPED);
        if (xen_hostmem_reason_may_pass(m->reason)) {
            m->window->ops->wake(m->window->opaque);
        }
        return;
    }
    m->failing = false;
    xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_GRANTED);
    queue_work(m);
}

static bool is_being_undone(const XenHostmemMapping *m)
{
    return !m->wanted || m->failing;
}

/* True if any chunk is in one of the states of the mask. */
static bool any_chunk(const XenHostmemMapping *m, unsigned mask)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(m->nr_in); i++) {
        if (mask & (1u << i) && m->nr_in[i]) {
            return true;
        }
    }
    return false;
}

static ChunkState post_from(const XenHostmemMapping *m)
{
    return is_being_undone(m) ? CHUNK_MAPPED : CHUNK_IDLE;
}

static void set_chunk(XenHostmemChunk *c, ChunkState to)
{
    XenHostmemMapping *m = c->mapping;

    m->nr_in[c->state]--;
    m->nr_in[to]++;
    c->state = to;
    if (to == post_from(m)) {
        m->next_chunk = MIN(m->next_chunk, c - m->chunks);
    }
}

static bool post_chunk(XenHostmemChunk *c, uint8_t operation, ChunkState posted)
{
    XenHostmemMapping *m = c->mapping;
    XenHostmemWindow *w = m->window;
    bool map = operation == XEN_HOSTMEM_OP_MAP;
    XenHostmemRequest req = {
        .id = c->id,
        .offset = m->offset +
                  ((uint64_t)c->first_page << XEN_HOSTMEM_PAGE_SHIFT),
        .nr_pages = c->nr_pages,
        .operation = operation,
        /* Also when it is undone while the guest goes on using it. */
        .live = m->live && m->wanted,
    };

    if (!w->ops->post(w->opaque, &req, map ? m->refs + c->first_page : NULL)) {
        return false;
    }
    set_chunk(c, posted);
    g_hash_table_insert(w->by_id, &c->id, c);
    return true;
}

bool xen_hostmem_mapping_post(XenHostmemMapping *m)
{
    bool undo = is_being_undone(m);
    ChunkState from = post_from(m);

    for (; m->nr_in[from]; m->next_chunk++) {
        XenHostmemChunk *c = &m->chunks[m->next_chunk];

        if (c->state != from) {
            continue;
        }
        if (!(undo ? post_chunk(c, XEN_HOSTMEM_OP_UNMAP, CHUNK_UNMAP_POSTED)
                   : post_chunk(c, XEN_HOSTMEM_OP_MAP, CHUNK_MAP_POSTED))) {
            return false;
        }
        if (!undo) {
            xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_MAPPING);
        }
    }
    return true;
}

/* The references have ended; only what the GPU device wants is left. */
static void forget_import(XenHostmemMapping *m)
{
    if (m->imported) {
        m->window->granted_pages -= m->nr_pages;
    }
    m->imported = false;
    m->failing = false;
    m->lost = false;
    g_clear_pointer(&m->refs, g_free);
    g_clear_pointer(&m->chunks, g_free);
    m->nr_chunks = 0;
    memset(m->nr_in, 0, sizeof(m->nr_in));
}

/* Every chunk has come to rest: try to end the references (R24, R25). */
static void release(XenHostmemMapping *m, bool confirmed)
{
    XenHostmemWindow *w = m->window;

    if (w->ops->release(w->opaque, m->handle, confirmed) < 0) {
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_QUARANTINED);
        if (m->wanted) {
            xen_hostmem_mapping_settle_trapped(m);
        } else {
            xen_hostmem_mapping_settle(m);
        }
        w->ops->wake(w->opaque);
        return;
    }
    forget_import(m);
    if (m->wanted) {
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_TRAPPED);
        xen_hostmem_mapping_settle_trapped(m);
        xen_hostmem_room_returned(w, false);
        /* Proof that came after the next frontend: it may have the blob. */
        if (w->accepting && m->reason == XEN_HOSTMEM_REASON_NO_FRONTEND) {
            m->live = true;
            xen_hostmem_mapping_begin(m);
        }
    } else {
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_GONE);
        xen_hostmem_mapping_settle(m);
        xen_hostmem_window_vacate(w, m);
        xen_hostmem_mapping_free(m);
        xen_hostmem_room_returned(w, true);
    }
}

void xen_hostmem_mapping_undo(XenHostmemMapping *m)
{
    if (!m->imported) {
        /* Trapped: nothing of it is in the guest. */
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_GONE);
        xen_hostmem_mapping_settle(m);
        xen_hostmem_window_vacate(m->window, m);
        xen_hostmem_mapping_free(m);
        return;
    }
    if (m->state == XEN_HOSTMEM_QUARANTINED) {
        xen_hostmem_mapping_retry(m);
        return;
    }
    if (m->state != XEN_HOSTMEM_UNMAPPING) {
        m->next_chunk = 0;
    }
    xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_UNMAPPING);
    if (any_chunk(m, 1u << CHUNK_MAPPED)) {
        queue_work(m);
    } else if (!any_chunk(m, 1u << CHUNK_MAP_POSTED |
                             1u << CHUNK_UNMAP_POSTED)) {
        release(m, !any_chunk(m, 1u << CHUNK_STUCK));
    }
}

static void map_replied(XenHostmemChunk *c, int32_t status)
{
    XenHostmemMapping *m = c->mapping;

    if (status == XEN_HOSTMEM_OK) {
        set_chunk(c, CHUNK_MAPPED);
    } else {
        set_chunk(c, CHUNK_IDLE);   /* R11 */
        m->reason = xen_hostmem_reason_of_reply(status);
        m->failing = true;
    }

    if (is_being_undone(m)) {
        xen_hostmem_mapping_undo(m);
    } else if (!any_chunk(m, ~(1u << CHUNK_MAPPED))) {
        g_clear_pointer(&m->refs, g_free);
        xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_MAPPED);
        xen_hostmem_mapping_settle(m);
        if (m->live) {
            xen_hostmem_room_found(m->window);
        }
    }
}

void xen_hostmem_mapping_reply(XenHostmemChunk *c, uint8_t operation,
                               int32_t status)
{
    g_hash_table_remove(c->mapping->window->by_id, &c->id);
    if (operation == XEN_HOSTMEM_OP_MAP) {
        map_replied(c, status);
        return;
    }
    /* "Not mapped" is what was asked for; anything else proves nothing. */
    set_chunk(c, status == XEN_HOSTMEM_OK || status == XEN_HOSTMEM_ENOENT
                 ? CHUNK_IDLE : CHUNK_STUCK);
    xen_hostmem_mapping_undo(c->mapping);
}

void xen_hostmem_mapping_abandon(XenHostmemMapping *m, bool clean)
{
    if (!m->imported) {
        return;
    }
    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        XenHostmemChunk *c = &m->chunks[i];

        g_hash_table_remove(m->window->by_id, &c->id);
        if (clean && !m->lost) {
            set_chunk(c, CHUNK_IDLE);
        } else if (c->state != CHUNK_IDLE) {
            set_chunk(c, CHUNK_STUCK);
            /* No later frontend can speak for what this one left. */
            m->lost = true;
        }
    }
    m->reason = XEN_HOSTMEM_REASON_NO_FRONTEND;
    m->failing = true;
    xen_hostmem_mapping_set_state(m, XEN_HOSTMEM_UNMAPPING);
    release(m, !any_chunk(m, 1u << CHUNK_STUCK));
}

void xen_hostmem_mapping_give_up(XenHostmemMapping *m)
{
    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        XenHostmemChunk *c = &m->chunks[i];

        g_hash_table_remove(m->window->by_id, &c->id);
        if (c->state != CHUNK_IDLE) {
            /* Until the frontend's Closed, which may still come. */
            set_chunk(c, CHUNK_STUCK);
        }
    }
    release(m, false);
}

void xen_hostmem_mapping_retry(XenHostmemMapping *m)
{
    release(m, false);
}

void xen_hostmem_mapping_free(XenHostmemMapping *m)
{
    XenHostmemWindow *w = m->window;

    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        g_hash_table_remove(w->by_id, &m->chunks[i].id);
    }
    if (m->work_link) {
        g_queue_delete_link(&w->work, m->work_link);
    }
    if (m->imported) {
        w->ops->release(w->opaque, m->handle, false);
    }
    if (m->buf.dmabuf >= 0) {
        close(m->buf.dmabuf);
    }
    forget_import(m);
    g_free(m);
}
