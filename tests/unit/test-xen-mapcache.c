/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map cache of Xen's guests, over a guest whose frames are pages of a file:
 * what a guest gives away, and gets anew, while QEMU has it mapped
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/units.h"
#include "block/block.h"
#include "hw/xen/xen-hvm-common.h"
#include "system/runstate.h"
#include "system/xen-mapcache.h"
#if __has_include("system/ramlist.h")           /* 11.0 */
#include "system/ramlist.h"
#else
#include "exec/ramlist.h"
#endif

#include <xengnttab.h>              /* after what is native to Xen */

#define PAGE            ((hwaddr)XC_PAGE_SIZE)
#define BUCKET_PAGES    256
#define GUEST_PAGES     (4 * BUCKET_PAGES)
#define FRAMES          (2 * GUEST_PAGES)
#define NO_FRAME        -1

static struct {
    int fd;
    uint64_t *frames;           /* all of the file */
    int frame[GUEST_PAGES];     /* of each guest frame number */
    int next;
    unsigned maps, drains;
    bool refuse;                /* the next mappings fail */
    bool large;                 /* has any page that is asked for */
} guest;

/* What the map cache calls */

xenforeignmemory_handle *xen_fmem;
uint32_t xen_domid;
bool xen_allowed = true;

/* As Xen does, this maps a frame itself, whoever owns it later. */
void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom,
                            void *addr, int prot, int flags, size_t pages,
                            const xen_pfn_t pfn[], int err[])
{
    uint8_t *at;

    if (guest.refuse) {
        errno = ENOMEM;
        return NULL;
    }
    at = mmap(addr, pages * PAGE, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    g_assert(at != MAP_FAILED);
    if (guest.large) {
        memset(err, 0, pages * sizeof(*err));
        return at;
    }
    guest.maps++;
    for (size_t i = 0; i < pages; i++) {
        int frame = pfn[i] < GUEST_PAGES ? guest.frame[pfn[i]] : NO_FRAME;

        err[i] = frame == NO_FRAME ? -EINVAL : 0;
        if (frame != NO_FRAME) {
            g_assert(mmap(at + i * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED,
                          guest.fd, frame * PAGE) != MAP_FAILED);
        }
    }
    return at;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
                                 unsigned flags)
{
    return (xengnttab_handle *)&guest;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
                                      uint32_t domid, uint32_t *refs, int prot)
{
    g_assert_not_reached();
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
    g_assert_not_reached();
}

#if QEMU_VERSION_MAJOR >= 11
bool xen_mr_is_grants(const MemoryRegion *mr)
#else
bool xen_mr_is_grants(MemoryRegion *mr)
#endif
{
    return false;
}

void ram_block_notify_add(void *host, size_t size, size_t max_size)
{
}

void ram_block_notify_remove(void *host, size_t size, size_t max_size)
{
}

bool runstate_check(RunState state)
{
    return false;
}

void bdrv_drain_all(void)
{
    guest.drains++;
}

/* What the guest and its devices do */

static void give_away(unsigned gfn)
{
    guest.frame[gfn] = NO_FRAME;
    xen_invalidate_map_cache();
}

static void get_anew(unsigned gfn)
{
    g_assert_cmpint(guest.next, <, FRAMES);
    guest.frame[gfn] = guest.next++;
}

static void replace(unsigned gfn)
{
    give_away(gfn);
    get_anew(gfn);
}

static void *map_dma(unsigned gfn, unsigned pages)
{
    return xen_map_cache(NULL, gfn * PAGE, pages * PAGE, 0, 1, true, true);
}

static void *touch(unsigned gfn)
{
    return xen_map_cache(NULL, gfn * PAGE, 0, 0, 0, false, true);
}

static void unmap_dma(void *at)
{
    xen_invalidate_map_cache_entry(at);
}

static bool is_mapped(void *at)
{
    return !msync(at, PAGE, MS_ASYNC);
}

/* Each frame holds its own number. */
static void expect_frame(void *at, int frame)
{
    g_assert_nonnull(at);
    g_assert_cmpuint(qatomic_read((uint64_t *)at), ==, frame);
}

static void expect_now(unsigned gfn)
{
    expect_frame(touch(gfn), guest.frame[gfn]);
}

static void new_guest(void)
{
    for (unsigned gfn = 0; gfn < GUEST_PAGES; gfn++) {
        guest.frame[gfn] = gfn;
    }
    guest.next = GUEST_PAGES;
    xen_invalidate_map_cache();
    guest.maps = 0;
    guest.drains = 0;
    guest.refuse = false;
    guest.large = false;
}

/* Tests */

static void test_no_wait(void)
{
    void *at;

    new_guest();
    at = map_dma(3, 1);
    give_away(5);
    g_assert_cmpuint(guest.drains, ==, 0);
    unmap_dma(at);
}

/* What is not locked is unmapped at once. */
static void test_unlocked(void)
{
    void *at;

    new_guest();
    at = touch(3);
    expect_frame(at, 3);
    replace(3);
    g_assert_false(is_mapped(at));
    expect_now(3);
}

/* DMA in flight goes on where it is; what comes later uses the new frame. */
static void test_locked(void)
{
    void *before, *after;

    new_guest();
    before = map_dma(3, 1);
    replace(3);
    expect_frame(before, 3);
    after = map_dma(3, 1);
    expect_frame(after, guest.frame[3]);
    expect_now(3);

    unmap_dma(before);
    g_assert_false(is_mapped(before));
    expect_frame(after, guest.frame[3]);
    unmap_dma(after);
    expect_now(3);
}

/* The same, in the other order and with more than one lock each */
static void test_locked_twice(void)
{
    void *before[2], *after[2];

    new_guest();
    before[0] = map_dma(3, 1);
    before[1] = map_dma(4, 1);
    replace(3);
    after[0] = map_dma(3, 1);
    after[1] = map_dma(4, 1);
    expect_frame(after[0], guest.frame[3]);
    unmap_dma(after[0]);
    unmap_dma(after[1]);
    expect_frame(before[0], 3);
    unmap_dma(before[0]);
    expect_frame(before[1], 4);
    unmap_dma(before[1]);
    g_assert_false(is_mapped(before[1]));
    expect_now(3);
}

static void test_many_generations(void)
{
    void *at[8];

    new_guest();
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        at[i] = map_dma(3, 1);
        replace(3);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        expect_frame(at[i], i ? GUEST_PAGES + i - 1 : 3);
        g_assert_cmpuint(xen_ram_addr_from_mapcache(at[i]), ==, 3 * PAGE);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        /* every other one from the end */
        unsigned n = i % 2 ? i : ARRAY_SIZE(at) - 2 - i;

        unmap_dma(at[n]);
        g_assert_false(is_mapped(at[n]));
        g_assert_cmpuint(xen_ram_addr_from_mapcache(at[n]), ==,
                         RAM_ADDR_INVALID);
    }
    expect_now(3);
}

