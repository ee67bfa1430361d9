/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canary.h: the page by which dom0's canary and the guest's keeper take turns
 */
#ifndef LAB_CANARY_H
#define LAB_CANARY_H

#include <stdatomic.h>
#include <stdint.h>

#define CANARY_MAX_PAGES    64
#define CANARY_WORDS        512     /* of 64 bits, in a page */

enum canary_turn {
    CANARY_DOM0,
    CANARY_MAP,         /* map the references, which hold lab_word(seed) */
    CANARY_LOOK,        /* is it still that? Then write to it */
    CANARY_DROP,        /* unmap them */
    CANARY_END,
};

struct canary_mailbox {
    _Atomic uint32_t turn;
    uint32_t nr_pages;
    uint64_t seed;
    uint64_t wrong;     /* words that were not right when mapped */
    uint64_t foreign;   /* words that were not right later */
    uint32_t failed;    /* maps that Xen refused */
    uint32_t refs[CANARY_MAX_PAGES];
};

/* The last word of each page is the guest's to write. */
#define CANARY_OWN_WORD(i)  ((i) % CANARY_WORDS == CANARY_WORDS - 1)

#endif
