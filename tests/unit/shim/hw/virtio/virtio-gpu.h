/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of virtio-gpu.h that tested files use, without QEMU */
#ifndef HW_VIRTIO_GPU_H
#define HW_VIRTIO_GPU_H

#include <sys/queue.h>
#include <linux/virtio_gpu.h>
#include "qemu/main-loop.h"
#include "qapi/qapi-types-xen-hostmem.h"

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
typedef struct DisplaySurface DisplaySurface;
typedef struct QemuConsole QemuConsole;
typedef struct pixman_image pixman_image_t;
typedef int pixman_format_code_t;
typedef int qemu_pixman_shareable;

#define SHAREABLE_NONE  (-1)

struct virtio_gpu_framebuffer {
    pixman_format_code_t format;
    uint32_t width, height, stride, offset;
};

struct virtio_gpu_scanout {
    QemuConsole *con;
    DisplaySurface *ds;
    uint32_t width, height, x, y;
    uint32_t resource_id;
    struct virtio_gpu_framebuffer fb;
};

struct virtio_gpu_simple_resource {
    uint32_t resource_id;
    uint64_t *addrs;
    struct iovec *iov;
    unsigned int iov_cnt;
    uint32_t scanout_bitmask;
    pixman_image_t *image;
    qemu_pixman_shareable share_handle;
    uint64_t hostmem;
    uint64_t blob_size;
    void *blob;
    int dmabuf_fd;
    struct VirtIOGPUGuestMemory *guest_memory;
    QTAILQ_ENTRY(virtio_gpu_simple_resource) next;
};

struct virtio_gpu_ctrl_command {
    struct virtio_gpu_ctrl_hdr cmd_hdr;
    uint32_t error;
    uint32_t deferred_for;
    bool finished;
    struct {
        struct iovec *out_sg;
        unsigned int out_num;
    } elem;
    QTAILQ_ENTRY(virtio_gpu_ctrl_command) next;
};

typedef struct VirtIOGPU {
    struct {
        struct { uint32_t max_outputs; } conf;
        struct virtio_gpu_scanout scanout[2];
        int renderer_blocked;
    } parent_obj;
    uint64_t hostmem;
    uint64_t conf_max_hostmem;
    struct VirtIOGPUBackings *backings;
    bool processing_cmdq;
    QEMUBH *ctrl_bh;
    QTAILQ_HEAD(, virtio_gpu_ctrl_command) cmdq;
    QTAILQ_HEAD(, virtio_gpu_ctrl_command) deferredq;
    QTAILQ_HEAD(, virtio_gpu_simple_resource) reslist;
} VirtIOGPU;

typedef struct VirtIOGPUGL {
    VirtIOGPU parent_obj;
    struct XenHostmem *xen_hostmem;
} VirtIOGPUGL;

#define VIRTIO_GPU_GL(g)    ((VirtIOGPUGL *)(g))

void virtio_gpu_virgl_process_cmd(VirtIOGPU *g,
                                  struct virtio_gpu_ctrl_command *cmd);
bool virtio_gpu_have_udmabuf(void);
void virtio_gpu_init_udmabuf(struct virtio_gpu_simple_resource *res);
void virtio_gpu_fini_udmabuf(VirtIOGPU *g,
                             struct virtio_gpu_simple_resource *res);
int virtio_gpu_update_dmabuf(VirtIOGPU *g, uint32_t scanout_id,
                             struct virtio_gpu_simple_resource *res,
                             struct virtio_gpu_framebuffer *fb,
                             struct virtio_gpu_rect *r);
void virtio_gpu_update_scanout(VirtIOGPU *g, uint32_t scanout_id,
                               struct virtio_gpu_simple_resource *res,
                               struct virtio_gpu_framebuffer *fb,
                               struct virtio_gpu_rect *r);
void virtio_gpu_disable_scanout(VirtIOGPU *g, int scanout_id);
void virtio_gpu_end_dmabuf(VirtIOGPU *g, uint32_t scanout_id);
bool qemu_console_has_gl(QemuConsole *con);
void *object_resolve_path_type(const char *path, const char *type,
                               bool *ambiguous);

void virtio_gpu_ctrl_response(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                              struct virtio_gpu_ctrl_hdr *resp, size_t len);
void virtio_gpu_ctrl_response_nodata(VirtIOGPU *g,
                                     struct virtio_gpu_ctrl_command *cmd,
                                     enum virtio_gpu_ctrl_type type);

#endif
