/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: process commands of the guest without keeping others waiting
 *
 * A command can last for seconds.  After one that did, the queue rests, so that
 * the main loop has a turn however many such commands a guest has prepared.
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio-gpu.h"
#include "virtio-gpu-render-contexts.h"
#include "virtio-gpu-render-watch.h"

#include <virglrenderer.h>

#define REST_MS     300         /* time for some commands of a monitor */

/* There is at most one virtio-gpu-gl device. */
static QEMUTimer *rest;         /* NULL: never needed */
static bool resting;

static void wake_up(VirtIOGPU *g)
{
    if (resting) {
        resting = false;
        g->parent_obj.renderer_blocked--;
    }
}

static void rest_is_over(void *opaque)
{
    VirtIOGPU *g = opaque;

    wake_up(g);
    qemu_bh_schedule(g->ctrl_bh);
}

static void take_a_rest(VirtIOGPU *g)
{
    if (!rest) {
        rest = timer_new_ms(QEMU_CLOCK_VIRTUAL, rest_is_over, g);
    }
    if (!resting) {
        resting = true;
        g->parent_obj.renderer_blocked++;
    }
    timer_mod(rest, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + REST_MS);
}

void virtio_gpu_gl_process_cmd(VirtIOGPU *g,
                               struct virtio_gpu_ctrl_command *cmd)
{
    virtio_gpu_render_watch_begin();
    virtio_gpu_virgl_process_cmd(g, cmd);
    if (virtio_gpu_render_watch_end()) {
        take_a_rest(g);
    }
}

/* This asks the server, which ends the worker, and not the worker. */
void virtio_gpu_gl_process_reset(void)
{
    uint32_t ctx_id;

    while (virtio_gpu_render_contexts_any(&ctx_id)) {
        virtio_gpu_render_watch_begin();
        virtio_gpu_render_watch_label(VIRTIO_GPU_CMD_CTX_DESTROY, ctx_id);
        virgl_renderer_context_destroy(ctx_id);
        virtio_gpu_render_contexts_remove(ctx_id);
        virtio_gpu_render_watch_end();
    }
}

void virtio_gpu_gl_process_stop(VirtIOGPU *g)
{
    virtio_gpu_render_watch_stop();
    virtio_gpu_render_contexts_clear();
    wake_up(g);
    g_clear_pointer(&rest, timer_free);
}
