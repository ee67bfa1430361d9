/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted guest and kernel around a real window
 *
 * Implements XenHostmemOps. Keeps track of what a real guest would have mapped
 * in its frames, and checks the invariants after each step.
 */
#ifndef HOSTMEM_FAKE_GUEST_H
#define HOSTMEM_FAKE_GUEST_H

#include "hw/xen/hostmem/window.h"

#define FAKE_PAGES      64
#define FAKE_SIZE       (FAKE_PAGES * (uint64_t)XEN_HOSTMEM_PAGE_SIZE)
#define FAKE_BLOBS      8
#define FAKE_SLOTS      4       /* requests that fit in the ring */

typedef enum FakeUse {
    FAKE_UNUSED,
    FAKE_MAP_PENDING,
    FAKE_IN_USE,                /* the guest knows that it is mapped */
    FAKE_UNMAP_PENDING,
} FakeUse;

typedef struct FakeBlob {
    FakeUse use;
    uint64_t first, pages;      /* pages of the window */
    uint64_t buffer;            /* identity of its memory */
    uint8_t *host;
} FakeBlob;

typedef struct FakeImport {
    uint64_t buffer;
    uint32_t pages;
    uint64_t pinned;            /* pages of the whole buffer */
    bool live;
} FakeImport;

typedef struct FakeRequest {
    XenHostmemRequest req;
    uint32_t refs[FAKE_PAGES];
} FakeRequest;

typedef struct FakeGuest {
    XenHostmemWindow *w;
    XenHostmemRules rules;
    FakeBlob blobs[FAKE_BLOBS + 1];     /* by blob ID, from 1 */
    uint32_t frames[FAKE_PAGES];        /* the mapped reference, or 0 */
    bool used_at_reset[FAKE_PAGES];     /* was in use at a reset, and may be */
    GArray *imports;                    /* FakeImport, by handle */
    GArray *kept;                       /* references mapped elsewhere */
    GQueue posted;                      /* FakeRequest, oldest first */
    bool connected;
    bool leaving;                       /* Closing, with all still mapped */
    unsigned pushed;
    unsigned live_maps;                 /* posted; each stops its CPUs */
    bool woken, ticking;                /* BH scheduled, timer armed */
    int64_t now;
    GArray *settled;                    /* blobs passed to settled() */
    unsigned transitions[XEN_HOSTMEM_STATE_GONE + 1];

    /* Script: */
    int import_error;                   /* 0, or what import() returns */
    uint32_t import_limit;              /* pages; larger fails with ENOSPC */
    uint64_t buffer_pages;              /* 0, or of whole buffers to map */
    uint64_t pin_limit;                 /* of these; larger fails: ENOBUFS */
    XenHostmemReason export_error;      /* NONE, or why export() fails */
    uint32_t export_fails;              /* for these blobs, one bit each */
    unsigned imports_tried, exports_tried;
    bool proves;                        /* release() detects mapped pages */
    bool hoards;                        /* it answers unmaps, but keeps all */
    bool busy;                          /* the main loop does not pump */
    /* Calls of operations that can fail; the one that fails, or 0: none */
    uint64_t calls, fail_nth;
    bool paused;                        /* the guest cannot run */

    /* The user of the window, unless it is the functions below: */
    XenHostmemSettled *on_settled;
    XenHostmemExport *on_export;
    void *user;
} FakeGuest;

/* A descriptor of new memory, which fake_identify() identifies. */
int fake_dmabuf(void);
uint64_t fake_identify(int fd);

/* Grants and traps, without a limit of the quota. */
FakeGuest *fake_guest_new(void);
FakeGuest *fake_guest_new_rules(const XenHostmemRules *rules);
/* A window larger than the guest's frames, for blobs that are not granted. */
FakeGuest *fake_guest_new_size(const XenHostmemRules *rules, uint64_t size);

/* Frees the window and the guest, and checks that nothing has leaked. */
void fake_guest_free(FakeGuest *f);

/* Checks the invariants. The functions below do that, too. */
void fake_check(FakeGuest *f);

/* The GPU's calls. They return the result of the window's function. */
int fake_map(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages);
int fake_map_ring(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages);
int fake_map_no_dmabuf(FakeGuest *f, uint32_t blob, uint64_t first,
                       uint64_t pages, XenHostmemReason reason);
/* Maps a blob that the guest then maps, too: it is granted. */
void fake_map_granted(FakeGuest *f, uint32_t blob, uint64_t first,
                      uint64_t pages);
int fake_unmap(FakeGuest *f, uint32_t blob);
void fake_reset(FakeGuest *f);

/* Actions of the frontend. */
void fake_arrive(FakeGuest *f);
void fake_leaving(FakeGuest *f);        /* Closing, nothing unmapped yet */
void fake_leave(FakeGuest *f);          /* unmaps all, then Closed */
void fake_leave_lying(FakeGuest *f);    /* Closed, with all still mapped */
void fake_crash(FakeGuest *f);          /* gone, with all still mapped */
void fake_forget_frames(FakeGuest *f);  /* the end of the domain */

/* Executes the oldest request and answers it with @status. */
void fake_answer(FakeGuest *f, int32_t status);
/* Answers posted request @n, counted from 0: any order is allowed (R10). */
void fake_answer_nth(FakeGuest *f, unsigned n, int32_t status);
/* Answers all requests, also those posted meanwhile, with 0. */
void fake_answer_all(FakeGuest *f);

/* Lets time pass, with a tick per second while the timer is armed. */
void fake_pass(FakeGuest *f, int64_t ms);
/* The host sleeps, or a debugger stops QEMU: time passes without a tick. */
void fake_sleep(FakeGuest *f, int64_t ms);
void fake_pump(FakeGuest *f);

/* Has settled() been delivered for the blob since the last call? */
bool fake_take_settled(FakeGuest *f, uint32_t blob);

/* Number of frames of the window that have a grant mapped. */
unsigned fake_granted(const FakeGuest *f);

/* How often a blob was trapped for this reason. */
uint64_t fake_fallbacks(const FakeGuest *f, XenHostmemReason reason);

#endif
