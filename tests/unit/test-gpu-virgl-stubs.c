/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU with virgl: what it refers to and test-gpu-virgl does not call
 *
 * Without QEMU's headers, as their types do not matter here.
 */

#include <stdlib.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define STUB(name)      \
    void name(void)     \
    {                   \
        abort();        \
    }

/* virglrenderer */
STUB(virgl_renderer_context_create)
STUB(virgl_renderer_context_create_fence)
STUB(virgl_renderer_context_create_with_flags)
STUB(virgl_renderer_create_fence)
STUB(virgl_renderer_ctx_attach_resource)
STUB(virgl_renderer_ctx_detach_resource)
STUB(virgl_renderer_fill_caps)
STUB(virgl_renderer_get_cap_set)
STUB(virgl_renderer_poll)
STUB(virgl_renderer_resource_attach_iov)
STUB(virgl_renderer_resource_get_map_info)
STUB(virgl_renderer_resource_map)
STUB(virgl_renderer_resource_unmap)
STUB(virgl_renderer_transfer_read_iov)
STUB(virgl_renderer_transfer_write_iov)

/* The rest of the device */
STUB(virtio_gpu_ctrl_response)
STUB(virtio_gpu_get_display_info)
STUB(virtio_gpu_get_edid)
STUB(virtio_gpu_process_cmdq)
STUB(virtio_gpu_render_contexts_add)
STUB(virtio_gpu_render_server_fd)
STUB(virtio_gpu_render_server_pid)
STUB(virtio_gpu_render_watch_start)
STUB(virtio_gpu_xen_map_blob)

/* Memory */
STUB(memory_region_add_subregion)
STUB(memory_region_add_subregion_overlap)
STUB(memory_region_del_subregion)
STUB(memory_region_init_ram_ptr)
STUB(memory_region_set_enabled)

/* Displays, before 11.1 and since */
STUB(dpy_gl_ctx_create)
STUB(dpy_gl_ctx_destroy)
STUB(dpy_gl_ctx_make_current)
STUB(dpy_gl_update)
STUB(qemu_console_gl_ctx_create)
STUB(qemu_console_gl_ctx_destroy)
STUB(qemu_console_gl_ctx_make_current)
STUB(qemu_console_gl_update)

/* QEMU 10.2 has no such function. All is within bounds. */
_Bool virtio_gpu_check_scanout_bounds(void)
{
    return 1;
}
