// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rawfront: mapping references, at their place or elsewhere
 *
 * A mapping in the window is made by a hypercall, about which the kernel knows
 * nothing: it stays when this program ends. Mappings elsewhere are gntdev's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rawfront.h"

#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>

#define BATCH   64              /* of one hypercall; its size is under a page */
#define WINDOW_BAR 4

static int privcmd, gntdev;
static uint64_t window, window_end;     /* guest-physical */
struct held *held;

/* The hypervisor reads it by its address here, so it must be in memory. */
static union {
    struct gnttab_map_grant_ref map[BATCH];
    struct gnttab_unmap_grant_ref unmap[BATCH];
} *ops;

static bool find_window(const char *pci)
{
    char path[300], line[128];
    unsigned int device = 0;
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "%s/device", pci);
    f = fopen(path, "re");
    if (f) {
        found = fscanf(f, "%x", &device) == 1 && device == 0x1050;
        fclose(f);
    }
    snprintf(path, sizeof(path), "%s/resource", pci);
    f = found ? fopen(path, "re") : NULL;
    for (int i = 0; f && i <= WINDOW_BAR; i++) {
        found = fgets(line, sizeof(line), f) &&
                sscanf(line, "%" SCNx64 " %" SCNx64, &window,
                       &window_end) == 2;
    }
    if (f) {
        fclose(f);
    }
    window_end++;
    return found;
}

void grants_init(void)
{
    glob_t g = { 0 };
    bool found = false;

    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
    if (privcmd < 0 || gntdev < 0) {
        die("/dev/xen/privcmd or gntdev: %s", strerror(errno));
    }
    ops = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
               MAP_POPULATE | MAP_LOCKED, -1, 0);
    if (ops == MAP_FAILED) {
        die("a page for hypercalls: %s", strerror(errno));
    }
    glob("/sys/bus/pci/devices/*", 0, NULL, &g);
    for (size_t i = 0; i < g.gl_pathc && !found; i++) {
        found = find_window(g.gl_pathv[i]);
    }
    globfree(&g);
    if (!found || window_end - window < PAGE) {
        die("there is no virtio GPU with a window");
    }
}

static void grant_table_op(unsigned int command, unsigned int count)
{
    privcmd_hypercall_t call = {
        .op = __HYPERVISOR_grant_table_op,
        .arg = { command, (uintptr_t)ops, count },
    };

    if (ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0) {
        die("grant table operation %u: %s", command, strerror(errno));
    }
}

/* Maps one reference at a guest-physical address. */
static bool map_at(uint64_t address, uint32_t ref, uint32_t *handle)
{
    ops->map[0] = (struct gnttab_map_grant_ref) {
        .host_addr = address,
        .flags = GNTMAP_host_map,
        .ref = ref,
        .dom = BACKEND_DOMID,
        .status = GNTST_general_error,
    };
    grant_table_op(GNTTABOP_map_grant_ref, 1);
    *handle = ops->map[0].handle;
    return ops->map[0].status == GNTST_okay;
}

static void unmap_at(uint64_t address, uint32_t handle)
{
    ops->unmap[0] = (struct gnttab_unmap_grant_ref) {
        .host_addr = address,
        .handle = handle,
    };
    grant_table_op(GNTTABOP_unmap_grant_ref, 1);
    if (ops->unmap[0].status != GNTST_okay) {
        die("unmapping 0x%" PRIx64 ": status %d", address,
            ops->unmap[0].status);
    }
}

static struct held *new_held(const struct xen_hostmem_request *req)
{
    struct held *h = calloc(1, sizeof(*h));

    h->id = req->id;
    h->offset = req->offset;
    h->nr_pages = req->nr_pages;
    h->next = held;
    held = h;
    return h;
}

static void forget(struct held *h)
{
    struct held **p = &held;

    while (*p != h) {
        p = &(*p)->next;
    }
    *p = h->next;
    free(h->handles);
    free(h->was);
    free(h);
}

