/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: exporting a blob as a dma-buf
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "standard-headers/linux/udmabuf.h"
#include "standard-headers/linux/virtio_gpu.h"
#include "trace.h"
#include "virtio-gpu-xen-blob.h"

#include <sys/ioctl.h>
#include <virglrenderer.h>

#define PAGE_BYTES 4096     /* page size of grants, and of x86 */

/* Retried until it opens: the module may be loaded at any time. */
static int udmabuf_device(void)
{
    static int fd = -1;

    if (fd < 0) {
        fd = qemu_open_old("/dev/udmabuf", O_RDWR);
    }
    return fd;
}

void virtio_gpu_xen_open_udmabuf(void)
{
    udmabuf_device();
}

/* @otherwise: the reason to use unless file descriptors ran out. */
static XenHostmemReason reason_of_failure(XenHostmemReason otherwise)
{
    return xen_hostmem_out_of_descriptors() ?
           XEN_HOSTMEM_REASON_NO_DESCRIPTORS : otherwise;
}

/* Consumes @memfd. */
static int wrap_memfd(int memfd, XenHostmemBuffer *buf)
{
    struct udmabuf_create create = {
        .memfd = memfd,
        .flags = UDMABUF_FLAGS_CLOEXEC,
        .size = QEMU_ALIGN_UP(buf->size, PAGE_BYTES),
    };
    int device = udmabuf_device();
    int fd = -1;

    if (device < 0) {
        buf->reason = reason_of_failure(XEN_HOSTMEM_REASON_NO_UDMABUF);
    } else {
        /* udmabuf requires this seal: without it the ioctl fails. */
        fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK);
        fd = ioctl(device, UDMABUF_CREATE, &create);
        if (fd < 0) {
            warn_report_once("virtio-gpu: UDMABUF_CREATE of %" PRIu64
                             " bytes failed: %s", (uint64_t)create.size,
                             strerror(errno));
            buf->reason = reason_of_failure(XEN_HOSTMEM_REASON_UDMABUF_FAILED);
        }
    }
    close(memfd);
    return fd;
}

static bool is_cached(uint32_t resource_id)
{
    uint32_t info = VIRTIO_GPU_MAP_CACHE_NONE;

    virgl_renderer_resource_get_map_info(resource_id, &info);
    return (info & VIRTIO_GPU_MAP_CACHE_MASK) == VIRTIO_GPU_MAP_CACHE_CACHED;
}

void virtio_gpu_xen_export(void *opaque, uint32_t resource_id,
                           XenHostmemBuffer *buf)
{
    uint32_t type;
    int fd;

    buf->dmabuf = -1;
    buf->shared_memory = false;
    if (!is_cached(resource_id)) {
        buf->reason = XEN_HOSTMEM_REASON_NOT_CACHED;
        return;
    }
    buf->reason = XEN_HOSTMEM_REASON_NOT_EXPORTABLE;
    if (virgl_renderer_resource_export_blob(resource_id, &type, &fd)) {
        buf->reason = reason_of_failure(buf->reason);
        return;
    }
    trace_virtio_gpu_xen_renderer_export(resource_id, type);
    switch (type) {
    case VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF:
        buf->dmabuf = fd;
        break;
    case VIRGL_RENDERER_BLOB_FD_TYPE_SHM:
        buf->shared_memory = true;
        buf->dmabuf = wrap_memfd(fd, buf);
        trace_virtio_gpu_xen_udmabuf(resource_id, buf->size, buf->dmabuf);
        break;
    default:
        close(fd);
        break;
    }
}
