/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's driver keeps programs from executing the window (R28)
 */
#include <glib.h>
#include <stdarg.h>

#include "processes.h"
#include "guest/linux/driver.h"

#define WINDOW  (VM_IO | VM_PFNMAP)

enum { DRM_FILE, DMABUF, MEMORY_FILE, REGULAR, FILES };

static struct file_system_type types[] = { { "devtmpfs" }, { "dmabuf" } };
static struct super_block blocks[] = { { &types[0] }, { &types[1] } };
static struct inode inodes[FILES] = {
    [DRM_FILE] = { S_IFCHR, 226, &blocks[0] },
    [DMABUF] = { S_IFREG, 0, &blocks[1] },
    [MEMORY_FILE] = { S_IFCHR, 1, &blocks[0] },
    [REGULAR] = { S_IFREG, 226, &blocks[0] },
};
static struct file files[FILES] = {
    { &inodes[0] }, { &inodes[1] }, { &inodes[2] }, { &inodes[3] },
};

struct process *processes;
unsigned int nr_processes;
static GString *messages;
static bool gpu_is_loaded;
static struct kprobe *probe;
static int probe_error;
static struct notifier_block *modules;
static struct delayed_work *pending;
static unsigned long pending_after;
static unsigned int fail_allocation;
static void (*after_each)(struct mm_struct *mm);

/* Linux */

void shim_message(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_string_append_vprintf(messages, format, ap);
    va_end(ap);
}

void *shim_alloc(size_t bytes)
{
    return fail_allocation && !--fail_allocation ? NULL : calloc(1, bytes);
}

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long address)
{
    g_assert_true(mm->locked);
    for (int i = 0; i < PROCESS_MAPPINGS; i++) {
        if (mm->vma[i].vm_end > address) {
            return &mm->vma[i];
        }
    }
    return NULL;
}

void zap_special_vma_range(struct vm_area_struct *vma, unsigned long start,
                           unsigned long bytes)
{
    g_assert_cmpuint(start, ==, vma->vm_start);
    g_assert_cmpuint(bytes, ==, vma->vm_end - vma->vm_start);
    vma->zapped = true;
}

void mmap_write_lock(struct mm_struct *mm)
{
    g_assert_false(mm->locked);
    mm->locked = true;
}

/* Whoever has waited for the lock acts now. */
void mmap_write_unlock(struct mm_struct *mm)
{
    mm->locked = false;
    if (after_each) {
        after_each(mm);
    }
}

struct mm_struct *get_task_mm(struct task_struct *task)
{
    struct mm_struct *mm = container_of(task, struct process, task)->mm;

    if (mm) {
        mm->users++;
    }
    return mm;
}

void mmput(struct mm_struct *mm)
{
    g_assert_cmpint(mm->users--, >, 0);
}

int register_kprobe(struct kprobe *kp)
{
    g_assert_null(probe);
    g_assert_cmpstr(kp->symbol_name, ==, "virtio_gpu_vram_mmap");
    if (probe_error || !gpu_is_loaded) {
        return probe_error ?: -ENOENT;
    }
    probe = kp;
    return 0;
}

void unregister_kprobe(struct kprobe *kp)
{
    g_assert_true(kp == probe);
    probe = NULL;
}

int register_module_notifier(struct notifier_block *nb)
{
    modules = nb;
    return 0;
}

int unregister_module_notifier(struct notifier_block *nb)
{
    g_assert_true(nb == modules);
    modules = NULL;
    return 0;
}

void schedule_delayed_work(struct delayed_work *work, unsigned long delay)
{
    g_assert_null(pending);
    pending = work;
    pending_after = delay;
}

void cancel_delayed_work_sync(struct delayed_work *work)
{
    pending = NULL;
}

/* The test's side */

static struct vm_area_struct *add_mapping(unsigned int process, int file,
                                          vm_flags_t flags)
{
    struct mm_struct *mm = processes[process].mm;

    for (unsigned long i = 0; i < PROCESS_MAPPINGS; i++) {
        if (!mm->vma[i].vm_end) {
            mm->vma[i] = (struct vm_area_struct) {
                .vm_start = (i + 1) << 16, .vm_end = (i + 2) << 16,
                .vm_flags = flags,
                .vm_file = file == FILES ? NULL : &files[file],
            };
            return &mm->vma[i];
        }
    }
    g_assert_not_reached();
}

