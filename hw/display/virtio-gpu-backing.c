/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: on Xen, map the backing of a resource as one piece
 *
 * Otherwise each entry of a backing is a mapping of its own in the map cache,
 * and Linux gives a frame of 1920 x 1080 more than a thousand entries. A
 * foreign mapping takes any list of guest frames, so that the pieces lie side
 * by side, and a blob can be shown without being copied.
 *
 * All numbers are the guest's. They are checked before anything is allocated,
 * and all backings of a device together are no more than the guest's RAM, so
 * that the loops below end and what they allocate is bounded. What passes but
 * cannot be mapped as one piece is mapped entry by entry.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/report-limit.h"
#include "hw/display/virtio-gpu-backing.h"
#include "hw/virtio/virtio-gpu.h"
#include "hw/xen/xen-guest-dmabuf.h"
#include "trace.h"

#define PAGE_BYTES      4096ull
#define PAGE_OF(addr)   ((addr) / PAGE_BYTES)
#define IN_PAGE(addr)   ((addr) % PAGE_BYTES)
/* An x86 page table entry has 40 bits for the frame: beyond, it is another. */
#define FRAMES          (1ull << 40)
/* Linux lets a process have 65530 mappings, and others need some, too. */
#define MOST_MAPPINGS   4096
/* Each is a descriptor, of which Linux lets a process have 1024. */
#define MOST_DMABUFS    64

/* A backing that is mapped */
typedef struct Backing {
    VirtIOGPUGuestMemory *memory;   /* a reference; NULL if it is in pieces */
    xen_pfn_t *frames;          /* of memory, in order */
    char *why;                  /* it is in pieces; or NULL */
    bool has_dmabuf;
    uint32_t niov;
    uint64_t charge;            /* pages */
} Backing;

struct VirtIOGPUBackings {
    GHashTable *by_iov;         /* iov -> Backing */
    uint64_t bytes;             /* mapped as one piece */
    uint32_t mappings;          /* of such backings */
    uint32_t dmabufs;
    uint64_t charge;            /* pages, of all */
};

/* A backing while it is examined */
typedef struct Request {
    VirtIOGPU *g;
    const struct virtio_gpu_mem_entry *entries;
    uint32_t nr_entries;
    uint64_t bytes;             /* the sum of the entries */
    uint64_t charge;            /* pages that the entries touch */
    uint64_t nr_pages;          /* as one piece */
    xen_pfn_t *frames;
    uint64_t nr_frames;         /* found so far */
    bool refused;
    char *why;                  /* it is not mapped as one piece; or NULL */
} Request;

static uint64_t entry_addr(const Request *q, uint32_t n)
{
    return le64_to_cpu(q->entries[n].addr);
}

static uint32_t entry_length(const Request *q, uint32_t n)
{
    return le32_to_cpu(q->entries[n].length);
}

/* The first reason counts. */
static void G_GNUC_PRINTF(2, 3) say_why(Request *q, const char *fmt, ...)
{
    va_list ap;

    if (!q->why) {
        va_start(ap, fmt);
        q->why = g_strdup_vprintf(fmt, ap);
        va_end(ap);
    }
}

static void refuse(Request *q, const char *what, uint64_t addr)
{
    q->refused = true;
    say_why(q, "%s at 0x%" PRIx64, what, addr);
}

/* Side by side, the entries' pages have neither gap nor overlap. */
static bool joins(const Request *q, uint32_t n)
{
    uint64_t addr = entry_addr(q, n);

    return (n == 0 || !IN_PAGE(addr)) &&
           (n + 1 == q->nr_entries || !IN_PAGE(addr + entry_length(q, n)));
}

/* Each entry counts as a page at least, since it costs QEMU memory. */
static void add_up(Request *q)
{
    uint64_t most = PAGE_OF(virtio_gpu_backing_ram_size());
    uint64_t used = q->g->backings ? q->g->backings->charge : 0;

    for (uint32_t n = 0; n < q->nr_entries && !q->refused; n++) {
        uint64_t addr = entry_addr(q, n), length = entry_length(q, n);

        q->bytes += length;
        q->charge += PAGE_OF(IN_PAGE(addr) + length + PAGE_BYTES - 1);
        if (!length) {
            refuse(q, "an entry of no bytes", addr);
        } else if (addr + (length - 1) < addr) {
            refuse(q, "an entry that wraps around", addr);
        } else if (q->charge > most - MIN(used, most)) {
            refuse(q, "more memory than the guest has", addr);
        } else if (!joins(q, n)) {
            say_why(q, "the entries of the backing are not whole pages");
        }
    }
    q->nr_pages = DIV_ROUND_UP(IN_PAGE(entry_addr(q, 0)) + q->bytes,
                               PAGE_BYTES);
}

