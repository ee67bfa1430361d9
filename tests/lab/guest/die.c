/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the guest's programs answer that they have failed
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "die.h"

void die(const char *format, ...)
{
    va_list ap;

    printf("{\"error\": \"");
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\"}\n");
    fflush(stdout);
    exit(1);
}