/*
 * The bucket's first place is locked by DMA of another size, so an access gets
 * an entry of its own behind it.
 */
static void test_behind_another(void)
{
    void *large, *at;

    new_guest();
    large = map_dma(3, BUCKET_PAGES);
    touch(2 * BUCKET_PAGES);    /* or else the last entry is used again */
    at = touch(3);
    g_assert(at != large);
    replace(3);
    g_assert_false(is_mapped(at));
    expect_now(3);
    expect_frame(large, 3);
    unmap_dma(large);
    expect_now(3);
}

/*
 * A page that the guest gets back without giving one away makes a second entry
 * of the same bucket and size. The end of its use must not unmap the first.
 */
static void test_hole_is_filled(void)
{
    void *first, *second;

    new_guest();
    give_away(5);
    first = map_dma(3, 1);
    g_assert_null(map_dma(5, 1));
    get_anew(5);
    second = map_dma(5, 1);
    expect_frame(second, guest.frame[5]);
    unmap_dma(second);
    g_assert_true(is_mapped(first));
    expect_frame(first, 3);
    unmap_dma(first);
    expect_now(3);
    expect_now(5);
}

static void test_kept(void)
{
    void *at;

    new_guest();
    at = map_dma(3, 1);
    unmap_dma(at);
    g_assert_true(is_mapped(at));
    for (unsigned i = 0; i < 10; i++) {
        unmap_dma(map_dma(3 + i, 1));
    }
    g_assert_cmpuint(guest.maps, ==, 1);
    replace(3);
    expect_now(3);
}

/* Entries larger than a bucket overlap others, so they are not kept. */
static void test_large_not_kept(void)
{
    void *at;

    new_guest();
    at = map_dma(3, BUCKET_PAGES);
    unmap_dma(at);
    g_assert_false(is_mapped(at));
}

/*
 * A mapping that fails is the guest's problem, and only for as long as it does:
 * for DMA, for an access, and where a bucket's first place is taken.
 */
static void test_mapping_fails(void)
{
    void *large;

    new_guest();
    guest.refuse = true;
    g_assert_null(map_dma(3, 1));
    g_assert_null(touch(3));
    guest.refuse = false;
    expect_now(3);

    large = map_dma(3, BUCKET_PAGES);
    touch(2 * BUCKET_PAGES);    /* or else the last entry is used again */
    guest.refuse = true;
    g_assert_null(map_dma(3, 2 * BUCKET_PAGES));
    g_assert_null(touch(BUCKET_PAGES));
    replace(5);
    g_assert_null(touch(5));
    guest.refuse = false;
    expect_now(5);
    expect_frame(large, 3);
    unmap_dma(large);
    g_assert_false(is_mapped(large));
    expect_now(3);
}

