/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of error-report.h that provider.c uses, without QEMU */
#ifndef QEMU_ERROR_REPORT_H
#define QEMU_ERROR_REPORT_H

#include <glib.h>

void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#endif
