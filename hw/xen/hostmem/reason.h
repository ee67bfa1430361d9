/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: why a blob is served by trapping and not granted
 */
#ifndef HW_XEN_HOSTMEM_REASON_H
#define HW_XEN_HOSTMEM_REASON_H

#include "hw/xen/xen-hostmem.h"

/**
 * xen_hostmem_reason_name: short name, for traces and counters
 */
const char *xen_hostmem_reason_name(XenHostmemReason reason);

/**
 * xen_hostmem_reason_text: a sentence for a person: what is wrong and what to
 * change
 */
const char *xen_hostmem_reason_text(XenHostmemReason reason);

/**
 * xen_hostmem_reason_of_import: the reason behind a failed import
 * @err: negative errno, as from struct gnttab_dmabuf_ops
 */
XenHostmemReason xen_hostmem_reason_of_import(int err);

/**
 * xen_hostmem_reason_may_pass: can this be over without the blob being mapped
 * anew? Something was full, too small, or not there yet.
 */
bool xen_hostmem_reason_may_pass(XenHostmemReason reason);

/**
 * xen_hostmem_reason_of_reply: the reason behind a MAP that the frontend
 * answered with @status, not 0
 */
XenHostmemReason xen_hostmem_reason_of_reply(int32_t status);

#endif
