/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the render server must not keep QEMU waiting
 *
 * A guest's program can have the worker of its Vulkan context wait for ever,
 * and then have QEMU's main loop wait for that worker.  A command that lasts
 * longer than a limit has its context cut off; if that does not help, or if it
 * is the render server itself that does not answer, this is killed.
 *
 * There is one, as there is at most one virtio-gpu-gl device.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_RENDER_WATCH_H
#define HW_DISPLAY_VIRTIO_GPU_RENDER_WATCH_H

struct VirtIOGPU;
struct virtio_gpu_ctrl_command;

/**
 * virtio_gpu_render_watch_start: watch the commands, unless they are already
 * @seconds: the limit; 0: do not watch
 */
void virtio_gpu_render_watch_start(uint32_t seconds);

/**
 * virtio_gpu_render_watch_stop: no longer, if they were
 */
void virtio_gpu_render_watch_stop(void);

/**
 * virtio_gpu_render_watch_begin: a command is processed
 *
 * Its fence is a part of it.
 */
void virtio_gpu_render_watch_begin(void);

/**
 * virtio_gpu_render_watch_label: say what the command is about to wait for
 * @type: VIRTIO_GPU_CMD_…, as it was told apart
 * @ctx_id: the one that virglrenderer is called with
 *
 * A guest can change a command while it is read, and some are read twice.  So
 * both come from the copies that the command works with.  Whoever waits for an
 * answer has to say this.  What only sends need not: a socket that has no room
 * shows who is waited for.
 */
void virtio_gpu_render_watch_label(uint32_t type, uint32_t ctx_id);

/**
 * virtio_gpu_render_watch_end: the command is processed
 *
 * Returns whether that took so long that others should have a turn.
 */
bool virtio_gpu_render_watch_end(void);

/**
 * virtio_gpu_gl_process_cmd: the device's process_cmd, watched
 */
void virtio_gpu_gl_process_cmd(struct VirtIOGPU *g,
                               struct virtio_gpu_ctrl_command *cmd);

/**
 * virtio_gpu_gl_process_reset: destroy the Vulkan contexts
 *
 * For a reset, before anything else is destroyed: what a context has would be
 * let go by a message to its worker each, for which nobody watches.
 */
void virtio_gpu_gl_process_reset(void);

/**
 * virtio_gpu_gl_process_stop: the device, whose renderer is gone, is unrealized
 */
void virtio_gpu_gl_process_stop(struct VirtIOGPU *g);

#endif
