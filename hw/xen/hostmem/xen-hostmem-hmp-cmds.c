/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: "info xen-hostmem", the output of query-xen-hostmem as text
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-xen-hostmem.h"
#include "qapi/type-helpers.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "monitor/monitor.h"

static void describe_blob(GString *text, const XenHostmemBlobInfo *b)
{
    g_string_append_printf(text, "  resource %" PRIu32 ": offset 0x%" PRIx64
                           ", %" PRIu64 " KiB%s, %s, %s%s%s%s\n",
                           b->resource_id, b->offset, b->size / KiB,
                           b->shared_memory ? " shared memory" : "",
                           XenHostmemMemoryType_str(b->memory_type),
                           XenHostmemState_str(b->state),
                           b->has_reason ? ": " : "",
                           b->has_reason ? XenHostmemReason_str(b->reason) : "",
                           b->wanted ? "" : " (being unmapped)");
}

static void describe_host(GString *text, const XenHostmemInfo *info)
{
    bool granted = info->write_combined == XEN_HOSTMEM_REASON_NONE;

    g_string_append_printf(text, "  write-combined and uncached blobs are %s%s"
                           " (CPU %s, paging %s)\n",
                           granted ? "granted" : "trapped: ",
                           granted ? "" :
                           XenHostmemReason_str(info->write_combined),
                           *info->cpu ? info->cpu : "unknown",
                           XenHostmemPaging_str(info->paging));
}

static void describe_window(GString *text, const XenHostmemInfo *info)
{
    g_string_append_printf(text, "%s: window of %" PRIu64 " KiB, policy %s, "
                           "driver %s, provider %s\n", info->device,
                           info->size / KiB, XenHostmemPolicy_str(info->policy),
                           info->connected ? "connected" : "not connected",
                           info->provider ?: "none");
    g_string_append_printf(text, "  granted %" PRIu64 " KiB of a quota of %"
                           PRIu64 " KiB, trapped %" PRIu64 " KiB\n",
                           info->granted / KiB, info->quota / KiB,
                           info->trapped / KiB);
    if (info->pinned > info->granted) {
        g_string_append_printf(text, "  this is of buffers of %" PRIu64
                               " KiB, which count as a whole\n",
                               info->pinned / KiB);
    }
    g_string_append_printf(text, "  blobs use %" PRIu64 " KiB of host memory, "
                           "and may use %" PRIu64 " KiB; %" PRIu64
                           " were refused\n", info->host_memory / KiB,
                           info->host_memory_limit / KiB, info->refused_blobs);
    g_string_append_printf(text, "  %" PRIu64 " maps, %" PRIu64 " unmaps, %"
                           PRIu64 " grants; trapped accesses: %" PRIu64
                           " reads, %" PRIu64 " writes, %" PRIu64
                           " outside any blob\n", info->maps, info->unmaps,
                           info->grants, info->trapped_reads,
                           info->trapped_writes, info->strays);
    describe_host(text, info);
    for (XenHostmemFallbackList *f = info->fallbacks; f; f = f->next) {
        g_string_append_printf(text, "  not granted %" PRIu64 " times: %s\n",
                               f->value->count,
                               XenHostmemReason_str(f->value->reason));
    }
    for (XenHostmemBlobInfoList *b = info->blobs; b; b = b->next) {
        describe_blob(text, b->value);
    }
}

static void describe_guest_buffer(GString *text, const GpuGuestBuffer *b)
{
    uint32List *s;

    g_string_append_printf(text, "  resource %" PRIu32 ": %" PRIu64 " KiB in %"
                           PRIu64 " pages, %s", b->resource_id, b->size / KiB,
                           b->pages, GpuGuestBufferPath_str(b->path));
    for (s = b->scanouts; s; s = s->next) {
        g_string_append_printf(text, ", shown on head %" PRIu32, s->value);
    }
    g_string_append_printf(text, "%s%s\n", b->reason ? ": " : "",
                           b->reason ?: "");
}

static void describe_guest_buffers(GString *text, Error **errp)
{
    GpuGuestBuffersList *list = qmp_query_gpu_guest_buffers(errp);

    for (GpuGuestBuffersList *l = list; l; l = l->next) {
        g_string_append_printf(text, "%s: guest memory that is shown\n",
                               l->value->device);
        for (GpuGuestBufferList *b = l->value->buffers; b; b = b->next) {
            describe_guest_buffer(text, b->value);
        }
    }
    qapi_free_GpuGuestBuffersList(list);
}

HumanReadableText *qmp_x_query_xen_hostmem(Error **errp)
{
    g_autoptr(GString) text = g_string_new("");
    XenHostmemInfoList *list = qmp_query_xen_hostmem(errp);

    if (!list) {
        g_string_append(text, "no virtio GPU has a hostmem window on Xen\n");
    }
    for (XenHostmemInfoList *l = list; l; l = l->next) {
        describe_window(text, l->value);
    }
    qapi_free_XenHostmemInfoList(list);
    describe_guest_buffers(text, errp);
    return human_readable_text_from_str(text);
}

static void xen_hostmem_register_hmp(void)
{
    monitor_register_hmp_info_hrt("xen-hostmem", qmp_x_query_xen_hostmem);
}

type_init(xen_hostmem_register_hmp)
