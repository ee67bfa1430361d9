/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parked commands: each comes back once, in order, to whoever waits for it
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-parked.h"

/* Opaque to what is tested. */
struct virtio_gpu_ctrl_command {
    int unused;
};

static void test_order(void)
{
    struct virtio_gpu_ctrl_command c[4];
    VirtIOGPUParked *parked = virtio_gpu_parked_new();

    virtio_gpu_parked_add(parked, &c[0], 7);
    virtio_gpu_parked_add(parked, &c[1], 9);
    virtio_gpu_parked_add(parked, &c[2], 7);
    g_assert_null(virtio_gpu_parked_take(parked, 8));
    g_assert_true(virtio_gpu_parked_take(parked, 7) == &c[0]);
    virtio_gpu_parked_add(parked, &c[3], 7);
    g_assert_true(virtio_gpu_parked_take(parked, 7) == &c[2]);
    g_assert_true(virtio_gpu_parked_take(parked, 7) == &c[3]);
    g_assert_null(virtio_gpu_parked_take(parked, 7));
    g_assert_true(virtio_gpu_parked_take(parked, 9) == &c[1]);
    virtio_gpu_parked_free(parked);
}

static void test_holds(void)
{
    struct virtio_gpu_ctrl_command c[2];
    VirtIOGPUParked *parked = virtio_gpu_parked_new();

    /* Every device but ours has none. */
    g_assert_false(virtio_gpu_parked_holds(NULL, &c[0]));
    g_assert_false(virtio_gpu_parked_holds(parked, &c[0]));
    virtio_gpu_parked_add(parked, &c[0], 1);
    g_assert_true(virtio_gpu_parked_holds(parked, &c[0]));
    g_assert_false(virtio_gpu_parked_holds(parked, &c[1]));
    g_assert_true(virtio_gpu_parked_take_any(parked) == &c[0]);
    g_assert_false(virtio_gpu_parked_holds(parked, &c[0]));
    virtio_gpu_parked_free(parked);
}

/* Device reset: all of them, oldest first. */
static void test_drain(void)
{
    struct virtio_gpu_ctrl_command c[3];
    VirtIOGPUParked *parked = virtio_gpu_parked_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(c); i++) {
        virtio_gpu_parked_add(parked, &c[i], 10 - i);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(c); i++) {
        g_assert_true(virtio_gpu_parked_take_any(parked) == &c[i]);
    }
    g_assert_null(virtio_gpu_parked_take_any(parked));
    virtio_gpu_parked_free(parked);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parked/order", test_order);
    g_test_add_func("/parked/holds", test_holds);
    g_test_add_func("/parked/drain", test_drain);
    return g_test_run();
}
