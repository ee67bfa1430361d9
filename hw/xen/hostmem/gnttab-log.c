/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen: the messages of libxengnttab, at a limited rate
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "hw/xen/xen-gnttab-log.h"

#include <xentoollog.h>

/* The callers of the library rely on errno after a failure. */
static void G_GNUC_PRINTF(5, 0)
log_message(struct xentoollog_logger *logger, xentoollog_level level,
            int errnoval, const char *context, const char *format, va_list ap)
{
    static ReportLimit limit = { .what = "libxengnttab" };
    g_autofree char *text = NULL;
    int saved_errno = errno;

    /* As little as the library's own logger */
    if (level >= XTL_PROGRESS && report_limit_pass(&limit)) {
        text = g_strdup_vprintf(format, ap);
        warn_report("%s: %s%s%s", context ?: "xen", text,
                    errnoval >= 0 ? ": " : "",
                    errnoval >= 0 ? strerror(errnoval) : "");
    }
    errno = saved_errno;
}

struct xentoollog_logger *xen_gnttab_log(void)
{
    static struct xentoollog_logger logger = { .vmessage = log_message };

    return &logger;
}
