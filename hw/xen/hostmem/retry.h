/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: the next try for blobs that are trapped because they lack
 * something that may become available
 */
#ifndef HW_XEN_HOSTMEM_RETRY_H
#define HW_XEN_HOSTMEM_RETRY_H

#include "mapping.h"

typedef struct XenHostmemRetry {
    bool quota_returned;        /* what waits for the quota may be tried */
    bool guest_has_room;        /* and what waits for something else */
    int64_t at;                 /* ms; when the latter may be tried anyhow */
    int64_t pause;              /* ms between tries; 0: none in this shortage */
} XenHostmemRetry;

/**
 * xen_hostmem_retry_released: an import has ended
 * @unmapped: because the GPU device unmapped the blob
 */
void xen_hostmem_retry_released(XenHostmemRetry *r, bool unmapped,
                                int64_t now);

/**
 * xen_hostmem_retry_helped: the guest mapped a blob that had been trapped
 */
void xen_hostmem_retry_helped(XenHostmemRetry *r);

/**
 * xen_hostmem_retry_due: is there something to try before the next tick?
 */
bool xen_hostmem_retry_due(const XenHostmemRetry *r);

/**
 * xen_hostmem_retry: try to grant what is lacking something, if that has
 * become available or it is time
 *
 * Returns true if something is still lacking that time may bring back: call
 * again a second later.
 */
bool xen_hostmem_retry(XenHostmemRetry *r, XenHostmemMappings *all);

#endif
