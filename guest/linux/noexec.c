// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-hostmem: nobody executes the window
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kdev_t.h>
#include <linux/kprobes.h>
#include <linux/major.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "driver.h"

/**
 * DOC: Instruction fetches
 *
 * A frame that holds a grant is not executable in Xen's tables, whatever the
 * guest's own tables say. Xen (seen: 4.20) has no answer to an instruction
 * fetch from such a frame but to crash the domain. virtio-gpu lets everybody
 * who may open a render node map the window with PROT_EXEC. So, before the
 * first grant is mapped, the permission is taken from
 *
 * #. the mappings to come, by a kprobe where virtio-gpu's one function that
 *    makes them begins, be it for a DRM file or for a dma-buf. The mapping is
 *    not in the process yet. It is made without the permission, and mprotect()
 *    cannot add it;
 *
 * #. the mappings that exist when this module is loaded. One that is
 *    executable right now is emptied as well: its process gets SIGBUS when it
 *    next executes, reads or writes there.
 *
 * If the function cannot be probed, nothing is mapped, unless the parameter
 * allow_exec says otherwise. Nor is anything mapped as long as there may be
 * mappings from before: if the search for them fails, it is repeated. A
 * virtio-gpu that does this by itself is no obstacle.
 *
 * Not covered is what an administrator has to allow: /dev/mem, the BAR's file
 * in sysfs, VFIO, nested virtualisation.
 */

#define HOSTMEM_GPU_MODULE	"virtio_gpu"
#define HOSTMEM_GPU_MMAP	"virtio_gpu_vram_mmap"
#define HOSTMEM_DRM_MAJOR	226
#define HOSTMEM_MAX_SWEEPS	16
#define HOSTMEM_SWEEP_AGAIN_S	10

static bool allow_exec;
module_param(allow_exec, bool, 0444);
MODULE_PARM_DESC(allow_exec, "Map memory although programs could execute it, which ends the guest");

static DEFINE_MUTEX(hostmem_probe_lock);
static bool hostmem_probed;	/* written under hostmem_probe_lock */
static bool hostmem_swept;	/* no older mapping can be executed */

/* int virtio_gpu_vram_mmap(struct drm_gem_object *, struct vm_area_struct *) */
static int hostmem_before_mmap(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_area_struct *vma =
		(struct vm_area_struct *)regs_get_kernel_argument(regs, 1);

	/* Nobody else can see it yet, so it needs no lock. */
	vm_flags_init(vma, vma->vm_flags & ~(VM_EXEC | VM_MAYEXEC));
	return 0;
}

static struct kprobe hostmem_probe;

static int hostmem_probe_add(void)
{
	int err = 0;

	mutex_lock(&hostmem_probe_lock);
	if (!hostmem_probed) {
		/* The previous registration has filled it in. */
		memset(&hostmem_probe, 0, sizeof(hostmem_probe));
		hostmem_probe.symbol_name = HOSTMEM_GPU_MMAP;
		hostmem_probe.pre_handler = hostmem_before_mmap;
		err = register_kprobe(&hostmem_probe);
		WRITE_ONCE(hostmem_probed, !err);
	}
	mutex_unlock(&hostmem_probe_lock);
	return err;
}

static void hostmem_probe_remove(void)
{
	mutex_lock(&hostmem_probe_lock);
	if (hostmem_probed)
		unregister_kprobe(&hostmem_probe);
	WRITE_ONCE(hostmem_probed, false);
	WRITE_ONCE(hostmem_swept, false);
	mutex_unlock(&hostmem_probe_lock);
}

/* A probe goes with the module that it is in. */
static int hostmem_module_event(struct notifier_block *nb, unsigned long event,
				void *data)
{
	const struct module *module = data;
	int err;

	if (strcmp(module->name, HOSTMEM_GPU_MODULE))
		return NOTIFY_DONE;
	if (event == MODULE_STATE_COMING) {
		err = hostmem_probe_add();
		/* Mappings would have kept its predecessor. */
		WRITE_ONCE(hostmem_swept, true);
		if (err)
			pr_warn("xen-hostmem: cannot probe " HOSTMEM_GPU_MMAP ": %d\n",
				err);
	} else if (event == MODULE_STATE_GOING) {
		hostmem_probe_remove();
	}
	return NOTIFY_DONE;
}

static struct notifier_block hostmem_module_nb = {
	.notifier_call = hostmem_module_event,
};

/*
 * The mappings that exist
 */

/*
 * Whether it may be of the window: of a DRM file or of a dma-buf, and made by
 * io_remap_pfn_range(), which sets both flags. A buffer in the guest's memory
 * has VM_PFNMAP alone. Its mappings are not ours to change, and a program that
 * made one after the other would have the search never end.
 */
static bool hostmem_is_of_gpu(const struct vm_area_struct *vma)
{
	const vm_flags_t io = VM_IO | VM_PFNMAP;
	const struct inode *inode;

	if ((vma->vm_flags & io) != io || !vma->vm_file)
		return false;
	inode = file_inode(vma->vm_file);
	return (S_ISCHR(inode->i_mode) && imajor(inode) == HOSTMEM_DRM_MAJOR) ||
	       !strcmp(inode->i_sb->s_type->name, "dmabuf");
}