/* Not more mappings than Linux lets a process have */
static void test_too_many(void)
{
    GPtrArray *locked = g_ptr_array_new();
    void *at;

    new_guest();
    guest.large = true;
    while ((at = map_dma(locked->len * BUCKET_PAGES, 1))) {
        g_ptr_array_add(locked, at);
        g_assert_cmpuint(locked->len, <, 32768);
    }
    g_assert_cmpuint(locked->len, >, 16384);
    /* What is mapped can be used again, and what is not locked is no burden. */
    unmap_dma(map_dma(1, 1));
    g_assert_nonnull(touch(locked->len * BUCKET_PAGES));

    unmap_dma(g_ptr_array_index(locked, 0));
    at = map_dma(locked->len * BUCKET_PAGES, 1);
    g_assert_nonnull(at);
    g_ptr_array_index(locked, 0) = at;
    while (locked->len) {
        /* The last one is found first. */
        unmap_dma(g_ptr_array_remove_index(locked, locked->len - 1));
    }
    g_ptr_array_unref(locked);
}

/* One page can be locked many times, but not without end. */
static void test_too_often(void)
{
    unsigned int locks = 0;
    void *at = NULL, *last;

    new_guest();
    while ((last = map_dma(1, 1))) {
        at = last;
        locks++;
        g_assert_cmpuint(locks, <, 2 << 20);
    }
    g_assert_cmpuint(locks, >, 512 << 10);
    unmap_dma(at);
    g_assert_nonnull(map_dma(1, 1));
    g_assert_null(map_dma(1, 1));
    while (locks--) {
        unmap_dma(at);
    }
    unmap_dma(map_dma(1, 1));
}

static void *map_byte(hwaddr addr)
{
    return xen_map_cache(NULL, addr, 1, 0, 1, true, true);
}

static GPtrArray *map_bytes(unsigned int most)
{
    GPtrArray *locked = g_ptr_array_new();
    void *at;

    while (locked->len < most && (at = map_byte(locked->len))) {
        g_ptr_array_add(locked, at);
    }
    return locked;
}

/* Returns how long that took. */
static clock_t unmap_bytes(GPtrArray *locked, bool oldest_first)
{
    clock_t start = clock();

    for (unsigned int i = 0; i < locked->len; i++) {
        unmap_dma(g_ptr_array_index(locked, oldest_first ? i :
                                    locked->len - 1 - i));
    }
    g_ptr_array_unref(locked);
    return clock() - start;
}

/*
 * An unlock costs the same, however many other addresses are locked, and in
 * whatever order they are unlocked: here about a thousand times as much, if all
 * were looked at.
 */
static void test_any_order(void)
{
    clock_t newest, oldest;

    new_guest();
    newest = unmap_bytes(map_bytes(32768), false);
    oldest = unmap_bytes(map_bytes(32768), true);
    g_test_message("newest first: %g s, oldest first: %g s",
                   (double)newest / CLOCKS_PER_SEC,
                   (double)oldest / CLOCKS_PER_SEC);
    g_assert_cmpint(oldest, <, 50 * MAX(newest, CLOCKS_PER_SEC / 1000));
}

/* Returns how long the fastest one of several takes. */
static clock_t time_of_invalidation(void)
{
    clock_t least = 0;

    for (unsigned int i = 0; i < 5; i++) {
        clock_t start = clock(), took;

        for (unsigned int n = 0; n < 20; n++) {
            xen_invalidate_map_cache();
            unmap_dma(&guest);          /* what nobody has locked */
        }
        took = clock() - start;
        least = i ? MIN(least, took) : took;
    }
    return least;
}

/*
 * Nor does an invalidation look at what is locked, or an unlock of what is not:
 * there may be a million.
 */
static void test_invalidate_many(void)
{
    clock_t before, during;
    GPtrArray *locked;

    new_guest();
    before = time_of_invalidation();
    locked = map_bytes(UINT_MAX);
    g_assert_cmpuint(locked->len, >, 512 << 10);
    during = time_of_invalidation();
    g_test_message("20 invalidations: %g s, with %u locks: %g s",
                   (double)before / CLOCKS_PER_SEC, locked->len,
                   (double)during / CLOCKS_PER_SEC);
    g_assert_cmpint(during, <, 10 * MAX(before, CLOCKS_PER_SEC / 1000));
    unmap_bytes(locked, true);
}

