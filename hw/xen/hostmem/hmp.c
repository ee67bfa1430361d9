/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: "info xen-hostmem"
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-xen-hostmem.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"

#define KIB 1024

static void print_blob(Monitor *mon, const XenHostmemBlob *b)
{
    monitor_printf(mon, "  resource %" PRIu32 ": offset 0x%" PRIx64 ", %" PRIu64
                   " KiB%s, %s%s%s%s\n", b->resource_id, b->offset,
                   b->size / KIB, b->shared_memory ? " shared memory" : "",
                   XenHostmemBlobState_str(b->state),
                   b->reason ? ": " : "", b->reason ?: "",
                   b->wanted ? "" : " (no longer wanted)");
}

static void print_window(Monitor *mon, const XenHostmemInfo *info)
{
    monitor_printf(mon, "%s: window of %" PRIu64 " KiB, policy %s, driver %s, "
                   "provider %s\n", info->device, info->size / KIB,
                   XenHostmemPolicy_str(info->policy),
                   info->connected ? "connected" : "not connected",
                   info->provider ?: "none");
    monitor_printf(mon, "  granted %" PRIu64 " KiB of a quota of %" PRIu64
                   " KiB, trapped %" PRIu64 " KiB\n", info->granted / KIB,
                   info->quota / KIB, info->trapped / KIB);
    monitor_printf(mon, "  %" PRIu64 " maps, %" PRIu64 " unmaps, %" PRIu64
                   " grants; accesses trapped: %" PRIu64 " reads, %" PRIu64
                   " writes, %" PRIu64 " where no blob is\n", info->maps,
                   info->unmaps, info->grants, info->trapped_reads,
                   info->trapped_writes, info->strays);
    for (XenHostmemFallbackList *f = info->fallbacks; f; f = f->next) {
        monitor_printf(mon, "  not granted %" PRIu64 " times: %s\n",
                       f->value->count, f->value->reason);
    }
    for (XenHostmemBlobList *b = info->blobs; b; b = b->next) {
        print_blob(mon, b->value);
    }
}

void hmp_info_xen_hostmem(Monitor *mon, const QDict *qdict)
{
    XenHostmemInfoList *list = qmp_query_xen_hostmem(&error_abort);

    if (!list) {
        monitor_printf(mon, "no virtio GPU has a hostmem window on Xen\n");
    }
    for (XenHostmemInfoList *l = list; l; l = l->next) {
        print_window(mon, l->value);
    }
    qapi_free_XenHostmemInfoList(list);
}
