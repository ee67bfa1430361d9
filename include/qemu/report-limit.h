/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limit the rate of messages that a guest can cause
 *
 * A guest that causes a message may cause it a million times, and fill the
 * host's file system.  A ReportLimit lets a burst of messages through, then one
 * a minute.  It counts the others, and reports their number.
 */
#ifndef QEMU_REPORT_LIMIT_H
#define QEMU_REPORT_LIMIT_H

typedef struct QEMUTimer QEMUTimer;

/* Messages that are let through at once */
#define REPORT_LIMIT_BURST      20
/* Then there is one more after each of these */
#define REPORT_LIMIT_PERIOD_MS  60000

/* One for each kind of message; of static storage. */
typedef struct ReportLimit {
    const char *what;           /* the kind, "virtio-gpu: refused commands" */
    unsigned used;              /* of the burst */
    int64_t counted_ms;         /* periods before this were subtracted */
    uint64_t left_out;          /* not yet reported */
    QEMUTimer *timer;           /* pending while left_out is not 0 */
} ReportLimit;

/**
 * report_limit_pass: may a message be printed now?
 *
 * If not, counts it as left out.  Safe to call from any thread.
 */
bool report_limit_pass(ReportLimit *limit);

/**
 * error_report_limited, warn_report_limited: like error_report() and
 * warn_report(), unless @limit is exceeded
 */
void G_GNUC_PRINTF(2, 3) error_report_limited(ReportLimit *limit,
                                              const char *fmt, ...);
void G_GNUC_PRINTF(2, 3) warn_report_limited(ReportLimit *limit,
                                             const char *fmt, ...);

/**
 * report_limit_text: a line of text from elsewhere, fit for a log
 *
 * The text may contain what a guest wrote: returns its first line, cut at
 * %REPORT_LIMIT_TEXT bytes, with each byte that is not printable ASCII replaced
 * by a question mark.  Free with g_free().
 */
#define REPORT_LIMIT_TEXT       300
char *report_limit_text(const char *text);

#endif
