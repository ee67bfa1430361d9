/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: messages of the renderer
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_VIRGL_LOG_H
#define HW_DISPLAY_VIRTIO_GPU_VIRGL_LOG_H

/**
 * virtio_gpu_virgl_limit_log: take virglrenderer's messages over
 *
 * It writes to stderr otherwise, and a guest can make it do so as often as it
 * likes.  Warnings and errors are reported at a limited rate; all messages are
 * trace events.
 */
void virtio_gpu_virgl_limit_log(void);

#endif
