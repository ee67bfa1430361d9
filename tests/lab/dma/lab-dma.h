/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lab-dma: a device that dma-bufs are mapped for, and I/O of a disk to them
 */
#ifndef LAB_DMA_H
#define LAB_DMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Map a dma-buf until the descriptor of /dev/lab-dma is closed. */
struct lab_dma_map {
	__s32 fd;		/* in: the dma-buf */
	__u32 bits;		/* in: how many address bits the device has */
	__u32 both;		/* in: it also writes */
	__u32 segments;		/* out */
	__u64 lowest;		/* out: address of a segment */
	__u64 highest;
};

/* Write what is mapped to a disk, from its first sector on, or read it. */
struct lab_dma_disk {
	char path[32];		/* in */
	__u32 read;		/* in */
	__u32 pages;		/* out */
};

#define LAB_DMA_MAP	_IOWR('L', 0x20, struct lab_dma_map)
#define LAB_DMA_DISK	_IOWR('L', 0x21, struct lab_dma_disk)

#endif /* LAB_DMA_H */
