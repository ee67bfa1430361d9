/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limit the rate of messages that a guest can cause
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "qemu/timer.h"

/* For all limits: libraries of renderers report from threads of their own. */
static GMutex lock;

static void subtract_periods(ReportLimit *limit, int64_t now)
{
    int64_t periods = (now - limit->counted_ms) / REPORT_LIMIT_PERIOD_MS;

    if (periods >= limit->used) {
        limit->used = 0;
        limit->counted_ms = now;
    } else {
        limit->used -= periods;
        limit->counted_ms += periods * REPORT_LIMIT_PERIOD_MS;
    }
}

/* At the end of a period, so that the number is reported even if it is final */
static void report_left_out(void *opaque)
{
    ReportLimit *limit = opaque;
    uint64_t n;

    g_mutex_lock(&lock);
    subtract_periods(limit, qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
    n = limit->left_out;
    limit->left_out = 0;
    limit->used++;
    g_mutex_unlock(&lock);

    warn_report("%s: %" PRIu64 " more messages were left out", limit->what, n);
}

static void leave_out(ReportLimit *limit)
{
    if (limit->left_out++) {
        return;
    }
    if (!limit->timer) {
        limit->timer = timer_new_ms(QEMU_CLOCK_REALTIME, report_left_out,
                                    limit);
    }
    timer_mod(limit->timer, limit->counted_ms + REPORT_LIMIT_PERIOD_MS);
}

bool report_limit_pass(ReportLimit *limit)
{
    bool pass;

    g_mutex_lock(&lock);
    subtract_periods(limit, qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
    /* While messages are left out, what is free is for their number. */
    pass = limit->used < REPORT_LIMIT_BURST && !limit->left_out;
    if (pass) {
        limit->used++;
    } else {
        leave_out(limit);
    }
    g_mutex_unlock(&lock);
    return pass;
}

void error_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    if (report_limit_pass(limit)) {
        va_start(ap, fmt);
        error_vreport(fmt, ap);
        va_end(ap);
    }
}

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    if (report_limit_pass(limit)) {
        va_start(ap, fmt);
        warn_vreport(fmt, ap);
        va_end(ap);
    }
}

char *report_limit_text(const char *text)
{
    char *line = g_strndup(text, MIN(strcspn(text, "\r\n"), REPORT_LIMIT_TEXT));

    for (char *c = line; *c; c++) {
        *c = g_ascii_isprint(*c) ? *c : '?';
    }
    return line;
}