static void check_limit(Request *q)
{
    uint64_t used = q->g->backings ? q->g->backings->bytes : 0;
    uint64_t limit = q->g->conf_max_hostmem;

    if (used && q->g->backings->mappings >= MOST_MAPPINGS) {
        say_why(q, "%d backings are, and more are not possible",
                MOST_MAPPINGS);
    }
    if (used > limit || q->nr_pages > PAGE_OF(limit - used)) {
        say_why(q, "%" PRIu64 " KiB are mapped, and max_hostmem is %" PRIu64
                " KiB", used / 1024, limit / 1024);
    }
}

/* @bytes of the guest's RAM, which begin an entry or a page */
static void add_frames(Request *q, uint64_t physical, uint64_t bytes)
{
    uint64_t end = PAGE_OF(physical + bytes - 1);

    for (uint64_t page = PAGE_OF(physical); page <= end && !q->why; page++) {
        if (page >= FRAMES) {
            refuse(q, "no frame", page * PAGE_BYTES);
        } else if (q->nr_frames == q->nr_pages) {
            say_why(q, "the backing lies in parts of pages");
        } else {
            q->frames[q->nr_frames++] = page;
        }
    }
}

static void find_frames(Request *q, uint64_t addr, uint64_t length)
{
    uint64_t bytes, physical;

    for (uint64_t done = 0; done < length && !q->refused; done += bytes) {
        bytes = length - done;
        switch (virtio_gpu_backing_find_ram(q->g, addr + done, &bytes,
                                            &physical)) {
        case VIRTIO_GPU_RAM_GUEST:
            if (!q->why && (IN_PAGE(physical) != IN_PAGE(addr + done) ||
                            (done && IN_PAGE(physical)))) {
                say_why(q, "the backing lies in parts of pages");
            }
            add_frames(q, physical, bytes);
            break;
        case VIRTIO_GPU_RAM_OTHER:
            say_why(q, "0x%" PRIx64 " is memory of another kind", addr + done);
            break;
        default:
            refuse(q, "no memory", addr + done);
            break;
        }
    }
}

/* Examines all entries, whether they can be mapped as one piece or not. */
static void examine(Request *q)
{
    add_up(q);
    if (q->refused) {
        return;
    }
    check_limit(q);
    if (!q->why) {
        q->frames = g_try_new(xen_pfn_t, q->nr_pages);
        if (!q->frames) {
            say_why(q, "there is no memory for a list of frames");
        }
    }
    for (uint32_t n = 0; n < q->nr_entries && !q->refused; n++) {
        find_frames(q, entry_addr(q, n), entry_length(q, n));
    }
    if (!q->why && q->nr_frames != q->nr_pages) {
        say_why(q, "the backing lies in parts of pages");
    }
}

static void unmap_frames(VirtIOGPUGuestMemory *memory)
{
    qemu_xen_foreignmem_unmap(memory->base, PAGE_OF(memory->size));
}

/* Only to be read: the device shows what the guest has drawn. */
static VirtIOGPUGuestMemory *map_frames(Request *q)
{
    g_autofree int *errors = g_try_new0(int, q->nr_pages);
    VirtIOGPUGuestMemory *memory;
    void *base;

    if (!errors) {
        say_why(q, "there is no memory for a list of errors");
        return NULL;
    }
    base = qemu_xen_foreignmem_map(xen_domid, NULL, PROT_READ, q->nr_pages,
                                   q->frames, errors);
    if (!base) {
        say_why(q, "Xen does not map it: %s", strerror(errno));
        return NULL;
    }
    for (uint64_t n = 0; n < q->nr_pages; n++) {
        if (errors[n]) {
            say_why(q, "Xen does not map frame 0x%" PRIx64 ": %s",
                    (uint64_t)q->frames[n], strerror(abs(errors[n])));
            qemu_xen_foreignmem_unmap(base, q->nr_pages);
            return NULL;
        }
    }
    memory = virtio_gpu_guest_memory_new(base, q->nr_pages * PAGE_BYTES,
                                         unmap_frames);
    memory->data += IN_PAGE(entry_addr(q, 0));
    memory->make_dmabuf = virtio_gpu_backing_dmabuf;
    return memory;
}

