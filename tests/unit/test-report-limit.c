/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floods of messages, on a simulated clock
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "qemu/timer.h"

#include <stdio.h>

struct QEMUTimer {
    QEMUTimerCB *cb;
    void *opaque;
    int64_t expires;            /* or -1 */
};

static struct {
    int64_t now;
    QEMUTimer timer;
    unsigned lines;
    size_t bytes;
    char last[400];
} fake;

/* QEMU */

int64_t qemu_clock_get_ms(int clock)
{
    return fake.now;
}

QEMUTimer *timer_new_ms(int clock, QEMUTimerCB *cb, void *opaque)
{
    fake.timer = (QEMUTimer) { cb, opaque, -1 };
    return &fake.timer;
}

void timer_mod(QEMUTimer *timer, int64_t ms)
{
    g_assert_cmpint(timer->expires, ==, -1);
    g_assert_cmpint(ms, >, fake.now);
    timer->expires = ms;
}

void error_vreport(const char *fmt, va_list ap)
{
    fake.lines++;
    fake.bytes += vsnprintf(fake.last, sizeof(fake.last), fmt, ap) + 1;
}

void warn_vreport(const char *fmt, va_list ap)
{
    error_vreport(fmt, ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
}

static void pass_time(int64_t ms)
{
    int64_t end = fake.now + ms;

    while (fake.timer.expires >= 0 && fake.timer.expires <= end) {
        fake.now = fake.timer.expires;
        fake.timer.expires = -1;
        fake.timer.cb(fake.timer.opaque);
    }
    fake.now = end;
}

static void start(ReportLimit *limit)
{
    memset(&fake, 0, sizeof(fake));
    fake.timer.expires = -1;
    fake.now = 1000 * REPORT_LIMIT_PERIOD_MS;
    *limit = (ReportLimit) { .what = "test" };
}

static void flood(ReportLimit *limit, unsigned n)
{
    while (n--) {
        warn_report_limited(limit, "virtio_gpu_virgl_process_cmd: ctrl 0x%x, "
                            "error 0x%x", 0x1234, 0x1200);
    }
}

/* Tests */

static void test_burst(void)
{
    ReportLimit limit;

    start(&limit);
    flood(&limit, REPORT_LIMIT_BURST);
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST);
    g_assert_cmpstr(fake.last, ==, "virtio_gpu_virgl_process_cmd: ctrl 0x1234, "
                    "error 0x1200");
    error_report_limited(&limit, "one too many");
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST);
    g_assert_cmpstr(fake.last, !=, "one too many");
}

/* What was left out is reported, although nothing comes after it. */
static void test_count(void)
{
    ReportLimit limit;

    start(&limit);
    flood(&limit, 100000);
    pass_time(REPORT_LIMIT_PERIOD_MS);
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST + 1);
    g_assert_cmpstr(fake.last, ==, "test: 99980 more messages were left out");
    g_assert_cmpuint(fake.bytes, <, 100 * 1024);
    pass_time(10 * REPORT_LIMIT_PERIOD_MS);
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST + 1);
}

/* A flood that never ends gets a line a minute; all are accounted for. */
static void test_endless(void)
{
    ReportLimit limit;
    uint64_t n = 0, counted = 0;

    start(&limit);
    flood(&limit, REPORT_LIMIT_BURST);
    for (unsigned minute = 0; minute < 1440; minute++) {
        unsigned before = fake.lines;

        flood(&limit, 1000);
        n += 1000;
        pass_time(REPORT_LIMIT_PERIOD_MS);
        g_assert_cmpuint(fake.lines - before, <=, 2);
        if (g_str_has_prefix(fake.last, "test: ")) {
            counted += g_ascii_strtoull(fake.last + strlen("test: "), NULL, 10);
        }
    }
    g_assert_cmpuint(counted, ==, n);
    g_assert_cmpuint(fake.lines, <=, 1440 + REPORT_LIMIT_BURST + 1);
    g_assert_cmpuint(fake.bytes, <, 100 * 1024);
}

/* Slower than the limit: nothing is left out. */
static void test_slow(void)
{
    ReportLimit limit;

    start(&limit);
    for (unsigned n = 0; n < 1000; n++) {
        flood(&limit, 1);
        pass_time(REPORT_LIMIT_PERIOD_MS);
    }
    g_assert_cmpuint(fake.lines, ==, 1000);
    g_assert_null(limit.timer);
}

/* After a quiet time there may be a burst again. */
static void test_recover(void)
{
    ReportLimit limit;

    start(&limit);
    flood(&limit, 1000);
    pass_time((REPORT_LIMIT_BURST + 2) * REPORT_LIMIT_PERIOD_MS);
    fake.lines = 0;
    flood(&limit, REPORT_LIMIT_BURST);
    g_assert_cmpuint(fake.lines, ==, REPORT_LIMIT_BURST);
}

/* A guest must not be able to write lines of its own into the log. */
static void test_text(void)
{
    g_autofree char *forged = report_limit_text("context \"a\nerror: forged");
    g_autofree char *escape = report_limit_text("a\033[2Jb\x80\tc\r\n");
    g_autofree char *huge = g_strnfill(10000, 'x');
    g_autofree char *cut = report_limit_text(huge);

    g_assert_cmpstr(forged, ==, "context \"a");
    g_assert_cmpstr(escape, ==, "a?[2Jb??c");
    g_assert_cmpuint(strlen(cut), ==, REPORT_LIMIT_TEXT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report-limit/burst", test_burst);
    g_test_add_func("/report-limit/count", test_count);
    g_test_add_func("/report-limit/endless", test_endless);
    g_test_add_func("/report-limit/slow", test_slow);
    g_test_add_func("/report-limit/recover", test_recover);
    g_test_add_func("/report-limit/text", test_text);
    return g_test_run();
}
