/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of Linux as the guest's driver needs, in a process
 *
 * One thread: work that is queued runs when the test says so, and time passes
 * when somebody sleeps. Names and behaviour are Linux'. Where the real function
 * would oops or corrupt something, this one ends the test.
 */
#ifndef GUEST_SHIM_H
#define GUEST_SHIM_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types that the kernel's headers and those of its user space share */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef uint8_t __u8;
typedef uint16_t __u16, __le16;
typedef uint32_t __u32, __le32;
typedef int32_t __s32;           /* for the C library's headers */
typedef uint64_t __u64, __le64;
typedef unsigned int gfp_t;

#define GFP_KERNEL              0u

/* volatile: one access each */
#define READ_ONCE(x)            (*(const volatile typeof(x) *)&(x))
/* likewise */
#define WRITE_ONCE(x, v)        (*(volatile typeof(x) *)&(x) = (v))
#define ARRAY_SIZE(a)           (sizeof(a) / sizeof((a)[0]))
#define IS_ALIGNED(x, a)        (((x) & ((typeof(x))(a) - 1)) == 0)
#define container_of(p, type, member) \
    ((type *)((char *)(p) - offsetof(type, member)))
#define struct_size(p, member, count) \
    (sizeof(*(p)) + sizeof((p)->member[0]) * (count))
#define min(a, b) ({ typeof(a) a_ = (a); typeof(b) b_ = (b); \
                     a_ < b_ ? a_ : b_; })
#define cond_resched()          do { } while (0)
#define static_assert           _Static_assert

#define IS_ERR(p)               ((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p)              ((long)(p))
#define ERR_PTR(e)              ((void *)(long)(e))

#define virt_rmb()              __sync_synchronize()
/* Xen's ring.h calls them so. */
#define mb()                    __sync_synchronize()
#define rmb()                   __sync_synchronize()
#define wmb()                   __sync_synchronize()

/* Memory; each allocation fails once when shim_fail_allocation says so */

void *shim_alloc(size_t bytes);
#define kzalloc(bytes, gfp)     shim_alloc(bytes)
#define kvmalloc(bytes, gfp)    shim_alloc(bytes)
#define kvmalloc_array(n, bytes, gfp) shim_alloc((n) * (bytes))
#define kvcalloc                kvmalloc_array
#define kfree(p)                free((void *)(p))
#define kvfree(p)               free((void *)(p))
char *kasprintf(gfp_t gfp, const char *format, ...);
char *kstrdup(const char *text, gfp_t gfp);
void *memchr_inv(const void *start, int c, size_t bytes);
char *strim(char *text);
int kstrtouint(const char *text, unsigned int base, unsigned int *result);

/* Locks, atomics, time */

struct mutex { int held; };
#define mutex_init(m)           ((m)->held = 0)
#define mutex_destroy(m)        assert(!(m)->held)
#define mutex_lock(m)           assert((m)->held++ == 0)
#define mutex_unlock(m)         assert(--(m)->held == 0)

typedef struct { int counter; } atomic_t;
#define atomic_set(a, v)        ((a)->counter = (v))
static inline int atomic_xchg(atomic_t *a, int v)
{
    int old = a->counter;

    a->counter = v;
    return old;
}

#define HZ                      1000
extern u64 shim_jiffies;
#define jiffies                 ((unsigned long)shim_jiffies)
#define get_jiffies_64()        shim_jiffies
#define msecs_to_jiffies(ms)    (ms)
#define time_after(a, b)        ((long)((b) - (a)) < 0)
#define time_before64(a, b)     ((long long)((a) - (b)) < 0)
void msleep(unsigned int ms);
#define schedule_timeout_killable(j) msleep(j)

struct task_struct { unsigned int flags; bool killed; };
#define PF_KTHREAD              0x200000
extern struct task_struct shim_task;
#define current                 (&shim_task)
#define fatal_signal_pending(t) ((t)->killed)

/* Work */

struct work_struct {
    void (*function)(struct work_struct *work);
    struct workqueue_struct *queue;     /* NULL: not queued */
    struct work_struct *next;
};
struct workqueue_struct { struct work_struct *first; };
extern struct workqueue_struct *system_freezable_wq;

#define INIT_WORK(w, f) \
    (*(w) = (struct work_struct) { .function = (f) })
struct workqueue_struct *alloc_ordered_workqueue(const char *format,
                                                 unsigned int flags, ...);
void destroy_workqueue(struct workqueue_struct *queue);
bool queue_work(struct workqueue_struct *queue, struct work_struct *work);
bool flush_work(struct work_struct *work);
bool cancel_work_sync(struct work_struct *work);

