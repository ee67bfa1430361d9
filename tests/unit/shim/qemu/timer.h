/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of timer.h that are used, without QEMU; for tests. */
#ifndef QEMU_TIMER_H
#define QEMU_TIMER_H

typedef struct QEMUTimer QEMUTimer;
typedef void QEMUTimerCB(void *opaque);

enum { QEMU_CLOCK_REALTIME, QEMU_CLOCK_VIRTUAL };

int64_t qemu_clock_get_ms(int clock);
QEMUTimer *timer_new_ms(int clock, QEMUTimerCB *cb, void *opaque);
void timer_mod(QEMUTimer *timer, int64_t ms);
void timer_free(QEMUTimer *timer);

#endif
