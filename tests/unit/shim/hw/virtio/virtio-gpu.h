/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virtio-gpu-xen-blob.c uses of virtio-gpu.h, for a build without QEMU. */
#ifndef HW_VIRTIO_GPU_H
#define HW_VIRTIO_GPU_H

#include <sys/queue.h>
#include <linux/virtio_gpu.h>
#include "hw/virtio/virtio-gpu-parked.h"

#define QTAILQ_HEAD(name, type)             TAILQ_HEAD(name, type)
#define QTAILQ_ENTRY(type)                  TAILQ_ENTRY(type)
#define QTAILQ_INIT(head)                   TAILQ_INIT(head)
#define QTAILQ_EMPTY(head)                  TAILQ_EMPTY(head)
#define QTAILQ_FIRST(head)                  TAILQ_FIRST(head)
#define QTAILQ_FOREACH(var, head, field)    TAILQ_FOREACH(var, head, field)
#define QTAILQ_REMOVE(head, elm, field)     TAILQ_REMOVE(head, elm, field)
#define QTAILQ_INSERT_HEAD(head, elm, field) TAILQ_INSERT_HEAD(head, elm, field)
#define QTAILQ_INSERT_TAIL(head, elm, field) TAILQ_INSERT_TAIL(head, elm, field)
#define QTAILQ_INSERT_AFTER(head, at, elm, field) \
    TAILQ_INSERT_AFTER(head, at, elm, field)

typedef struct Error Error;

struct virtio_gpu_simple_resource {
    uint32_t resource_id;
    uint64_t blob_size;
    QTAILQ_ENTRY(virtio_gpu_simple_resource) next;
};

struct virtio_gpu_ctrl_command {
    struct virtio_gpu_ctrl_hdr cmd_hdr;
    uint32_t error;
    bool finished;
    QTAILQ_ENTRY(virtio_gpu_ctrl_command) next;
};

typedef struct VirtIOGPU {
    VirtIOGPUParked *parked;
    struct XenHostmem *xen;
    bool processing_cmdq;
    QTAILQ_HEAD(, virtio_gpu_ctrl_command) cmdq;
    QTAILQ_HEAD(, virtio_gpu_simple_resource) reslist;
} VirtIOGPU;

void virtio_gpu_ctrl_response(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                              struct virtio_gpu_ctrl_hdr *resp, size_t len);
void virtio_gpu_ctrl_response_nodata(VirtIOGPU *g,
                                     struct virtio_gpu_ctrl_command *cmd,
                                     enum virtio_gpu_ctrl_type type);
void virtio_gpu_process_cmdq(VirtIOGPU *g);
void virtio_gpu_virgl_fence_poll(VirtIOGPU *g);

#endif
