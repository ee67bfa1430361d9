/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What many figures come to
 */
#ifndef BLOBTOOL_STATS_H
#define BLOBTOOL_STATS_H

#include <stddef.h>

/* Sorts @values. */
double median(double *values, size_t count);

/*
 * Prints ', "NAME": {"median", "low", "high", "min", "max"}', in the unit of
 * @values, which it sorts. low and high enclose the true median with 95 %
 * confidence.
 */
void print_spread(const char *name, double *values, size_t count);

#endif
