/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: exporting a blob as a dma-buf
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "standard-headers/linux/udmabuf.h"
#include "hw/virtio/virtio-gpu-xen.h"
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

static XenHostmemMemoryType memory_type(uint32_t resource_id)
{
    uint32_t info = VIRTIO_GPU_MAP_CACHE_NONE;

    virgl_renderer_resource_get_map_info(resource_id, &info);
    switch (info & VIRTIO_GPU_MAP_CACHE_MASK) {
    case VIRTIO_GPU_MAP_CACHE_CACHED:
        return XEN_HOSTMEM_MEMORY_TYPE_CACHED;
    case VIRTIO_GPU_MAP_CACHE_UNCACHED:
        return XEN_HOSTMEM_MEMORY_TYPE_UNCACHED;
    case VIRTIO_GPU_MAP_CACHE_WC:
        return XEN_HOSTMEM_MEMORY_TYPE_WRITE_COMBINED;
    default:
        return XEN_HOSTMEM_MEMORY_TYPE_UNSPECIFIED;
    }
}

void virtio_gpu_xen_export(void *opaque, uint32_t resource_id,
                           XenHostmemBuffer *buf)
{
    XenHostmem *h = VIRTIO_GPU_GL(opaque)->xen_hostmem;
    uint32_t type;
    int fd;

    buf->dmabuf = -1;
    buf->shared_memory = false;
    buf->memory_type = memory_type(resource_id);
    buf->reason = xen_hostmem_check_type(h, buf->memory_type);
    if (buf->reason != XEN_HOSTMEM_REASON_NONE) {
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
