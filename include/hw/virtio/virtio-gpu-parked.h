/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: control commands that wait for something other than a fence
 *
 * A suspended command stalls the control queue, and one in the fence queue is
 * answered by whatever fence comes next. A command that has to wait for the
 * guest can have neither: it is parked here under a key, and comes back out
 * of order. Main loop only.
 */
#ifndef HW_VIRTIO_GPU_PARKED_H
#define HW_VIRTIO_GPU_PARKED_H

typedef struct VirtIOGPUParked VirtIOGPUParked;
struct virtio_gpu_ctrl_command;

VirtIOGPUParked *virtio_gpu_parked_new(void);

/* @parked must be empty. */
void virtio_gpu_parked_free(VirtIOGPUParked *parked);

/**
 * virtio_gpu_parked_add: park the command that is being processed
 * @key: what it waits for, a resource id
 *
 * The command stays in its queue for the moment: virtio_gpu_process_cmdq()
 * sees that it is parked and takes it out. From then on it belongs to @parked.
 */
void virtio_gpu_parked_add(VirtIOGPUParked *parked,
                           struct virtio_gpu_ctrl_command *cmd, uint32_t key);

/**
 * virtio_gpu_parked_holds: has the command just processed been parked?
 * @parked: may be NULL, then nothing is
 */
bool virtio_gpu_parked_holds(const VirtIOGPUParked *parked,
                             const struct virtio_gpu_ctrl_command *cmd);

/**
 * virtio_gpu_parked_take: the oldest command with that key, or NULL
 *
 * The caller answers it or queues it again.
 */
struct virtio_gpu_ctrl_command *
virtio_gpu_parked_take(VirtIOGPUParked *parked, uint32_t key);

/**
 * virtio_gpu_parked_take_any: the oldest command, or NULL
 */
struct virtio_gpu_ctrl_command *
virtio_gpu_parked_take_any(VirtIOGPUParked *parked);

#endif
