/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: references to a piece of guest memory
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-guest-memory.h"

VirtIOGPUGuestMemory *
virtio_gpu_guest_memory_ref(VirtIOGPUGuestMemory *memory)
{
    return g_atomic_rc_box_acquire(memory);
}

static void release(gpointer data)
{
    VirtIOGPUGuestMemory *memory = data;

    memory->release(memory);
}

void virtio_gpu_guest_memory_unref(VirtIOGPUGuestMemory *memory)
{
    g_atomic_rc_box_release_full(memory, release);
}
