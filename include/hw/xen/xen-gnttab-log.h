/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen: the messages of libxengnttab, at a limited rate
 */
#ifndef HW_XEN_GNTTAB_LOG_H
#define HW_XEN_GNTTAB_LOG_H

/**
 * xen_gnttab_log: a logger for xengnttab_open()
 *
 * The library writes a line for each grant that cannot be mapped.  A frontend
 * can name such grants as often as it likes, and fill the host's log.
 */
struct xentoollog_logger *xen_gnttab_log(void);

#endif
