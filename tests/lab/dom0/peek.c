// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peek: look into the dma-bufs (and memfds) of a running device model
 *
 *   peek PID list
 *   peek PID SIZE verify SEED [--index N] [--kind dmabuf|memfd]
 *   peek PID SIZE fill SEED   [--index N] [--kind dmabuf|memfd]
 *
 * list prints a line of JSON per buffer. verify and fill open the process's
 * buffer of SIZE bytes and compare each 64-bit word with, or set it to,
 * lab_word(SEED, index), which the guest's program uses as well: what the
 * guest wrote through its window must be in the host's buffer.
 *
 * Exit status: 0 all words match, 1 some do not, 2 the buffer could not be
 * examined (standard error says why).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "../common/udmabuf.h"
#include "../common/words.h"

/* No process is expected to have more descriptors of buffers. */
#define MAX_BUFFERS 65536

enum kind { KIND_ANY, KIND_DMABUF, KIND_MEMFD };

struct buffer {
    enum kind kind;
    int fd;
    uint64_t size;
    uint64_t ino;
    char name[64];
};

struct buffers {
    struct buffer *list;
    size_t count;
};

static const char *const kind_names[] = { "any", "dmabuf", "memfd" };

static __attribute__((noreturn, format(printf, 1, 2)))
void die(const char *format, ...)
{
    va_list ap;

    fputs("peek: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t parse_number(const char *text, const char *what)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno || end == text || *end || text[0] == '-') {
        die("%s must be a number, not '%s'", what, text);
    }
    return value;
}

/* The process chose the name: keep only what is safe in a JSON string. */
static void copy_name(char *to, size_t room, const char *from)
{
    size_t i;

    for (i = 0; i + 1 < room && from[i] && from[i] != '\n'; i++) {
        bool plain = from[i] >= ' ' && from[i] < 127 && from[i] != '"' &&
                     from[i] != '\\';

        to[i] = plain ? from[i] : '?';
    }
    to[i] = 0;
}

/* In /proc/PID/fdinfo/FD only a dma-buf has a line exp_name. */
static bool read_dmabuf(int pid, int fd, struct buffer *buffer)
{
    char path[64], line[256];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
    file = fopen(path, "r");
    if (!file) {
        return false;
    }
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "size: %" SCNu64, &buffer->size) == 1 ||
            sscanf(line, "ino: %" SCNu64, &buffer->ino) == 1) {
            continue;
        }
        if (strncmp(line, "exp_name:\t", 10) == 0) {
            copy_name(buffer->name, sizeof(buffer->name), line + 10);
            found = true;
        }
    }
    fclose(file);
    buffer->kind = KIND_DMABUF;
    buffer->fd = fd;
    return found;
}

static bool read_memfd(int pid, int fd, struct buffer *buffer)
{
    char path[64], target[PATH_MAX];
    struct stat st;
    ssize_t len;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
    len = readlink(path, target, sizeof(target) - 1);
    if (len < 0) {
        return false;
    }
    target[len] = 0;
    if (strncmp(target, "/memfd:", 7) != 0 || stat(path, &st) < 0) {
        return false;
    }
    buffer->kind = KIND_MEMFD;
    buffer->fd = fd;
    buffer->size = st.st_size;
    buffer->ino = st.st_ino;
    copy_name(buffer->name, sizeof(buffer->name), target + 7);
    return true;
}

static int compare_buffers(const void *a, const void *b)
{
    const struct buffer *x = a, *y = b;

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->ino != y->ino) {
        return x->ino < y->ino ? -1 : 1;
    }
    return (x->fd > y->fd) - (x->fd < y->fd);
}

static void add_buffer(struct buffers *all, const struct buffer *buffer)
{
    if (all->count == MAX_BUFFERS) {
        die("more than %d buffers in that process", MAX_BUFFERS);
    }
    all->list = realloc(all->list, (all->count + 1) * sizeof(*all->list));
    if (!all->list) {
        die("no memory");
    }
    all->list[all->count++] = *buffer;
}

