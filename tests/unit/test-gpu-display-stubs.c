/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: what the device refers to and test-gpu-display does not call
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

/* Saving and restoring */
STUB(qemu_get_be32)
STUB(qemu_get_be64)
STUB(qemu_get_buffer)
STUB(qemu_put_be32)
STUB(qemu_put_be64)
STUB(qemu_put_buffer)
STUB(virtio_gpu_backing_restore)
STUB(virtio_vmstate_info)
STUB(vmstate_info_int32)
STUB(vmstate_info_uint32)
STUB(vmstate_info_uint32_equal)
STUB(vmstate_info_unused_buffer)
STUB(vmstate_load_state)
STUB(vmstate_save_state)

/* Properties */
STUB(qdev_prop_bit)
STUB(qdev_prop_size)
STUB(qdev_prop_uint32)
STUB(qdev_prop_uint8)
STUB(qdev_prop_virtio_gpu_output_list)

/* Other commands, and other memory */
STUB(address_space_map)
STUB(address_space_unmap)
STUB(cursor_alloc)
STUB(qemu_ram_block_from_host)
STUB(udmabuf_fd)
STUB(virtio_error)
STUB(virtio_gpu_base_fill_display_info)
STUB(virtio_gpu_base_generate_edid)
STUB(virtio_gpu_guest_blob_cursor)
STUB(virtio_gpu_guest_blob_scanout)

/* A reset by a vCPU */
STUB(qemu_cond_wait_bql)

/* Displays without GL, before 11.1 and since */
STUB(dpy_cursor_define)
STUB(dpy_gfx_update)
STUB(dpy_gfx_update_full)
STUB(dpy_mouse_set)
STUB(qemu_console_set_cursor)
STUB(qemu_console_set_mouse)
STUB(qemu_console_update)
STUB(qemu_console_update_full)
