/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of pixman and of the consoles that tested files use, without QEMU;
 * for tests
 */
#ifndef HW_VIRTIO_GPU_PIXMAN_H
#define HW_VIRTIO_GPU_PIXMAN_H

#include "hw/virtio/virtio-gpu.h"

typedef void (*pixman_image_destroy_func_t)(pixman_image_t *image, void *data);

#define PIXMAN_FORMAT_BPP(format)   (format)    /* bits */

pixman_image_t *pixman_image_create_bits(pixman_format_code_t format,
                                         int width, int height, uint32_t *bits,
                                         int stride);
void pixman_image_set_destroy_function(pixman_image_t *image,
                                       pixman_image_destroy_func_t destroy,
                                       void *data);
void pixman_image_unref(pixman_image_t *image);

DisplaySurface *qemu_create_displaysurface_pixman(pixman_image_t *image);
void qemu_displaysurface_set_share_handle(DisplaySurface *surface,
                                          qemu_pixman_shareable handle,
                                          uint32_t offset);
void qemu_console_set_surface(QemuConsole *con, DisplaySurface *surface);

#endif
