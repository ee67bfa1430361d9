/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the render server must not keep QEMU waiting
 */

#include "qemu/osdep.h"
#include "qemu/report-limit.h"
#include "standard-headers/linux/virtio_gpu.h"
#include "virtio-gpu-render-contexts.h"
#include "virtio-gpu-render-server.h"
#include "virtio-gpu-render-watch.h"
#include "virtio-gpu-watchdog.h"

#define TICK_MS     1000        /* so a limit in ticks is one in seconds */

#define PROPERTY    "(venus-timeout)"

static ReportLimit limit = { .what = "virtio-gpu: calls that lasted too long" };

static void report_cut(uint32_t type, uint32_t ctx_id, unsigned seconds)
{
    error_report_limited(&limit, "virtio-gpu: the render server did not finish "
                         "command 0x%x of the guest's Vulkan context %u, and "
                         "QEMU stood still, for %u seconds: this context is "
                         "cut off, and the program of the guest that uses it "
                         "has to be ended " PROPERTY, type, ctx_id, seconds);
}

/* The command is of no Vulkan context, but may send messages to all of them. */
static bool cut_full(uint32_t type, unsigned seconds)
{
    unsigned n = virtio_gpu_render_contexts_cut_full();

    if (!n) {
        return false;
    }
    error_report_limited(&limit, "virtio-gpu: workers of the render server did "
                         "not take messages of command 0x%x, and QEMU stood "
                         "still, for %u seconds: %u Vulkan contexts of the "
                         "guest are cut off, and its programs that use them "
                         "have to be ended " PROPERTY, type, seconds, n);
    return true;
}

static bool kill_server(uint32_t type, uint32_t ctx_id, unsigned seconds)
{
    if (!virtio_gpu_render_server_kill()) {
        return false;
    }
    error_report_limited(&limit, "virtio-gpu: the render server did not answer "
                         "command 0x%x of the guest's context %u, and QEMU "
                         "stood still, for %u seconds: it is killed, and "
                         "started again for the next Vulkan program "
                         PROPERTY, type, ctx_id, seconds);
    return true;
}

/* The renderer itself, for example OpenGL in software */
static bool report_other(uint32_t type, uint32_t ctx_id, unsigned seconds)
{
    warn_report_limited(&limit, "virtio-gpu: QEMU stands still for %u seconds "
                        "in command 0x%x of the guest's context %u, but not "
                        "because of the render server", seconds, type, ctx_id);
    return false;
}

static bool is_stuck(uint32_t type, uint32_t ctx_id, unsigned seconds,
                     unsigned attempt)
{
    /* Creating a context asks the server; the rest is its worker's. */
    if (attempt || type == VIRTIO_GPU_CMD_CTX_CREATE) {
        return kill_server(type, ctx_id, seconds);
    }
    switch (virtio_gpu_render_contexts_cut(ctx_id)) {
    case RENDER_CUT_DONE:
        report_cut(type, ctx_id, seconds);
        return true;
    case RENDER_CUT_NO_SOCKET:
        return kill_server(type, ctx_id, seconds);
    case RENDER_CUT_UNKNOWN:
        break;
    }
    return cut_full(type, seconds) || report_other(type, ctx_id, seconds);
}

static VirtIOGPUWatchdog dog = { .tick_ms = TICK_MS, .stuck = is_stuck };

void virtio_gpu_render_watch_start(uint32_t seconds)
{
    if (seconds && !dog.running) {
        dog.limit = seconds;
        virtio_gpu_watchdog_start(&dog);
    }
}

void virtio_gpu_render_watch_stop(void)
{
    virtio_gpu_watchdog_stop(&dog);
}

void virtio_gpu_render_watch_begin(void)
{
    virtio_gpu_watchdog_begin(&dog, 0, 0);
}

void virtio_gpu_render_watch_label(uint32_t type, uint32_t ctx_id)
{
    virtio_gpu_watchdog_label(&dog, type, ctx_id);
}

bool virtio_gpu_render_watch_end(void)
{
    return virtio_gpu_watchdog_end(&dog);
}
