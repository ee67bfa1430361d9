/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: references to a piece of guest memory
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"

VirtIOGPUGuestMemory *
virtio_gpu_guest_memory_new(void *base, uint64_t size,
                            void (*release)(VirtIOGPUGuestMemory *memory))
{
    VirtIOGPUGuestMemory *memory = g_atomic_rc_box_new0(VirtIOGPUGuestMemory);

    memory->base = memory->data = base;
    memory->size = size;
    memory->dmabuf_fd = -1;
    memory->release = release;
    return memory;
}

VirtIOGPUGuestMemory *
virtio_gpu_guest_memory_ref(VirtIOGPUGuestMemory *memory)
{
    return g_atomic_rc_box_acquire(memory);
}

static void release(gpointer data)
{
    VirtIOGPUGuestMemory *memory = data;

    memory->release(memory);
    if (memory->dmabuf_fd >= 0) {
        close(memory->dmabuf_fd);
    }
    g_free(memory->why);
}

void virtio_gpu_guest_memory_unref(VirtIOGPUGuestMemory *memory)
{
    g_atomic_rc_box_release_full(memory, release);
}
