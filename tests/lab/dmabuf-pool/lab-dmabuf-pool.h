/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* User interface of the module lab-dmabuf-pool */
#ifndef LAB_DMABUF_POOL_H
#define LAB_DMABUF_POOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LAB_POOL_PATH "/dev/lab-dmabuf-pool"

struct lab_pool_create {
	__u32 nr_pages;		/* in: 1 or more */
	__s32 fd;		/* out: a dma-buf of that many pages */
};

#define LAB_POOL_CREATE _IOWR('L', 1, struct lab_pool_create)

#endif /* LAB_DMABUF_POOL_H */
