/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics of many measurements
 */
#ifndef BLOBTOOL_STATS_H
#define BLOBTOOL_STATS_H

#include <stddef.h>

/* Sorts @values. */
double median(double *values, size_t count);

/*
 * Sorts @values and prints ', "NAME": {"median": ...}' with the keys median,
 * low, high, min and max. low and high enclose the true median with 95 %
 * confidence.
 */
void print_spread(const char *name, double *values, size_t count);

#endif
