/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of thread.h that hw/display uses, without QEMU; for tests. */
#ifndef QEMU_THREAD_H
#define QEMU_THREAD_H

#include <glib.h>
#include <stdbool.h>

typedef GThread *QemuThread;
typedef GMutex QemuMutex;
typedef GCond QemuCond;

#define QEMU_THREAD_JOINABLE            0

#define qemu_mutex_init(m)              g_mutex_init(m)
#define qemu_mutex_destroy(m)           g_mutex_clear(m)
#define qemu_mutex_lock(m)              g_mutex_lock(m)
#define qemu_mutex_unlock(m)            g_mutex_unlock(m)
#define qemu_cond_init(c)               g_cond_init(c)
#define qemu_cond_destroy(c)            g_cond_clear(c)
#define qemu_cond_signal(c)             g_cond_signal(c)
#define qemu_cond_wait(c, m)            g_cond_wait(c, m)
#define qemu_thread_create(t, name, f, arg, mode) \
    (*(t) = g_thread_new(name, f, arg))
#define qemu_thread_join(t)             g_thread_join(*(t))

static inline bool qemu_cond_timedwait(QemuCond *cond, QemuMutex *mutex, int ms)
{
    return g_cond_wait_until(cond, mutex, g_get_monotonic_time() + ms * 1000ll);
}

#endif
