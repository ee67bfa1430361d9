/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the render server of virglrenderer
 *
 * virglrenderer starts this program, in which Vulkan runs, once, when it is
 * initialized, and does not notice if the program is missing or ends.  QEMU
 * starts it instead, and starts it again when that is needed.
 *
 * There is one, as there is at most one virtio-gpu-gl device.  Main loop only,
 * unless a function says otherwise.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_RENDER_SERVER_H
#define HW_DISPLAY_VIRTIO_GPU_RENDER_SERVER_H

/**
 * virtio_gpu_render_server_check: report an error if the program is missing
 */
void virtio_gpu_render_server_check(void);

/**
 * virtio_gpu_render_server_fd: virglrenderer's callback get_server_fd
 *
 * Returns one end of a connection, which virglrenderer closes.  No server is at
 * the other end before virtio_gpu_render_server_start().
 */
int virtio_gpu_render_server_fd(void *opaque, uint32_t version);

/**
 * virtio_gpu_render_server_start: start the server, unless it is running
 *
 * Returns false, after an error was reported, if it cannot be started.  Nothing
 * that needs the server may be asked of virglrenderer then.
 */
bool virtio_gpu_render_server_start(void);

/**
 * virtio_gpu_render_server_pid: the process, or 0 if QEMU has started none
 */
pid_t virtio_gpu_render_server_pid(void);

/**
 * virtio_gpu_render_server_kill: kill it and all its workers
 *
 * From any thread.  What virglrenderer waits for fails, and the server is
 * started again as if it had ended by itself.  Returns whether there was one.
 */
bool virtio_gpu_render_server_kill(void);

/**
 * virtio_gpu_render_server_stop: kill it; virglrenderer has been cleaned up
 */
void virtio_gpu_render_server_stop(void);

#endif