static void start(unsigned int count)
{
    messages = g_string_new(NULL);
    nr_processes = count;
    processes = g_new0(struct process, count);
    /* The first one is a thread of the kernel, without memory of its own. */
    for (unsigned int i = 1; i < count; i++) {
        processes[i].mm = g_new0(struct mm_struct, 1);
    }
    gpu_is_loaded = true;
    probe_error = 0;
    fail_allocation = 0;
    after_each = NULL;
}

static void load(void)
{
    g_assert_cmpint(xen_hostmem_noexec_init(), ==, 0);
}

static void stop(void)
{
    xen_hostmem_noexec_exit();
    g_assert_null(probe);
    g_assert_null(modules);
    g_assert_null(pending);
    for (unsigned int i = 1; i < nr_processes; i++) {
        g_assert_cmpint(processes[i].mm->users, ==, 0);
        g_assert_false(processes[i].mm->locked);
        g_free(processes[i].mm);
    }
    g_free(processes);
    g_string_free(messages, TRUE);
}

static void said(const char *what)
{
    if (!strstr(messages->str, what)) {
        g_error("\"%s\" does not contain \"%s\"", messages->str, what);
    }
    g_string_truncate(messages, 0);
}

/* As much time passes as the driver wants to wait. */
static void wait_for_driver(void)
{
    struct delayed_work *work = pending;

    g_assert_nonnull(work);
    g_assert_cmpuint(pending_after, ==, 10 * HZ);
    pending = NULL;
    work->work.function(&work->work);
}

static void module_event(const char *name, unsigned long event)
{
    struct module module = { name };

    gpu_is_loaded = event == MODULE_STATE_COMING;
    modules->notifier_call(modules, event, &module);
}

/* What a program maps while the driver is loaded */
static vm_flags_t map_now(vm_flags_t flags)
{
    struct vm_area_struct vma = { .vm_flags = flags };
    struct pt_regs regs = { { 0, (unsigned long)&vma } };

    if (probe) {
        g_assert_cmpint(probe->pre_handler(probe, &regs), ==, 0);
    }
    return vma.vm_flags;
}

/* The window's mappings are found, and no others. */
static void test_mappings(void)
{
    static const struct {
        int file;
        vm_flags_t flags;
        bool is_window;
    } kinds[] = {
        { DRM_FILE, WINDOW, true }, { DMABUF, WINDOW, true },
        { DRM_FILE, VM_PFNMAP, false }, { DMABUF, VM_PFNMAP, false },
        { DRM_FILE, VM_IO, false }, { DMABUF, 0, false },
        { MEMORY_FILE, WINDOW, false }, { REGULAR, WINDOW, false },
        { FILES, WINDOW, false },
    };

    for (unsigned int i = 0; i < G_N_ELEMENTS(kinds); i++) {
        struct vm_area_struct *now, *later;

        start(4);
        now = add_mapping(2, kinds[i].file,
                          kinds[i].flags | VM_EXEC | VM_MAYEXEC);
        later = add_mapping(2, kinds[i].file, kinds[i].flags | VM_MAYEXEC);
        load();
        g_assert_true(xen_hostmem_noexec());
        g_assert_cmpint(now->zapped, ==, kinds[i].is_window);
        g_assert_false(later->zapped);
        g_assert_cmphex(now->vm_flags, ==, kinds[i].flags |
                        (kinds[i].is_window ? 0 : VM_EXEC | VM_MAYEXEC));
        g_assert_cmphex(later->vm_flags, ==, kinds[i].flags |
                        (kinds[i].is_window ? 0 : VM_MAYEXEC));
        g_assert_cmpuint(messages->len, ==, 0);
        stop();
    }
}

static void test_new_mapping(void)
{
    start(2);
    load();
    g_assert_cmphex(map_now(WINDOW | VM_EXEC | VM_MAYEXEC), ==, WINDOW);
    stop();
    start(2);
    g_assert_cmphex(map_now(WINDOW | VM_EXEC), ==, WINDOW | VM_EXEC);
    g_assert_false(xen_hostmem_noexec());
    load();
    stop();
}

/* Maps a buffer in the guest's memory again and again. */
static void map_memory(struct mm_struct *mm)
{
    mm->vma[0] = (struct vm_area_struct) {
        .vm_start = 1 << 16, .vm_end = 2 << 16,
        .vm_flags = VM_PFNMAP | VM_MAYEXEC, .vm_file = &files[DRM_FILE],
    };
}

