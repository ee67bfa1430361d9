/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls that take a pointer into a blob
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/rseq.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "misuse.h"

#define SOME    300         /* octets, from ODD on across a page */
#define ODD     (PAGE - 100)

static bool pattern_is_at(const uint8_t *at, uint8_t seed)
{
    for (int i = 0; i < SOME; i++) {
        if (at[i] != (uint8_t)(seed + i)) {
            return false;
        }
    }
    return true;
}

static void pattern(uint8_t *at, uint8_t seed)
{
    for (int i = 0; i < SOME; i++) {
        at[i] = seed + i;
    }
}

/* read() into the blob and write() from it */
static void try_pipe(const struct scene *s)
{
    uint8_t memory[SOME];
    int ends[2];

    pattern(memory, 7);
    if (pipe(ends) || write(ends[1], memory, SOME) != SOME ||
        read(ends[0], s->blob + ODD, SOME) != SOME ||
        write(ends[1], s->blob + ODD, SOME) != SOME) {
        note_result(-1);
        return;
    }
    memset(memory, 0, SOME);
    if (read(ends[0], memory, SOME) != SOME) {
        note_result(-1);
        return;
    }
    note(pattern_is_at(memory, 7) && pattern_is_at(s->blob + ODD, 7) ?
         "done" : "wrong");
}

static void try_socket(const struct scene *s)
{
    uint8_t memory[SOME];
    int ends[2];

    pattern(s->blob + ODD, 9);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ||
        send(ends[0], s->blob + ODD, SOME, 0) != SOME ||
        recv(ends[1], memory, SOME, MSG_WAITALL) != SOME) {
        note_result(-1);
        return;
    }
    note(pattern_is_at(memory, 9) ? "done" : "wrong");
}

/* The pages themselves would be in the pipe. */
static void try_vmsplice(const struct scene *s)
{
    struct iovec iov = { s->blob, PAGE };
    int ends[2];

    note_result(pipe(ends) ? -1 : vmsplice(ends[1], &iov, 1, SPLICE_F_GIFT));
}

static void try_direct(const struct scene *s)
{
    static const char *const disks[] = { "/dev/vda", "/dev/sda", "/dev/xvda" };

    for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
        int fd = open(disks[i], O_RDONLY | O_DIRECT);

        if (fd >= 0) {
            note_result(read(fd, s->blob, PAGE));
            return;
        }
    }
    note("no disk");
}

static void try_vm_readv(const struct scene *s)
{
    uint8_t memory[SOME];
    struct iovec local = { memory, SOME }, remote = { s->blob + ODD, SOME };

    note_result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static void try_vm_writev(const struct scene *s)
{
    uint8_t memory[SOME] = { 0 };
    struct iovec local = { memory, SOME }, remote = { s->blob + ODD, SOME };

    note_result(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
}

/* The blob is the caller's side. */
static void try_vm_local(const struct scene *s)
{
    uint8_t memory[SOME] = { 0 };
    struct iovec local = { s->blob + ODD, SOME }, remote = { memory, SOME };

    note_result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static void try_proc_mem(const struct scene *s)
{
    uint8_t octet = 1;
    int fd = open("/proc/self/mem", O_RDWR);

    if (fd < 0) {
        note_result(-1);
        return;
    }
    note_result(pwrite(fd, &octet, 1, (uintptr_t)s->blob));
}

static void try_ptrace(const struct scene *s)
{
    pid_t pid = fork();

    if (!pid) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    note_result(ptrace(PTRACE_POKEDATA, pid, s->blob, (void *)1));
    kill(pid, SIGKILL);
}

static void futex(const struct scene *s, int op)
{
    uint32_t *word = (uint32_t *)s->blob;
    struct timespec soon = { .tv_nsec = 1000000 };

    *word = 5;
    note_result(syscall(SYS_futex, word, op, 5, &soon, NULL, 0));
}

static void try_futex_private(const struct scene *s)
{
    futex(s, FUTEX_WAIT | FUTEX_PRIVATE_FLAG);
}

static void try_futex_shared(const struct scene *s)
{
    futex(s, FUTEX_WAIT);
}

/* The kernel itself changes the word. */
static void try_futex_op(const struct scene *s)
{
    uint32_t *words = (uint32_t *)s->blob;

    words[0] = words[1] = 5;
    if (syscall(SYS_futex, &words[0], FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1,
                &words[1], FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)) < 0) {
        note_result(-1);
        return;
    }
    note(words[1] == 8 ? "done" : "wrong");
}

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

/*
 * The kernel saves the registers on a stack that is in the blob, and restores
 * them from there.
 */
static void try_signal_stack(const struct scene *s)
{
    stack_t stack = { .ss_sp = s->blob, .ss_size = BLOB_BYTES };
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

    if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL)) {
        note_result(-1);
        return;
    }
    raise(SIGUSR1);
    note(handled ? "done" : "not handled");
}

/* The stack of a thread, with all it calls */
static int on_stack(void *unused __attribute__((unused)))
{
    char text[64];

    snprintf(text, sizeof(text), "%d", getppid());
    return 0;
}