/* Trees, without the balance */

struct rb_node { struct rb_node *rb_parent, *rb_left, *rb_right; };
struct rb_root { struct rb_node *rb_node; };
#define RB_ROOT                 ((struct rb_root) { NULL })
#define RB_EMPTY_ROOT(r)        (!(r)->rb_node)
#define rb_entry                container_of
#define rb_insert_color(n, r)   do { } while (0)
void rb_link_node(struct rb_node *node, struct rb_node *parent,
                  struct rb_node **link);
void rb_erase(struct rb_node *node, struct rb_root *root);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
#define rbtree_postorder_for_each_entry_safe(pos, n, root, field) \
    for (; (root)->rb_node && \
         (pos = rb_entry(rb_first(root), typeof(*pos), field), n = pos, \
          rb_erase(&pos->field, root), (void)n, true);)

/* Devices and messages */

struct dev_pm_ops { int unused; };
struct device { void *driver_data; const char *name; };
#define dev_set_drvdata(d, p)   ((d)->driver_data = (p))
#define dev_get_drvdata(d)      ((d)->driver_data)
#define dev_name(d)             ((d)->name)
void shim_message(const char *format, ...);
#define dev_dbg(d, ...)         shim_message(__VA_ARGS__)
#define dev_info                dev_dbg
#define dev_notice              dev_dbg
#define dev_warn                dev_dbg
#define dev_err                 dev_dbg
#define dev_warn_ratelimited    dev_dbg
#define dev_err_ratelimited     dev_dbg

struct dentry;
struct seq_file;
#define seq_printf(seq, ...)    ((void)sizeof(printf(__VA_ARGS__)))

struct notifier_block {
    int (*notifier_call)(struct notifier_block *nb, unsigned long event,
                         void *data);
};
#define NOTIFY_DONE             0
int register_reboot_notifier(struct notifier_block *nb);
int unregister_reboot_notifier(struct notifier_block *nb);

#define __init
#define __exit
#define module_param(name, type, mode) \
    bool *shim_parameter_##name(void) { return &name; } \
    struct shim_unused
#define MODULE_PARM_DESC(name, text)    struct shim_unused
#define MODULE_DESCRIPTION(text)        struct shim_unused
#define MODULE_LICENSE(text)            struct shim_unused
#define MODULE_ALIAS(text)              struct shim_unused
#define module_init(f)          int shim_module_init(void) { return f(); }
#define module_exit(f)          void shim_module_exit(void) { f(); }
int shim_module_init(void);
void shim_module_exit(void);
bool *shim_parameter_force_unbind(void);
bool *shim_parameter_allow_exec(void);

/* PCI */

#define PCI_VENDOR_ID_REDHAT_QUMRANET   0x1af4
#define PCI_CAP_ID_VNDR         0x09
#define PCI_COMMAND             0x04
#define PCI_COMMAND_MEMORY      0x2
#define PCI_BASE_ADDRESS_0      0x10
#define PCI_BASE_ADDRESS_MEM_TYPE_MASK  0x06
#define PCI_BASE_ADDRESS_MEM_TYPE_64    0x04
#define PCI_BASE_ADDRESS_MEM_MASK       (~0x0full)
#define PCI_STD_NUM_BARS        6
#define PCI_DEVFN(slot, func)   (((slot) & 0x1f) << 3 | ((func) & 7))
#define IORESOURCE_IO           0x100
#define IORESOURCE_MEM          0x200

struct resource { u64 start, end; unsigned long flags; };
struct pci_bus { int unused; };
struct pci_bus_region { u64 start, end; };
struct pci_dev {
    u16 vendor, device;
    struct pci_bus *bus;
    struct resource resource[PCI_STD_NUM_BARS];
    u8 config[256];
    bool gone;
    int references;
};
#define pci_name(p)             "0000:00:04.0"
#define pci_resource_start(p, n) ((p)->resource[n].start)
#define pci_resource_flags(p, n) ((p)->resource[n].flags)
#define pci_resource_len(p, n) \
    ((p)->resource[n].end ? \
     (p)->resource[n].end - (p)->resource[n].start + 1 : 0)
#define pcibios_resource_to_bus(b, region, r) \
    ((region)->start = (r)->start, (region)->end = (r)->end)
struct pci_dev *pci_get_domain_bus_and_slot(int domain, unsigned int bus,
                                            unsigned int devfn);
