/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU with virgl: what stays when the guest resets the device
 *
 * The renderer and the transport are this file's.
 */

#include "qemu/osdep.h"
#include "hw/display/virtio-gpu-render-server.h"
#include "hw/display/virtio-gpu-virgl-log.h"
#include "hw/virtio/virtio-gpu.h"
#include "qemu/module.h"
#include "ui/egl-helpers.h"

#include <virglrenderer.h>

#define RESETS  3

EGLDisplay *qemu_egl_display;
bool qemu_egl_angle_d3d;

static unsigned inits, bhs;

int virgl_renderer_init(void *cookie, int flags,
                        struct virgl_renderer_callbacks *cb)
{
    inits++;
    return 0;
}

void virtio_gpu_virgl_limit_log(void)
{
}

bool virtio_gpu_render_server_start(void)
{
    return true;
}

QEMUBH *virtio_bh_io_new_guarded_full(DeviceState *dev, QEMUBHFunc *cb,
                                      void *opaque, const char *name)
{
    bhs++;
    return g_malloc(1);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_DEVICE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(DeviceState),
        .abstract = true,
    },
    {
        .name = TYPE_VIRTIO_GPU_GL,
        .parent = TYPE_DEVICE,
        .instance_size = sizeof(VirtIOGPUGL),
    },
};

/* Reset and used again, it makes no second timer and no second bottom half. */
static void test_reset(void)
{
    VirtIOGPUGL *gl = VIRTIO_GPU_GL(object_new(TYPE_VIRTIO_GPU_GL));
    unsigned bhs_at_first;
    QEMUTimer *timer;
    QEMUBH *bh;

    g_assert_cmpint(virtio_gpu_virgl_init(&gl->parent_obj), ==, 0);
    timer = gl->fence_poll;
    bh = gl->cmdq_resume_bh;
    bhs_at_first = bhs;
    g_assert_nonnull(timer);
    for (unsigned n = 0; n < RESETS; n++) {
        gl->renderer_state = RS_RESET;
        g_assert_cmpint(virtio_gpu_virgl_init(&gl->parent_obj), ==, 0);
        g_assert_true(gl->fence_poll == timer);
        g_assert_true(gl->cmdq_resume_bh == bh);
    }
    g_assert_cmpuint(inits, ==, 1 + RESETS);
    g_assert_cmpuint(bhs, ==, bhs_at_first);
    object_unref(OBJECT(gl));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    for (size_t n = 0; n < ARRAY_SIZE(types); n++) {
        type_register_static(&types[n]);
    }
    g_test_add_func("/gpu-virgl/reset", test_reset);
    return g_test_run();
}
