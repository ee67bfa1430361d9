/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the queue rests after a slow command; contexts end at a reset
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/display/virtio-gpu-render-contexts.h"
#include "hw/display/virtio-gpu-render-watch.h"

#include <virglrenderer.h>

#define CONTEXTS    3

struct QEMUTimer {
    QEMUTimerCB *cb;
    void *opaque;
    int64_t at;                 /* 0: not set */
};

static struct {
    int64_t now;
    QEMUTimer timer;
    unsigned timers, scheduled, processed, stopped;
    bool slow, watched;
    uint32_t type, ctx_id;      /* the label */
    unsigned contexts;          /* with IDs from 1 on */
    unsigned destroyed;         /* by virglrenderer */
} fake;

static VirtIOGPU gpu;

/* QEMU */

int64_t qemu_clock_get_ms(int clock)
{
    g_assert_cmpint(clock, ==, QEMU_CLOCK_VIRTUAL); /* not while it is paused */
    return fake.now;
}

QEMUTimer *timer_new_ms(int clock, QEMUTimerCB *cb, void *opaque)
{
    g_assert_cmpint(clock, ==, QEMU_CLOCK_VIRTUAL);
    fake.timer = (QEMUTimer) { .cb = cb, .opaque = opaque };
    fake.timers++;
    return &fake.timer;
}

void timer_mod(QEMUTimer *timer, int64_t ms)
{
    timer->at = ms;
}

void timer_free(QEMUTimer *timer)
{
    timer->at = 0;
    fake.timers--;
}

void qemu_bh_schedule(QEMUBH *bh)
{
    fake.scheduled++;
}

void virtio_gpu_virgl_process_cmd(VirtIOGPU *g,
                                  struct virtio_gpu_ctrl_command *cmd)
{
    g_assert_true(fake.watched);
    fake.processed++;
}

void virtio_gpu_render_watch_begin(void)
{
    fake.watched = true;
}

void virtio_gpu_render_watch_label(uint32_t type, uint32_t ctx_id)
{
    fake.type = type;
    fake.ctx_id = ctx_id;
}

bool virtio_gpu_render_watch_end(void)
{
    fake.watched = false;
    return fake.slow;
}

void virtio_gpu_render_watch_stop(void)
{
    fake.stopped++;
}

bool virtio_gpu_render_contexts_any(uint32_t *ctx_id)
{
    *ctx_id = fake.contexts;
    return fake.contexts;
}

/* The watch needs its socket until it is destroyed. */
void virtio_gpu_render_contexts_remove(uint32_t ctx_id)
{
    g_assert_cmpuint(ctx_id, ==, fake.contexts);
    fake.contexts--;
    g_assert_cmpuint(fake.destroyed + fake.contexts, ==, CONTEXTS);
}

void virtio_gpu_render_contexts_clear(void)
{
}

/* virglrenderer: it waits for room for its message to the server. */
void virgl_renderer_context_destroy(uint32_t ctx_id)
{
    g_assert_true(fake.watched);
    g_assert_cmphex(fake.type, ==, VIRTIO_GPU_CMD_CTX_DESTROY);
    g_assert_cmpuint(fake.ctx_id, ==, ctx_id);
    g_assert_cmpuint(ctx_id, ==, fake.contexts);
    fake.destroyed++;
}

/* Tests */

/* The guest's memory is not read: that is for the command alone to do. */
static void process(bool slow)
{
    struct virtio_gpu_ctrl_command cmd = { 0 };

    fake.slow = slow;
    virtio_gpu_gl_process_cmd(&gpu, &cmd);
}

static void start(void)
{
    memset(&fake, 0, sizeof(fake));
    memset(&gpu, 0, sizeof(gpu));
    fake.now = 1000;
}

static void test_fast(void)
{
    start();
    process(false);
    process(false);
    g_assert_cmpuint(fake.processed, ==, 2);
    g_assert_false(fake.watched);
    g_assert_cmpint(gpu.parent_obj.renderer_blocked, ==, 0);
    virtio_gpu_gl_process_stop(&gpu);
    g_assert_cmpuint(fake.stopped, ==, 1);
}

/* Blocked once, whoever else blocks it, and served when the rest is over */
static void test_slow(void)
{
    start();
    for (unsigned i = 1; i <= 2; i++) {
        gpu.parent_obj.renderer_blocked = 1;
        process(true);
        fake.now += 100;
        process(true);
        g_assert_cmpint(gpu.parent_obj.renderer_blocked, ==, 2);
        g_assert_cmpint(fake.timer.at, >, fake.now);
        fake.now = fake.timer.at;
        fake.timer.cb(fake.timer.opaque);
        g_assert_cmpint(gpu.parent_obj.renderer_blocked, ==, 1);
        g_assert_cmpuint(fake.scheduled, ==, i);
    }
    g_assert_cmpuint(fake.timers, ==, 1);
    virtio_gpu_gl_process_stop(&gpu);
    g_assert_cmpuint(fake.timers, ==, 0);
}

static void test_stop(void)
{
    start();
    process(true);
    virtio_gpu_gl_process_stop(&gpu);
    g_assert_cmpint(gpu.parent_obj.renderer_blocked, ==, 0);
    g_assert_cmpuint(fake.timers, ==, 0);
    g_assert_cmpint(fake.timer.at, ==, 0);
}

/* All contexts are destroyed, watched, and the queue does not rest for that. */
static void test_reset(void)
{
    start();
    fake.slow = true;
    fake.contexts = CONTEXTS;
    virtio_gpu_gl_process_reset();
    g_assert_cmpuint(fake.destroyed, ==, CONTEXTS);
    g_assert_cmpuint(fake.contexts, ==, 0);
    g_assert_false(fake.watched);
    g_assert_cmpint(gpu.parent_obj.renderer_blocked, ==, 0);
    virtio_gpu_gl_process_reset();
    g_assert_cmpuint(fake.destroyed, ==, CONTEXTS);
    virtio_gpu_gl_process_stop(&gpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gl-process/fast", test_fast);
    g_test_add_func("/gl-process/slow", test_slow);
    g_test_add_func("/gl-process/stop", test_stop);
    g_test_add_func("/gl-process/reset", test_reset);
    return g_test_run();
}
