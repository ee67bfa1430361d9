/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: which buffers may be given to gntdev
 */
#ifndef HW_XEN_HOSTMEM_GNTDEV_SAFE_H
#define HW_XEN_HOSTMEM_GNTDEV_SAFE_H

/**
 * xen_hostmem_gntdev_is_safe: is it known what gntdev makes of a dma-buf?
 * @root: "", or a folder with samples of /proc and /sys, for tests
 * @release: the kernel's release, as in struct utsname
 * @fd: the dma-buf
 */
bool xen_hostmem_gntdev_is_safe(const char *root, const char *release, int fd);

#endif
