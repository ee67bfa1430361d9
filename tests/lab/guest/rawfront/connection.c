// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rawfront: xenstore nodes, shared pages, event channel
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

#include "../xenbus.h"
#include "rawfront.h"

#include <xen/io/xenbus.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntalloc.h>

#define NODES   "device/hostmem/0/"
#define SHARED  (1 + BUFFER_PAGES)
#define CLOSE_MS 10000

static int bus, gntalloc, evtchn;
static char backend_state[XENBUS_MAX + 16];
static uint32_t refs[SHARED];           /* of the ring, then of the buffer */
static uint64_t shared_index;
static uint32_t port;

xen_hostmem_sring_t *sring;
uint32_t *buffer;

static int open_device(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        die("%s: %s", path, strerror(errno));
    }
    return fd;
}

/* gntalloc grants pages of the kernel's and maps them here. */
static void share_pages(void)
{
    size_t size = sizeof(struct ioctl_gntalloc_alloc_gref) +
                  SHARED * sizeof(uint32_t);
    struct ioctl_gntalloc_alloc_gref *op = calloc(1, size);
    void *at;

    op->domid = BACKEND_DOMID;
    op->flags = GNTALLOC_FLAG_WRITABLE;
    op->count = SHARED;
    if (ioctl(gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, op)) {
        die("granting %u pages: %s", SHARED, strerror(errno));
    }
    shared_index = op->index;
    memcpy(refs, op->gref_ids, sizeof(refs));
    free(op);
    at = mmap(NULL, SHARED * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
              gntalloc, shared_index);
    if (at == MAP_FAILED) {
        die("mapping the shared pages: %s", strerror(errno));
    }
    sring = at;
    buffer = (uint32_t *)((uint8_t *)at + PAGE);
}

void connection_init(void)
{
    char path[XENBUS_MAX + 1];

    bus = xenbus_open();
    if (bus < 0 || !xenbus_read(bus, NODES "backend", path)) {
        die("there is no " NODES "backend in xenstore");
    }
    snprintf(backend_state, sizeof(backend_state), "%s/state", path);
    gntalloc = open_device("/dev/xen/gntalloc");
    evtchn = open_device("/dev/xen/evtchn");
}

int connection_fd(void)
{
    return evtchn;
}

void connection_drain(void)
{
    uint32_t pending;

    /* Writing the port back unmasks it. */
    if (read(evtchn, &pending, sizeof(pending)) == sizeof(pending) &&
        write(evtchn, &pending, sizeof(pending)) != sizeof(pending)) {
        die("unmasking port %u: %s", pending, strerror(errno));
    }
}

void connection_notify(void)
{
    struct ioctl_evtchn_notify notify = { .port = port };

    ioctl(evtchn, IOCTL_EVTCHN_NOTIFY, &notify);
}

void connection_node(const char *name, const char *value)
{
    char path[256];

    snprintf(path, sizeof(path), NODES "%s", name);
    if (!xenbus_write(bus, path, value, strlen(value))) {
        die("writing %s failed", path);
    }
}

static void number_node(const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", value);
    connection_node(name, text);
}

void connection_state(unsigned int state)
{
    number_node("state", state);
}

unsigned int connection_backend(void)
{
    char text[XENBUS_MAX + 1];

    return xenbus_read(bus, backend_state, text) ? strtoul(text, NULL, 10) : 0;
}

unsigned int connection_wait(unsigned int states, unsigned int ms)
{
    double end = now_ms() + ms;
    unsigned int state;

    while (!(1u << (state = connection_backend()) & states) &&
           now_ms() < end) {
        usleep(5000);
    }
    return state;
}

static void restart(void)
{
    unsigned int state = connection_backend();

    if (state == XenbusStateConnected || state == XenbusStateClosing) {
        connection_state(XenbusStateClosed);
        connection_wait(1u << XenbusStateClosed, CLOSE_MS);
    }
    connection_state(XenbusStateInitialising);
    if (connection_wait(1u << XenbusStateInitWait, CLOSE_MS) !=
        XenbusStateInitWait) {
        die("the backend is in state %u, not InitWait", connection_backend());
    }
}

static void new_port(void)
{
    struct ioctl_evtchn_bind_unbound_port bind = {
        .remote_domain = BACKEND_DOMID,
    };
    struct ioctl_evtchn_unbind unbind = { .port = port };
    int got;

    if (port) {
        ioctl(evtchn, IOCTL_EVTCHN_UNBIND, &unbind);
    }
    got = ioctl(evtchn, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
    if (got < 0) {
        die("a new event channel: %s", strerror(errno));
    }
    port = got;
}

void connection_prepare(void)
{
    char name[32];

    restart();
    new_port();
    if (!sring) {
        share_pages();
    }
    SHARED_RING_INIT(sring);
    number_node(XEN_HOSTMEM_NODE_VERSION, XEN_HOSTMEM_VERSION);
    number_node(XEN_HOSTMEM_NODE_RING_REF, refs[0]);
    number_node(XEN_HOSTMEM_NODE_EVENT_CHANNEL, port);
    number_node(XEN_HOSTMEM_NODE_GREF_PAGES, BUFFER_PAGES);
    for (unsigned int i = 0; i < BUFFER_PAGES; i++) {
        snprintf(name, sizeof(name), XEN_HOSTMEM_NODE_GREF_REF, i);
        number_node(name, refs[1 + i]);
    }
    number_node(XEN_HOSTMEM_NODE_UNMAPPED, 0);
}

void connection_revoke(void)
{
    struct ioctl_gntalloc_dealloc_gref op = {
        .index = shared_index,
        .count = SHARED,
    };

    munmap(sring, SHARED * PAGE);
    sring = NULL;
    if (ioctl(gntalloc, IOCTL_GNTALLOC_DEALLOC_GREF, &op)) {
        die("revoking the shared pages: %s", strerror(errno));
    }
}
