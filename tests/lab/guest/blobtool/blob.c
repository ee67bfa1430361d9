/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device, and the life of a blob
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "blob.h"
#include "tool.h"

#define CAPSET_VENUS    4

static int param(int gpu, uint64_t which)
{
    int value = 0;
    struct drm_virtgpu_getparam get = {
        .param = which,
        .value = (uintptr_t)&value,
    };

    return ioctl(gpu, DRM_IOCTL_VIRTGPU_GETPARAM, &get) ? 0 : value;
}

int open_gpu(void)
{
    struct drm_virtgpu_context_set_param set[] = {
        { VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS },
        { VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64 },
    };
    struct drm_virtgpu_context_init init = {
        .num_params = sizeof(set) / sizeof(set[0]),
        .ctx_set_params = (uintptr_t)set,
    };
    int gpu = open(options.device, O_RDWR | O_CLOEXEC);

    if (gpu < 0) {
        die("%s: %s (is virtio-gpu loaded, and has the device 3D?)",
            options.device, strerror(errno));
    }
    if (!param(gpu, VIRTGPU_PARAM_RESOURCE_BLOB)) {
        die("the device does not support blobs: add blob=on");
    }
    if (!param(gpu, VIRTGPU_PARAM_HOST_VISIBLE)) {
        die("the device has no host memory: add hostmem=SIZE");
    }
    if (!(param(gpu, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs) &
          (1 << CAPSET_VENUS))) {
        die("the device does not support Venus: add venus=on");
    }
    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init)) {
        die("creating a Venus context: %s", strerror(errno));
    }
    return gpu;
}

void blob_open(int gpu, struct blob *blob, size_t bytes)
{
    /* To Venus, blob ID 0 is shared memory, which its rings use. */
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = options.mem,
        .blob_flags = options.flags,
        .size = bytes,
    };
    struct drm_virtgpu_map map = { 0 };
    double start = now_us(), created;
    void *at;

    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create)) {
        die("creating a blob of %zu bytes: %s", bytes, strerror(errno));
    }
    created = now_us();
    map.handle = create.bo_handle;
    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_MAP, &map)) {
        die("asking for the blob's offset: %s", strerror(errno));
    }
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, gpu,
              map.offset);
    if (at == MAP_FAILED) {
        die("mapping a blob of %zu bytes: %s", bytes, strerror(errno));
    }
    *blob = (struct blob) {
        .handle = create.bo_handle,
        .bytes = bytes,
        .words = at,
        .create_us = created - start,
        .mmap_us = now_us() - created,
    };
}

double blob_close(int gpu, struct blob *blob)
{
    struct drm_gem_close close_arg = { .handle = blob->handle };
    double start = now_us();

    if (munmap(blob->words, blob->bytes)) {
        die("munmap: %s", strerror(errno));
    }
    if (ioctl(gpu, DRM_IOCTL_GEM_CLOSE, &close_arg)) {
        die("closing a blob: %s", strerror(errno));
    }
    return now_us() - start;
}

uint64_t physical(const void *page)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry = 0;

    if (fd < 0) {
        return 0;
    }
    if (pread(fd, &entry, sizeof(entry),
              (uintptr_t)page / PAGE * sizeof(entry)) != sizeof(entry) ||
        !(entry >> 63)) {
        entry = 0;
    }
    close(fd);
    return (entry & ((1ull << 55) - 1)) * PAGE;
}
