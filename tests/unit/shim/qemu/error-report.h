/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of error-report.h that are used, without QEMU; for tests. */
#ifndef QEMU_ERROR_REPORT_H
#define QEMU_ERROR_REPORT_H

#include <stdarg.h>
#include <glib.h>

void error_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void warn_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#endif
