/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: backings that are mapped as one piece, on Xen
 *
 * The guest's RAM is a memfd, so that a fake foreign mapping is a real view of
 * any of its pages, in any order. G... are requirements of
 * docs/specs/virtio-gpu-guest-memory.rst.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/report-limit.h"
#include "hw/display/virtio-gpu-backing.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/xen/xen_backend_ops.h"

#define PAGE            4096ull
#define MIB             (1024 * 1024ull)
#define GIB             (1024 * MIB)
#define DOMID           7
#define MAX_HOSTMEM     (8 * MIB)
#define MOST_ENTRIES    16384       /* of a virtio GPU's command */

/* The guest's addresses, in order */
static const struct {
    uint64_t start, end;
    VirtIOGPURam kind;
} areas[] = {
    { 0, 0xa0000, VIRTIO_GPU_RAM_GUEST },
    { 0xc0000, 48 * MIB, VIRTIO_GPU_RAM_GUEST },
    { 0xf0000000, 0xf1000000, VIRTIO_GPU_RAM_OTHER },   /* VGA's memory */
    { 4 * GIB, 4 * GIB + 16 * MIB, VIRTIO_GPU_RAM_GUEST },
};
#define RAM_SIZE        (64 * MIB)
#define SHIFTED         (1ull << 50)    /* a RAM whose frames do not exist */
#define ODD             (1ull << 51)    /* a RAM that begins within a page */
#define TOP             (-16 * PAGE)    /* a RAM at the end of all addresses */

static struct {
    int fd;
    unsigned maps, live;            /* foreign mappings */
    unsigned looks;                 /* at an address */
    xen_pfn_t bad_frame;            /* Xen has no such frame; 0: all are fine */
    bool fails;                     /* no mapping at all */
    bool wanted;
    char log[1000];
    VirtIOGPU gpu;
} t;

uint32_t xen_domid = DOMID;

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_vsnprintf(t.log, sizeof(t.log), fmt, ap);
    va_end(ap);
}

bool virtio_gpu_backing_wanted(VirtIOGPU *g)
{
    return t.wanted;
}

uint64_t virtio_gpu_backing_ram_size(void)
{
    return RAM_SIZE;
}

VirtIOGPURam virtio_gpu_backing_find_ram(VirtIOGPU *g, uint64_t addr,
                                         uint64_t *bytes, uint64_t *physical)
{
    g_assert_cmpuint(*bytes, >, 0);
    t.looks++;
    if (addr >= SHIFTED && addr < SHIFTED + MIB) {
        *physical = 1ull << 52;
        return VIRTIO_GPU_RAM_GUEST;
    }
    if (addr >= ODD && addr < ODD + MIB) {
        *physical = addr - ODD + 512;
        return VIRTIO_GPU_RAM_GUEST;
    }
    if (addr >= TOP) {
        *bytes = MIN(*bytes, -addr);
        *physical = addr - TOP;
        return VIRTIO_GPU_RAM_GUEST;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(areas); n++) {
        if (addr < areas[n].start) {
            *bytes = MIN(*bytes, areas[n].start - addr);
            return VIRTIO_GPU_RAM_NONE;
        }
        if (addr < areas[n].end) {
            *bytes = MIN(*bytes, areas[n].end - addr);
            *physical = addr;
            return areas[n].kind;
        }
    }
    return VIRTIO_GPU_RAM_NONE;
}

void *qemu_xen_foreignmem_map(uint32_t dom, void *addr, int prot, size_t pages,
                              xen_pfn_t *pfns, int *errs)
{
    uint8_t *at;

    g_assert_cmpuint(dom, ==, DOMID);
    g_assert_cmpint(prot, ==, PROT_READ);               /* G2 */
    g_assert_cmpuint(pages, <=, MAX_HOSTMEM / PAGE);    /* G5 */
    t.maps++;
    if (t.fails) {
        errno = EPERM;
        return NULL;
    }
    at = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
              0);
    g_assert(at != MAP_FAILED);
    for (size_t n = 0; n < pages; n++) {
        g_assert_cmpuint(pfns[n], <, (4 * GIB + 16 * MIB) / PAGE);
        errs[n] = t.bad_frame && pfns[n] == t.bad_frame ? -EINVAL : 0;
        g_assert(mmap(at + n * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED, t.fd,
                      pfns[n] * PAGE) != MAP_FAILED);
    }
    t.live++;
    return at;
}

