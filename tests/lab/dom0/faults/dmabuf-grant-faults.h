/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults for xen-dmabuf-grant, built into a copy of the module that only the
 * lab loads: each call below fails when its turn comes. The compiler includes
 * this file before each file of the module. See faults.h.
 */
#ifndef DMABUF_GRANT_FAULTS_H
#define DMABUF_GRANT_FAULTS_H

#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include <xen/grant_table.h>

#include "faults.h"

#undef kzalloc
#define kzalloc(...) FAULT(NULL, kzalloc_noprof(__VA_ARGS__))
#undef kvmalloc_array
#define kvmalloc_array(...) FAULT(NULL, kvmalloc_array_noprof(__VA_ARGS__))
#define xa_store(...) FAULT((void *)XA_ERROR(-ENOMEM), xa_store(__VA_ARGS__))
#define xa_alloc_cyclic(...) FAULT(-ENOMEM, xa_alloc_cyclic(__VA_ARGS__))
#define dma_buf_get(...) FAULT(ERR_PTR(-EBADF), dma_buf_get(__VA_ARGS__))
#define dma_buf_attach(...) FAULT(ERR_PTR(-ENOMEM), dma_buf_attach(__VA_ARGS__))
#define dma_buf_map_attachment_unlocked(...) \
	FAULT(ERR_PTR(-ENOMEM), dma_buf_map_attachment_unlocked(__VA_ARGS__))
#define gnttab_grant_foreign_access(...) \
	FAULT(-ENOSPC, gnttab_grant_foreign_access(__VA_ARGS__))
/* The peer has it mapped. */
#define gnttab_try_end_foreign_access(...) \
	FAULT(0, gnttab_try_end_foreign_access(__VA_ARGS__))
/* A page whose references cannot be taken. */
#define folio_try_get(...) FAULT(false, folio_try_get(__VA_ARGS__))
#define copy_from_user(...) FAULT(1ul, copy_from_user(__VA_ARGS__))
#define copy_to_user(...) FAULT(1ul, copy_to_user(__VA_ARGS__))
#define PageReserved(page) (lab_fault_refuses() || PageReserved(page))

/* The module's own, after what is included above */
#undef pr_fmt

#endif
