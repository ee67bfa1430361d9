/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of Linux as the guest's noexec.c needs: processes with mappings,
 * probes, modules that come and go. The test plays all of them.
 */
#ifndef GUEST_PROCESSES_H
#define GUEST_PROCESSES_H

#include "shim.h"

/* Mappings */

typedef unsigned long vm_flags_t;
#define VM_EXEC                 0x4ul
#define VM_MAYEXEC              0x40ul
#define VM_PFNMAP               0x400ul
#define VM_IO                   0x4000ul

struct file_system_type { const char *name; };
struct super_block { struct file_system_type *s_type; };
#define S_IFMT                  0170000
#define S_IFCHR                 0020000
#define S_IFREG                 0100000
#define S_ISCHR(mode)           (((mode) & S_IFMT) == S_IFCHR)
struct inode {
    unsigned int i_mode;
    unsigned int major;
    struct super_block *i_sb;
};
struct file { struct inode *inode; };
#define imajor(i)               ((i)->major)
/* The kernel has this one of its own. */
static inline struct inode *file_inode(const struct file *file)
{
    return file->inode;
}

struct vm_area_struct {
    unsigned long vm_start, vm_end;
    vm_flags_t vm_flags;
    struct file *vm_file;
    bool zapped;
};

#define PROCESS_MAPPINGS 4
struct mm_struct {
    struct vm_area_struct vma[PROCESS_MAPPINGS];    /* those with an end */
    bool locked;
    int users;
};

/* The first one at or behind an address; NULL: there is none */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long address);
void zap_special_vma_range(struct vm_area_struct *vma, unsigned long start,
                           unsigned long bytes);
#define vm_flags_init(vma, flags)   ((vma)->vm_flags = (flags))
#define vm_flags_clear(vma, flags)  ((vma)->vm_flags &= ~(flags))
void mmap_write_lock(struct mm_struct *mm);
void mmap_write_unlock(struct mm_struct *mm);

/* Processes; each has one thread */

struct process { struct task_struct task; struct mm_struct *mm; };
extern struct process *processes;
extern unsigned int nr_processes;

#define rcu_read_lock()         do { } while (0)
#define rcu_read_unlock()       do { } while (0)
#define for_each_process(p) \
    for (struct process *p_ = processes; \
         p_ < processes + nr_processes && ((p) = &p_->task, true); p_++)
#define for_each_thread(p, t)   for ((t) = (p); (t); (t) = NULL)
struct mm_struct *get_task_mm(struct task_struct *task);
void mmput(struct mm_struct *mm);

/* Probes and modules */

struct pt_regs { unsigned long argument[2]; };
#define regs_get_kernel_argument(regs, n) ((regs)->argument[n])
struct kprobe {
    const char *symbol_name;
    int (*pre_handler)(struct kprobe *kp, struct pt_regs *regs);
};
int register_kprobe(struct kprobe *kp);
void unregister_kprobe(struct kprobe *kp);

struct module { const char *name; };
enum { MODULE_STATE_LIVE, MODULE_STATE_COMING, MODULE_STATE_GOING };
int register_module_notifier(struct notifier_block *nb);
int unregister_module_notifier(struct notifier_block *nb);

/* The rest */

#define DEFINE_MUTEX(name)      struct mutex name
#define pr_info                 shim_message
#define pr_warn                 shim_message

struct delayed_work { struct work_struct work; };
#define DECLARE_DELAYED_WORK(name, f) \
    struct delayed_work name = { .work = { .function = (f) } }
void schedule_delayed_work(struct delayed_work *work, unsigned long delay);
void cancel_delayed_work_sync(struct delayed_work *work);

#endif