int qemu_xen_foreignmem_unmap(void *addr, size_t pages)
{
    g_assert_cmpuint(t.live--, >, 0);
    return munmap(addr, pages * PAGE);
}

/* A backing, as a command has it */
typedef struct Backing {
    struct virtio_gpu_mem_entry entry[MOST_ENTRIES];
    uint32_t n;
    uint64_t *addr;
    struct iovec *iov;
    uint32_t niov;
} Backing;

static void add(Backing *b, uint64_t addr, uint32_t length)
{
    b->entry[b->n].addr = cpu_to_le64(addr);
    b->entry[b->n++].length = cpu_to_le32(length);
}

static int map(Backing *b)
{
    t.maps = t.looks = 0;
    t.log[0] = '\0';
    return virtio_gpu_backing_map(&t.gpu, b->entry, b->n, &b->addr, &b->iov,
                                  &b->niov);
}

static void unmap(Backing *b)
{
    g_assert_true(virtio_gpu_backing_unmap(&t.gpu, b->iov));
    g_free(b->addr);
    b->n = 0;
}

static void begin(void)
{
    t.fails = false;
    t.bad_frame = 0;
    t.wanted = true;
    t.gpu.conf_max_hostmem = MAX_HOSTMEM;
}

static void nothing_left(void)
{
    g_assert_cmpuint(t.live, ==, 0);
    g_assert_null(t.gpu.backings);
}

/* The octets of the guest's memory, entry by entry, are those of one piece. */
static void same(const Backing *b)
{
    uint8_t *at = b->iov[0].iov_base;

    g_assert_cmpuint(b->niov, ==, b->n);
    for (uint32_t n = 0; n < b->n; n++) {
        uint64_t length = le32_to_cpu(b->entry[n].length), physical;
        g_autofree uint8_t *want = g_malloc(length);

        virtio_gpu_backing_find_ram(&t.gpu, le64_to_cpu(b->entry[n].addr),
                                    &length, &physical);
        g_assert_cmpint(pread(t.fd, want, length, physical), ==, length);
        g_assert(b->iov[n].iov_base == at);
        g_assert_cmpuint(b->iov[n].iov_len, ==, length);
        g_assert_cmpuint(b->addr[n], ==, le64_to_cpu(b->entry[n].addr));
        g_assert_cmpmem(at, length, want, length);
        at += length;
    }
}

/* G2: pages in any order, above 4 GiB, twice, and odd ends */
static void test_one_piece(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    add(b, 5 * PAGE + 100, PAGE - 100);
    add(b, 4 * GIB + 3 * PAGE, 7 * PAGE);
    add(b, 5 * PAGE, PAGE);
    add(b, MIB, 64 * PAGE);
    add(b, 9 * PAGE, 17);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_cmpuint(t.maps, ==, 1);
    same(b);
    unmap(b);

    add(b, 2 * PAGE + 8, 16);           /* within a page */
    g_assert_cmpint(map(b), ==, 0);
    same(b);
    unmap(b);
    nothing_left();
}

/* G2: the guest draws after the backing was mapped */
static void test_seen_at_once(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);
    const char word[] = "drawn later";

    begin();
    add(b, 20 * PAGE, PAGE);
    add(b, 30 * PAGE, PAGE);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_cmpint(pwrite(t.fd, word, sizeof(word), 30 * PAGE), ==,
                    sizeof(word));
    g_assert_cmpstr((char *)b->iov[1].iov_base, ==, word);
    unmap(b);
    nothing_left();
}

