/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of the module lab-dmabuf-ttm, which exports dma-bufs as the
 * GPU drivers do that use TTM; see device.c
 */
#ifndef LAB_DMABUF_TTM_H
#define LAB_DMABUF_TTM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LAB_TTM_PATH "/dev/lab-dmabuf-ttm"
#define LAB_TTM_MAX_PAGES 4096

/* System memory: blocks of up to 2 MiB, instead of single pages */
#define LAB_TTM_BLOCKS		(1u << 0)
/* System memory: write-combined, from a pool */
#define LAB_TTM_WC		(1u << 1)
/* System memory: by the DMA API, from a pool; what TTM does in a PV domain */
#define LAB_TTM_DMA_ALLOC	(1u << 2)
/* Begins in video memory. Who pins it moves it to system memory, or else: */
#define LAB_TTM_VRAM		(1u << 3)
/* Importers that cannot do P2P are refused. */
#define LAB_TTM_FIXED		(1u << 4)
/* It stays where it is, and each importer gets the BAR's address mapped. */
#define LAB_TTM_MAP_BAR		(1u << 5)
/* The same, but with an address that nobody has mapped for the importer */
#define LAB_TTM_MAP_BUS		(1u << 6)
/* There is no system memory left for it. */
#define LAB_TTM_FULL		(1u << 7)

struct lab_ttm_create {
	__u32 nr_pages;		/* in: 1 to LAB_TTM_MAX_PAGES */
	__u32 flags;		/* in */
	__s32 fd;		/* out: a dma-buf of that many pages */
};

#define LAB_TTM_CREATE _IOWR('L', 16, struct lab_ttm_create)

/*
 * The GPU wants a buffer in video memory, or at another place of system memory
 * if it does not know video memory. The argument is the dma-buf's descriptor.
 * EBUSY: it is pinned.
 */
#define LAB_TTM_MOVE _IO('L', 17)

/* Where a buffer is now */
struct lab_ttm_frame {
	__s32 fd;		/* in: the dma-buf */
	__u32 page;		/* in: number of a page */
	__u64 frame;		/* out: the page's frame */
};

#define LAB_TTM_FRAME _IOWR('L', 18, struct lab_ttm_frame)

/*
 * Has a thread of the kernel unbind the driver, as when a device is unplugged.
 * Returns at once.
 */
#define LAB_TTM_UNBIND _IO('L', 19)

#endif /* LAB_DMABUF_TTM_H */