static void try_stack(const struct scene *s)
{
    int status = -1;
    pid_t pid = clone(on_stack, s->blob + BLOB_BYTES, SIGCHLD, NULL);

    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        note_result(-1);
        return;
    }
    if (WIFSIGNALED(status)) {
        note("SIG%s", sigabbrev_np(WTERMSIG(status)));
    } else {
        note("done");
    }
}

/* The kernel writes 0 there when the process ends. */
static void try_clear_tid(const struct scene *s)
{
    pid_t pid = fork();

    *(uint32_t *)s->blob = 1;
    if (!pid) {
        syscall(SYS_set_tid_address, s->blob);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    note("done");
}

static void try_robust_list(const struct scene *s)
{
    pid_t pid = fork();

    if (!pid) {
        struct robust_list_head *head = (void *)s->blob;

        head->list.next = (void *)(s->blob + 64);
        ((struct robust_list *)(s->blob + 64))->next = &head->list;
        head->futex_offset = 64;
        *(uint32_t *)(s->blob + 128) = syscall(SYS_gettid);
        syscall(SYS_set_robust_list, head, sizeof(*head));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    note("done");
}

static void try_rseq(const struct scene *s)
{
    struct rseq *area = (struct rseq *)s->blob;

    memset(s->blob, 0, sizeof(*area));
    if (syscall(SYS_rseq, area, sizeof(*area), 0, 0x53053053)) {
        note_result(-1);
        return;
    }
    for (int i = 0; i < 20; i++) {
        sched_yield();
        usleep(1000);
    }
    note("done");
}

/* The argument of an ioctl of the GPU itself */
static void try_ioctl(const struct scene *s)
{
    struct drm_virtgpu_getparam *get = (void *)s->blob;

    get->param = VIRTGPU_PARAM_RESOURCE_BLOB;
    get->value = (uintptr_t)(s->blob + 64);
    note_result(ioctl(s->gpu, DRM_IOCTL_VIRTGPU_GETPARAM, get));
}

static void try_exec_arguments(const struct scene *s)
{
    char *const argv[] = { (char *)s->blob, NULL };

    strcpy((char *)s->blob, "/bin/true");
    execv((char *)s->blob, argv);
    note_result(-1);
}

static void try_mlock(const struct scene *s)
{
    note_result(mlock(s->blob, BLOB_BYTES));
}

static void try_madvise(const struct scene *s)
{
    static const int advice[] = {
        MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_HUGEPAGE, MADV_MERGEABLE,
        MADV_POPULATE_WRITE, MADV_COLD, MADV_PAGEOUT, MADV_DOFORK,
    };

    for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
        madvise(s->blob, BLOB_BYTES, advice[i]);
    }
    s->blob[0] = 1;
    note("done");
}

static void try_grow(const struct scene *s)
{
    void *at = mremap(s->blob, BLOB_BYTES, 16 * BLOB_BYTES, MREMAP_MAYMOVE);

    if (at == MAP_FAILED) {
        note_result(-1);
        return;
    }
    ((volatile uint8_t *)at)[8 * BLOB_BYTES] = 1;
    note("done");
}

/* A virtual machine of the guest's own whose memory is the blob */
static void try_kvm(const struct scene *s)
{
    int kvm = open("/dev/kvm", O_RDWR), vm;
    struct kvm_userspace_memory_region region = {
        .memory_size = BLOB_BYTES,
        .userspace_addr = (uintptr_t)s->blob,
    };

    if (kvm < 0) {
        note("no KVM");
        return;
    }
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    note_result(vm < 0 ? vm :
                ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

/* io_uring registers buffers by pinning their pages. */
static void try_uring(const struct scene *s)
{
    uint8_t parameters[120] = { 0 };
    struct iovec iov = { s->blob, PAGE };
    int ring = syscall(SYS_io_uring_setup, 4, parameters);

    note_result(ring < 0 ? ring :
                syscall(SYS_io_uring_register, ring, 0, &iov, 1));
}

/* The process is killed with all of the blob to dump. */
static void try_core(const struct scene *s)
{
    s->blob[0] = 1;
    abort();
}

const struct attempt call_attempts[] = {
    { "pipe", try_pipe },
    { "socket", try_socket },
    { "vmsplice", try_vmsplice },
    { "o-direct", try_direct },
    { "vm-readv", try_vm_readv },
    { "vm-writev", try_vm_writev },
    { "vm-local", try_vm_local },
    { "proc-mem", try_proc_mem },
    { "ptrace", try_ptrace },
    { "futex-private", try_futex_private },
    { "futex-shared", try_futex_shared },
    { "futex-op", try_futex_op },
    { "signal-stack", try_signal_stack },
    { "stack", try_stack },
    { "clear-tid", try_clear_tid },
    { "robust-list", try_robust_list },
    { "rseq", try_rseq },
    { "ioctl", try_ioctl },
    { "exec-arguments", try_exec_arguments },
    { "mlock", try_mlock },
    { "madvise", try_madvise },
    { "grow", try_grow },
    { "kvm", try_kvm },
    { "io-uring", try_uring },
    { "core", try_core },
    { NULL, NULL }
};