/* G4 */
static void test_refused(void)
{
    static const struct {
        const char *name;
        uint64_t addr;
        uint32_t length, times;
    } cases[] = {
        { "no bytes", MIB, 0, 1 },
        { "wraps around", UINT64_MAX - 100, 4096, 1 },
        { "wraps to 0", UINT64_MAX - 4095, UINT32_MAX, 1 },
        { "a hole below 1 MiB", 0xa0000, 4096, 1 },
        { "ends in a hole", 0xa0000 - PAGE, 2 * PAGE, 1 },
        { "begins in a hole", 0xc0000 - PAGE, 2 * PAGE, 1 },
        { "across a hole", 0x90000, 0x40000, 1 },
        { "after the RAM", 48 * MIB, 4096, 1 },
        { "past the end of the RAM", 48 * MIB - PAGE, PAGE + 1, 1 },
        { "registers", 0xfee00000, 4096, 1 },
        { "frame 2^40", 1ull << 52, 4096, 1 },
        { "frame 2^40 behind an IOMMU", SHIFTED, 4096, 1 },
        { "4 GiB", 0, UINT32_MAX, 1 },
        { "2^32 pages", 0, 0x40000000, MOST_ENTRIES },
        { "all RAM, twice", MIB, 33 * MIB, 2 },
        { "most entries, one too many", MIB, 4100, MOST_ENTRIES },
    };
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        bool good = false;

        do {                            /* alone, then after a good entry */
            b->n = 0;
            if (good) {
                add(b, 8 * PAGE, PAGE);
            }
            for (uint32_t i = 0;
                 i < cases[n].times && b->n < MOST_ENTRIES; i++) {
                add(b, cases[n].addr, cases[n].length);
            }
            g_test_message("%s, entry %u", cases[n].name, good);
            g_assert_cmpint(map(b), ==, -EINVAL);
            g_assert_cmpuint(t.maps, ==, 0);
            g_assert_cmpuint(t.looks, <=, 3 * b->n);
            good = !good;
        } while (good);
    }
    nothing_left();
}

/* G3: what passes but is not mapped as one piece, with the reason */
static void test_in_pieces(void)
{
    static const struct {
        const char *name, *says;
        uint64_t addr[2];
        uint32_t length[2];
        bool fails;
        xen_pfn_t bad_frame;
    } cases[] = {
        { "ends within a page", "not whole pages",
          { MIB, 2 * MIB }, { PAGE + 1, PAGE }, false, 0 },
        { "begins within a page", "not whole pages",
          { MIB, 2 * MIB + 1 }, { PAGE, PAGE }, false, 0 },
        { "VGA's memory", "0xf0000000 is memory of another kind",
          { MIB, 0xf0000000 }, { PAGE, PAGE }, false, 0 },
        { "an IOMMU that shifts", "parts of pages",
          { MIB, ODD }, { PAGE, PAGE }, false, 0 },
        { "too much", "max_hostmem is 8192 KiB",
          { MIB, 2 * MIB }, { MAX_HOSTMEM, PAGE }, false, 0 },
        { "no mapping", "Operation not permitted",
          { MIB, 2 * MIB }, { PAGE, PAGE }, true, 0 },
        { "a frame that was given back", "frame 0x201: Invalid argument",
          { MIB, 2 * MIB }, { PAGE, 3 * PAGE }, false, 0x201 },
    };
    g_autofree Backing *b = g_new0(Backing, 1);

    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_test_message("%s", cases[n].name);
        begin();
        t.fails = cases[n].fails;
        t.bad_frame = cases[n].bad_frame;
        b->n = 0;
        add(b, cases[n].addr[0], cases[n].length[0]);
        add(b, cases[n].addr[1], cases[n].length[1]);
        g_assert_cmpint(map(b), ==, VIRTIO_GPU_BACKING_IN_PIECES);
        g_assert_nonnull(strstr(t.log, cases[n].says));
        nothing_left();
    }

    /* G4 all the same */
    begin();
    b->n = 0;
    add(b, MIB, PAGE + 1);
    add(b, 0xa0000, PAGE);
    g_assert_cmpint(map(b), ==, -EINVAL);
    nothing_left();
}

