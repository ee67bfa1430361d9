/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of QAPI's common types that the core uses */
#ifndef QAPI_TYPES_COMMON_H
#define QAPI_TYPES_COMMON_H

typedef enum OnOffAuto {
    ON_OFF_AUTO_AUTO,
    ON_OFF_AUTO_ON,
    ON_OFF_AUTO_OFF,
} OnOffAuto;

#endif
