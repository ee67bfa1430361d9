/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trace events of tested files, for a build without QEMU */
#ifndef SHIM_TRACE_H
#define SHIM_TRACE_H

#define trace_virtio_gpu_xen_map(res, offset, size)
#define trace_virtio_gpu_xen_renderer_map(res, ret)
#define trace_virtio_gpu_xen_settled(res, result)
#define trace_virtio_gpu_xen_unmap(res)

#define trace_virtio_gpu_backing(entries, size, how)
#define trace_virtio_gpu_guest_blob(res, size, provider)
#define trace_virtio_gpu_guest_dmabuf(res, size, fd, why)

#endif
