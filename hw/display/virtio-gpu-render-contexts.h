/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the connections of the guest's Vulkan contexts
 *
 * virglrenderer has a socket for each of them, whose other end a worker of the
 * render server holds, and waits for the worker without a time limit.  If the
 * socket is shut down, it stops waiting, and all it does with that context from
 * then on fails.  Unlike a process, a socket cannot be mistaken for another.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_RENDER_CONTEXTS_H
#define HW_DISPLAY_VIRTIO_GPU_RENDER_CONTEXTS_H

typedef enum RenderCut {
    RENDER_CUT_UNKNOWN,         /* not a Vulkan context */
    RENDER_CUT_NO_SOCKET,       /* one whose socket was not found, or is gone */
    RENDER_CUT_DONE,
} RenderCut;

/**
 * virtio_gpu_render_contexts_add: virglrenderer has created a context
 * @server: the process that has made its socket; 0: unknown, do nothing
 */
void virtio_gpu_render_contexts_add(uint32_t ctx_id, pid_t server);

/**
 * virtio_gpu_render_contexts_remove: it is destroyed, if there is one
 */
void virtio_gpu_render_contexts_remove(uint32_t ctx_id);

/**
 * virtio_gpu_render_contexts_any: one that is not destroyed
 *
 * Returns false if there is none.
 */
bool virtio_gpu_render_contexts_any(uint32_t *ctx_id);

/**
 * virtio_gpu_render_contexts_clear: all are destroyed
 */
void virtio_gpu_render_contexts_clear(void);

/**
 * virtio_gpu_render_contexts_cut: shut a context's socket down; from any thread
 */
RenderCut virtio_gpu_render_contexts_cut(uint32_t ctx_id);

/**
 * virtio_gpu_render_contexts_cut_full: shut those sockets down that whoever
 * sends a message may be waiting for; from any thread
 *
 * Returns how many these are.
 */
unsigned virtio_gpu_render_contexts_cut_full(void);

#endif
