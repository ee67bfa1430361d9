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
#include "hw/xen/xen-guest-dmabuf.h"

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
    unsigned pieces;                /* mapped one by one */
    uint64_t longest;               /* of these; 0: any */
    bool wanted;
    unsigned made;                  /* dma-bufs */
    bool writable;
    uint32_t nr;                    /* frames of the last one */
    xen_pfn_t *frames;
    bool no_module;
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

bool xen_guest_dmabuf_open(uint32_t domid, char **why)
{
    g_assert_cmpuint(domid, ==, DOMID);
    return !t.no_module;
}

/* What reaches the module has been checked: see G4. */
int xen_guest_dmabuf_create(uint32_t domid, const xen_pfn_t *frames,
                            uint32_t nr_pages, bool writable, char **why)
{
    g_assert_cmpuint(domid, ==, DOMID);
    g_assert_cmpuint(nr_pages, >, 0);
    g_assert_cmpuint(nr_pages, <=, MAX_HOSTMEM / PAGE);
    for (uint32_t n = 0; n < nr_pages; n++) {
        g_assert_cmpuint(frames[n], <, (4 * GIB + 16 * MIB) / PAGE);
    }
    g_free(t.frames);
    t.frames = g_memdup2(frames, nr_pages * sizeof(*frames));
    t.nr = nr_pages;
    t.writable = writable;
    if (t.no_module) {
        *why = g_strdup("there is no module");
        return -1;
    }
    t.made++;
    return fcntl(t.fd, F_DUPFD_CLOEXEC, 0);
}

void *virtio_gpu_backing_map_piece(VirtIOGPU *g, uint64_t addr,
                                   uint64_t *bytes)
{
    if (t.bad_frame && t.bad_frame >= addr / PAGE &&
        t.bad_frame <= (addr + *bytes - 1) / PAGE) {
        return NULL;
    }
    *bytes = MIN(*bytes, t.longest ?: UINT64_MAX);
    t.pieces++;
    return g_memdup2(&addr, sizeof(addr));
}

void virtio_gpu_backing_unmap_piece(VirtIOGPU *g, void *at, uint64_t bytes)
{
    g_assert_cmpuint(t.pieces--, >, 0);
    g_free(at);
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

static bool is_one_piece(const Backing *b)
{
    VirtIOGPUGuestMemory *memory = virtio_gpu_backing_memory(&t.gpu, b->iov);

    if (memory) {
        virtio_gpu_guest_memory_unref(memory);
    }
    return memory;
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
    t.bad_frame = t.longest = 0;
    t.wanted = true;
    t.gpu.conf_max_hostmem = MAX_HOSTMEM;
}

static void nothing_left(void)
{
    g_assert_cmpuint(t.live, ==, 0);
    g_assert_cmpuint(t.pieces, ==, 0);
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
    g_assert_true(is_one_piece(b));
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
    } cases[] = {
        { "ends within a page", "not whole pages",
          { MIB, 2 * MIB }, { PAGE + 1, PAGE }, false },
        { "begins within a page", "not whole pages",
          { MIB, 2 * MIB + 1 }, { PAGE, PAGE }, false },
        { "VGA's memory", "0xf0000000 is memory of another kind",
          { MIB, 0xf0000000 }, { PAGE, PAGE }, false },
        { "an IOMMU that shifts", "parts of pages",
          { MIB, ODD }, { PAGE, PAGE }, false },
        { "too much", "max_hostmem is 8192 KiB",
          { MIB, 2 * MIB }, { MAX_HOSTMEM, PAGE }, false },
        { "no mapping", "Operation not permitted",
          { MIB, 2 * MIB }, { PAGE, PAGE }, true },
    };
    g_autofree Backing *b = g_new0(Backing, 1);

    for (size_t n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_test_message("%s", cases[n].name);
        begin();
        t.fails = cases[n].fails;
        b->n = 0;
        add(b, cases[n].addr[0], cases[n].length[0]);
        add(b, cases[n].addr[1], cases[n].length[1]);
        g_assert_cmpint(map(b), ==, 0);
        g_assert_nonnull(strstr(t.log, cases[n].says));
        g_assert_false(is_one_piece(b));
        g_assert_cmpuint(t.live, ==, 0);
        g_assert_cmpuint(t.pieces, ==, 2);
        g_assert_cmpuint(b->niov, ==, 2);
        for (unsigned i = 0; i < 2; i++) {
            g_assert_cmpuint(b->addr[i], ==, cases[n].addr[i]);
            g_assert_cmpuint(b->iov[i].iov_len, ==, cases[n].length[i]);
            g_assert_cmpuint(*(uint64_t *)b->iov[i].iov_base, ==, b->addr[i]);
        }
        unmap(b);
        nothing_left();
    }

    /* Shorter ones than the entries are */
    begin();
    t.longest = PAGE;
    add(b, MIB, 3 * PAGE + 1);
    add(b, 2 * MIB, PAGE);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_cmpuint(b->niov, ==, 5);
    g_assert_cmpuint(b->addr[3], ==, MIB + 3 * PAGE);
    g_assert_cmpuint(b->iov[2].iov_len, ==, PAGE);
    g_assert_cmpuint(b->iov[3].iov_len, ==, 1);
    unmap(b);
    nothing_left();

    /* G4 all the same */
    begin();
    add(b, MIB, PAGE + 1);
    add(b, 0xa0000, PAGE);
    g_assert_cmpint(map(b), ==, -EINVAL);
    nothing_left();
}

