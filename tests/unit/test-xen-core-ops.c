/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the backend makes of the core's operations: a guest that stays silent
 * must not stop the clock on what it keeps
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/xen/hostmem/device.h"

#include "hw/xen/xen-dmabuf-grant.h"

#define LIMIT   10              /* seconds */
#define PAGES   16

static XenHostmem backend;
static unsigned int wakes, pushes;

/* What the operations call */

struct gnttab_backend_ops *xen_gnttab_ops;

void qemu_bh_schedule(QEMUBH *bh)
{
    g_assert(bh == backend.bh);
    wakes++;
}

int64_t qemu_clock_get_ms(int clock)
{
    return 1000;
}

void warn_report(const char *fmt, ...)
{
}

void xen_hostmem_frontend_push(XenHostmem *h)
{
    pushes++;
}

int xen_hostmem_providers_import(XenHostmemProviders *p, int dmabuf,
                                 uint32_t nr_pages, uint32_t *refs,
                                 uint64_t *handle)
{
    g_assert_not_reached();
}

int xen_hostmem_providers_release(XenHostmemProviders *p, uint64_t handle,
                                  bool confirmed)
{
    g_assert_not_reached();
}

/* Tests */

static void start(uint32_t limit)
{
    backend = (XenHostmem) { .bh = (QEMUBH *)&wakes };
    wakes = 0;
    xen_hostmem_hold_init(&backend.hold, limit);
}

static void change(uint64_t offset, XenHostmemState from, XenHostmemState to)
{
    XenHostmemTransition t = {
        .offset = offset, .nr_pages = PAGES, .from = from, .to = to,
    };

    wakes = 0;
    xen_hostmem_core_ops.transition(&backend, &t);
}

/*
 * The guest is asked to unmap, and nothing comes of it. The bottom half starts
 * the timer; nobody else does while the ring is silent.
 */
static void test_silent_guest(void)
{
    start(LIMIT);
    change(0, XEN_HOSTMEM_STATE_MAPPING, XEN_HOSTMEM_STATE_MAPPED);
    g_assert_cmpuint(wakes, ==, 0);
    change(0, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_STATE_UNMAPPING);
    g_assert_cmpuint(wakes, ==, 1);
    change(0, XEN_HOSTMEM_STATE_UNMAPPING, XEN_HOSTMEM_STATE_QUARANTINED);
    g_assert_cmpuint(wakes, ==, 1);
    change(0, XEN_HOSTMEM_STATE_QUARANTINED, XEN_HOSTMEM_STATE_GONE);
    g_assert_cmpuint(wakes, ==, 0);
    xen_hostmem_hold_destroy(&backend.hold);
}

/* One blob is given back, another is not. */
static void test_some_left(void)
{
    start(LIMIT);
    change(0, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_STATE_UNMAPPING);
    change(1 << 20, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_STATE_REVOKING);
    change(0, XEN_HOSTMEM_STATE_UNMAPPING, XEN_HOSTMEM_STATE_GONE);
    g_assert_cmpuint(wakes, ==, 1);
    change(1 << 20, XEN_HOSTMEM_STATE_REVOKING, XEN_HOSTMEM_STATE_TRAPPED);
    g_assert_cmpuint(wakes, ==, 0);
    xen_hostmem_hold_destroy(&backend.hold);
}

/* Without a limit there is nothing to count. */
static void test_no_limit(void)
{
    start(0);
    change(0, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_STATE_UNMAPPING);
    change(0, XEN_HOSTMEM_STATE_UNMAPPING, XEN_HOSTMEM_STATE_QUARANTINED);
    g_assert_cmpuint(wakes, ==, 0);
    xen_hostmem_hold_destroy(&backend.hold);
}

/* The operations without an own purpose here reach what they stand for. */
static void test_others(void)
{
    start(0);
    xen_hostmem_core_ops.wake(&backend);
    g_assert_cmpuint(wakes, ==, 1);
    xen_hostmem_core_ops.push(&backend);
    g_assert_cmpuint(pushes, ==, 1);
    g_assert_cmpint(xen_hostmem_core_ops.now_ms(&backend), ==, 1000);
    xen_hostmem_hold_destroy(&backend.hold);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/core-ops/silent-guest", test_silent_guest);
    g_test_add_func("/core-ops/some-left", test_some_left);
    g_test_add_func("/core-ops/no-limit", test_no_limit);
    g_test_add_func("/core-ops/others", test_others);
    return g_test_run();
}
