/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: host visible memory on Xen: internal declarations
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_XEN_BLOB_H
#define HW_DISPLAY_VIRTIO_GPU_XEN_BLOB_H

#include "hw/xen/xen-hostmem.h"

/**
 * virtio_gpu_xen_settled: XenHostmemSettled of the device, @opaque
 *
 * Answers the command that waited for the resource, and resumes the commands
 * that are deferred behind it.
 */
void virtio_gpu_xen_settled(void *opaque, uint32_t resource_id,
                            XenHostmemResult result);

/**
 * virtio_gpu_xen_export: export a blob's memory as a dma-buf
 * @opaque: the device
 * @buf: @size is set; all but @host is filled in
 *
 * Sets @buf->dmabuf to a descriptor that the caller owns, or to -1 with the
 * cause in @buf->reason.  Also the device's XenHostmemExport.
 */
void virtio_gpu_xen_export(void *opaque, uint32_t resource_id,
                           XenHostmemBuffer *buf);

/**
 * virtio_gpu_xen_open_udmabuf: open /dev/udmabuf if it is there
 *
 * Called at realize: QEMU may change to a user that may not open it.
 */
void virtio_gpu_xen_open_udmabuf(void);

#endif
