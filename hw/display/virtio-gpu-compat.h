/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: differences between QEMU 10.0, 10.2, 11.0 and 11.1
 *
 * Not needed in QEMU's own tree.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_COMPAT_H
#define HW_DISPLAY_VIRTIO_GPU_COMPAT_H

#include "hw/virtio/virtio-gpu.h"

#if __has_include("system/memory.h")            /* 10.1 */
#include "system/memory.h"
#else
#include "exec/memory.h"
#endif

#if __has_include("hw/core/boards.h")           /* 11.0 */
#include "hw/core/boards.h"
#else
#include "hw/boards.h"
#endif

/* 11.1 */
#if 100 * QEMU_VERSION_MAJOR + QEMU_VERSION_MINOR < 1101
#define qemu_console_set_surface dpy_gfx_replace_surface
#define qemu_console_has_gl console_has_gl
#define qemu_console_gl_scanout_dmabuf dpy_gl_scanout_dmabuf
#define qemu_console_gl_release_dmabuf dpy_gl_release_dmabuf
#define qemu_console_gl_scanout_disable dpy_gl_scanout_disable
#define qemu_console_gl_scanout_texture dpy_gl_scanout_texture
#define qemu_console_gl_update dpy_gl_update
#endif

/* 11.0 */
#if QEMU_VERSION_MAJOR < 11
#define virtio_gpu_fini_udmabuf(g, res) virtio_gpu_fini_udmabuf(res)
/* What it returns for success differs. */
#define virtio_gpu_virgl_update_render_state virtio_gpu_virgl_init
#endif

#endif
