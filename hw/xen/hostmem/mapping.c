/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the state machine of one mapping
 */

#include "qemu/osdep.h"
#include "mapping.h"
#include "reason.h"

#define IDLE            XEN_HOSTMEM_CHUNK_IDLE
#define MAP_POSTED      XEN_HOSTMEM_CHUNK_MAP_POSTED
#define MAPPED          XEN_HOSTMEM_CHUNK_MAPPED
#define UNMAP_POSTED    XEN_HOSTMEM_CHUNK_UNMAP_POSTED
#define STUCK           XEN_HOSTMEM_CHUNK_STUCK
#define LOST            XEN_HOSTMEM_CHUNK_LOST

/* Each is a system call. */
#define RELEASES_PER_TICK   1024

void xen_hostmem_mappings_init(XenHostmemMappings *all)
{
    all->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&all->waiting);
    g_queue_init(&all->retryable);
    g_queue_init(&all->work);
    g_queue_init(&all->unproven);
}

void xen_hostmem_mappings_destroy(XenHostmemMappings *all)
{
    g_hash_table_destroy(all->by_id);
    xen_hostmem_p2m_destroy(&all->p2m);
}

void xen_hostmem_mappings_stay_live(const XenHostmemMapping *m)
{
    m->all->live_end = MAX(m->all->live_end, xen_hostmem_mapping_range(m).end);
}

XenHostmemMapping *xen_hostmem_mapping_new(XenHostmemMappings *all,
                                           XenHostmemBlob *blob,
                                           uint64_t offset,
                                           const XenHostmemBuffer *buf)
{
    XenHostmemMapping *m = g_new0(XenHostmemMapping, 1);

    m->all = all;
    m->state = XEN_HOSTMEM_STATE_WAITING;
    m->blob = blob;
    m->blob_id = blob->id;
    m->offset = offset;
    m->nr_pages = xen_hostmem_nr_pages(buf->size);
    m->buf = *buf;
    m->link.data = m;
    m->blocked_link.data = m;
    g_queue_init(&m->blocked);
    return m;
}

/* Queues and states */

static void move_to(XenHostmemMapping *m, GQueue *queue)
{
    if (m->queue == queue) {
        return;                 /* keep its position */
    }
    if (m->queue) {
        g_queue_unlink(m->queue, &m->link);
    }
    m->queue = queue;
    if (queue) {
        g_queue_push_tail_link(queue, &m->link);
    }
}

static void queue_work(XenHostmemMapping *m)
{
    move_to(m, &m->all->work);
    m->all->ops->wake(m->all->ops_opaque);
}

void xen_hostmem_mapping_wait(XenHostmemMapping *m)
{
    move_to(m, &m->all->waiting);
}

/* The callback may free @m. */
static void set_state(XenHostmemMapping *m, XenHostmemState to,
                      XenHostmemReason reason)
{
    XenHostmemMappings *all = m->all;
    XenHostmemTransition t = {
        .blob = m->blob_id,
        .offset = m->offset,
        .nr_pages = m->nr_pages,
        .pinned = m->pinned,
        .from = m->state,
        .to = to,
        .reason = reason,
    };
    bool other_reason = m->reason != reason;

    m->state = to;
    m->reason = reason;
    switch (to) {
    case XEN_HOSTMEM_STATE_TRAPPED:
        move_to(m, xen_hostmem_reason_may_pass(reason) ? &all->retryable
                                                       : NULL);
        break;
    case XEN_HOSTMEM_STATE_STALE:
    case XEN_HOSTMEM_STATE_QUARANTINED:
        move_to(m, &all->unproven);
        break;
    case XEN_HOSTMEM_STATE_GONE:
        move_to(m, NULL);
        break;
    default:
        /* Stays in the queue "work" if it has requests to be posted. */
        break;
    }
    if (t.from != to || (to == XEN_HOSTMEM_STATE_TRAPPED && other_reason)) {
        all->changed(all->changed_opaque, m, &t);
    }
}

static bool is_being_undone(const XenHostmemMapping *m)
{
    return m->state >= XEN_HOSTMEM_STATE_REVOKING;
}

/* Chunks */

