/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: query-xen-hostmem
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-xen-hostmem.h"
#include "hw/pci/pci_device.h"
#include "device.h"

static void add_blob(void *opaque, const XenHostmemView *view)
{
    XenHostmemInfo *info = opaque;
    XenHostmemBlobInfo *blob = g_new0(XenHostmemBlobInfo, 1);

    blob->resource_id = view->blob;
    blob->offset = view->offset;
    blob->size = view->size;
    blob->wanted = view->wanted;
    blob->shared_memory = view->shared_memory;
    blob->memory_type = view->memory_type;
    blob->state = view->state;
    if (view->state == XEN_HOSTMEM_STATE_TRAPPED) {
        blob->has_reason = true;
        blob->reason = view->reason;
        info->trapped += view->size;
    }
    /* Prepended, so in reverse order; describe() reverses the list. */
    QAPI_LIST_PREPEND(info->blobs, blob);
}

static XenHostmemBlobInfoList *reverse(XenHostmemBlobInfoList *list)
{
    XenHostmemBlobInfoList *reversed = NULL;

    while (list) {
        XenHostmemBlobInfoList *next = list->next;

        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

static XenHostmemFallbackList *count_fallbacks(const XenHostmemCounters *c)
{
    XenHostmemFallbackList *list = NULL;

    for (int reason = XEN_HOSTMEM_REASON__MAX - 1; reason >= 0; reason--) {
        if (c->fallbacks[reason]) {
            XenHostmemFallback *f = g_new0(XenHostmemFallback, 1);

            f->reason = reason;
            f->count = c->fallbacks[reason];
            QAPI_LIST_PREPEND(list, f);
        }
    }
    return list;
}

static XenHostmemInfo *describe(XenHostmem *h)
{
    const XenHostmemCounters *c = xen_hostmem_window_counters(h->window);
    XenHostmemInfo *info = g_new0(XenHostmemInfo, 1);
    XenHostmemUsage usage;

    h->cfg.get_usage(h->cfg.opaque, &usage);
    info->device = object_get_canonical_path(OBJECT(h->cfg.pci));
    info->size = h->cfg.size;
    info->policy = h->cfg.rules.grant ?
                   h->cfg.rules.trap ? XEN_HOSTMEM_POLICY_AUTO :
                                       XEN_HOSTMEM_POLICY_GRANTED :
                   XEN_HOSTMEM_POLICY_TRAPPED;
    info->quota = h->cfg.rules.quota;
    info->granted = xen_hostmem_window_granted(h->window);
    info->pinned = xen_hostmem_window_pinned(h->window);
    info->host_memory = usage.used;
    info->host_memory_limit = usage.limit;
    info->refused_blobs = usage.refused;
    info->connected = h->frontend.accepting;
    info->provider = g_strdup(xen_hostmem_providers_name(&h->providers));
    info->cpu = g_strdup(h->host.cpu);
    info->paging = h->host.paging;
    info->write_combined =
        xen_hostmem_check_type(h, XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED);
    info->maps = c->maps;
    info->unmaps = c->unmaps;
    info->grants = c->grants;
    info->trapped_reads = h->trap.reads;
    info->trapped_writes = h->trap.writes;
    info->strays = h->trap.strays;
    info->fallbacks = count_fallbacks(c);
    xen_hostmem_window_foreach(h->window, add_blob, info);
    info->blobs = reverse(info->blobs);
    return info;
}

static int collect(Object *obj, void *opaque)
{
    XenHostmemInfoList **list = opaque;
    XenHostmem *h = (XenHostmem *)object_dynamic_cast(obj, TYPE_XEN_HOSTMEM);

    if (h && h->window) {
        QAPI_LIST_PREPEND(*list, describe(h));
    }
    return 0;
}

XenHostmemInfoList *qmp_query_xen_hostmem(Error **errp)
{
    XenHostmemInfoList *list = NULL;

    object_child_foreach_recursive(object_get_root(), collect, &list);
    return list;
}
