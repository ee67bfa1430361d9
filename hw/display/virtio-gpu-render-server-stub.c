/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the render server of virglrenderer: stubs for hosts other than
 * Linux, where virglrenderer starts it if it has one
 */

#include "qemu/osdep.h"
#include "virtio-gpu-render-server.h"

void virtio_gpu_render_server_check(void)
{
}

int virtio_gpu_render_server_fd(void *opaque, uint32_t version)
{
    return -1;
}

bool virtio_gpu_render_server_start(void)
{
    return true;
}

pid_t virtio_gpu_render_server_pid(void)
{
    return 0;
}

void virtio_gpu_render_server_stop(void)
{
}