/* The state of chunks that need to be posted: to be mapped, or unmapped. */
static XenHostmemChunkState post_from(const XenHostmemMapping *m)
{
    return is_being_undone(m) ? MAPPED : IDLE;
}

static void set_chunk(XenHostmemChunk *c, XenHostmemChunkState to)
{
    XenHostmemMapping *m = c->mapping;

    m->nr_in[c->state]--;
    m->nr_in[to]++;
    c->state = to;
    if (to == post_from(m)) {
        m->next_chunk = MIN(m->next_chunk, c - m->chunks);
    }
}

static void make_chunks(XenHostmemMapping *m)
{
    XenHostmemMappings *all = m->all;

    m->nr_chunks = (m->nr_pages + all->max_pages - 1) / all->max_pages;
    m->chunks = g_new0(XenHostmemChunk, m->nr_chunks);
    memset(m->nr_in, 0, sizeof(m->nr_in));
    m->nr_in[IDLE] = m->nr_chunks;
    m->next_chunk = 0;
    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        uint32_t first = i * all->max_pages;

        m->chunks[i] = (XenHostmemChunk) {
            .mapping = m,
            .id = ++all->next_id,
            .first_page = first,
            .nr_pages = MIN(all->max_pages, m->nr_pages - first),
            .state = IDLE,
        };
    }
}

static bool post_chunk(XenHostmemChunk *c, uint8_t operation,
                       const uint32_t *refs, XenHostmemChunkState posted)
{
    XenHostmemMapping *m = c->mapping;
    XenHostmemMappings *all = m->all;
    XenHostmemRequest req = {
        .id = c->id,
        .offset = m->offset +
                  ((uint64_t)c->first_page << XEN_HOSTMEM_PAGE_SHIFT),
        .nr_pages = c->nr_pages,
        .operation = operation,
        /* R12; also if it is undone while the guest keeps using the blob */
        .live = xen_hostmem_blob_in_use(m->blob) ||
                m->offset < all->live_end,
    };

    if (!all->ops->post(all->ops_opaque, &req, refs)) {
        return false;
    }
    set_chunk(c, posted);
    g_hash_table_insert(all->by_id, &c->id, c);
    return true;
}

static bool post_map(XenHostmemChunk *c)
{
    return post_chunk(c, XEN_HOSTMEM_OP_MAP, c->mapping->refs + c->first_page,
                      MAP_POSTED);
}

static bool post_unmap(XenHostmemChunk *c)
{
    return post_chunk(c, XEN_HOSTMEM_OP_UNMAP, NULL, UNMAP_POSTED);
}

/* Returns false if the ring is full and some chunks are left. */
static bool post_chunks(XenHostmemMapping *m)
{
    bool (*post_one)(XenHostmemChunk *) = is_being_undone(m) ? post_unmap
                                                             : post_map;
    XenHostmemChunkState from = post_from(m);

    for (; m->nr_in[from]; m->next_chunk++) {
        XenHostmemChunk *c = &m->chunks[m->next_chunk];

        if (c->state == from && !post_one(c)) {
            return false;
        }
    }
    return true;
}

void xen_hostmem_mappings_post(XenHostmemMappings *all)
{
    bool posted = false;

    while (all->accepting && !g_queue_is_empty(&all->work)) {
        XenHostmemMapping *m = g_queue_peek_head(&all->work);
        bool all_posted = post_chunks(m);

        posted = true;
        if (m->state == XEN_HOSTMEM_STATE_GRANTED && m->nr_in[MAP_POSTED]) {
            set_state(m, XEN_HOSTMEM_STATE_MAPPING, XEN_HOSTMEM_REASON_NONE);
        }
        if (!all_posted) {
            break;
        }
        move_to(m, NULL);
    }
    if (posted) {
        all->ops->push(all->ops_opaque);
    }
}

/* Import and release */

/* The kernel pins the whole buffer, which may be larger than the blob. */
static uint64_t buffer_pages(const XenHostmemMapping *m)
{
    off_t size = lseek(m->buf.dmabuf, 0, SEEK_END);

    /* What is no dma-buf, or too small, the kernel refuses. */
    return size > 0 ? MAX(xen_hostmem_nr_pages(size), m->nr_pages) :
                      m->nr_pages;
}

