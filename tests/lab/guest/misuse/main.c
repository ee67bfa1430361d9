/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * misuse: what a program without privileges can do to a blob
 *
 *   misuse attempts          all of them, each in a process of its own
 *   misuse attempt NAME      one of them
 *   misuse instructions [BUT]  kinds of instructions, compared with memory,
 *                            but for those that the list BUT names
 *   misuse instruction LIST  the same of those that the list names
 *   misuse before            map a blob, executable and not, and until there is
 *                            a line from standard input, a buffer in memory
 *                            again and again; then execute both
 *
 * The answer is a line of JSON: for each attempt what came of it, "done", an
 * error, or the signal that ended the process. The user is nobody as soon as
 * the device is open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "../blobtool/blob.h"
#include "../blobtool/tool.h"
#include "misuse.h"

#define NOBODY      65534
#define LIMIT_MS    8000

static char *text;          /* shared with the attempt's process */

void note(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, PAGE / 2, format, ap);
    va_end(ap);
}

void note_result(long result)
{
    note("%s", result < 0 ? strerrorname_np(errno) : "done");
}

uint8_t *map_again(const struct scene *scene, void *at, int prot)
{
    void *got = mmap(at, BLOB_BYTES, prot, MAP_SHARED | (at ? MAP_FIXED : 0),
                     scene->gpu, scene->offset);

    if (got == MAP_FAILED) {
        note_result(-1);
        _exit(0);
    }
    return got;
}

void scene_new_blob(struct scene *scene)
{
    struct drm_virtgpu_map map = { 0 };
    struct blob blob;

    blob_open(scene->gpu, &blob, BLOB_BYTES);
    map.handle = blob.handle;
    if (ioctl(scene->gpu, DRM_IOCTL_VIRTGPU_MAP, &map)) {
        die("asking for the blob's offset: %s", strerror(errno));
    }
    scene->handle = blob.handle;
    scene->offset = map.offset;
    scene->blob = (uint8_t *)blob.words;
}

static void drop_privileges(void)
{
    if (setresgid(NOBODY, NOBODY, NOBODY) ||
        setresuid(NOBODY, NOBODY, NOBODY)) {
        die("cannot become nobody: %s", strerror(errno));
    }
    /* As after an exec, for /proc/self/mem and ptrace() */
    prctl(PR_SET_DUMPABLE, 1);
}

/* A process that a signal cannot end is what must not be. */
static void wait_for(pid_t pid)
{
    int status;

    for (int ms = 0; ms < LIMIT_MS; ms += 10) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            if (WIFSIGNALED(status)) {
                note("SIG%s", sigabbrev_np(WTERMSIG(status)));
            } else if (WEXITSTATUS(status)) {
                note("exit %d", WEXITSTATUS(status));
            }
            return;
        }
        usleep(10000);
    }
    kill(-pid, SIGKILL);
    for (int ms = 0; ms < LIMIT_MS; ms += 10) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            note("no end");
            return;
        }
        usleep(10000);
    }
    note("cannot be killed");
}

static void run_one(const struct attempt *attempt)
{
    pid_t pid;

    note("nothing");
    pid = fork();
    if (!pid) {
        struct scene scene = { .gpu = open_gpu() };

        setpgid(0, 0);
        scene_new_blob(&scene);
        drop_privileges();
        attempt->run(&scene);
        _exit(0);
    }
    setpgid(pid, pid);
    wait_for(pid);
}

static bool run_list(const struct attempt *list, const char *only, bool first)
{
    for (; list->name; list++) {
        if (only && strcmp(only, list->name)) {
            continue;
        }
        run_one(list);
        printf("%s\"%s\": \"%s\"", first ? "{" : ", ", list->name, text);
        first = false;
    }
    return first;
}

static int run_attempts(const char *only)
{
    bool first = run_list(exec_attempts, only, true);

    first = run_list(call_attempts, only, first);
    first = run_list(race_attempts, only, first);
    printf("%s}\n", first ? "{" : "");
    return 0;
}

static const char *call_in(uint8_t *code)
{
    pid_t pid;

    note("nothing");
    pid = fork();
    if (!pid) {
        note("returned %d", ((int (*)(void))code)());
        _exit(0);
    }
    wait_for(pid);
    return text;
}

/* A function that returns 42 */
static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

/* A buffer in this machine's memory; its offset for mmap() */
static uint64_t new_buffer(int gpu)
{
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = VIRTGPU_BLOB_MEM_GUEST,
        .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
        .size = BLOB_BYTES,
    };
    struct drm_virtgpu_map map = { 0 };

    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create)) {
        die("creating a buffer: %s", strerror(errno));
    }
    map.handle = create.bo_handle;
    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_MAP, &map)) {
        die("asking for the buffer's offset: %s", strerror(errno));
    }
    return map.offset;
}

/*
 * Maps a buffer in memory as often as it can, and always has a mapping of it: a
 * driver that took these for mappings of the window would never be done.
 */
static pid_t map_buffer_for_ever(int gpu, volatile unsigned long *times)
{
    uint64_t offset = new_buffer(gpu);
    pid_t pid = fork();
    void *old, *now;

    if (pid) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (old = NULL;; old = now) {
        now = mmap(NULL, BLOB_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, gpu,
                   offset);
        if (now == MAP_FAILED) {
            _exit(1);
        }
        if (old) {
            munmap(old, BLOB_BYTES);
        }
        ++*times;
    }
}

static int run_before(void)
{
    struct scene scene = { .gpu = open_gpu() };
    volatile unsigned long *times = (void *)(text + PAGE / 2);
    uint8_t *executable;
    char line[16], made[64];
    pid_t other;

    scene_new_blob(&scene);
    drop_privileges();
    other = map_buffer_for_ever(scene.gpu, times);
    executable = map_again(&scene, NULL, PROT_READ | PROT_WRITE | PROT_EXEC);
    memcpy(scene.blob, code, sizeof(code));
    printf("{\"mapped\": true}\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        return 1;
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    snprintf(made, sizeof(made), "%s", call_in(executable));
    note_result(mprotect(scene.blob, BLOB_BYTES, PROT_READ | PROT_EXEC));
    printf("{\"executable\": \"%s\", \"mprotect\": \"%s\"", made, text);
    printf(", \"call\": \"%s\", \"others\": %lu}\n", call_in(scene.blob), *times);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    text = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED) {
        die("no memory");
    }
    if (argc == 2 && !strcmp(argv[1], "attempts")) {
        return run_attempts(NULL);
    }
    if (argc == 3 && !strcmp(argv[1], "attempt")) {
        return run_attempts(argv[2]);
    }
    if (argc >= 2 && argc <= 3 && !strcmp(argv[1], "instructions")) {
        return run_instructions(argv[2], false);
    }
    if (argc == 3 && !strcmp(argv[1], "instruction")) {
        return run_instructions(argv[2], true);
    }
    if (argc == 2 && !strcmp(argv[1], "before")) {
        return run_before();
    }
    die("usage: misuse attempts|attempt NAME|instructions [BUT]|"
        "instruction LIST|before");
}
