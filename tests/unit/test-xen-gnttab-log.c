/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flood of messages of libxengnttab, on a simulated clock
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "qemu/timer.h"
#include "hw/xen/xen-gnttab-log.h"

#include <stdio.h>
#include <xentoollog.h>

#define FLOOD   10000

struct QEMUTimer {
    QEMUTimerCB *cb;
    void *opaque;
};

static struct {
    int64_t now;
    QEMUTimer timer;
    unsigned lines;
    char last[200];
} fake;

/* QEMU */

int64_t qemu_clock_get_ms(int clock)
{
    return fake.now;
}

QEMUTimer *timer_new_ms(int clock, QEMUTimerCB *cb, void *opaque)
{
    fake.timer = (QEMUTimer) { cb, opaque };
    return &fake.timer;
}

void timer_mod(QEMUTimer *timer, int64_t ms)
{
    g_assert_cmpint(ms, >, fake.now);
}

void error_vreport(const char *fmt, va_list ap)
{
    g_assert_not_reached();
}

void warn_vreport(const char *fmt, va_list ap)
{
    g_assert_not_reached();
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    fake.lines++;
    va_start(ap, fmt);
    vsnprintf(fake.last, sizeof(fake.last), fmt, ap);
    va_end(ap);
    errno = ENOSPC;             /* of the host's log */
}

/* libxengnttab */

static void G_GNUC_PRINTF(3, 4) library_logs(xentoollog_level level,
                                             int errnoval, const char *fmt, ...)
{
    struct xentoollog_logger *logger = xen_gnttab_log();
    va_list ap;

    va_start(ap, fmt);
    logger->vmessage(logger, level, errnoval, "gnttab", fmt, ap);
    va_end(ap);
}

/* A time without messages allows for a burst of them. */
static void calm(void)
{
    if (fake.timer.cb) {
        fake.now += REPORT_LIMIT_PERIOD_MS;
        fake.timer.cb(fake.timer.opaque);
    }
    fake.now += REPORT_LIMIT_PERIOD_MS * (REPORT_LIMIT_BURST + 1);
    fake.lines = 0;
}

/* Tests */

static void test_text(void)
{
    g_autofree char *expected = g_strdup_printf("gnttab: mmap failed: %s",
                                                strerror(EINVAL));

    calm();
    errno = EINVAL;
    library_logs(XTL_ERROR, EINVAL, "%s failed", "mmap");
    g_assert_cmpint(errno, ==, EINVAL);
    g_assert_cmpstr(fake.last, ==, expected);
    library_logs(XTL_ERROR, -1, "node %d", 3);
    g_assert_cmpstr(fake.last, ==, "gnttab: node 3");
    library_logs(XTL_DETAIL, -1, "left out");
    g_assert_cmpuint(fake.lines, ==, 2);
}

static void test_flood(void)
{
    calm();
    for (unsigned i = 0; i < FLOOD; i++) {
        errno = EINVAL;
        library_logs(XTL_ERROR, EINVAL, "mmap failed");
        g_assert_cmpint(errno, ==, EINVAL);
    }
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST);
    fake.now += REPORT_LIMIT_PERIOD_MS;
    fake.timer.cb(fake.timer.opaque);
    g_assert_cmpstr(fake.last, ==,
                    "libxengnttab: 9980 more messages were left out");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gnttab-log/text", test_text);
    g_test_add_func("/gnttab-log/flood", test_flood);
    return g_test_run();
}
