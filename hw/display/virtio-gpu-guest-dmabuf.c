/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: dma-bufs of guest memory, for displays that take one
 *
 * A display that imports the dma-buf, or hands the descriptor to another
 * process, shows the guest's own pages. Whoever provides the memory of a blob
 * knows how to make a dma-buf of it. None is made unless a display takes it: it
 * costs time and a descriptor, and the other displays read the memory itself.
 */

#include "qemu/osdep.h"
#include "qemu/report-limit.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"
#include "trace.h"

/* GL displays import a dma-buf; D-Bus gives a surface's descriptor away. */
static bool display_takes_dmabuf(QemuConsole *con)
{
    return qemu_console_has_gl(con) ||
           object_resolve_path_type("", "dbus-display", NULL);
}

static void make_dmabuf(VirtIOGPU *g, struct virtio_gpu_simple_resource *res,
                        QemuConsole *con)
{
    static ReportLimit limit = { .what = "virtio-gpu: no dma-buf" };
    VirtIOGPUGuestMemory *memory = res->guest_memory;

    if (!memory->make_dmabuf) {
        memory->why = g_strdup("there is no way to make a dma-buf of it");
    } else if (!display_takes_dmabuf(con)) {
        memory->why = g_strdup("no display takes a dma-buf");
    } else {
        /* GPU drivers attach for writing, too. */
        memory->dmabuf_fd = memory->make_dmabuf(g, res->iov, res->blob_size,
                                                qemu_console_has_gl(con),
                                                &memory->why);
        if (memory->dmabuf_fd < 0) {
            warn_report_limited(&limit, "virtio-gpu: displays get no dma-buf of"
                                " blob %" PRIu32 ", and copy it: %s",
                                res->resource_id, memory->why);
        }
    }
    trace_virtio_gpu_guest_dmabuf(res->resource_id, res->blob_size,
                                  memory->dmabuf_fd, memory->why ?: "");
}

void virtio_gpu_guest_dmabuf(VirtIOGPU *g,
                             struct virtio_gpu_simple_resource *res,
                             QemuConsole *con)
{
    VirtIOGPUGuestMemory *memory = res->guest_memory;

    if (memory->dmabuf_fd < 0 && !memory->why) {
        make_dmabuf(g, res, con);
    }
    res->dmabuf_fd = memory->dmabuf_fd;
    res->share_handle = (qemu_pixman_shareable)(intptr_t)memory->dmabuf_fd;
}