/* G5 */
static void test_limit(void)
{
    g_autofree Backing *first = g_new0(Backing, 1);
    g_autofree Backing *second = g_new0(Backing, 1);

    begin();
    add(first, MIB, MAX_HOSTMEM - PAGE);
    add(second, 16 * MIB, 2 * PAGE);
    g_assert_cmpint(map(first), ==, 0);
    g_assert_cmpint(map(second), ==, VIRTIO_GPU_BACKING_IN_PIECES);
    g_assert_nonnull(strstr(t.log, "8188 KiB are mapped"));
    second->n = 0;
    add(second, 16 * MIB, PAGE);
    g_assert_cmpint(map(second), ==, 0);
    unmap(first);
    add(first, MIB, MAX_HOSTMEM - PAGE);
    g_assert_cmpint(map(first), ==, 0);
    unmap(first);
    unmap(second);
    nothing_left();
}

/* G7: a display still reads what the guest has detached */
static void test_still_read(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);
    VirtIOGPUGuestMemory *memory;

    begin();
    add(b, 3 * PAGE + 4, 2 * PAGE);
    g_assert_cmpint(map(b), ==, 0);
    memory = virtio_gpu_backing_memory(&t.gpu, b->iov);
    g_assert(memory->data == b->iov[0].iov_base);
    g_assert_false(memory->copied);
    unmap(b);
    g_assert_cmpuint(t.live, ==, 1);
    g_assert_cmpuint(memory->data[0], ==, 3);
    virtio_gpu_guest_memory_unref(memory);
    nothing_left();
}

/* G8 */
static void test_restore(void)
{
    struct virtio_gpu_simple_resource res = { .iov_cnt = 2 };
    const uint64_t addr[] = { MIB, 4 * GIB };

    begin();
    res.addrs = g_memdup2(addr, sizeof(addr));
    res.iov = g_new0(struct iovec, 2);
    res.iov[0].iov_len = 3 * PAGE;
    res.iov[1].iov_len = 5;
    g_assert_cmpuint(virtio_gpu_backing_restore(&t.gpu, &res), ==, 2);
    g_assert(res.iov[1].iov_base == (uint8_t *)res.iov[0].iov_base + 3 * PAGE);
    g_assert_cmpuint(*(uint8_t *)res.iov[1].iov_base, ==, 0);
    g_assert_cmpuint(res.addrs[1], ==, 4 * GIB);
    g_assert_true(virtio_gpu_backing_unmap(&t.gpu, res.iov));

    /* What cannot be mapped is left as it is. */
    res.addrs[0] = 0xa0000;
    res.iov = g_new0(struct iovec, 2);
    res.iov[0].iov_len = res.iov[1].iov_len = PAGE;
    g_assert_cmpuint(virtio_gpu_backing_restore(&t.gpu, &res), ==, 0);
    g_assert_cmpuint(res.iov[0].iov_len, ==, PAGE);
    res.iov_cnt = 0;
    g_assert_cmpuint(virtio_gpu_backing_restore(&t.gpu, &res), ==, 0);
    g_free(res.iov);
    g_free(res.addrs);
    nothing_left();
}

