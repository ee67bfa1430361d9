/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: reasons why a blob is trapped instead of granted
 *
 * The reasons and their names are in qapi/xen-hostmem.json.
 */
#ifndef HW_XEN_HOSTMEM_REASON_H
#define HW_XEN_HOSTMEM_REASON_H

#include "qapi/qapi-types-xen-hostmem.h"

/**
 * xen_hostmem_reason_text: human-readable: what is wrong and how to fix it
 */
const char *xen_hostmem_reason_text(XenHostmemReason reason);

/**
 * xen_hostmem_reason_of_import: map an import error to a reason
 * @err: negative errno, as from struct gnttab_dmabuf_ops
 */
XenHostmemReason xen_hostmem_reason_of_import(int err);

/**
 * xen_hostmem_reason_of_reply: map the status of a failed MAP to a reason
 * @status: not 0
 */
XenHostmemReason xen_hostmem_reason_of_reply(int32_t status);

/**
 * xen_hostmem_reason_may_pass: true if granting the blob may succeed later
 *
 * Something was full, too small, or missing.
 */
bool xen_hostmem_reason_may_pass(XenHostmemReason reason);

#endif
