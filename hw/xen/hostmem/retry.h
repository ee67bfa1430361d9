/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen hostmem: retries for blobs that are trapped for a reason that may pass
 */
#ifndef HW_XEN_HOSTMEM_RETRY_H
#define HW_XEN_HOSTMEM_RETRY_H

#include "mapping.h"

/*
 * A map of a blob in use is LIVE (R12): the guest's driver stops all CPUs of
 * the guest for each request and each XEN_HOSTMEM_STOP_PAGES of it.  The
 * programs of a guest decide how often there is room for a blob over quota, so
 * these stops are limited: to so many a second on average, for rings and for
 * other blobs each.  A single blob may use more at once, and the others then
 * wait for longer.
 */
#define XEN_HOSTMEM_STOP_PAGES      256
#define XEN_HOSTMEM_STOPS_PER_S     16

/* The stops that a kind of blobs has caused and that are not paid off yet. */
typedef struct XenHostmemStops {
    uint64_t rings, others;     /* thousandths of a stop */
    int64_t seen;               /* ms; paid off until then */
} XenHostmemStops;

typedef struct XenHostmemRetry {
    bool quota_returned;        /* retry blobs over quota */
    bool guest_has_room;        /* retry blobs trapped for other reasons */
    int64_t at;                 /* ms; retry those then in any case */
    int64_t pause;              /* ms between retries; 0: no retry so far */
    XenHostmemStops stops;
    bool stops_limit;           /* the last round ended because of them */
} XenHostmemRetry;

/**
 * xen_hostmem_retry_released: an import has ended
 * @unmapped: true if the mapping is gone, false if it becomes trapped
 */
void xen_hostmem_retry_released(XenHostmemRetry *r, bool unmapped,
                                int64_t now);

/**
 * xen_hostmem_retry_helped: the guest has mapped a blob that was trapped before
 */
void xen_hostmem_retry_helped(XenHostmemRetry *r);

/**
 * xen_hostmem_retry_due: call xen_hostmem_retry() without waiting for the tick?
 */
bool xen_hostmem_retry_due(const XenHostmemRetry *r);

/**
 * xen_hostmem_retry: try to grant the retryable blobs whose turn it is
 *
 * Returns true if a later retry may help any of those that are left: call again
 * in a second.
 */
bool xen_hostmem_retry(XenHostmemRetry *r, XenHostmemMappings *all);

#endif
