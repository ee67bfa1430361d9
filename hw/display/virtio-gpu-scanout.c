/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: have GL displays forget what goes
 *
 * A console keeps the texture or the dma-buf of its scanout, for a display
 * that connects later, and so do its displays, to draw or import it again. They
 * know a texture by its name and a dma-buf by the number of a descriptor, and
 * hold no reference to either, as both are the resource's. When that is gone,
 * the number may become that of any file of QEMU's, which a display would then
 * be sent.
 */

#include "qemu/osdep.h"
#include "hw/display/virtio-gpu-compat.h"
#include "hw/virtio/virtio-gpu.h"
#include "ui/console.h"

void virtio_gpu_end_dmabuf(VirtIOGPU *g, uint32_t scanout_id)
{
    QemuConsole *con = g->parent_obj.scanout[scanout_id].con;
    VGPUDMABuf *shown = g->dmabuf.primary[scanout_id];

    if (!shown) {
        return;
    }
    g->dmabuf.primary[scanout_id] = NULL;
    qemu_console_gl_scanout_disable(con);
    qemu_console_gl_release_dmabuf(con, shown->buf);
    qemu_dmabuf_free(shown->buf);
    QTAILQ_REMOVE(&g->dmabuf.bufs, shown, next);
    g_free(shown);
}

void virtio_gpu_end_dmabufs(VirtIOGPU *g)
{
    for (uint32_t n = 0; n < g->parent_obj.conf.max_outputs; n++) {
        virtio_gpu_end_dmabuf(g, n);
    }
}

void virtio_gpu_end_gl_scanout(VirtIOGPU *g, uint32_t scanout_id)
{
    if (g->dmabuf.primary[scanout_id]) {
        virtio_gpu_end_dmabuf(g, scanout_id);
    } else if (virtio_gpu_virgl_enabled(g->parent_obj.conf)) {
        qemu_console_gl_scanout_disable(g->parent_obj.scanout[scanout_id].con);
    }
}

bool virtio_gpu_hide_resource(VirtIOGPU *g, uint32_t resource_id)
{
    bool shown = false;

    for (uint32_t n = 0; n < g->parent_obj.conf.max_outputs; n++) {
        if (resource_id &&
            g->parent_obj.scanout[n].resource_id == resource_id) {
            virtio_gpu_disable_scanout(g, n);
            shown = true;
        }
    }
    return shown;
}
