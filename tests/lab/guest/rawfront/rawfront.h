/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rawfront: a hostile frontend of xen-hostmem, in the guest's user space
 *
 *      main.c          commands, and the loop that waits for them and for events
 *      connection.c    xenstore nodes, shared pages, event channel
 *      serve.c         how requests are answered
 *      grants.c        mapping references, at their place or elsewhere
 *
 * All functions that return nothing exit with an error if they fail.
 */
#ifndef RAWFRONT_H
#define RAWFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Xen's headers: the current interface, with our barriers. */
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#define xen_mb()    __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb()   __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb()   __atomic_thread_fence(__ATOMIC_RELEASE)

#include "hw/xen/interface/io/hostmem.h"
#include "../die.h"

#define PAGE            XEN_HOSTMEM_PAGE_SIZE
#define BUFFER_PAGES    XEN_HOSTMEM_MAX_GREF_PAGES
#define BACKEND_DOMID   0

double now_ms(void);

/* connection.c */

extern xen_hostmem_sring_t *sring;      /* shared with QEMU */
extern uint32_t *buffer;                /* the reference buffer, also shared */

void connection_init(void);

/* Becomes readable when QEMU has notified us. */
int connection_fd(void);
void connection_drain(void);            /* consumes the event */
void connection_notify(void);

/* Writes one of our nodes. */
void connection_node(const char *name, const char *value);
void connection_state(unsigned int state);

/* QEMU's state, or 0 if it has no nodes. */
unsigned int connection_backend(void);

/* Waits for one of the states, one bit each; returns the last one seen. */
unsigned int connection_wait(unsigned int states, unsigned int ms);

/*
 * Closes what there is, initialises the shared pages and writes all nodes, as a
 * driver would. Does not enter Initialised.
 */
void connection_prepare(void);

/* Takes back the shared pages, whether or not QEMU has them mapped. */
void connection_revoke(void);

/* grants.c */

/* Pages that are mapped for one request. */
struct held {
    struct held *next;
    uint64_t id;
    uint64_t offset;
    uint32_t nr_pages;
    uint32_t *handles;          /* at their place in the window, or NULL */
    uint8_t *at;                /* elsewhere, or NULL */
    uint64_t index;             /* of gntdev, if elsewhere */
    uint8_t *was;               /* their contents when we claimed to let go */
};

extern struct held *held;

void grants_init(void);

/* Returns NULL if Xen refuses any of them. */
struct held *grants_map_window(const struct xen_hostmem_request *req,
                               const uint32_t *refs);
struct held *grants_map_elsewhere(const struct xen_hostmem_request *req,
                                  const uint32_t *refs);
struct held *grants_find(uint64_t id);
void grants_unmap(struct held *h);      /* frees it */
void grants_unmap_all(void);
void grants_remember(struct held *h);   /* sets h->was, if elsewhere */

/* How many references Xen lets us map, or copy from, and their sum. */
struct tried {
    unsigned int mapped, copied;
    uint64_t sum;
};
struct tried grants_try(uint32_t first, uint32_t count);

/* serve.c */

enum answer {
    ANSWER_OK,                  /* do it and say so */
    ANSWER_SILENT,              /* do it and say nothing */
    ANSWER_TWICE,
    ANSWER_OTHER_ID,
    ANSWER_OTHER_OPERATION,
    ANSWER_STATUS,              /* do nothing and answer this status */
    ANSWER_LIE,                 /* do nothing and say that it is done */
};

struct policy {
    enum answer map, unmap;
    int32_t status;
    bool elsewhere;             /* not at the place in the window */
};

struct served {
    unsigned int maps, unmaps;  /* requests */
    unsigned int refused;       /* by Xen */
};

extern struct policy policy;
extern struct served served;

void serve_start(void);         /* of a new connection */
void serve(void);

/* Says that there are @n more responses than there are. */
void serve_ahead(uint32_t n);

/* Writes anything to the shared pages for that long, in another thread. */
void scribble_start(unsigned int ms, unsigned int seed);
bool scribble_busy(void);

#endif
