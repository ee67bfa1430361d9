/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine that the guest's driver runs on: Xen's grants, xenstore, the
 * GPU's PCI function, and a backend that the test plays
 */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include <glib.h>

#include "shim.h"
#include "guest/linux/hostmem.h"

#define MACHINE_BACKEND         "/local/domain/7/backend/hostmem/3/0"
#define MACHINE_FRONTEND        "device/hostmem/0"
#define MACHINE_DOMAIN          7       /* of the backend */
#define MACHINE_BAR             4
#define MACHINE_BAR_AT          0x280000000ull
#define MACHINE_BAR_BYTES       0x1000000ull
#define MACHINE_WINDOW_OFFSET   0x10000ull
#define MACHINE_WINDOW_PAGES    2048u
#define MACHINE_WINDOW_BYTES    (MACHINE_WINDOW_PAGES * 4096ull)
#define MACHINE_WINDOW_AT       (MACHINE_BAR_AT + MACHINE_WINDOW_OFFSET)
#define MACHINE_CAPABILITY      0x40    /* of the shared memory region */

struct machine {
    GHashTable *store;          /* path: value */
    GString *log;               /* what was said, to xenstore or the log */
    struct xenbus_device *device;
    struct pci_dev *gpu;
    struct notifier_block *reboot;
    u64 ram_at, ram_bytes;      /* memory that should not be there */

    /* Frames of the window: 0, or the reference that is mapped there + 1 */
    u32 frames[MACHINE_WINDOW_PAGES];
    unsigned int mapped;        /* how many are not 0 */
    unsigned int hypercalls, stops;
    bool stopped;               /* all CPUs but this one */

    /* What Xen answers: GNTST_* for a reference or a frame, or NULL */
    int (*answer_map)(const struct gnttab_map_grant_ref *op);
    int (*answer_unmap)(const struct gnttab_unmap_grant_ref *op);
    void (*while_asleep)(void);
    unsigned int fail_allocation;       /* the n-th one; 0: none */

    /* The connection: what is shared, and the interrupt */
    void *ring, *refs;
    unsigned int granted;       /* pages */
    irq_handler_t handler;
    void *handler_data;
    unsigned int notified, eois;
    int transactions_to_fail;

    bool in_xenwatch;           /* that thread runs, or waits for the driver */
    struct xenbus_watch *watch; /* of the driver itself */
    bool watch_fires;
};

extern struct machine machine;

/* A machine whose backend is in InitWait, with the driver's device added. */
void machine_start(void);

/* Removes the device, and checks that nothing is left. */
void machine_stop(void);

/* Adds, removes the device. */
void machine_probe(void);
void machine_remove(void);

/* The backend enters a state, and the driver does what it wants to. */
void machine_backend(enum xenbus_state state);

/* Negotiates until both are Connected. */
void machine_connect(void);

/* Runs whatever the driver has queued, and its own watch. */
void machine_run(void);

/* The backend signals its event channel. */
void machine_kick(void);

void machine_write(const char *dir, const char *node, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
const char *machine_read(const char *dir, const char *node);
enum xenbus_state machine_state(void);

/* From shim.c */
void shim_run(struct workqueue_struct *queue);
void shim_thaw(void);

#endif
