/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time that a guest keeps memory which it should have given back
 */

#include "qemu/osdep.h"
#include "hw/xen/hostmem/hold.h"

#define PAGES   16
#define LIMIT   10              /* seconds */

static XenHostmemHold hold;
static int64_t now;

static void start(uint32_t limit)
{
    now = 5000;
    xen_hostmem_hold_init(&hold, limit);
}

static void finish(void)
{
    g_assert_cmpuint(hold.nr_pages, ==, 0);
    g_assert_true(g_queue_is_empty(&hold.oldest_first));
    g_assert_cmpuint(g_hash_table_size(hold.by_offset), ==, 0);
    xen_hostmem_hold_destroy(&hold);
}

static void change(uint64_t offset, XenHostmemState from, XenHostmemState to)
{
    XenHostmemTransition t = {
        .offset = offset, .nr_pages = PAGES, .from = from, .to = to,
    };

    xen_hostmem_hold_transition(&hold, &t, now);
}

static void keep(uint64_t offset)
{
    change(offset, XEN_HOSTMEM_STATE_MAPPED, XEN_HOSTMEM_STATE_UNMAPPING);
    change(offset, XEN_HOSTMEM_STATE_UNMAPPING,
           XEN_HOSTMEM_STATE_QUARANTINED);
}

static void give_back(uint64_t offset)
{
    change(offset, XEN_HOSTMEM_STATE_QUARANTINED, XEN_HOSTMEM_STATE_GONE);
}

/* Ticks once a second; returns the last result. */
static XenHostmemHoldResult pass(unsigned int seconds, bool running)
{
    XenHostmemHoldResult result = XEN_HOSTMEM_HOLD_NOTHING;

    while (seconds--) {
        now += 1000;
        result = xen_hostmem_hold_tick(&hold, now, running);
    }
    return result;
}

/* It expires once, and not before its time. */
static void test_expires(void)
{
    start(LIMIT);
    g_assert_cmpint(pass(100, true), ==, XEN_HOSTMEM_HOLD_NOTHING);
    now += 100000;              /* nobody ticks while nothing is kept */
    keep(0);
    g_assert_cmpint(pass(LIMIT - 1, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(1, true), ==, XEN_HOSTMEM_HOLD_EXPIRED);
    g_assert_cmpuint(hold.nr_pages, ==, PAGES);
    g_assert_cmpint(pass(100, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
    give_back(0);
    g_assert_cmpint(pass(1, true), ==, XEN_HOSTMEM_HOLD_NOTHING);
    finish();
}

/* Each mapping has its own time: an honest guest always keeps some. */
static void test_each(void)
{
    start(LIMIT);
    for (unsigned int second = 0; second < 5 * LIMIT; second++) {
        keep(second << 16);
        g_assert_cmpint(pass(1, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
        if (second) {
            give_back((second - 1) << 16);
        }
    }
    give_back((5 * LIMIT - 1) << 16);
    finish();
}

/* Whatever the guest is asked for: to unmap, to give way, or it is gone. */
static void test_states(void)
{
    static const XenHostmemState kept[] = {
        XEN_HOSTMEM_STATE_REVOKING, XEN_HOSTMEM_STATE_STALE,
        XEN_HOSTMEM_STATE_UNMAPPING, XEN_HOSTMEM_STATE_QUARANTINED,
    };

    for (unsigned int i = 0; i < G_N_ELEMENTS(kept); i++) {
        start(LIMIT);
        change(0, XEN_HOSTMEM_STATE_MAPPING, kept[i]);
        g_assert_cmpint(pass(LIMIT, true), ==, XEN_HOSTMEM_HOLD_EXPIRED);
        change(0, kept[i], XEN_HOSTMEM_STATE_TRAPPED);
        finish();
    }
    start(LIMIT);
    change(0, XEN_HOSTMEM_STATE_GRANTED, XEN_HOSTMEM_STATE_MAPPED);
    change(4096, XEN_HOSTMEM_STATE_WAITING, XEN_HOSTMEM_STATE_TRAPPED);
    g_assert_cmpint(pass(LIMIT, true), ==, XEN_HOSTMEM_HOLD_NOTHING);
    finish();
}

/* The blob that waits for the range is not the one that is kept there. */
static void test_waiting(void)
{
    start(LIMIT);
    keep(0);
    g_assert_cmpint(pass(LIMIT / 2, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
    change(0, XEN_HOSTMEM_STATE_WAITING, XEN_HOSTMEM_STATE_GONE);
    g_assert_cmpint(pass(LIMIT - LIMIT / 2, true), ==,
                    XEN_HOSTMEM_HOLD_EXPIRED);
    give_back(0);
    finish();
}

/* Only time in which the guest could have given it back. */
static void test_paused(void)
{
    start(LIMIT);
    keep(0);
    g_assert_cmpint(pass(100, false), ==, XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(LIMIT - 1, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(100, false), ==, XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(1, true), ==, XEN_HOSTMEM_HOLD_EXPIRED);
    give_back(0);
    finish();
}

/* A host that slept, or a debugger: one long step counts as a short one. */
static void test_standstill(void)
{
    start(LIMIT);
    keep(0);
    now += 3600 * 1000;
    g_assert_cmpint(xen_hostmem_hold_tick(&hold, now, true), ==,
                    XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(LIMIT - 2, true), ==, XEN_HOSTMEM_HOLD_RUNNING);
    g_assert_cmpint(pass(1, true), ==, XEN_HOSTMEM_HOLD_EXPIRED);
    give_back(0);
    finish();
}

static void test_never(void)
{
    start(0);
    keep(0);
    g_assert_cmpint(pass(100000, true), ==, XEN_HOSTMEM_HOLD_NOTHING);
    give_back(0);
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hold/expires", test_expires);
    g_test_add_func("/hold/each", test_each);
    g_test_add_func("/hold/states", test_states);
    g_test_add_func("/hold/waiting", test_waiting);
    g_test_add_func("/hold/paused", test_paused);
    g_test_add_func("/hold/standstill", test_standstill);
    g_test_add_func("/hold/never", test_never);
    return g_test_run();
}
