/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the ranges of a window
 */

#include "qemu/osdep.h"
#include "ranges.h"

/*
 * Within one tree ranges never overlap, so comparing overlapping ranges as
 * equal is a valid order, and a search finds a mapping that overlaps a range.
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

void xen_hostmem_ranges_init(XenHostmemRanges *r)
{
    r->placed = g_tree_new_full(compare_mappings, NULL, NULL, NULL);
    r->wanted = g_tree_new_full(compare_mappings, NULL, NULL, NULL);
    g_queue_init(&r->freed);
}

void xen_hostmem_ranges_destroy(XenHostmemRanges *r)
{
    g_tree_destroy(r->placed);
    g_tree_destroy(r->wanted);
}

XenHostmemMapping *xen_hostmem_ranges_find(const XenHostmemRanges *r,
                                           XenHostmemRange range)
{
    return g_tree_search(r->placed, search_mapping, &range);
}

bool xen_hostmem_ranges_is_taken(const XenHostmemRanges *r,
                                 XenHostmemRange range)
{
    return g_tree_search(r->wanted, search_mapping, &range);
}

void xen_hostmem_ranges_add(XenHostmemRanges *r, XenHostmemMapping *m)
{
    g_tree_insert(r->wanted, m, m);
}

/* Let @m wait in @queue, or in none. */
static void wait_in(XenHostmemMapping *m, GQueue *queue)
{
    if (m->blocked_in) {
        g_queue_unlink(m->blocked_in, &m->blocked_link);
    }
    m->blocked_in = queue;
    if (queue) {
        g_queue_push_tail_link(queue, &m->blocked_link);
    }
}

bool xen_hostmem_ranges_place(XenHostmemRanges *r, XenHostmemMapping *m)
{
    XenHostmemMapping *blocker =
        xen_hostmem_ranges_find(r, xen_hostmem_mapping_range(m));

    wait_in(m, blocker ? &blocker->blocked : NULL);
    if (!blocker) {
        g_tree_insert(r->placed, m, m);
    }
    return !blocker;
}

XenHostmemMapping *xen_hostmem_ranges_place_freed(XenHostmemRanges *r)
{
    while (!g_queue_is_empty(&r->freed)) {
        XenHostmemMapping *m = g_queue_peek_head(&r->freed);

        if (xen_hostmem_ranges_place(r, m)) {
            return m;
        }
    }
    return NULL;
}

void xen_hostmem_ranges_unwant(XenHostmemRanges *r, XenHostmemMapping *m)
{
    g_tree_remove(r->wanted, m);
}

bool xen_hostmem_ranges_remove(XenHostmemRanges *r, XenHostmemMapping *m)
{
    if (m->blocked_in) {
        wait_in(m, NULL);
        return false;
    }
    g_tree_remove(r->placed, m);
    while (!g_queue_is_empty(&m->blocked)) {
        wait_in(g_queue_peek_head(&m->blocked), &r->freed);
    }
    return !g_queue_is_empty(&r->freed);
}

static gboolean collect(gpointer mapping, gpointer value, gpointer list)
{
    g_ptr_array_add(list, mapping);
    return false;
}

GPtrArray *xen_hostmem_ranges_list(const XenHostmemRanges *r)
{
    GPtrArray *list = g_ptr_array_new();

    g_tree_foreach(r->placed, collect, list);
    return list;
}

unsigned xen_hostmem_ranges_placed(const XenHostmemRanges *r)
{
    return g_tree_nnodes(r->placed);
}
