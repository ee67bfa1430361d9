/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: notice that a call lasts too long
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "virtio-gpu-watchdog.h"

/* Until the same call is looked at again */
#define AGAIN_TICKS     5
#define ATTEMPTS        2
/*
 * Who makes a call stuck can do so again at once.  Each time halves the limit,
 * down to this, and is forgotten after a while, so that the calls of others
 * get their time again.
 */
#define LEAST_LIMIT     4
#define MOST_STRIKES    8
#define FORGET_US       (60 * G_USEC_PER_SEC)

static unsigned limit_now(VirtIOGPUWatchdog *dog)
{
    int64_t forget = (g_get_monotonic_time() - dog->struck_us) / FORGET_US;

    if (forget >= dog->strikes) {
        dog->strikes = 0;
    } else {
        dog->strikes -= forget;
        dog->struck_us += forget * FORGET_US;
    }
    return MAX(dog->limit >> dog->strikes, MIN(dog->limit, LEAST_LIMIT));
}

/* Returns whether something was done about the call. */
static bool act(VirtIOGPUWatchdog *dog, unsigned call, unsigned ticks,
                unsigned attempt)
{
    uint32_t a = qatomic_read(&dog->a), b = qatomic_read(&dog->b);

    smp_rmb();                  /* smp_wmb() of begin() */
    if (qatomic_read(&dog->calls) != call ||
        !dog->stuck(a, b, ticks, attempt)) {
        return false;
    }
    if (!attempt) {
        dog->strikes = MIN(dog->strikes + 1, MOST_STRIKES);
        dog->struck_us = g_get_monotonic_time();
    }
    return true;
}

/* Sleep until there is another call, unless there is one already. */
static void fall_asleep(VirtIOGPUWatchdog *dog, unsigned calls)
{
    qatomic_set(&dog->awake, false);
    smp_mb();                   /* that of begin() */
    if (qatomic_read(&dog->calls) != calls) {
        qatomic_set(&dog->awake, true);
    }
}

static void *watch(void *opaque)
{
    VirtIOGPUWatchdog *dog = opaque;
    unsigned seen = 0, ticks = 0, due = 0, attempt = 0;

    qemu_mutex_lock(&dog->lock);
    while (!dog->stop) {
        unsigned calls;

        if (!dog->awake) {
            qemu_cond_wait(&dog->wake, &dog->lock);
            continue;
        }
        if (qemu_cond_timedwait(&dog->wake, &dog->lock, dog->tick_ms)) {
            continue;           /* not a tick: woken */
        }
        calls = qatomic_read(&dog->calls);
        if (calls != seen) {
            seen = calls;
            ticks = attempt = 0;
            due = limit_now(dog);
        } else if (calls % 2 == 0) {
            fall_asleep(dog, calls);
        } else {
            qatomic_set(&dog->slow, calls);
            ticks++;
            if (due && ticks >= due) {
                attempt += act(dog, calls, ticks, attempt);
                due = attempt < ATTEMPTS ? ticks + AGAIN_TICKS : 0;
            }
        }
    }
    qemu_mutex_unlock(&dog->lock);
    return NULL;
}

void virtio_gpu_watchdog_start(VirtIOGPUWatchdog *dog)
{
    qemu_mutex_init(&dog->lock);
    qemu_cond_init(&dog->wake);
    dog->calls = dog->strikes = 0;
    dog->slow = 0;              /* no call: those are odd */
    dog->awake = dog->stop = false;
    qemu_thread_create(&dog->thread, "gpu-watchdog", watch, dog,
                       QEMU_THREAD_JOINABLE);
    dog->running = true;
}

void virtio_gpu_watchdog_stop(VirtIOGPUWatchdog *dog)
{
    if (!dog->running) {
        return;
    }
    qemu_mutex_lock(&dog->lock);
    dog->stop = true;
    qemu_cond_signal(&dog->wake);
    qemu_mutex_unlock(&dog->lock);
    qemu_thread_join(&dog->thread);
    qemu_cond_destroy(&dog->wake);
    qemu_mutex_destroy(&dog->lock);
    dog->running = false;
}

void virtio_gpu_watchdog_begin(VirtIOGPUWatchdog *dog, uint32_t a, uint32_t b)
{
    if (!dog->running) {
        return;
    }
    qatomic_set(&dog->a, a);
    qatomic_set(&dog->b, b);
    smp_wmb();                  /* smp_rmb() of act() */
    qatomic_set(&dog->calls, dog->calls + 1);
    smp_mb();                   /* that of fall_asleep() */
    if (!qatomic_read(&dog->awake)) {
        qemu_mutex_lock(&dog->lock);
        qatomic_set(&dog->awake, true);
        qemu_cond_signal(&dog->wake);
        qemu_mutex_unlock(&dog->lock);
    }
}

/* The thread may see one of the two; it looks again. */
void virtio_gpu_watchdog_label(VirtIOGPUWatchdog *dog, uint32_t a, uint32_t b)
{
    qatomic_set(&dog->a, a);
    qatomic_set(&dog->b, b);
}

bool virtio_gpu_watchdog_end(VirtIOGPUWatchdog *dog)
{
    unsigned call = dog->calls;

    if (!dog->running) {
        return false;
    }
    qatomic_set(&dog->calls, call + 1);
    return qatomic_read(&dog->slow) == call;
}
