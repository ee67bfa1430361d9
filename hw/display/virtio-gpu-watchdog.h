/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: notice that a call lasts too long
 *
 * The main loop says when a call begins and when it ends.  A thread looks once
 * in a tick; a call that it has seen for a number of ticks is stuck.  A tick
 * counts once, however late it is: time in which the process is stopped, or
 * the host sleeps, does not count.
 *
 * The thread sleeps while nothing is called.  Only a call after such a pause
 * costs a system call.
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_WATCHDOG_H
#define HW_DISPLAY_VIRTIO_GPU_WATCHDOG_H

#include "qemu/thread.h"

/**
 * VirtIOGPUStuck: a call is stuck
 * @a, @b: the call's label
 * @ticks: for how long, so far
 * @attempt: 0; then 1, if something was done and it is still stuck
 *
 * Runs in the watchdog's thread.  Returns whether something was done about it.
 * If not, it is asked again some ticks later: what the call waits for, and its
 * label, can change.
 */
typedef bool VirtIOGPUStuck(uint32_t a, uint32_t b, unsigned ticks,
                            unsigned attempt);

typedef struct VirtIOGPUWatchdog {
    /* For the user to set before virtio_gpu_watchdog_start() */
    unsigned limit;             /* ticks */
    unsigned tick_ms;
    VirtIOGPUStuck *stuck;

    /* The main loop's; the thread reads it. */
    bool running;
    unsigned calls;             /* begun and ended; odd: in a call */
    uint32_t a, b;

    /* The thread's */
    unsigned slow;              /* the last of @calls that lasted for a tick */
    unsigned strikes;
    int64_t struck_us;

    QemuThread thread;
    QemuMutex lock;             /* for what follows */
    QemuCond wake;
    bool awake;
    bool stop;
} VirtIOGPUWatchdog;

/**
 * virtio_gpu_watchdog_start: start to watch
 */
void virtio_gpu_watchdog_start(VirtIOGPUWatchdog *dog);

/**
 * virtio_gpu_watchdog_stop: end the thread; not within a call
 */
void virtio_gpu_watchdog_stop(VirtIOGPUWatchdog *dog);

/**
 * virtio_gpu_watchdog_begin: a call begins
 * @a, @b: its label, told to @dog->stuck
 *
 * Calls do not nest.  Nothing happens if @dog was not started.
 */
void virtio_gpu_watchdog_begin(VirtIOGPUWatchdog *dog, uint32_t a, uint32_t b);

/**
 * virtio_gpu_watchdog_label: change the label of the call that has begun
 */
void virtio_gpu_watchdog_label(VirtIOGPUWatchdog *dog, uint32_t a, uint32_t b);

/**
 * virtio_gpu_watchdog_end: the call has ended
 *
 * Returns whether it was slow: it lasted for a tick or more.
 */
bool virtio_gpu_watchdog_end(VirtIOGPUWatchdog *dog);

#endif