/* Sorted by kind, inode and descriptor. */
static struct buffers find_buffers(int pid)
{
    struct buffers all = { NULL, 0 };
    struct dirent *entry;
    char path[64];
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    dir = opendir(path);
    if (!dir) {
        die("%s: %s (is PID right, and are you root?)", path, strerror(errno));
    }
    while ((entry = readdir(dir))) {
        struct buffer buffer = { 0 };
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.') {
            continue;
        }
        if (read_dmabuf(pid, fd, &buffer) || read_memfd(pid, fd, &buffer)) {
            add_buffer(&all, &buffer);
        }
    }
    closedir(dir);
    if (all.count) {
        qsort(all.list, all.count, sizeof(*all.list), compare_buffers);
    }
    return all;
}

static int list_buffers(int pid)
{
    struct buffers all = find_buffers(pid);

    for (size_t i = 0; i < all.count; i++) {
        const struct buffer *b = &all.list[i];

        printf("{\"kind\": \"%s\", \"fd\": %d, \"size\": %" PRIu64 ", "
               "\"%s\": \"%s\", \"ino\": %" PRIu64 "}\n",
               kind_names[b->kind], b->fd, b->size,
               b->kind == KIND_DMABUF ? "exp_name" : "name", b->name, b->ino);
    }
    free(all.list);
    return 0;
}

/* Several descriptors of one buffer count once. */
static struct buffers select_buffers(const struct buffers *all,
                                     enum kind kind, uint64_t size)
{
    struct buffers found = { NULL, 0 };

    for (size_t i = 0; i < all->count; i++) {
        const struct buffer *b = &all->list[i];

        if (b->kind == kind && b->size == size &&
            (!found.count || found.list[found.count - 1].ino != b->ino)) {
            add_buffer(&found, b);
        }
    }
    return found;
}

/*
 * A memfd that is wrapped in a udmabuf appears as both. Then the dma-buf is the
 * blob, so memfds count only if there is no dma-buf of that size.
 */
static struct buffer choose_buffer(int pid, uint64_t size, enum kind kind,
                                   long index)
{
    struct buffers all = find_buffers(pid);
    struct buffers found = { NULL, 0 };
    struct buffer chosen;

    if (kind != KIND_MEMFD) {
        found = select_buffers(&all, KIND_DMABUF, size);
    }
    if (!found.count && kind != KIND_DMABUF) {
        found = select_buffers(&all, KIND_MEMFD, size);
    }
    if (!found.count) {
        die("no %s of %" PRIu64 " bytes in process %d (see 'peek %d list')",
            kind == KIND_ANY ? "buffer" : kind_names[kind], size, pid, pid);
    }
    if (index < 0 && found.count > 1) {
        die("%zu buffers of that size: choose one with --index", found.count);
    }
    if (index >= (long)found.count) {
        die("--index %ld: there are %zu buffers of that size", index,
            found.count);
    }
    chosen = found.list[index < 0 ? 0 : index];
    free(found.list);
    free(all.list);
    return chosen;
}

static int take_fd(int pid, int fd)
{
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    int taken;

    if (pidfd < 0) {
        die("pidfd_open %d: %s", pid, strerror(errno));
    }
    taken = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    if (taken < 0) {
        die("pidfd_getfd %d: %s", fd, strerror(errno));
    }
    close(pidfd);
    return taken;
}

/* The descriptor may have been closed and reused since it was listed. */
static void check_taken(int fd, const struct buffer *buffer)
{
    struct buffer now = { 0 };
    bool same = buffer->kind == KIND_DMABUF ?
                read_dmabuf(getpid(), fd, &now) :
                read_memfd(getpid(), fd, &now);

    if (!same || now.ino != buffer->ino || now.size != buffer->size) {
        die("the buffer disappeared while it was being opened");
    }
}