static void test_not_ours(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);
    struct iovec *other = g_new(struct iovec, 1);

    begin();
    g_assert_cmpint(map(b), ==, VIRTIO_GPU_BACKING_IN_PIECES); /* no entry */
    g_assert_false(virtio_gpu_backing_unmap(&t.gpu, NULL));
    g_assert_false(virtio_gpu_backing_unmap(&t.gpu, other));
    g_assert_null(virtio_gpu_backing_memory(&t.gpu, other));
    add(b, MIB, PAGE);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_false(virtio_gpu_backing_unmap(&t.gpu, other));
    g_assert_null(virtio_gpu_backing_memory(&t.gpu, other));
    unmap(b);

    t.wanted = false;                   /* not on Xen, or a GL device */
    add(b, 0xa0000, 0);
    g_assert_cmpint(map(b), ==, VIRTIO_GPU_BACKING_IN_PIECES);
    g_assert_cmpuint(t.looks, ==, 0);
    g_free(other);
    nothing_left();
}

static VirtIOGPURam kind_of(uint64_t addr)
{
    uint64_t bytes = 1, physical;

    return virtio_gpu_backing_find_ram(&t.gpu, addr, &bytes, &physical);
}

/* G2 to G4, octet by octet, about the edges of what the guest has */
static void test_random(void)
{
    static const uint64_t edges[] = {
        PAGE, 0xa0000, 0xc0000, 48 * MIB, 0xf0000000, 4 * GIB,
        4 * GIB + 16 * MIB, UINT64_MAX,
    };
    static const int steps[] = { -8192, -4096, -1, 0, 0, 1, 4096 };
    static const uint32_t lengths[] = { 0, 1, PAGE, PAGE, 2 * PAGE, 100 };
    g_autofree Backing *b = g_new0(Backing, 1);
    unsigned mapped = 0, refused = 0;

    begin();
    for (unsigned round = 0; round < 3000; round++) {
        bool bad = false, other = false, joined = true;
        int rc;

        b->n = 0;
        for (int n = g_test_rand_int_range(1, 5); n; n--) {
            uint64_t addr = edges[g_test_rand_int_range(0, 8)] +
                            steps[g_test_rand_int_range(0, 7)];
            uint32_t length = lengths[g_test_rand_int_range(0, 6)];

            bad |= !length;
            joined &= !b->n || addr % PAGE == 0;
            joined &= n == 1 || (addr + length) % PAGE == 0;
            for (uint32_t i = 0; i < length; i++) {
                bad |= kind_of(addr + i) == VIRTIO_GPU_RAM_NONE;
                other |= kind_of(addr + i) == VIRTIO_GPU_RAM_OTHER;
                bad |= addr + i < addr;
            }
            add(b, addr, length);
        }
        rc = map(b);
        g_assert_cmpint(rc, ==, bad ? -EINVAL : other || !joined ?
                                VIRTIO_GPU_BACKING_IN_PIECES : 0);
        if (rc == 0) {
            same(b);
            unmap(b);
        }
        mapped += rc == 0;
        refused += rc < 0;
    }
    g_assert_cmpuint(mapped, >, 50);
    g_assert_cmpuint(refused, >, 500);
    nothing_left();
}

/* Each page has its number in all of its octets. */
static void make_ram(void)
{
    static uint8_t page[4096];

    t.fd = memfd_create("ram", 0);
    g_assert_cmpint(ftruncate(t.fd, 4 * GIB + 16 * MIB), ==, 0);
    for (unsigned n = 0; n < 16 * MIB / PAGE; n++) {
        memset(page, n, sizeof(page));
        for (uint64_t at = 0; at <= 4 * GIB; at += 4 * GIB) {
            g_assert_cmpint(pwrite(t.fd, page, PAGE, at + n * PAGE), ==, PAGE);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_ram();
    g_test_add_func("/backing/one-piece", test_one_piece);
    g_test_add_func("/backing/seen-at-once", test_seen_at_once);
    g_test_add_func("/backing/refused", test_refused);
    g_test_add_func("/backing/in-pieces", test_in_pieces);
    g_test_add_func("/backing/limit", test_limit);
    g_test_add_func("/backing/still-read", test_still_read);
    g_test_add_func("/backing/restore", test_restore);
    g_test_add_func("/backing/not-ours", test_not_ours);
    g_test_add_func("/backing/random", test_random);
    return g_test_run();
}
