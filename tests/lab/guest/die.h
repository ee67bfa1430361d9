/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the guest's programs answer that they have failed
 */
#ifndef LAB_GUEST_DIE_H
#define LAB_GUEST_DIE_H

/* Prints the error as the answer, a line of JSON, and exits with status 1. */
void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...);

#endif
