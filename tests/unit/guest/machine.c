/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine that the guest's driver runs on
 *
 * Where Xen would crash the domain, the test ends.
 */
#include <stdarg.h>

#include "machine.h"
#include "guest/linux/driver.h"

#include <linux/virtio_pci.h>

#define VIRTIO_GPU      (0x1040 + 16)
#define FIRST_HANDLE    1000u

struct machine machine;
struct xenbus_driver *shim_driver;

/* Xenstore */

static char *path_of(const char *dir, const char *node)
{
    return g_strdup_printf("%s/%s", dir, node);
}

void machine_write(const char *dir, const char *node, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_hash_table_insert(machine.store, path_of(dir, node),
                        g_strdup_vprintf(format, ap));
    va_end(ap);
}

const char *machine_read(const char *dir, const char *node)
{
    g_autofree char *path = path_of(dir, node);

    return g_hash_table_lookup(machine.store, path);
}

int xenbus_printf(struct xenbus_transaction xbt, const char *dir,
                  const char *node, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_hash_table_insert(machine.store, path_of(dir, node),
                        g_strdup_vprintf(format, ap));
    va_end(ap);
    return 0;
}

int xenbus_scanf(struct xenbus_transaction xbt, const char *dir,
                 const char *node, const char *format, ...)
{
    const char *value = machine_read(dir, node);
    va_list ap;
    int n;

    if (!value) {
        return -ENOENT;
    }
    va_start(ap, format);
    n = vsscanf(value, format, ap);
    va_end(ap);
    return n > 0 ? n : -ERANGE;
}

unsigned int xenbus_read_unsigned(const char *dir, const char *node,
                                  unsigned int default_value)
{
    const char *value = machine_read(dir, node);

    return value ? g_ascii_strtoull(value, NULL, 10) : default_value;
}

void *xenbus_read(struct xenbus_transaction xbt, const char *dir,
                  const char *node, unsigned int *len)
{
    const char *value = machine_read(dir, node);

    return value ? strdup(value) : ERR_PTR(-ENOENT);
}

int xenbus_transaction_start(struct xenbus_transaction *xbt)
{
    xbt->id = 1;
    return 0;
}

int xenbus_transaction_end(struct xenbus_transaction xbt, int abort)
{
    if (machine.transactions_to_fail) {
        machine.transactions_to_fail--;
        return -EAGAIN;
    }
    return 0;
}

static enum xenbus_state number_at(const char *dir)
{
    const char *value = machine_read(dir, "state");

    return value ? g_ascii_strtoll(value, NULL, 10) : XenbusStateUnknown;
}

enum xenbus_state xenbus_read_driver_state(const char *path)
{
    return number_at(path);
}

enum xenbus_state machine_state(void)
{
    return number_at(MACHINE_FRONTEND);
}

const char *xenbus_strstate(enum xenbus_state state)
{
    return "some state";
}

/* R19: what the nodes say has to be true at this moment. */
int xenbus_switch_state(struct xenbus_device *dev, enum xenbus_state state)
{
    if (state == XenbusStateClosed) {
        g_assert_cmpuint(machine.mapped, ==, 0);
        g_assert_cmpstr(machine_read(MACHINE_FRONTEND, "unmapped"), ==, "1");
    }
    if (state != dev->state) {
        /* Otherwise 7.x may take it for another device. */
        if (state == XenbusStateInitialising ||
            state == XenbusStateInitialised) {
            g_assert_true(machine.in_xenwatch);
        }
        machine_write(dev->nodename, "state", "%d", state);
        dev->state = state;
    }
    return 0;
}

/* A new watch fires once. */
int register_xenbus_watch(struct xenbus_watch *watch)
{
    g_assert_null(machine.watch);
    g_assert_cmpstr(watch->node, ==, MACHINE_BACKEND "/state");
    machine.watch = watch;
    machine.watch_fires = true;
    return 0;
}

void unregister_xenbus_watch(struct xenbus_watch *watch)
{
    g_assert_true(machine.watch == watch);
    machine.watch = NULL;
    machine.watch_fires = false;
}

void xenbus_dev_fatal(struct xenbus_device *dev, int err, const char *format,
                      ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_string_append(machine.log, text);
    /* As Linux does. */
    xenbus_printf(XBT_NIL, dev->nodename, "state", "%d", XenbusStateClosing);
    dev->state = XenbusStateClosing;
}