static void keep(Request *q, struct iovec *iov, uint32_t niov,
                 VirtIOGPUGuestMemory *memory)
{
    struct VirtIOGPUBackings *all = q->g->backings;
    Backing *backing = g_new0(Backing, 1);

    if (!all) {
        all = q->g->backings = g_new0(struct VirtIOGPUBackings, 1);
        all->by_iov = g_hash_table_new(NULL, NULL);
    }
    backing->memory = memory;
    backing->niov = niov;
    backing->charge = q->charge;
    g_hash_table_insert(all->by_iov, iov, backing);
    all->charge += q->charge;
    if (memory) {
        backing->frames = g_steal_pointer(&q->frames);
        all->bytes += memory->size;
        all->mappings++;
    } else {
        backing->why = g_strdup(q->why);
    }
}

static Backing *find(VirtIOGPU *g, const struct iovec *iov)
{
    return g->backings ? g_hash_table_lookup(g->backings->by_iov, iov) : NULL;
}

/* What a caller gets: the pieces, and where the guest has them */
typedef struct Pieces {
    GArray *iov;                /* of struct iovec */
    GArray *addr;               /* of uint64_t */
} Pieces;

static void add_piece(Pieces *p, void *at, uint64_t bytes, uint64_t addr)
{
    struct iovec iov = { .iov_base = at, .iov_len = bytes };

    g_array_append_val(p->iov, iov);
    g_array_append_val(p->addr, addr);
}

static void split(const Request *q, uint8_t *at, Pieces *p)
{
    for (uint32_t n = 0; n < q->nr_entries; n++) {
        add_piece(p, at, entry_length(q, n), entry_addr(q, n));
        at += entry_length(q, n);
    }
}

static void unmap_pieces(VirtIOGPU *g, const struct iovec *iov, uint32_t niov)
{
    for (uint32_t n = 0; n < niov; n++) {
        virtio_gpu_backing_unmap_piece(g, iov[n].iov_base, iov[n].iov_len);
    }
}

static bool map_pieces(Request *q, Pieces *p)
{
    for (uint32_t n = 0; n < q->nr_entries; n++) {
        uint64_t addr = entry_addr(q, n), left = entry_length(q, n), bytes;

        for (; left; addr += bytes, left -= bytes) {
            void *at = NULL;

            bytes = left;
            if (p->iov->len < q->charge) {
                at = virtio_gpu_backing_map_piece(q->g, addr, &bytes);
            }
            if (!at) {
                unmap_pieces(q->g, (struct iovec *)p->iov->data, p->iov->len);
                refuse(q, "memory that cannot be mapped", addr);
                return false;
            }
            add_piece(p, at, bytes, addr);
        }
    }
    return true;
}

/* Maps what was examined, in one way or the other. */
static bool map_backing(Request *q, Pieces *p)
{
    static ReportLimit limit = { .what = "virtio-gpu: backings in pieces" };
    VirtIOGPUGuestMemory *memory = q->why ? NULL : map_frames(q);

    if (memory) {
        split(q, memory->data, p);
    } else {
        warn_report_limited(&limit, "virtio-gpu: %" PRIu64 " KiB of guest "
                            "memory are not mapped as one piece: %s",
                            q->bytes / 1024, q->why);
        if (!map_pieces(q, p)) {
            return false;
        }
    }
    keep(q, (struct iovec *)p->iov->data, p->iov->len, memory);
    return true;
}

int virtio_gpu_backing_map(VirtIOGPU *g,
                           const struct virtio_gpu_mem_entry *entries,
                           uint32_t nr_entries, uint64_t **addr,
                           struct iovec **iov, uint32_t *niov)
{
    bool mapped;
    Pieces p;
    Request q = {
        .g = g,
        .entries = entries,
        .nr_entries = nr_entries,
    };

