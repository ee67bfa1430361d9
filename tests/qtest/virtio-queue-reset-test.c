/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio: reset of a single queue, with and without requests in flight
 *
 * A balloon is the simplest device that keeps a request: the buffer that the
 * guest's statistics are in, until somebody asks for them again.
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "libqos/libqos-malloc.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio-pci.h"
#include "qemu/timer.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"

#define DEVFN           QPCI_DEVFN(5, 0)
#define BALLOON         "/machine/peripheral/balloon"
#define STATS_QUEUE     2
#define BUFFER_BYTES    16
#define POLL_SECONDS    1
#define WAIT_US         (30 * 1000 * 1000)

typedef struct Balloon {
    QTestState *qts;
    QPCIBus *bus;
    QVirtioPCIDevice *dev;
    QGuestAllocator alloc;
    uint64_t buffer;
} Balloon;

static void start_driver(Balloon *b)
{
    qvirtio_start_device(&b->dev->vdev);
    qvirtio_set_features(&b->dev->vdev, 1ull << VIRTIO_F_VERSION_1 |
                                        1 << VIRTIO_BALLOON_F_STATS_VQ);
}

static Balloon *start(void)
{
    QPCIAddress at = { .devfn = DEVFN };
    Balloon *b = g_new0(Balloon, 1);

    b->qts = qtest_init("-M q35 -nodefaults -device "
                        "virtio-balloon-pci,id=balloon,addr=5");
    b->bus = qpci_new_pc(b->qts, NULL);
    pc_alloc_init(&b->alloc, b->qts, 0);
    b->dev = virtio_pci_new(b->bus, &at);
    g_assert_nonnull(b->dev);
    qvirtio_pci_device_enable(b->dev);
    b->buffer = guest_alloc(&b->alloc, BUFFER_BYTES);
    start_driver(b);
    return b;
}

static void finish(Balloon *b)
{
    qvirtio_pci_device_disable(b->dev);
    qos_object_destroy((QOSGraphObject *)b->dev);
    alloc_destroy(&b->alloc);
    qpci_free_pc(b->bus);
    qtest_quit(b->qts);
    g_free(b);
}

static QVirtQueue *new_queue(Balloon *b)
{
    return qvirtqueue_setup(&b->dev->vdev, &b->alloc, STATS_QUEUE);
}

static void free_queue(Balloon *b, QVirtQueue *vq)
{
    qvirtqueue_cleanup(b->dev->vdev.bus, vq, &b->alloc);
}

static void reset_queue(Balloon *b)
{
    b->dev->vdev.bus->queue_select(&b->dev->vdev, STATS_QUEUE);
    qpci_io_writew(b->dev->pdev, b->dev->bar,
                   b->dev->common_cfg_offset + VIRTIO_PCI_COMMON_Q_RESET, 1);
}

static bool is_broken(Balloon *b)
{
    return b->dev->vdev.bus->get_status(&b->dev->vdev) &
           VIRTIO_CONFIG_S_NEEDS_RESET;
}

static unsigned in_flight(Balloon *b)
{
    QDict *answer = qtest_qmp_assert_success_ref(
        b->qts, "{ 'execute': 'x-query-virtio-queue-status', 'arguments': "
        "{ 'path': '" BALLOON "/virtio-backend', 'queue': %u } }", STATS_QUEUE);
    unsigned found = qdict_get_int(answer, "inuse");

    qobject_unref(answer);
    return found;
}

/* Send statistics, which the balloon keeps. */
static void send_stats(Balloon *b, QVirtQueue *vq)
{
    uint32_t first = qvirtqueue_add(b->qts, vq, b->buffer, BUFFER_BYTES, false,
                                    false);
    gint64 until = g_get_monotonic_time() + WAIT_US;

    qvirtqueue_kick(b->qts, &b->dev->vdev, vq, first);
    while (in_flight(b) != 1) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
    }
}

/* Have the balloon answer what it keeps. */
static void poll_stats(Balloon *b)
{
    qtest_qmp_assert_success(
        b->qts, "{ 'execute': 'qom-set', 'arguments': { 'path': '" BALLOON "', "
        "'property': 'guest-stats-polling-interval', 'value': %u } }",
        POLL_SECONDS);
    qtest_clock_step(b->qts, 2 * POLL_SECONDS * NANOSECONDS_PER_SECOND);
}

static unsigned answers(Balloon *b, QVirtQueue *vq)
{
    return qtest_readw(b->qts, vq->used + offsetof(struct vring_used, idx));
}

static void check_usable(Balloon *b, QVirtQueue *vq)
{
    send_stats(b, vq);
    poll_stats(b);
    g_assert_cmpuint(answers(b, vq), ==, 1);
    g_assert_cmpuint(in_flight(b), ==, 0);
    g_assert_false(is_broken(b));
}

/* A queue whose requests are answered can be reset, and used again. */
static void test_idle(void)
{
    Balloon *b = start();
    QVirtQueue *vq = new_queue(b), *next;

    qvirtio_set_driver_ok(&b->dev->vdev);
    check_usable(b, vq);
    reset_queue(b);
    g_assert_false(is_broken(b));
    next = new_queue(b);
    check_usable(b, next);
    free_queue(b, next);
    free_queue(b, vq);
    finish(b);
}

/*
 * One with a request in flight breaks the device: nothing is answered in the
 * queue's place, and nothing more accepted, until the device is reset.
 */
static void test_in_flight(void)
{
    Balloon *b = start();
    QVirtQueue *vq = new_queue(b), *next;

    qvirtio_set_driver_ok(&b->dev->vdev);
    send_stats(b, vq);
    g_assert_false(is_broken(b));
    reset_queue(b);
    g_assert_true(is_broken(b));
    next = new_queue(b);
    poll_stats(b);
    g_assert_cmpuint(answers(b, next), ==, 0);
    free_queue(b, next);
    free_queue(b, vq);

    start_driver(b);
    vq = new_queue(b);
    qvirtio_set_driver_ok(&b->dev->vdev);
    check_usable(b, vq);
    free_queue(b, vq);
    finish(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/virtio-queue-reset/idle", test_idle);
    qtest_add_func("/virtio-queue-reset/in-flight", test_in_flight);
    return g_test_run();
}
