/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: messages of the renderer
 */

#include "qemu/osdep.h"
#include "qemu/report-limit.h"
#include "trace.h"
#include "virtio-gpu-virgl-log.h"

#include <virglrenderer.h>

static ReportLimit renderer_messages = { .what = "virtio-gpu: virglrenderer" };

static void report_message(const char *message)
{
    g_autofree char *line = report_limit_text(message);

    if (*line) {
        warn_report_limited(&renderer_messages, "virglrenderer: %s", line);
    }
}

/* The file that defines these came with 1.0.1, the callback with 1.1. */
#if VIRGL_MAJOR_VERSION > 1 || \
    (VIRGL_MAJOR_VERSION == 1 && VIRGL_MINOR_VERSION > 0)
static void log_message(enum virgl_log_level_flags level, const char *message,
                        void *opaque)
{
    trace_virtio_gpu_virgl_log(level, message);
    if (level >= VIRGL_LOG_LEVEL_WARNING) {
        report_message(message);
    }
}

void virtio_gpu_virgl_limit_log(void)
{
    virgl_set_log_callback(log_message, NULL, NULL);
}
#else
static void G_GNUC_PRINTF(1, 0) log_message(const char *fmt, va_list ap)
{
    g_autofree char *message = g_strdup_vprintf(fmt, ap);

    trace_virtio_gpu_virgl_log(0, message);
    report_message(message);
}

void virtio_gpu_virgl_limit_log(void)
{
    virgl_set_debug_callback(log_message);
}
#endif