int xenbus_register_frontend(struct xenbus_driver *driver)
{
    shim_driver = driver;
    return 0;
}

void xenbus_unregister_driver(struct xenbus_driver *driver)
{
    shim_driver = NULL;
}

/* The ring and the event channel */

int xenbus_setup_ring(struct xenbus_device *dev, gfp_t gfp, void **vaddr,
                      unsigned int pages, grant_ref_t *grefs)
{
    *vaddr = shim_alloc(pages * XEN_PAGE_SIZE);
    if (!*vaddr) {
        return -ENOMEM;
    }
    for (unsigned int i = 0; i < pages; i++) {
        grefs[i] = 8 + machine.granted++;
    }
    *(pages == 1 ? &machine.ring : &machine.refs) = *vaddr;
    return 0;
}

void xenbus_teardown_ring(void **vaddr, unsigned int pages, grant_ref_t *grefs)
{
    machine.granted -= pages;
    *(pages == 1 ? &machine.ring : &machine.refs) = NULL;
    free(*vaddr);
    *vaddr = NULL;
}

int xenbus_alloc_evtchn(struct xenbus_device *dev, evtchn_port_t *port)
{
    *port = 15;
    return 0;
}

int xenbus_free_evtchn(struct xenbus_device *dev, evtchn_port_t port)
{
    return 0;
}

int bind_evtchn_to_irqhandler_lateeoi(evtchn_port_t port, irq_handler_t handler,
                                      unsigned long flags, const char *name,
                                      void *data)
{
    g_assert_null(machine.handler);
    machine.handler = handler;
    machine.handler_data = data;
    return 33;
}

void unbind_from_irqhandler(unsigned int irq, void *data)
{
    g_assert_nonnull(machine.handler);
    machine.handler = NULL;
}

void xen_irq_lateeoi(unsigned int irq, unsigned int flags)
{
    machine.eois++;
}

void notify_remote_via_irq(int irq)
{
    g_assert_cmpint(irq, ==, 33);
    machine.notified++;
}

/* Grants */

static u32 *frame_at(u64 address)
{
    /* I6: nothing outside the window, whatever the backend says */
    g_assert_cmpuint(address, >=, MACHINE_WINDOW_AT);
    g_assert_cmpuint(address, <, MACHINE_WINDOW_AT + MACHINE_WINDOW_BYTES);
    g_assert_cmpuint(address % XEN_PAGE_SIZE, ==, 0);
    return &machine.frames[(address - MACHINE_WINDOW_AT) / XEN_PAGE_SIZE];
}

static bool is_ram(u64 at, u64 bytes)
{
    return machine.ram_bytes && at < machine.ram_at + machine.ram_bytes &&
           machine.ram_at < at + bytes;
}

static void map_one(struct gnttab_map_grant_ref *op)
{
    u32 *frame = frame_at(op->host_addr);

    g_assert_cmpuint(op->dom, ==, MACHINE_DOMAIN);
    g_assert_cmpuint(op->flags, ==, GNTMAP_host_map);
    g_assert_false(is_ram(op->host_addr, XEN_PAGE_SIZE));
    op->status = machine.answer_map ? machine.answer_map(op) : GNTST_okay;
    if (op->status != GNTST_okay) {
        return;
    }
    /* R13: Xen crashes the domain. */
    g_assert_cmpuint(*frame, ==, 0);
    *frame = op->ref + 1;
    op->handle = FIRST_HANDLE + (frame - machine.frames);
    machine.mapped++;
}

static void unmap_one(struct gnttab_unmap_grant_ref *op)
{
    u32 *frame = frame_at(op->host_addr);

    op->status = machine.answer_unmap ? machine.answer_unmap(op) : GNTST_okay;
    if (op->status != GNTST_okay) {
        return;
    }
    g_assert_cmpuint(*frame, !=, 0);
    g_assert_cmpuint(op->handle, ==, FIRST_HANDLE + (frame - machine.frames));
    *frame = 0;
    machine.mapped--;
}