/* G3, G4: Xen does not have a frame, which the guest has given back. */
static void test_given_back(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    t.bad_frame = 0x201;
    add(b, MIB, 5 * PAGE);
    add(b, 2 * MIB, 3 * PAGE);
    g_assert_cmpint(map(b), ==, -EINVAL);
    g_assert_cmpuint(t.maps, ==, 1);
    g_assert_nonnull(strstr(t.log, "frame 0x201: Invalid argument"));
    nothing_left();
}

/* G4: all backings together, and what is mapped byte by byte */
static void test_all_together(void)
{
    enum { N = RAM_SIZE / MAX_HOSTMEM };
    g_autofree Backing *b = g_new0(Backing, N + 1);

    begin();
    for (unsigned n = 0; n < N; n++) {
        add(&b[n], 16 * MIB, MAX_HOSTMEM);
        g_assert_cmpint(map(&b[n]), ==, 0);
        g_assert(is_one_piece(&b[n]) == (n == 0));
    }
    add(&b[N], MIB, 1);
    g_assert_cmpint(map(&b[N]), ==, -EINVAL);
    unmap(&b[N / 2]);
    g_assert_cmpint(map(&b[N]), ==, 0);
    unmap(&b[N]);
    for (unsigned n = 0; n < N; n++) {
        if (n != N / 2) {
            unmap(&b[n]);
        }
    }
    nothing_left();

    for (unsigned n = 0; n < MOST_ENTRIES; n++) {
        add(&b[0], MIB + n, 1);
    }
    g_assert_cmpint(map(&b[0]), ==, 0);
    g_assert_cmpint(virtio_gpu_backing_map(&t.gpu, b[0].entry, b[0].n, NULL,
                                           &b[1].iov, &b[1].niov), ==, -EINVAL);
    unmap(&b[0]);
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
    g_assert_cmpint(map(second), ==, 0);
    g_assert_nonnull(strstr(t.log, "8188 KiB are mapped"));
    g_assert_false(is_one_piece(second));
    unmap(second);
    add(second, 16 * MIB, PAGE);
    g_assert_cmpint(map(second), ==, 0);
    g_assert_true(is_one_piece(second));
    unmap(first);
    add(first, MIB, MAX_HOSTMEM - PAGE);
    g_assert_cmpint(map(first), ==, 0);
    g_assert_true(is_one_piece(first));
    unmap(first);
    unmap(second);
    nothing_left();
}