static void unmap_window(struct held *h, uint32_t nr_pages)
{
    for (uint32_t i = 0; i < nr_pages; i++) {
        unmap_at(window + h->offset + (uint64_t)i * PAGE, h->handles[i]);
    }
}

struct held *grants_map_window(const struct xen_hostmem_request *req,
                               const uint32_t *refs)
{
    struct held *h = new_held(req);

    h->handles = calloc(req->nr_pages, sizeof(*h->handles));
    for (uint32_t i = 0; i < req->nr_pages; i++) {
        if (!map_at(window + req->offset + (uint64_t)i * PAGE, refs[i],
                    &h->handles[i])) {
            unmap_window(h, i);
            forget(h);
            return NULL;
        }
    }
    return h;
}

static bool map_by_gntdev(struct held *h, const uint32_t *refs)
{
    size_t size = sizeof(struct ioctl_gntdev_map_grant_ref) +
                  h->nr_pages * sizeof(struct ioctl_gntdev_grant_ref);
    struct ioctl_gntdev_map_grant_ref *op = calloc(1, size);
    bool mapped = false;

    op->count = h->nr_pages;
    for (uint32_t i = 0; i < h->nr_pages; i++) {
        op->refs[i].domid = BACKEND_DOMID;
        op->refs[i].ref = refs[i];
    }
    if (!ioctl(gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, op)) {
        h->index = op->index;
        h->at = mmap(NULL, (size_t)h->nr_pages * PAGE, PROT_READ | PROT_WRITE,
                     MAP_SHARED, gntdev, h->index);
        mapped = h->at != MAP_FAILED;
    }
    free(op);
    return mapped;
}

static void unmap_by_gntdev(struct held *h)
{
    struct ioctl_gntdev_unmap_grant_ref op = {
        .index = h->index,
        .count = h->nr_pages,
    };

    if (h->at != MAP_FAILED) {
        munmap(h->at, (size_t)h->nr_pages * PAGE);
    }
    ioctl(gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &op);
}

struct held *grants_map_elsewhere(const struct xen_hostmem_request *req,
                                  const uint32_t *refs)
{
    struct held *h = new_held(req);

    if (!map_by_gntdev(h, refs)) {
        unmap_by_gntdev(h);
        forget(h);
        return NULL;
    }
    return h;
}

struct held *grants_find(uint64_t id)
{
    struct held *h = held;

    while (h && h->id != id) {
        h = h->next;
    }
    return h;
}

void grants_unmap(struct held *h)
{
    if (h->handles) {
        unmap_window(h, h->nr_pages);
    } else {
        unmap_by_gntdev(h);
    }
    forget(h);
}

void grants_unmap_all(void)
{
    while (held) {
        grants_unmap(held);
    }
}

void grants_remember(struct held *h)
{
    size_t size = (size_t)h->nr_pages * PAGE;

    if (h->at) {
        h->was = malloc(size);
        memcpy(h->was, h->at, size);
    }
}

static bool copy_from(uint32_t ref)
{
    static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
    struct ioctl_gntdev_grant_copy_segment segment = {
        .source.foreign = { .ref = ref, .domid = BACKEND_DOMID },
        .dest.virt = page,
        .len = PAGE,
        .flags = GNTCOPY_source_gref,
    };
    struct ioctl_gntdev_grant_copy op = { .count = 1, .segments = &segment };

    return !ioctl(gntdev, IOCTL_GNTDEV_GRANT_COPY, &op) &&
           segment.status == GNTST_okay;
}

struct tried grants_try(uint32_t first, uint32_t count)
{
    uint64_t spare = window_end - PAGE;         /* no blob is mapped there */
    struct tried tried = { 0 };
    uint32_t handle;

    for (uint32_t ref = first; ref - first < count; ref++) {
        if (map_at(spare, ref, &handle)) {
            unmap_at(spare, handle);
            tried.mapped++;
            tried.sum += ref;
        }
        tried.copied += copy_from(ref);
    }
    return tried;
}