int HYPERVISOR_grant_table_op(unsigned int command, void *ops,
                              unsigned int count)
{
    machine.hypercalls++;
    for (unsigned int i = 0; i < count; i++) {
        if (command == GNTTABOP_map_grant_ref) {
            map_one((struct gnttab_map_grant_ref *)ops + i);
        } else {
            g_assert_cmpuint(command, ==, GNTTABOP_unmap_grant_ref);
            unmap_one((struct gnttab_unmap_grant_ref *)ops + i);
        }
    }
    return 0;
}

int region_intersects(u64 start, size_t bytes, unsigned long flags,
                      unsigned long desc)
{
    return is_ram(start, bytes) ? REGION_INTERSECTS : REGION_DISJOINT;
}

/* The GPU */

static void put(u8 *at, u64 value, unsigned int bytes)
{
    for (unsigned int i = 0; i < bytes; i++) {
        at[i] = value >> (8 * i);
    }
}

static struct pci_dev *new_gpu(void)
{
    struct pci_dev *gpu = g_new0(struct pci_dev, 1);
    u8 *cap = &gpu->config[MACHINE_CAPABILITY];

    gpu->vendor = PCI_VENDOR_ID_REDHAT_QUMRANET;
    gpu->device = VIRTIO_GPU;
    gpu->resource[MACHINE_BAR] = (struct resource) {
        .start = MACHINE_BAR_AT,
        .end = MACHINE_BAR_AT + MACHINE_BAR_BYTES - 1,
        .flags = IORESOURCE_MEM,
    };
    put(&gpu->config[PCI_COMMAND], PCI_COMMAND_MEMORY, 2);
    put(&gpu->config[PCI_BASE_ADDRESS_0 + 4 * MACHINE_BAR],
        MACHINE_BAR_AT | PCI_BASE_ADDRESS_MEM_TYPE_64, 8);
    gpu->config[0x34] = MACHINE_CAPABILITY;
    cap[offsetof(struct virtio_pci_cap, cap_vndr)] = PCI_CAP_ID_VNDR;
    cap[offsetof(struct virtio_pci_cap, cap_len)] =
        sizeof(struct virtio_pci_cap64);
    cap[offsetof(struct virtio_pci_cap, cfg_type)] =
        VIRTIO_PCI_CAP_SHARED_MEMORY_CFG;
    cap[offsetof(struct virtio_pci_cap, bar)] = MACHINE_BAR;
    cap[offsetof(struct virtio_pci_cap, id)] = 1;
    put(&cap[offsetof(struct virtio_pci_cap, offset)], MACHINE_WINDOW_OFFSET,
        4);
    put(&cap[offsetof(struct virtio_pci_cap, length)], MACHINE_WINDOW_BYTES, 4);
    return gpu;
}

struct pci_dev *pci_get_domain_bus_and_slot(int domain, unsigned int bus,
                                            unsigned int devfn)
{
    if (domain || bus || devfn != PCI_DEVFN(4, 0)) {
        return NULL;
    }
    return pci_dev_get(machine.gpu);
}

struct pci_dev *pci_dev_get(struct pci_dev *dev)
{
    dev->references++;
    return dev;
}

void pci_dev_put(struct pci_dev *dev)
{
    if (dev) {
        g_assert_cmpint(--dev->references, >=, 0);
    }
}

static int read_config(struct pci_dev *dev, int at, void *value,
                       unsigned int bytes)
{
    memset(value, 0xff, bytes);
    if (at < 0 || at + bytes > sizeof(dev->config)) {
        return -EINVAL;
    }
    if (!dev->gone) {
        memcpy(value, &dev->config[at], bytes);
    }
    return 0;
}

int pci_read_config_byte(struct pci_dev *dev, int at, u8 *value)
{
    return read_config(dev, at, value, 1);
}

int pci_read_config_word(struct pci_dev *dev, int at, u16 *value)
{
    return read_config(dev, at, value, 2);
}

int pci_read_config_dword(struct pci_dev *dev, int at, u32 *value)
{
    return read_config(dev, at, value, 4);
}

/* Linux gives up after 48 of them, and below 0x40. */
static u8 next_capability(struct pci_dev *dev, u8 at, int id)
{
    for (int n = 0; n < 48; n++) {
        u8 pos = dev->config[at] & ~3;

        if (pos < 0x40) {
            return 0;
        }
        if (dev->config[pos] == id) {
            return pos;
        }
        at = pos + 1;
    }
    return 0;
}