    if (!nr_entries || !virtio_gpu_backing_wanted(g)) {
        return VIRTIO_GPU_BACKING_NOT_OURS;
    }
    p.iov = g_array_new(false, false, sizeof(struct iovec));
    p.addr = g_array_new(false, false, sizeof(uint64_t));
    examine(&q);
    mapped = !q.refused && map_backing(&q, &p);
    trace_virtio_gpu_backing(nr_entries, q.bytes, q.why ?: "one piece");
    if (!mapped) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "virtio-gpu: a backing is refused: %s\n", q.why);
    }
    *niov = mapped ? p.iov->len : 0;
    *iov = (struct iovec *)g_array_free(p.iov, !mapped);
    if (addr) {
        *addr = (uint64_t *)g_array_free(p.addr, !mapped);
    } else {
        g_array_free(p.addr, true);
    }
    g_free(q.frames);
    g_free(q.why);
    return mapped ? 0 : -EINVAL;
}

uint32_t virtio_gpu_backing_restore(VirtIOGPU *g,
                                    struct virtio_gpu_simple_resource *res)
{
    uint32_t nr = res->iov_cnt;
    g_autofree struct virtio_gpu_mem_entry *entries =
        g_try_new(struct virtio_gpu_mem_entry, nr);
    struct iovec *iov;
    uint64_t *addrs;

    if (!entries) {
        return 0;
    }
    for (uint32_t n = 0; n < nr; n++) {
        entries[n].addr = cpu_to_le64(res->addrs[n]);
        entries[n].length = cpu_to_le32(res->iov[n].iov_len);
    }
    if (virtio_gpu_backing_map(g, entries, nr, &addrs, &iov, &nr)) {
        return 0;
    }
    g_free(res->iov);
    g_free(res->addrs);
    res->iov = iov;
    res->addrs = addrs;
    res->iov_cnt = nr;
    return nr;
}

bool virtio_gpu_backing_unmap(VirtIOGPU *g, struct iovec *iov)
{
    Backing *backing = find(g, iov);

    if (!backing) {
        return false;
    }
    g_hash_table_remove(g->backings->by_iov, iov);
    g->backings->charge -= backing->charge;
    if (backing->memory) {
        g->backings->bytes -= backing->memory->size;
        g->backings->mappings--;
        virtio_gpu_guest_memory_unref(backing->memory);
    } else {
        unmap_pieces(g, iov, backing->niov);
    }
    g->backings->dmabufs -= backing->has_dmabuf;
    if (!g_hash_table_size(g->backings->by_iov)) {
        g_hash_table_destroy(g->backings->by_iov);
        g_clear_pointer(&g->backings, g_free);
    }
    g_free(backing->frames);
    g_free(backing->why);
    g_free(backing);
    g_free(iov);
    return true;
}

VirtIOGPUGuestMemory *virtio_gpu_backing_memory(VirtIOGPU *g,
                                                const struct iovec *iov)
{
    Backing *backing = find(g, iov);

    return backing && backing->memory ?
           virtio_gpu_guest_memory_ref(backing->memory) : NULL;
}

const char *virtio_gpu_backing_why(VirtIOGPU *g, const struct iovec *iov)
{
    Backing *backing = find(g, iov);

    return backing ? backing->why : NULL;
}

int virtio_gpu_backing_dmabuf(VirtIOGPU *g, const struct iovec *iov,
                              uint64_t bytes, bool writable, char **why)
{
    Backing *backing = find(g, iov);
    int fd;

    if (!backing || !backing->memory || bytes > backing->memory->size ||
        DIV_ROUND_UP(bytes, PAGE_BYTES) > UINT32_MAX) {
        *why = g_strdup("the backing is not mapped as one piece");
        return -1;
    }
    if (backing->memory->data != backing->memory->base) {
        *why = g_strdup("the blob begins within a page");
        return -1;
    }
    if (g->backings->dmabufs >= MOST_DMABUFS) {
        *why = g_strdup_printf("%d buffers have a dma-buf, and more may not",
                               MOST_DMABUFS);
        return -1;
    }
    fd = xen_guest_dmabuf_create(xen_domid, backing->frames,
                                 DIV_ROUND_UP(bytes, PAGE_BYTES), writable,
                                 why);
    if (fd >= 0 && !backing->has_dmabuf) {
        backing->has_dmabuf = true;
        g->backings->dmabufs++;
    }
    return fd;
}

void virtio_gpu_backing_prepare(void)
{
    xen_guest_dmabuf_open(xen_domid, NULL);
}