static XenHostmemReason import(XenHostmemMapping *m)
{
    XenHostmemMappings *all = m->all;
    int rc;

    if (m->nr_pages > UINT32_MAX - all->max_pages) {
        return XEN_HOSTMEM_REASON_TOO_LARGE;
    }
    m->pinned = buffer_pages(m);
    if (!xen_hostmem_room_has(&all->room, m->nr_pages, m->pinned,
                              xen_hostmem_mapping_is_ring(m))) {
        return XEN_HOSTMEM_REASON_QUOTA;
    }
    if (!xen_hostmem_p2m_has(&all->p2m, m->offset, m->nr_pages,
                             xen_hostmem_mapping_is_ring(m))) {
        return XEN_HOSTMEM_REASON_GUEST_P2M_FULL;
    }
    m->refs = g_try_new(uint32_t, m->nr_pages);
    if (!m->refs) {
        return XEN_HOSTMEM_REASON_NO_MEMORY;
    }
    rc = all->ops->import(all->ops_opaque, m->buf.dmabuf, m->nr_pages, m->refs,
                          &m->handle);
    if (rc < 0) {
        g_clear_pointer(&m->refs, g_free);
        return xen_hostmem_reason_of_import(rc);
    }
    xen_hostmem_room_use(&all->room, m->nr_pages, m->pinned);
    xen_hostmem_p2m_use(&all->p2m, m->offset, m->nr_pages);
    make_chunks(m);
    return XEN_HOSTMEM_REASON_NONE;
}

static XenHostmemReason try_to_grant(XenHostmemMapping *m)
{
    if (!m->all->rules.grant) {
        return XEN_HOSTMEM_REASON_POLICY;
    }
    if (m->buf.dmabuf < 0) {
        return m->buf.reason;
    }
    if (!m->all->accepting) {
        return XEN_HOSTMEM_REASON_NO_FRONTEND;
    }
    return import(m);
}

void xen_hostmem_mapping_serve(XenHostmemMapping *m)
{
    XenHostmemReason reason = try_to_grant(m);

    if (reason != XEN_HOSTMEM_REASON_NONE) {
        set_state(m, XEN_HOSTMEM_STATE_TRAPPED, reason);
        return;
    }
    queue_work(m);
    set_state(m, XEN_HOSTMEM_STATE_GRANTED, reason);
}

static void forget_import(XenHostmemMapping *m)
{
    xen_hostmem_room_return(&m->all->room, m->nr_pages, m->pinned);
    g_clear_pointer(&m->refs, g_free);
    g_clear_pointer(&m->chunks, g_free);
    m->nr_chunks = 0;
}

/*
 * Try to end the references (R24, R25).
 * @confirmed: the frontend stated that none of them is mapped
 */
static void release(XenHostmemMapping *m, bool confirmed)
{
    XenHostmemMappings *all = m->all;
    bool wanted = xen_hostmem_state_is_wanted(m->state);

    if (all->ops->release(all->ops_opaque, m->handle, confirmed) < 0) {
        set_state(m, wanted ? XEN_HOSTMEM_STATE_STALE
                            : XEN_HOSTMEM_STATE_QUARANTINED, m->reason);
        return;
    }
    forget_import(m);
    set_state(m, wanted ? XEN_HOSTMEM_STATE_TRAPPED : XEN_HOSTMEM_STATE_GONE,
              m->reason);
}

/* Undoing */

static bool frontend_confirmed(const XenHostmemMapping *m)
{
    return m->nr_in[IDLE] == m->nr_chunks;
}

/* REVOKING or UNMAPPING: post UNMAP requests, or release if none is left. */
static void continue_undo(XenHostmemMapping *m)
{
    if (m->nr_in[MAPPED]) {
        queue_work(m);
    } else if (!m->nr_in[MAP_POSTED] && !m->nr_in[UNMAP_POSTED]) {
        release(m, frontend_confirmed(m));
    }
}

static void undo(XenHostmemMapping *m, XenHostmemState to,
                 XenHostmemReason reason)
{
    if (!is_being_undone(m)) {
        m->next_chunk = 0;
    }
    set_state(m, to, reason);
    continue_undo(m);
}