u8 pci_find_capability(struct pci_dev *dev, int id)
{
    return next_capability(dev, 0x34, id);
}

u8 pci_find_next_capability(struct pci_dev *dev, u8 pos, int id)
{
    return next_capability(dev, pos + 1, id);
}

/* Parts of the driver that have nothing to do with the backend */

const struct dev_pm_ops xen_hostmem_pm_ops;
int xen_hostmem_suspend_init(void) { return 0; }
void xen_hostmem_suspend_exit(void) { }
int xen_hostmem_noexec_init(void) { return 0; }
void xen_hostmem_noexec_exit(void) { }
bool xen_hostmem_noexec(void) { return true; }
void xen_hostmem_debugfs_init(void) { }
void xen_hostmem_debugfs_exit(void) { }
void xen_hostmem_debugfs_add(struct xen_hostmem *hm) { }
void xen_hostmem_debugfs_remove(struct xen_hostmem *hm) { }

/* Life */

void machine_probe(void)
{
    struct xenbus_device *dev = g_new0(struct xenbus_device, 1);

    dev->dev.name = "hostmem-0";
    dev->nodename = MACHINE_FRONTEND;
    dev->otherend = MACHINE_BACKEND;
    dev->otherend_id = MACHINE_DOMAIN;
    dev->state = XenbusStateInitialising;
    machine.device = dev;
    g_assert_cmpint(shim_driver->probe(dev, shim_driver->ids), ==, 0);
    machine_backend(number_at(MACHINE_BACKEND));
}

/* What xenbus does after the driver has removed its part */
void machine_remove(void)
{
    struct xenbus_device *dev = machine.device;

    shim_driver->remove(dev);
    machine.device = NULL;
    g_free(dev);
}

void machine_start(void)
{
    memset(&machine, 0, sizeof(machine));
    machine.store = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          g_free);
    machine.log = g_string_new(NULL);
    machine.gpu = new_gpu();
    machine_write(MACHINE_FRONTEND, "state", "%d", XenbusStateInitialising);
    machine_write(MACHINE_BACKEND, "state", "%d", XenbusStateInitWait);
    machine_write(MACHINE_BACKEND, "versions", "1");
    machine_write(MACHINE_BACKEND, "pci-address", "0000:00:04.0");
    machine_write(MACHINE_BACKEND, "shm-id", "1");
    machine_write(MACHINE_BACKEND, "window-size", "%llu", MACHINE_WINDOW_BYTES);
    g_assert_cmpint(shim_module_init(), ==, 0);
    machine_probe();
}

void machine_stop(void)
{
    machine.answer_map = NULL;
    machine.answer_unmap = NULL;
    machine.fail_allocation = 0;
    *shim_parameter_force_unbind() = true;
    if (machine.device) {
        machine_remove();
    }
    *shim_parameter_force_unbind() = false;
    shim_module_exit();
    g_assert_cmpuint(machine.mapped, ==, 0);
    g_assert_cmpuint(machine.granted, ==, 0);
    g_assert_null(machine.handler);
    g_assert_null(machine.reboot);
    g_assert_null(machine.watch);
    g_assert_cmpint(machine.gpu->references, ==, 0);
    g_free(machine.gpu);
    g_hash_table_destroy(machine.store);
    g_string_free(machine.log, true);
}

void machine_run(void)
{
    struct xen_hostmem *hm = dev_get_drvdata(&machine.device->dev);

    shim_run(hm->wq);
    while (machine.watch_fires) {
        machine.watch_fires = false;
        machine.in_xenwatch = true;
        machine.watch->callback(machine.watch, machine.watch->node, "");
        machine.in_xenwatch = false;
        shim_run(hm->wq);
    }
}

void machine_backend(enum xenbus_state state)
{
    machine_write(MACHINE_BACKEND, "state", "%d", state);
    machine.in_xenwatch = true;
    shim_driver->otherend_changed(machine.device, state);
    machine.in_xenwatch = false;
    machine_run();
}

void machine_connect(void)
{
    g_assert_cmpint(machine_state(), ==, XenbusStateInitialised);
    machine_backend(XenbusStateConnected);
    g_assert_cmpint(machine_state(), ==, XenbusStateConnected);
}

void machine_kick(void)
{
    if (machine.handler) {
        machine.handler(33, machine.handler_data);
    }
    machine_run();
}
