/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of domain dom0 is. */
#ifndef GUEST_TYPE_H
#define GUEST_TYPE_H

#include "check.h"

static bool is_pv(void)
{
    char type[8] = "";
    FILE *file = fopen("/sys/hypervisor/guest_type", "r");

    if (file) {
        if (!fgets(type, sizeof(type), file)) {
            type[0] = 0;
        }
        fclose(file);
    }
    return strcmp(type, "PV\n") == 0;
}

#endif