void xen_hostmem_mapping_end(XenHostmemMapping *m)
{
    if (!xen_hostmem_state_is_granted(m->state)) {
        set_state(m, XEN_HOSTMEM_STATE_GONE, m->reason);
    } else {
        undo(m, XEN_HOSTMEM_STATE_UNMAPPING, m->reason);
    }
}

/* Set all chunks that may be mapped to @to, and ignore outstanding replies. */
static void strand_chunks(XenHostmemMapping *m, XenHostmemChunkState to)
{
    for (uint32_t i = 0; i < m->nr_chunks; i++) {
        XenHostmemChunk *c = &m->chunks[i];

        g_hash_table_remove(m->all->by_id, &c->id);
        if (c->state != IDLE && c->state != LOST) {
            set_chunk(c, to);
        }
    }
}

void xen_hostmem_mapping_abandon(XenHostmemMapping *m, bool clean)
{
    if (!xen_hostmem_state_is_granted(m->state)) {
        return;
    }
    /* A later frontend cannot confirm what this one left mapped. */
    strand_chunks(m, clean ? IDLE : LOST);
    m->reason = XEN_HOSTMEM_REASON_NO_FRONTEND;
    if (!is_being_undone(m)) {
        undo(m, XEN_HOSTMEM_STATE_REVOKING, m->reason);
    } else {
        release(m, frontend_confirmed(m));
    }
}

void xen_hostmem_mapping_give_up(XenHostmemMapping *m)
{
    strand_chunks(m, STUCK);
    release(m, false);
}

void xen_hostmem_mappings_retry_releases(XenHostmemMappings *all)
{
    guint n = MIN(all->unproven.length, RELEASES_PER_TICK);

    for (; n; n--) {
        XenHostmemMapping *m = g_queue_peek_head(&all->unproven);

        g_queue_unlink(&all->unproven, &m->link);
        g_queue_push_tail_link(&all->unproven, &m->link);
        release(m, frontend_confirmed(m));
    }
}

void xen_hostmem_mapping_free(XenHostmemMapping *m)
{
    XenHostmemMappings *all = m->all;

    move_to(m, NULL);
    if (xen_hostmem_state_is_granted(m->state)) {
        strand_chunks(m, LOST);
        all->ops->release(all->ops_opaque, m->handle, false);
        forget_import(m);
    }
    if (m->buf.dmabuf >= 0) {
        close(m->buf.dmabuf);
    }
    g_free(m);
}

/* Replies */

static void map_replied(XenHostmemChunk *c, int32_t status)
{
    XenHostmemMapping *m = c->mapping;

    set_chunk(c, status == XEN_HOSTMEM_OK ? MAPPED : IDLE);     /* R11 */
    if (is_being_undone(m)) {
        continue_undo(m);
    } else if (status != XEN_HOSTMEM_OK) {
        undo(m, XEN_HOSTMEM_STATE_REVOKING,
             xen_hostmem_reason_of_reply(status));
    } else if (m->nr_in[MAPPED] == m->nr_chunks) {
        g_clear_pointer(&m->refs, g_free);
        set_state(m, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_REASON_NONE);
    }
}

static void unmap_replied(XenHostmemChunk *c, int32_t status)
{
    /* ENOENT is success: nothing is mapped.  Other errors prove nothing. */
    set_chunk(c, status == XEN_HOSTMEM_OK || status == XEN_HOSTMEM_ENOENT
                 ? IDLE : STUCK);
    continue_undo(c->mapping);
}

void xen_hostmem_mappings_reply(XenHostmemMappings *all,
                                const XenHostmemReply *reply)
{
    XenHostmemChunk *c = g_hash_table_lookup(all->by_id, &reply->id);

    if (!c) {
        return;                 /* the mapping has been given up meanwhile */
    }
    switch (reply->operation) {
    case XEN_HOSTMEM_OP_MAP:
        if (c->state == MAP_POSTED) {
            g_hash_table_remove(all->by_id, &c->id);
            map_replied(c, reply->status);
        }
        break;
    case XEN_HOSTMEM_OP_UNMAP:
        if (c->state == UNMAP_POSTED) {
            g_hash_table_remove(all->by_id, &c->id);
            unmap_replied(c, reply->status);
        }
        break;
    default:
        break;                  /* no other operation is ever posted */
    }
}