static void test_memory_mapped(void)
{
    start(3);
    map_memory(processes[1].mm);
    after_each = map_memory;
    load();
    g_assert_true(xen_hostmem_noexec());
    g_assert_null(pending);
    stop();
}

/* Has always a child with the mapping that has not been looked at yet. */
static void fork_on(struct mm_struct *mm)
{
    if (mm == processes[1].mm) {
        add_mapping(2, DRM_FILE, WINDOW | VM_MAYEXEC);
        mm->vma[0].vm_end = 0;
    } else {
        add_mapping(1, DRM_FILE, WINDOW | VM_MAYEXEC);
        mm->vma[0].vm_end = 0;
    }
}

/* As long as the search has found something last, nothing is mapped. */
static void test_again(void)
{
    start(3);
    add_mapping(1, DRM_FILE, WINDOW | VM_MAYEXEC);
    after_each = fork_on;
    load();
    said("nothing is mapped yet");
    for (int i = 0; i < 3; i++) {
        g_assert_false(xen_hostmem_noexec());
        wait_for_driver();
    }
    g_assert_cmpuint(messages->len, ==, 0);
    after_each = NULL;
    wait_for_driver();
    said("no program can execute");
    g_assert_true(xen_hostmem_noexec());
    g_assert_null(pending);
    stop();
}

static void test_unloaded_meanwhile(void)
{
    start(3);
    add_mapping(1, DRM_FILE, WINDOW | VM_MAYEXEC);
    after_each = fork_on;
    load();
    g_assert_nonnull(pending);
    stop();
    start(1);
    load();
    stop();
}

static void test_no_memory(void)
{
    start(2);
    fail_allocation = 1;
    load();
    said("nothing is mapped yet");
    g_assert_false(xen_hostmem_noexec());
    wait_for_driver();
    g_assert_true(xen_hostmem_noexec());
    stop();
}

static void test_many_processes(void)
{
    struct vm_area_struct *last;

    start(20000);
    last = add_mapping(19999, DMABUF, WINDOW | VM_MAYEXEC);
    load();
    g_assert_true(xen_hostmem_noexec());
    g_assert_cmphex(last->vm_flags, ==, WINDOW);
    stop();
}

static void test_modules(void)
{
    start(2);
    gpu_is_loaded = false;
    load();
    g_assert_false(xen_hostmem_noexec());
    module_event("i915", MODULE_STATE_COMING);
    g_assert_false(xen_hostmem_noexec());
    for (int i = 0; i < 2; i++) {
        module_event("virtio_gpu", MODULE_STATE_COMING);
        g_assert_true(xen_hostmem_noexec());
        module_event("virtio_gpu", MODULE_STATE_LIVE);
        gpu_is_loaded = true;
        g_assert_true(xen_hostmem_noexec());
        module_event("virtio_gpu", MODULE_STATE_GOING);
        g_assert_false(xen_hostmem_noexec());
    }
    g_assert_cmpuint(messages->len, ==, 0);
    probe_error = -EOPNOTSUPP;
    module_event("virtio_gpu", MODULE_STATE_COMING);
    said("cannot probe");
    g_assert_false(xen_hostmem_noexec());
    stop();
}

static void test_no_probe(void)
{
    start(2);
    probe_error = -EINVAL;
    load();
    said("cannot keep programs from executing");
    g_assert_false(xen_hostmem_noexec());
    g_assert_null(pending);
    *shim_parameter_allow_exec() = true;
    g_assert_true(xen_hostmem_noexec());
    *shim_parameter_allow_exec() = false;
    stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/noexec/no-probe", test_no_probe);
    g_test_add_func("/noexec/mappings", test_mappings);
    g_test_add_func("/noexec/new-mapping", test_new_mapping);
    g_test_add_func("/noexec/memory-mapped", test_memory_mapped);
    g_test_add_func("/noexec/again", test_again);
    g_test_add_func("/noexec/unloaded-meanwhile", test_unloaded_meanwhile);
    g_test_add_func("/noexec/no-memory", test_no_memory);
    g_test_add_func("/noexec/many-processes", test_many_processes);
    g_test_add_func("/noexec/modules", test_modules);
    return g_test_run();
}
