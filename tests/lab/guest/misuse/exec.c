/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code in a blob: each way to an executable mapping, and to an instruction
 * fetch
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>

#include "misuse.h"

/* A function that returns 42 */
static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

static void call(const void *at)
{
    note("calls");
    note("returned %d", ((int (*)(void))at)());
}

static void try_mmap(const struct scene *s)
{
    uint8_t *at = map_again(s, NULL, PROT_READ | PROT_WRITE | PROT_EXEC);

    memcpy(at, code, sizeof(code));
    call(at);
}

/* Permission to read is permission to execute there. */
static void try_personality(const struct scene *s)
{
    memcpy(s->blob, code, sizeof(code));
    if (personality(READ_IMPLIES_EXEC) < 0) {
        note_result(-1);
        return;
    }
    call(map_again(s, NULL, PROT_READ | PROT_WRITE));
}

static void try_mprotect(const struct scene *s)
{
    memcpy(s->blob, code, sizeof(code));
    if (mprotect(s->blob, PAGE, PROT_READ | PROT_EXEC)) {
        note_result(-1);
        return;
    }
    call(s->blob);
}

static void try_plain_call(const struct scene *s)
{
    memcpy(s->blob, code, sizeof(code));
    call(s->blob);
}

static void try_mremap(const struct scene *s)
{
    uint8_t *at = mremap(s->blob, BLOB_BYTES, BLOB_BYTES,
                         MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x700000000000);

    if (at == MAP_FAILED || mprotect(at, BLOB_BYTES, PROT_READ | PROT_EXEC)) {
        note_result(-1);
        return;
    }
    memcpy(at, code, sizeof(code));
    call(at);
}

/* By the descriptor of a dma-buf, as another device or program would get it. */
static void try_dmabuf(const struct scene *s, int prot, bool later)
{
    struct drm_prime_handle prime = {
        .handle = s->handle,
        .flags = DRM_CLOEXEC | DRM_RDWR,
    };
    uint8_t *at;

    memcpy(s->blob, code, sizeof(code));
    if (ioctl(s->gpu, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)) {
        note_result(-1);
        return;
    }
    at = mmap(NULL, BLOB_BYTES, prot, MAP_SHARED, prime.fd, 0);
    if (at == MAP_FAILED ||
        (later && mprotect(at, BLOB_BYTES, prot | PROT_EXEC))) {
        note_result(-1);
        return;
    }
    call(at);
}

static void try_dmabuf_mmap(const struct scene *s)
{
    try_dmabuf(s, PROT_READ | PROT_EXEC, false);
}

static void try_dmabuf_mprotect(const struct scene *s)
{
    try_dmabuf(s, PROT_READ | PROT_WRITE, true);
}

/* The first octets of an instruction are in memory, the others in the blob. */
static void try_straddle(const struct scene *s)
{
    uint8_t *memory = mmap(NULL, PAGE + BLOB_BYTES,
                           PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;

    if (memory == MAP_FAILED) {
        note_result(-1);
        return;
    }
    at = map_again(s, memory + PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    memcpy(at - 3, code, sizeof(code));
    call(at - 3);
}

static void try_handler(const struct scene *s)
{
    uint8_t *at = map_again(s, NULL, PROT_READ | PROT_WRITE | PROT_EXEC);
    struct sigaction action = { .sa_handler = (void (*)(int))at };

    memcpy(at, code, sizeof(code));
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    note("returned");
}

/* A child inherits the mapping. */
static void try_fork(const struct scene *s)
{
    uint8_t *at = map_again(s, NULL, PROT_READ | PROT_WRITE | PROT_EXEC);

    int status;
    pid_t pid;

    memcpy(at, code, sizeof(code));
    pid = fork();
    if (!pid) {
        call(at);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) {
        note("SIG%s", sigabbrev_np(WTERMSIG(status)));
    }
}

const struct attempt exec_attempts[] = {
    { "exec-mmap", try_mmap },
    { "exec-personality", try_personality },
    { "exec-mprotect", try_mprotect },
    { "exec-plain", try_plain_call },
    { "exec-mremap", try_mremap },
    { "exec-dmabuf", try_dmabuf_mmap },
    { "exec-dmabuf-mprotect", try_dmabuf_mprotect },
    { "exec-straddle", try_straddle },
    { "exec-handler", try_handler },
    { "exec-fork", try_fork },
    { NULL, NULL }
};
