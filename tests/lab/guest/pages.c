// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pages frames|grants|read-only COUNT SEED: have pages with known contents, for
 * dom0 to make buffers of
 *
 * Prints an array of their frame numbers or, granted to dom0, references. Then
 * answers lines:
 *   fill SEED      write other contents
 *   check SEED     the number of words that are not these
 *   return         give the frames back to Xen, and with them the contents;
 *                  the kernel does not know, so the guest has to end then
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "die.h"
#include "words.h"

#define __XEN_TOOLS__ 1         /* the newest of these interfaces */
#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/sys/gntalloc.h>
#include <xen/sys/privcmd.h>

#define PAGE 4096u
#define WORDS (PAGE / 8)
#define MOST 4096u
#define DOM0 0
#define PFN_MASK ((1ull << 55) - 1)

static volatile uint64_t *words;
static uint32_t count;
static uint64_t frames[MOST];

static void make_frames(void)
{
    int map = open("/proc/self/pagemap", O_RDONLY);
    size_t size = (size_t)count * PAGE;

    words = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED || map < 0) {
        die("pages: %s", strerror(errno));
    }
    /* Locked, and in small pages: the kernel must not move them. */
    madvise((void *)words, size, MADV_NOHUGEPAGE);
    memset((void *)words, 0, size);
    if (mlock((void *)words, size)) {
        die("mlock: %s", strerror(errno));
    }
    if (pread(map, frames, count * 8, (uintptr_t)words / PAGE * 8) !=
        (ssize_t)count * 8) {
        die("pagemap: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < count; i++) {
        frames[i] &= PFN_MASK;
    }
    close(map);
}

static void make_grants(int writable)
{
    struct ioctl_gntalloc_alloc_gref *alloc;
    int dev = open("/dev/xen/gntalloc", O_RDWR);

    alloc = calloc(1, sizeof(*alloc) + count * sizeof(uint32_t));
    if (!alloc || dev < 0) {
        die("gntalloc: %s", strerror(errno));
    }
    alloc->domid = DOM0;
    alloc->flags = writable ? GNTALLOC_FLAG_WRITABLE : 0;
    alloc->count = count;
    if (ioctl(dev, IOCTL_GNTALLOC_ALLOC_GREF, alloc)) {
        die("%u grants: %s", count, strerror(errno));
    }
    for (uint32_t i = 0; i < count; i++) {
        frames[i] = alloc->gref_ids[i];
    }
    words = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 dev, alloc->index);
    if (words == MAP_FAILED) {
        die("mmap of gntalloc: %s", strerror(errno));
    }
}

static void fill(uint64_t seed)
{
    for (size_t i = 0; i < (size_t)count * WORDS; i++) {
        words[i] = lab_word(seed, i);
    }
}

static size_t wrong(uint64_t seed)
{
    size_t found = 0;

    for (size_t i = 0; i < (size_t)count * WORDS; i++) {
        found += words[i] != lab_word(seed, i);
    }
    return found;
}

static long give_back(void)
{
    struct xen_memory_reservation with = {
        .nr_extents = count, .domid = DOMID_SELF,
    };
    privcmd_hypercall_t call = {
        .op = __HYPERVISOR_memory_op,
        .arg = { XENMEM_decrease_reservation, (uintptr_t)&with },
    };
    int dev = open("/dev/xen/privcmd", O_RDWR);
    long done;

    if (dev < 0) {
        die("/dev/xen/privcmd: %s", strerror(errno));
    }
    set_xen_guest_handle(with.extent_start, frames);
    done = ioctl(dev, IOCTL_PRIVCMD_HYPERCALL, &call);
    if (done < 0) {
        die("giving back %u frames: %s", count, strerror(errno));
    }
    return done;
}

static void answer(const char *line)
{
    uint64_t seed = 0;

    if (sscanf(line, "fill %" SCNu64, &seed) == 1) {
        fill(seed);
        printf("true\n");
    } else if (sscanf(line, "check %" SCNu64, &seed) == 1) {
        printf("%zu\n", wrong(seed));
    } else if (!strcmp(line, "return\n")) {
        printf("%ld\n", give_back());
    } else {
        die("what is %.60s", line);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[200];

    count = argc == 4 ? strtoul(argv[2], NULL, 0) : 0;
    if (!count || count > MOST) {
        die("usage: pages frames|grants|read-only COUNT SEED");
    }
    if (!strcmp(argv[1], "frames")) {
        make_frames();
    } else {
        make_grants(!strcmp(argv[1], "grants"));
    }
    fill(strtoull(argv[3], NULL, 0));
    for (uint32_t i = 0; i < count; i++) {
        printf("%c%" PRIu64, i ? ',' : '[', frames[i]);
    }
    printf("]\n");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        answer(line);
    }
    return 0;
}
