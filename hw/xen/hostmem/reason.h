/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: why a blob is trapped and not granted
 *
 * The reasons and their names are in qapi/xen-hostmem.json.
 */
#ifndef HW_XEN_HOSTMEM_REASON_H
#define HW_XEN_HOSTMEM_REASON_H

#include "qapi/qapi-types-xen-hostmem.h"

/**
 * xen_hostmem_reason_text: what is wrong and what to change, for a person
 */
const char *xen_hostmem_reason_text(XenHostmemReason reason);

/**
 * xen_hostmem_reason_of_import: the reason behind a failed import
 * @err: negative errno, as from struct gnttab_dmabuf_ops
 */
XenHostmemReason xen_hostmem_reason_of_import(int err);

/**
 * xen_hostmem_reason_of_reply: the reason behind a MAP that the frontend
 * answered with @status, not 0
 */
XenHostmemReason xen_hostmem_reason_of_reply(int32_t status);

/**
 * xen_hostmem_reason_may_pass: can the reason go away while the blob stays
 * mapped? Something was full, too small, or not there yet.
 */
bool xen_hostmem_reason_may_pass(XenHostmemReason reason);

#endif
