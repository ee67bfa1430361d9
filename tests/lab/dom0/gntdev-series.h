/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What upstream/linux-gntdev.toml adds to <xen/gntdev.h>
 */
#ifndef GNTDEV_SERIES_H
#define GNTDEV_SERIES_H

#include <stdint.h>
#include <linux/ioctl.h>

#define GNTDEV_DMABUF_IMP_READONLY (1 << 0)

struct ioctl_gntdev_dmabuf_imp_to_refs_v2 {
    uint32_t fd, domid, flags, count;
    uint64_t offset, refs, handle;
};

struct ioctl_gntdev_dmabuf_imp_release_v2 {
    uint64_t handle;
    uint32_t reserved, busy;
};

#define IOCTL_GNTDEV_DMABUF_IMP_TO_REFS_V2 \
    _IOC(_IOC_NONE, 'G', 13, sizeof(struct ioctl_gntdev_dmabuf_imp_to_refs_v2))
#define IOCTL_GNTDEV_DMABUF_IMP_RELEASE_V2 \
    _IOC(_IOC_NONE, 'G', 14, sizeof(struct ioctl_gntdev_dmabuf_imp_release_v2))

#endif /* GNTDEV_SERIES_H */