struct pci_dev *pci_dev_get(struct pci_dev *dev);
void pci_dev_put(struct pci_dev *dev);
int pci_read_config_byte(struct pci_dev *dev, int at, u8 *value);
int pci_read_config_word(struct pci_dev *dev, int at, u16 *value);
int pci_read_config_dword(struct pci_dev *dev, int at, u32 *value);
u8 pci_find_capability(struct pci_dev *dev, int id);
u8 pci_find_next_capability(struct pci_dev *dev, u8 pos, int id);

/* Memory of the machine */

enum { REGION_INTERSECTS, REGION_DISJOINT, REGION_MIXED };
#define IORESOURCE_SYSTEM_RAM   0x01000000
#define IORES_DESC_NONE         0
int region_intersects(u64 start, size_t bytes, unsigned long flags,
                      unsigned long desc);
struct cpumask;
int stop_machine(int (*function)(void *data), void *data,
                 const struct cpumask *cpus);

/* Xen */

/* Xen's own headers; io/ is where they are looked for. */
#include <../xen.h>
#include <../grant_table.h>
#include <../event_channel.h>
#include <xenbus.h>

#define XEN_PAGE_SIZE           4096
#define INVALID_GRANT_HANDLE    ((grant_handle_t)-1)
int HYPERVISOR_grant_table_op(unsigned int command, void *ops,
                              unsigned int count);
#define xen_domain()            true
#define xen_feature(f)          true

typedef enum { IRQ_NONE, IRQ_HANDLED } irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int irq, void *data);
#define XEN_EOI_FLAG_SPURIOUS   1
int bind_evtchn_to_irqhandler_lateeoi(evtchn_port_t port, irq_handler_t handler,
                                      unsigned long flags, const char *name,
                                      void *data);
void unbind_from_irqhandler(unsigned int irq, void *data);
void xen_irq_lateeoi(unsigned int irq, unsigned int flags);
void notify_remote_via_irq(int irq);

struct xenbus_device {
    struct device dev;
    const char *nodename, *otherend;
    int otherend_id;
    enum xenbus_state state;
};
struct xenbus_device_id { char devicetype[32]; };
struct xenbus_driver {
    const char *name;
    const struct xenbus_device_id *ids;
    struct { const struct dev_pm_ops *pm; } driver;
    bool not_essential;
    int (*probe)(struct xenbus_device *dev, const struct xenbus_device_id *id);
    void (*remove)(struct xenbus_device *dev);
    int (*suspend)(struct xenbus_device *dev);
    void (*otherend_changed)(struct xenbus_device *dev,
                             enum xenbus_state state);
};
extern struct xenbus_driver *shim_driver;

struct xenbus_watch {
    const char *node;
    void (*callback)(struct xenbus_watch *watch, const char *path,
                     const char *token);
};
int register_xenbus_watch(struct xenbus_watch *watch);
void unregister_xenbus_watch(struct xenbus_watch *watch);

struct xenbus_transaction { unsigned int id; };
#define XBT_NIL                 ((struct xenbus_transaction) { 0 })
int xenbus_register_frontend(struct xenbus_driver *driver);
void xenbus_unregister_driver(struct xenbus_driver *driver);
int xenbus_transaction_start(struct xenbus_transaction *xbt);
int xenbus_transaction_end(struct xenbus_transaction xbt, int abort);
void *xenbus_read(struct xenbus_transaction xbt, const char *dir,
                  const char *node, unsigned int *len);
unsigned int xenbus_read_unsigned(const char *dir, const char *node,
                                  unsigned int default_value);
int xenbus_printf(struct xenbus_transaction xbt, const char *dir,
                  const char *node, const char *format, ...);
int xenbus_scanf(struct xenbus_transaction xbt, const char *dir,
                 const char *node, const char *format, ...);
void xenbus_dev_fatal(struct xenbus_device *dev, int err,
                      const char *format, ...);
int xenbus_switch_state(struct xenbus_device *dev, enum xenbus_state state);
enum xenbus_state xenbus_read_driver_state(const char *path);
const char *xenbus_strstate(enum xenbus_state state);
int xenbus_setup_ring(struct xenbus_device *dev, gfp_t gfp, void **vaddr,
                      unsigned int pages, grant_ref_t *grefs);
void xenbus_teardown_ring(void **vaddr, unsigned int pages,
                          grant_ref_t *grefs);
int xenbus_alloc_evtchn(struct xenbus_device *dev, evtchn_port_t *port);
int xenbus_free_evtchn(struct xenbus_device *dev, evtchn_port_t port);

#endif