static void sync_buffer(int fd, const struct buffer *buffer, uint64_t flags)
{
    struct dma_buf_sync sync = { .flags = flags };
    int ret;

    if (buffer->kind != KIND_DMABUF || lab_is_udmabuf(fd)) {
        return;
    }
    do {
        ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
    } while (ret < 0 && (errno == EINTR || errno == EAGAIN));
    if (ret < 0) {
        die("DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
    }
}

/* Volatile: the guest may be writing at the same time. */
static void fill_words(volatile uint64_t *words, uint64_t count,
                       uint64_t seed)
{
    for (uint64_t i = 0; i < count; i++) {
        words[i] = lab_word(seed, i);
    }
}

static uint64_t verify_words(volatile uint64_t *words, uint64_t count,
                             uint64_t seed)
{
    uint64_t mismatches = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t is = words[i], should = lab_word(seed, i);

        if (is != should && mismatches++ == 0) {
            fprintf(stderr, "peek: first mismatch at byte 0x%" PRIx64
                    ": 0x%016" PRIx64 ", expected 0x%016" PRIx64 "\n",
                    i * 8, is, should);
        }
    }
    return mismatches;
}

static int examine(int pid, const struct buffer *buffer, uint64_t seed,
                   bool fill)
{
    uint64_t access = fill ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ;
    int fd = take_fd(pid, buffer->fd);
    uint64_t mismatches;
    void *map;

    check_taken(fd, buffer);
    map = mmap(NULL, buffer->size, PROT_READ | (fill ? PROT_WRITE : 0),
               MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        die("mmap of %s '%s', %" PRIu64 " bytes: %s",
            kind_names[buffer->kind], buffer->name, buffer->size,
            strerror(errno));
    }
    sync_buffer(fd, buffer, access | DMA_BUF_SYNC_START);
    if (fill) {
        fill_words(map, buffer->size / 8, seed);
    }
    mismatches = verify_words(map, buffer->size / 8, seed);
    sync_buffer(fd, buffer, access | DMA_BUF_SYNC_END);
    munmap(map, buffer->size);
    close(fd);
    printf("{\"bytes\": %" PRIu64 ", \"mismatches\": %" PRIu64 "}\n",
           buffer->size, mismatches);
    return mismatches ? 1 : 0;
}

static enum kind parse_kind(const char *text)
{
    if (strcmp(text, "dmabuf") == 0) {
        return KIND_DMABUF;
    }
    if (strcmp(text, "memfd") == 0) {
        return KIND_MEMFD;
    }
    die("--kind must be dmabuf or memfd, not '%s'", text);
}

int main(int argc, char **argv)
{
    enum kind kind = KIND_ANY;
    struct buffer buffer;
    uint64_t size, seed, pid;
    long index = -1;
    bool fill;

    if (argc < 3) {
        die("usage: peek PID list | peek PID SIZE verify|fill SEED "
            "[--index N] [--kind dmabuf|memfd]");
    }
    pid = parse_number(argv[1], "PID");
    if (pid == 0 || pid > INT_MAX) {
        die("there is no process %" PRIu64, pid);
    }
    if (argc == 3 && strcmp(argv[2], "list") == 0) {
        return list_buffers(pid);
    }
    if (argc < 5 || argc % 2 == 0) {
        die("expected: PID SIZE verify|fill SEED, and options with values");
    }
    size = parse_number(argv[2], "SIZE");
    fill = strcmp(argv[3], "fill") == 0;
    if (!fill && strcmp(argv[3], "verify") != 0) {
        die("expected verify or fill, not '%s'", argv[3]);
    }
    if (size == 0 || size % 8) {
        die("SIZE must be a multiple of 8 bytes");
    }
    seed = parse_number(argv[4], "SEED");
    for (int i = 5; i < argc; i += 2) {
        if (strcmp(argv[i], "--index") == 0) {
            index = parse_number(argv[i + 1], "--index") & LONG_MAX;
        } else if (strcmp(argv[i], "--kind") == 0) {
            kind = parse_kind(argv[i + 1]);
        } else {
            die("unknown option %s", argv[i]);
        }
    }
    buffer = choose_buffer(pid, size, kind, index);
    return examine(pid, &buffer, seed, fill);
}