/* G5: a process has so many mappings only. */
static void test_many(void)
{
    enum { MOST = 4096 };
    g_autofree struct iovec **iov = g_new0(struct iovec *, MOST + 1);
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    t.gpu.conf_max_hostmem = RAM_SIZE;
    add(b, MIB, PAGE);
    for (unsigned n = 0; n <= MOST; n++) {
        g_assert_cmpint(map(b), ==, 0);
        g_assert(is_one_piece(b) == (n < MOST));
        g_free(b->addr);
        iov[n] = b->iov;
    }
    g_assert_nonnull(strstr(t.log, "4096 backings are"));
    g_assert_true(virtio_gpu_backing_unmap(&t.gpu, iov[0]));
    g_assert_cmpint(map(b), ==, 0);
    g_assert_true(is_one_piece(b));
    unmap(b);
    for (unsigned n = 1; n <= MOST; n++) {
        g_assert_true(virtio_gpu_backing_unmap(&t.gpu, iov[n]));
    }
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

    /* In more pieces than before */
    t.fails = true;
    t.longest = PAGE;
    res.iov = g_new0(struct iovec, 2);
    res.iov[0].iov_len = 3 * PAGE;
    res.iov[1].iov_len = 5;
    g_assert_cmpuint(virtio_gpu_backing_restore(&t.gpu, &res), ==, 4);
    g_assert_cmpuint(res.iov_cnt, ==, 4);
    g_assert_cmpuint(res.addrs[2], ==, MIB + 2 * PAGE);
    g_assert_cmpuint(res.iov[3].iov_len, ==, 5);
    g_assert_true(virtio_gpu_backing_unmap(&t.gpu, res.iov));
    res.iov_cnt = 2;

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

/* A dma-buf of the first @bytes; returns its descriptor, or the reason. */
static int dmabuf(Backing *b, uint64_t bytes, bool writable, const char *says)
{
    g_autofree char *why = NULL;
    int fd = virtio_gpu_backing_dmabuf(&t.gpu, b->iov, bytes, writable, &why);

    g_assert(fd >= 0 ? !why : !!why);
    if (says) {
        g_assert_cmpint(fd, ==, -1);
        g_assert_nonnull(strstr(why, says));
    }
    return fd;
}

static void has_dmabuf(Backing *b, uint64_t bytes)
{
    int fd = dmabuf(b, bytes, false, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

/* G9: the frames of the backing in its order, as far as the blob goes */
static void test_dmabuf(void)
{
    static const xen_pfn_t want[] = { 0x100002, 0x100, 0x101, 0x100, 0x104 };
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    add(b, 4 * GIB + 2 * PAGE, PAGE);
    add(b, MIB, 2 * PAGE);
    add(b, MIB, PAGE);              /* again */
    add(b, MIB + 4 * PAGE, PAGE + 100);
    g_assert_cmpint(map(b), ==, 0);
    for (unsigned writable = 0; writable < 2; writable++) {
        int fd = dmabuf(b, 4 * PAGE + 1, writable, NULL);

        g_assert_cmpint(fd, >=, 0);
        close(fd);
        g_assert(t.writable == writable);
        g_assert_cmpmem(t.frames, t.nr * sizeof(*want), want, sizeof(want));
    }
    has_dmabuf(b, 1);
    g_assert_cmpuint(t.nr, ==, 1);
    has_dmabuf(b, 6 * PAGE);
    g_assert_cmpuint(t.nr, ==, 6);
    dmabuf(b, 6 * PAGE + 1, false, "not mapped as one piece");
    dmabuf(b, UINT64_MAX, false, "not mapped as one piece");
    t.no_module = true;
    dmabuf(b, PAGE, false, "there is no module");
    t.no_module = false;
    unmap(b);
    dmabuf(b, PAGE, false, "not mapped as one piece");  /* gone */
    nothing_left();
}

/* G9: what is no one piece of whole pages never gets to the module. */
static void test_no_dmabuf(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);

    begin();
    t.made = 0;
    add(b, MIB + 8, 2 * PAGE);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_true(is_one_piece(b));
    g_assert_null(virtio_gpu_backing_why(&t.gpu, b->iov));
    dmabuf(b, PAGE, false, "begins within a page");
    unmap(b);

    add(b, MIB, PAGE + 1);
    add(b, 2 * MIB, PAGE);
    g_assert_cmpint(map(b), ==, 0);
    g_assert_cmpstr(virtio_gpu_backing_why(&t.gpu, b->iov), ==,
                    "the entries of the backing are not whole pages");
    dmabuf(b, PAGE, false, "not mapped as one piece");
    unmap(b);
    g_assert_null(virtio_gpu_backing_why(&t.gpu, NULL));
    g_assert_cmpuint(t.made, ==, 0);
    nothing_left();
}

/* G9: a process has so many descriptors only. */
static void test_many_dmabufs(void)
{
    enum { MOST = 64 };
    g_autofree Backing *b = g_new0(Backing, MOST + 1);

    begin();
    for (unsigned n = 0; n <= MOST; n++) {
        add(&b[n], MIB, PAGE);
        g_assert_cmpint(map(&b[n]), ==, 0);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < MOST; n++) {
            has_dmabuf(&b[n], PAGE);
        }
        dmabuf(&b[MOST], PAGE, false, "64 buffers have a dma-buf");
        for (unsigned n = 0; n < MOST; n++) {
            unmap(&b[n]);
            add(&b[n], MIB, PAGE);
            g_assert_cmpint(map(&b[n]), ==, 0);
        }
    }
    has_dmabuf(&b[MOST], PAGE);
    for (unsigned n = 0; n <= MOST; n++) {
        unmap(&b[n]);
    }
    nothing_left();
}

static void test_not_ours(void)
{
    g_autofree Backing *b = g_new0(Backing, 1);
    struct iovec *other = g_new(struct iovec, 1);

    begin();
    g_assert_cmpint(map(b), ==, VIRTIO_GPU_BACKING_NOT_OURS);  /* no entry */
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
    g_assert_cmpint(map(b), ==, VIRTIO_GPU_BACKING_NOT_OURS);
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
/* G9: of what is one piece and begins at a page, and of nothing else */
static bool asks_for_dmabuf(Backing *b)
{
    bool can = is_one_piece(b) && le64_to_cpu(b->entry[0].addr) % PAGE == 0;
    uint64_t bytes = 0;
    int fd;

    for (uint32_t n = 0; n < b->n; n++) {
        bytes += le32_to_cpu(b->entry[n].length);
    }
    fd = dmabuf(b, bytes, false, NULL);
    g_assert(can == (fd >= 0));
    if (can) {
        uint8_t first[PAGE];

        g_assert_cmpuint(t.nr, ==, DIV_ROUND_UP(bytes, PAGE));
        g_assert_cmpint(pread(t.fd, first, PAGE, t.frames[0] * PAGE), ==, PAGE);
        g_assert_cmpmem(first, MIN(bytes, PAGE), b->iov[0].iov_base,
                        MIN(bytes, PAGE));
        close(fd);
    }
    return can;
}

static void test_random(void)
{
    static const uint64_t edges[] = {
        PAGE, 0xa0000, 0xc0000, 48 * MIB, 0xf0000000, 4 * GIB,
        4 * GIB + 16 * MIB, UINT64_MAX,
    };
    static const int steps[] = { -8192, -4096, -1, 0, 0, 1, 4096 };
    static const uint32_t lengths[] = { 0, 1, PAGE, PAGE, 2 * PAGE, 100 };
    g_autofree Backing *b = g_new0(Backing, 1);
    unsigned mapped = 0, refused = 0, made = 0;

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
        g_assert_cmpint(rc, ==, bad ? -EINVAL : 0);
        if (rc == 0) {
            g_assert(is_one_piece(b) == (!other && joined));
            if (is_one_piece(b)) {
                same(b);
                mapped++;
            }
            made += asks_for_dmabuf(b);
            unmap(b);
        }
        refused += rc < 0;
    }
    g_assert_cmpuint(mapped, >, 50);
    g_assert_cmpuint(refused, >, 500);
    g_assert_cmpuint(made, >, 20);
    g_assert_cmpuint(made, <, mapped);
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
    g_test_add_func("/backing/given-back", test_given_back);
    g_test_add_func("/backing/all-together", test_all_together);
    g_test_add_func("/backing/limit", test_limit);
    g_test_add_func("/backing/many", test_many);
    g_test_add_func("/backing/still-read", test_still_read);
    g_test_add_func("/backing/restore", test_restore);
    g_test_add_func("/backing/dmabuf", test_dmabuf);
    g_test_add_func("/backing/no-dmabuf", test_no_dmabuf);
    g_test_add_func("/backing/many-dmabufs", test_many_dmabufs);
    g_test_add_func("/backing/not-ours", test_not_ours);
    g_test_add_func("/backing/random", test_random);
    return g_test_run();
}