/* Nor more page tables than a cache of the size that it has by default */
static void test_too_large(void)
{
    hwaddr pages = 8 * GiB / PAGE;
    void *at[4];

    new_guest();
    guest.large = true;
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        at[i] = map_dma(i * BUCKET_PAGES, pages);
        g_assert_nonnull(at[i]);
    }
    g_assert_null(map_dma(4 * BUCKET_PAGES, pages));
    g_assert_null(map_dma(4 * BUCKET_PAGES, 1));
    unmap_dma(at[0]);
    at[0] = map_dma(4 * BUCKET_PAGES, pages);
    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        g_assert_nonnull(at[i]);
        unmap_dma(at[i]);
    }
}

typedef struct Dma {
    void *at;                   /* NULL: none */
    unsigned gfn, pages;
    int first, last;            /* frames */
} Dma;

static void random_dma(Dma *d)
{
    if (d->at) {
        unmap_dma(d->at);
        d->at = NULL;
        return;
    }
    d->pages = g_random_int_range(0, 4) ? 1 : g_random_int_range(1, 2 *
                                                                 BUCKET_PAGES);
    d->gfn = g_random_int_range(0, GUEST_PAGES - d->pages);
    d->first = guest.frame[d->gfn];
    d->last = guest.frame[d->gfn + d->pages - 1];
    d->at = map_dma(d->gfn, d->pages);
    if (d->first == NO_FRAME || d->last == NO_FRAME) {
        g_assert_null(d->at);
    }
}

static void expect_dma(const Dma *d)
{
    if (d->at) {
        expect_frame(d->at, d->first);
        expect_frame((uint8_t *)d->at + (d->pages - 1) * PAGE, d->last);
        g_assert_cmpuint(xen_ram_addr_from_mapcache(d->at), ==, d->gfn * PAGE);
    }
}

static void random_change(void)
{
    unsigned gfn = g_random_int_range(0, GUEST_PAGES);

    if (guest.frame[gfn] == NO_FRAME) {
        get_anew(gfn);
    } else if (guest.next < FRAMES) {
        give_away(gfn);
    }
}

/* DMA sees the frames that it began with, an access those of now. */
static void test_random(void)
{
    Dma dma[16] = { };

    new_guest();
    for (unsigned step = 0; step < 2000; step++) {
        unsigned gfn = g_random_int_range(0, GUEST_PAGES);

        random_dma(&dma[g_random_int_range(0, ARRAY_SIZE(dma))]);
        if (step % 8 == 0) {
            random_change();
        }
        if (guest.frame[gfn] == NO_FRAME) {
            g_assert_null(touch(gfn));
        } else {
            expect_now(gfn);
        }
        for (unsigned i = 0; i < ARRAY_SIZE(dma); i++) {
            expect_dma(&dma[i]);
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(dma); i++) {
        if (dma[i].at) {
            unmap_dma(dma[i].at);
        }
    }
}

static void start(void)
{
    guest.fd = memfd_create("guest", MFD_CLOEXEC);
    g_assert_cmpint(guest.fd, >=, 0);
    g_assert_cmpint(ftruncate(guest.fd, FRAMES * PAGE), ==, 0);
    guest.frames = mmap(NULL, FRAMES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                        guest.fd, 0);
    g_assert(guest.frames != MAP_FAILED);
    for (unsigned i = 0; i < FRAMES; i++) {
        guest.frames[i * PAGE / sizeof(*guest.frames)] = i;
    }
    xen_map_cache_init(NULL, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    start();
    g_test_add_func("/xen/mapcache/no-wait", test_no_wait);
    g_test_add_func("/xen/mapcache/unlocked", test_unlocked);
    g_test_add_func("/xen/mapcache/locked", test_locked);
    g_test_add_func("/xen/mapcache/locked-twice", test_locked_twice);
    g_test_add_func("/xen/mapcache/many-generations", test_many_generations);
    g_test_add_func("/xen/mapcache/behind-another", test_behind_another);
    g_test_add_func("/xen/mapcache/hole-is-filled", test_hole_is_filled);
    g_test_add_func("/xen/mapcache/kept", test_kept);
    g_test_add_func("/xen/mapcache/large-not-kept", test_large_not_kept);
    g_test_add_func("/xen/mapcache/mapping-fails", test_mapping_fails);
    g_test_add_func("/xen/mapcache/too-many", test_too_many);
    g_test_add_func("/xen/mapcache/too-often", test_too_often);
    g_test_add_func("/xen/mapcache/any-order", test_any_order);
    g_test_add_func("/xen/mapcache/invalidate-many", test_invalidate_many);
    g_test_add_func("/xen/mapcache/too-large", test_too_large);
    g_test_add_func("/xen/mapcache/random", test_random);
    return g_test_run();
}
