/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Medians, and their confidence intervals
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stats.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sort(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
}

/* The quantile at @part (0 to 1) of sorted @values. */
static double quantile(const double *values, size_t count, double part)
{
    double at = part * (count - 1);
    size_t i = at;

    if (i + 1 >= count) {
        return values[count - 1];
    }
    return values[i] + (at - i) * (values[i + 1] - values[i]);
}

double median(double *values, size_t count)
{
    sort(values, count);
    return quantile(values, count, 0.5);
}

/*
 * Order statistics at 1.96 standard deviations of a binomial distribution,
 * which does not depend on the distribution of the values.
 */
void print_spread(const char *name, double *values, size_t count)
{
    double spread = 0.98 / sqrt(count);

    sort(values, count);
    printf(", \"%s\": {\"median\": %.5g, \"low\": %.5g, \"high\": %.5g, "
           "\"min\": %.5g, \"max\": %.5g}", name,
           quantile(values, count, 0.5),
           quantile(values, count, fmax(0.5 - spread, 0)),
           quantile(values, count, fmin(0.5 + spread, 1)),
           values[0], values[count - 1]);
}
