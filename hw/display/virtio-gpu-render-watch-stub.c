/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: nothing watches the render server on hosts other than Linux
 */

#include "qemu/osdep.h"
#include "virtio-gpu-render-contexts.h"
#include "virtio-gpu-render-watch.h"

void virtio_gpu_render_contexts_add(uint32_t ctx_id, pid_t server)
{
}

void virtio_gpu_render_contexts_remove(uint32_t ctx_id)
{
}

bool virtio_gpu_render_contexts_any(uint32_t *ctx_id)
{
    return false;
}

void virtio_gpu_render_contexts_clear(void)
{
}

void virtio_gpu_render_watch_start(uint32_t seconds)
{
}

void virtio_gpu_render_watch_stop(void)
{
}

void virtio_gpu_render_watch_begin(void)
{
}

void virtio_gpu_render_watch_label(uint32_t type, uint32_t ctx_id)
{
}

bool virtio_gpu_render_watch_end(void)
{
    return false;
}
