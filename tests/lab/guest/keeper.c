// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper REFERENCE: keep the pages that dom0's canary grants for longer than
 * dom0 would like, and report what is in them
 *
 * The reference is of the page by which both take turns; see canary.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "canary.h"
#include "words.h"

#include <xen/sys/gntdev.h>

#define PAGE            4096
#define DOM0            0
#define GUEST_WORD      0x6775657374

static int gntdev;

struct mapping {
    uint8_t *at;
    uint64_t index;
    uint32_t nr_pages;
};

static void unmap(struct mapping *m)
{
    struct ioctl_gntdev_unmap_grant_ref op = {
        .index = m->index, .count = m->nr_pages,
    };

    if (m->at) {
        munmap(m->at, (size_t)m->nr_pages * PAGE);
        ioctl(gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &op);
    }
    m->at = NULL;
}

static int map(struct mapping *m, const uint32_t *refs, uint32_t nr_pages)
{
    struct {
        struct ioctl_gntdev_map_grant_ref op;
        struct ioctl_gntdev_grant_ref more[CANARY_MAX_PAGES];
    } request = { .op.count = nr_pages };
    struct ioctl_gntdev_grant_ref *grants = request.op.refs;
    void *at;

    for (uint32_t i = 0; i < nr_pages; i++) {
        grants[i].domid = DOM0;
        grants[i].ref = refs[i];
    }
    if (ioctl(gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, &request)) {
        return -1;
    }
    at = mmap(NULL, (size_t)nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
              gntdev, request.op.index);
    if (at == MAP_FAILED) {
        return -1;
    }
    *m = (struct mapping) { at, request.op.index, nr_pages };
    return 0;
}

static uint64_t count_wrong(const struct mapping *m, uint64_t seed)
{
    const volatile uint64_t *words = (void *)m->at;
    uint64_t wrong = 0;

    for (size_t i = 0; m->at && i < (size_t)m->nr_pages * CANARY_WORDS; i++) {
        wrong += !CANARY_OWN_WORD(i) && words[i] != lab_word(seed, i);
    }
    return wrong;
}

static void write_own_words(const struct mapping *m)
{
    volatile uint64_t *words = (void *)m->at;

    for (size_t i = 0; m->at && i < (size_t)m->nr_pages * CANARY_WORDS; i++) {
        if (CANARY_OWN_WORD(i)) {
            words[i] = GUEST_WORD;
        }
    }
}

static void take_turn(struct canary_mailbox *box, uint32_t turn,
                      struct mapping *kept)
{
    switch (turn) {
    case CANARY_MAP:
        if (box->nr_pages > CANARY_MAX_PAGES ||
            map(kept, box->refs, box->nr_pages)) {
            box->failed++;
        }
        box->wrong += count_wrong(kept, box->seed);
        break;
    case CANARY_LOOK:
        box->foreign += count_wrong(kept, box->seed);
        write_own_words(kept);
        break;
    case CANARY_DROP:
        unmap(kept);
        break;
    }
}

int main(int argc, char **argv)
{
    uint32_t ref = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    struct mapping mailbox = { 0 }, kept = { 0 };
    struct canary_mailbox *box;
    uint32_t turn;

    gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
    if (!ref || gntdev < 0 || map(&mailbox, &ref, 1)) {
        fprintf(stderr, "keeper: reference %u: %s\n", ref, strerror(errno));
        return 1;
    }
    box = (void *)mailbox.at;
    while ((turn = box->turn) != CANARY_END) {
        if (turn == CANARY_DOM0) {
            usleep(20);
            continue;
        }
        take_turn(box, turn, &kept);
        box->turn = CANARY_DOM0;
    }
    return 0;
}