/* Returns whether there was something to take. */
static bool hostmem_sweep_mm(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned long address = 0;
	bool found = false;

	mmap_write_lock(mm);
	while ((vma = find_vma(mm, address))) {
		address = vma->vm_end;
		if (!(vma->vm_flags & (VM_EXEC | VM_MAYEXEC)) ||
		    !hostmem_is_of_gpu(vma))
			continue;
		found = true;
		/* For good: there is no fault handler to fill it again. */
		if (vma->vm_flags & VM_EXEC)
			zap_special_vma_range(vma, vma->vm_start,
					      vma->vm_end - vma->vm_start);
		vm_flags_clear(vma, VM_EXEC | VM_MAYEXEC);
	}
	mmap_write_unlock(mm);
	return found;
}

static struct mm_struct *hostmem_mm_of_process(struct task_struct *process)
{
	struct task_struct *thread;
	struct mm_struct *mm;

	for_each_thread(process, thread) {
		mm = get_task_mm(thread);
		if (mm)
			return mm;
	}
	return NULL;
}

/* Returns the number of address spaces, or -E2BIG if there are more than max. */
static int hostmem_collect_mms(struct mm_struct **mms, int max)
{
	struct task_struct *process;
	int count = 0;

	rcu_read_lock();
	for_each_process(process) {
		if (count == max) {
			count = -E2BIG;
			break;
		}
		mms[count] = hostmem_mm_of_process(process);
		if (mms[count])
			count++;
	}
	rcu_read_unlock();
	return count;
}

/* Returns 1 if something was found, 0 if not, or a negative error code. */
static int hostmem_sweep_once(int max)
{
	struct mm_struct **mms = kvcalloc(max, sizeof(*mms), GFP_KERNEL);
	int count, i, found = 0;

	if (!mms)
		return -ENOMEM;
	count = hostmem_collect_mms(mms, max);
	for (i = 0; i < max && mms[i]; i++) {
		if (count >= 0 && hostmem_sweep_mm(mms[i]))
			found = 1;
		mmput(mms[i]);
	}
	kvfree(mms);
	return count < 0 ? count : found;
}

/*
 * A child that was born meanwhile has its parent's mappings, hence the repeated
 * search. It ends when there is nothing left to find.
 */
static int hostmem_sweep(void)
{
	int max = 4096, err = 1;
	unsigned int n;

	for (n = 0; n < HOSTMEM_MAX_SWEEPS && err; n++) {
		err = hostmem_sweep_once(max);
		if (err == -E2BIG)
			max *= 4;
		else if (err < 0)
			return err;
	}
	return err ? -EBUSY : 0;
}

static void hostmem_sweep_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(hostmem_sweep_work, hostmem_sweep_again);

/* Either there is nothing left to find, or we try later. */
static int hostmem_sweep_or_later(void)
{
	int err = hostmem_sweep();

	if (err)
		schedule_delayed_work(&hostmem_sweep_work,
				      HOSTMEM_SWEEP_AGAIN_S * HZ);
	else
		WRITE_ONCE(hostmem_swept, true);
	return err;
}

static void hostmem_sweep_again(struct work_struct *work)
{
	if (!hostmem_sweep_or_later())
		pr_info("xen-hostmem: no program can execute memory of the GPU any more\n");
}

/**
 * xen_hostmem_noexec() - whether it is safe to map
 *
 * Return: True if no program can execute the window, or if that is allowed.
 */
bool xen_hostmem_noexec(void)
{
	return (READ_ONCE(hostmem_probed) && READ_ONCE(hostmem_swept)) ||
	       allow_exec;
}

/**
 * xen_hostmem_noexec_init() - from now on no program can execute the window
 *
 * Without virtio-gpu there is nothing to do before it is loaded. If it is there
 * and cannot be stopped, or not yet, the log says so, and xen_hostmem_noexec()
 * is false.
 *
 * Return: 0 or a negative error code.
 */
int xen_hostmem_noexec_init(void)
{
	int err = register_module_notifier(&hostmem_module_nb);

	if (err)
		return err;
	/* In this order: what is mapped from now on need not be found. */
	err = hostmem_probe_add();
	if (err == -ENOENT)
		return 0;
	if (err) {
		pr_warn("xen-hostmem: cannot keep programs from executing memory of the GPU: %d\n",
			err);
		return 0;
	}
	err = hostmem_sweep_or_later();
	if (err)
		pr_warn("xen-hostmem: nothing is mapped yet: programs can execute memory of the GPU (%d); tried again every %d seconds\n",
			err, HOSTMEM_SWEEP_AGAIN_S);
	return 0;
}

/**
 * xen_hostmem_noexec_exit() - undo xen_hostmem_noexec_init()
 *
 * Nothing is mapped any more.
 */
void xen_hostmem_noexec_exit(void)
{
	unregister_module_notifier(&hostmem_module_nb);
	cancel_delayed_work_sync(&hostmem_sweep_work);
	hostmem_probe_remove();
}
