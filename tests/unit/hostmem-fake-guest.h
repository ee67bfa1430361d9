/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted guest and kernel around a real window
 *
 * Stands behind XenHostmemOps. Keeps what a real guest would have in its
 * frames, and after each step compares that with what the invariants promise.
 */
#ifndef HOSTMEM_FAKE_GUEST_H
#define HOSTMEM_FAKE_GUEST_H

#include "hw/xen/hostmem/window.h"

#define FAKE_PAGES      64
#define FAKE_SIZE       (FAKE_PAGES * (uint64_t)XEN_HOSTMEM_PAGE_SIZE)
#define FAKE_BLOBS      8
#define FAKE_SLOTS      4       /* requests the ring holds */

typedef enum FakeUse {
    FAKE_UNUSED,
    FAKE_MAP_PENDING,
    FAKE_IN_USE,                /* the guest was told that it is mapped */
    FAKE_UNMAP_PENDING,
} FakeUse;

typedef struct FakeBlob {
    FakeUse use;
    uint64_t first, pages;      /* of the window */
    uint64_t buffer;            /* identity of its memory */
    uint8_t *host;
} FakeBlob;

typedef struct FakeImport {
    uint64_t buffer;
    uint32_t pages;
    bool live;
} FakeImport;

typedef struct FakeRequest {
    XenHostmemRequest req;
    uint32_t refs[FAKE_PAGES];
} FakeRequest;

typedef struct FakeGuest {
    XenHostmemWindow *w;
    XenHostmemRules rules;
    FakeBlob blobs[FAKE_BLOBS + 1];     /* by blob number, from 1 */
    uint32_t frames[FAKE_PAGES];        /* a reference, or 0 for a hole */
    GArray *imports;                    /* FakeImport, by handle */
    GQueue posted;                      /* FakeRequest, oldest first */
    bool connected;
    bool leaving;                       /* Closing, with all still mapped */
    unsigned pushed;
    bool woken, ticking;                /* the main loop's BH and timer */
    int64_t now;
    GArray *settled;                    /* blobs, as delivered */
    unsigned transitions[XEN_HOSTMEM_STATE_GONE + 1];

    /* Script: */
    int import_error;                   /* 0, or what import() returns */
    uint32_t import_limit;              /* pages; more is ENOSPC */
    XenHostmemReason export_error;      /* NONE, or why export() fails */
    uint32_t export_fails;              /* for these blobs, a bit each */
    unsigned imports_tried, exports_tried;
    bool proves;                        /* release() knows without asking */
    bool busy;                          /* the main loop pumps later */

    /* The window's user, if it is not the functions below: */
    XenHostmemSettled *on_settled;
    XenHostmemExport *on_export;
    void *user;
} FakeGuest;

/* A new descriptor of memory that has an identity of its own. */
int fake_dmabuf(void);
uint64_t fake_identify(int fd);

/* Grants and traps, without a quota. */
FakeGuest *fake_guest_new(void);
FakeGuest *fake_guest_new_rules(const XenHostmemRules *rules);
/* A window larger than the guest's frames, for blobs that are not granted. */
FakeGuest *fake_guest_new_size(const XenHostmemRules *rules, uint64_t size);

/* Frees all, after checking that nothing leaked. */
void fake_guest_free(FakeGuest *f);

/* Do the invariants hold? The functions below ask, too. */
void fake_check(FakeGuest *f);

/* The GPU's calls. Return what the window returned. */
int fake_map(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages);
int fake_map_ring(FakeGuest *f, uint32_t blob, uint64_t first, uint64_t pages);
int fake_map_undmabufed(FakeGuest *f, uint32_t blob, uint64_t first,
                        uint64_t pages, XenHostmemReason reason);
int fake_unmap(FakeGuest *f, uint32_t blob);
void fake_reset(FakeGuest *f);

/* The frontend's doings. */
void fake_arrive(FakeGuest *f);
void fake_leaving(FakeGuest *f);        /* Closing, nothing unmapped yet */
void fake_leave(FakeGuest *f);          /* unmaps all, then Closed */
void fake_leave_lying(FakeGuest *f);    /* Closed, with all still mapped */
void fake_crash(FakeGuest *f);          /* gone, with all still mapped */
void fake_forget_frames(FakeGuest *f);  /* what a domain's end does */

/* Answers the oldest request with @status, doing what it says. */
void fake_answer(FakeGuest *f, int32_t status);
/* Of those posted, the one after @n others: the order is the guest's (R10). */
void fake_answer_nth(FakeGuest *f, unsigned n, int32_t status);
/* Answers until there is nothing left to answer; all with 0. */
void fake_answer_all(FakeGuest *f);

/* Lets time pass, with a tick of the main loop's each second, if wanted. */
void fake_pass(FakeGuest *f, int64_t ms);
void fake_pump(FakeGuest *f);

/* Has settled() been delivered for the blob since the last call? */
bool fake_take_settled(FakeGuest *f, uint32_t blob);

/* Frames of the window that hold a grant. */
unsigned fake_granted(const FakeGuest *f);

/* How often a blob was trapped for this reason. */
uint64_t fake_fallbacks(const FakeGuest *f, XenHostmemReason reason);

#endif
