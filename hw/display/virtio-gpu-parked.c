/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: control commands that wait for something other than a fence
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-parked.h"

typedef struct Entry {
    struct virtio_gpu_ctrl_command *cmd;
    uint32_t key;
} Entry;

/* No more entries than the control queue has descriptors. */
struct VirtIOGPUParked {
    GQueue entries;     /* oldest first */
};

VirtIOGPUParked *virtio_gpu_parked_new(void)
{
    VirtIOGPUParked *parked = g_new0(VirtIOGPUParked, 1);

    g_queue_init(&parked->entries);
    return parked;
}

void virtio_gpu_parked_free(VirtIOGPUParked *parked)
{
    g_assert(g_queue_is_empty(&parked->entries));
    g_free(parked);
}

void virtio_gpu_parked_add(VirtIOGPUParked *parked,
                           struct virtio_gpu_ctrl_command *cmd, uint32_t key)
{
    Entry *entry = g_new(Entry, 1);

    *entry = (Entry) { .cmd = cmd, .key = key };
    g_queue_push_tail(&parked->entries, entry);
}

bool virtio_gpu_parked_holds(const VirtIOGPUParked *parked,
                             const struct virtio_gpu_ctrl_command *cmd)
{
    const Entry *last = parked && parked->entries.tail ?
                        parked->entries.tail->data : NULL;

    return last && last->cmd == cmd;
}

static struct virtio_gpu_ctrl_command *take_link(VirtIOGPUParked *parked,
                                                 GList *link)
{
    g_autofree Entry *entry = link->data;

    g_queue_delete_link(&parked->entries, link);
    return entry->cmd;
}

struct virtio_gpu_ctrl_command *
virtio_gpu_parked_take(VirtIOGPUParked *parked, uint32_t key)
{
    for (GList *l = parked->entries.head; l; l = l->next) {
        const Entry *entry = l->data;

        if (entry->key == key) {
            return take_link(parked, l);
        }
    }
    return NULL;
}

struct virtio_gpu_ctrl_command *
virtio_gpu_parked_take_any(VirtIOGPUParked *parked)
{
    GList *head = parked->entries.head;

    return head ? take_link(parked, head) : NULL;
}
