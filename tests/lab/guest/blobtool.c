/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blobtool: host-visible virtio-gpu blobs from a guest's user space
 *
 *   blobtool hold BYTES SEED [--no-fill] [--fifo PATH]
 *   blobtool bench BYTES [--pairs N]
 *   blobtool live SECONDS|--until-eof BYTES SEED [--threads N] [--fifo PATH]
 *   blobtool many COUNT BYTES
 *   blobtool cycle COUNT BYTES
 *
 * BYTES takes the suffixes K and M. Options for all: --device PATH (default
 * /dev/dri/renderD128), --mem host3d|guest (default host3d).
 *
 * Each answer is one line of JSON. The exit status is 1 if something could
 * not be done or if a word was wrong.
 *
 * hold then takes commands, a line each, from standard input or the FIFO:
 *   verify SEED      compare all words
 *   fill SEED        write all words
 *   sample SEED N    compare N words, always the same ones
 *   scatter SEED N   write those words
 *   copy-in SEED      write all words with memcpy(), so with wide stores
 *   copy-out SEED     read them with memcpy(), compare
 *   bench PAIRS [BYTES]   as the subcommand, of the first BYTES
 *   quit             unmap and end
 * live takes "stats" and "quit".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "../common/words.h"

#ifndef __x86_64__
#error "the stores of `live' are those of x86-64"
#endif

#define PAGE            4096u
#define CAPSET_VENUS    4
#define SAMPLE_SEED     1       /* of the places that sample and scatter use */

/* 8-byte accesses, one by one, whatever the compiler would rather do. */
#define WORD_BY_WORD \
    __attribute__((noinline, optimize("no-tree-vectorize", \
                                      "no-tree-loop-distribute-patterns")))

static struct {
    const char *device;
    const char *fifo;
    uint32_t mem;
    uint32_t flags;
    bool until_eof;
    bool fill;
    unsigned int pairs;
    unsigned int threads;
} options = {
    .device = "/dev/dri/renderD128",
    .mem = VIRTGPU_BLOB_MEM_HOST3D,
    .flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
    .fill = true,
    .pairs = 9,
};

/* The answer says it, and so does the exit status. */
static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
    va_list ap;

    printf("{\"error\": \"");
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\"}\n");
    fflush(stdout);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static bool parse(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    return !errno && end != text && !*end && *text != '-';
}

static uint64_t number(const char *text, const char *what)
{
    uint64_t value;

    if (!parse(text, &value)) {
        die("%s is not a number but '%s'", what, text);
    }
    return value;
}

static size_t bytes_of(const char *text)
{
    char digits[24];
    size_t len = strlen(text);
    unsigned int shift = 0;
    uint64_t value;

    if (len && (text[len - 1] == 'K' || text[len - 1] == 'M')) {
        shift = text[--len] == 'K' ? 10 : 20;
    }
    snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
    value = number(digits, "BYTES");
    if (!value || value > (1ull << 40) >> shift || (value << shift) % PAGE) {
        die("BYTES has to be a multiple of %u, not '%s'", PAGE, text);
    }
    return value << shift;
}

/*
 * Blobs
 */

struct blob {
    uint32_t handle;
    size_t bytes;
    uint64_t *words;
    double create_us;
    double mmap_us;     /* waits for the device to have mapped it */
};

static int param(int gpu, uint64_t which)
{
    int value = 0;
    struct drm_virtgpu_getparam get = {
        .param = which,
        .value = (uintptr_t)&value,
    };

    return ioctl(gpu, DRM_IOCTL_VIRTGPU_GETPARAM, &get) ? 0 : value;
}

static int open_gpu(void)
{
    struct drm_virtgpu_context_set_param set[] = {
        { VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS },
        { VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64 },
    };
    struct drm_virtgpu_context_init init = {
        .num_params = sizeof(set) / sizeof(set[0]),
        .ctx_set_params = (uintptr_t)set,
    };
    int gpu = open(options.device, O_RDWR | O_CLOEXEC);

    if (gpu < 0) {
        die("%s: %s (is virtio-gpu loaded, and has the device 3D?)",
            options.device, strerror(errno));
    }
    if (!param(gpu, VIRTGPU_PARAM_RESOURCE_BLOB)) {
        die("the device has no blobs: blob=on is missing");
    }
    if (!param(gpu, VIRTGPU_PARAM_HOST_VISIBLE)) {
        die("the device has no host memory: hostmem=SIZE is missing");
    }
    if (!(param(gpu, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs) &
          (1 << CAPSET_VENUS))) {
        die("the device has no Venus: venus=on is missing");
    }
    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init)) {
        die("making a Venus context: %s", strerror(errno));
    }
    return gpu;
}

static void blob_open(int gpu, struct blob *blob, size_t bytes)
{
    /* Blob id 0 of Venus: shared memory, as its rings use it. */
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = options.mem,
        .blob_flags = options.flags,
        .size = bytes,
    };
    struct drm_virtgpu_map map = { 0 };
    double start = now_us(), created;
    void *at;

    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create)) {
        die("creating a blob of %zu bytes: %s", bytes, strerror(errno));
    }
    created = now_us();
    map.handle = create.bo_handle;
    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_MAP, &map)) {
        die("asking for the blob's offset: %s", strerror(errno));
    }
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, gpu,
              map.offset);
    if (at == MAP_FAILED) {
        die("mapping a blob of %zu bytes: %s", bytes, strerror(errno));
    }
    *blob = (struct blob) {
        .handle = create.bo_handle,
        .bytes = bytes,
        .words = at,
        .create_us = created - start,
        .mmap_us = now_us() - created,
    };
}

/* Returns how long it took. */
static double blob_close(int gpu, struct blob *blob)
{
    struct drm_gem_close close_arg = { .handle = blob->handle };
    double start = now_us();

    if (munmap(blob->words, blob->bytes)) {
        die("munmap: %s", strerror(errno));
    }
    if (ioctl(gpu, DRM_IOCTL_GEM_CLOSE, &close_arg)) {
        die("closing a blob: %s", strerror(errno));
    }
    return now_us() - start;
}

/* Guest-physical address of a page that was touched; 0 if it is not known. */
static uint64_t physical(const void *page)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry = 0;

    if (fd < 0) {
        return 0;
    }
    if (pread(fd, &entry, sizeof(entry),
              (uintptr_t)page / PAGE * sizeof(entry)) != sizeof(entry) ||
        !(entry >> 63)) {
        entry = 0;
    }
    close(fd);
    return (entry & ((1ull << 55) - 1)) * PAGE;
}

/*
 * Words
 */

static WORD_BY_WORD void fill(uint64_t *words, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = lab_word(seed, i);
    }
}

static WORD_BY_WORD size_t mismatches(const uint64_t *words, size_t count,
                                      uint64_t seed)
{
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        bad += words[i] != lab_word(seed, i);
    }
    return bad;
}

static void scatter(volatile uint64_t *words, size_t count, uint64_t seed,
                    uint64_t n)
{
    uint64_t state = SAMPLE_SEED;

    while (n--) {
        size_t i = lab_random(&state) % count;

        words[i] = lab_word(seed, i);
    }
}

static size_t sample(const volatile uint64_t *words, size_t count,
                     uint64_t seed, uint64_t n)
{
    uint64_t state = SAMPLE_SEED;
    size_t bad = 0;

    while (n--) {
        size_t i = lab_random(&state) % count;

        bad += words[i] != lab_word(seed, i);
    }
    return bad;
}

/*
 * Statistics
 */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sort(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
}

/* @part of the way from the least to the greatest of sorted @values. */
static double quantile(const double *values, size_t count, double part)
{
    double at = part * (count - 1);
    size_t i = at;

    if (i + 1 >= count) {
        return values[count - 1];
    }
    return values[i] + (at - i) * (values[i + 1] - values[i]);
}

/* Sorts @values. */
static double median(double *values, size_t count)
{
    sort(values, count);
    return quantile(values, count, 0.5);
}

/*
 * bench: blob and RAM in turn
 */

#define MIN_SAMPLE_US   20000
#define MAX_PASSES      (1u << 20)

/* What the last pass has left in words[i] is base + i. */
static WORD_BY_WORD void write_pass(uint64_t *words, size_t count,
                                    uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = base + i;
    }
    __asm__ volatile("" : : "r"(words) : "memory");
}

static WORD_BY_WORD uint64_t read_pass(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;

    __asm__ volatile("" : : "r"(words) : "memory");
    for (size_t i = 0; i < count; i++) {
        sum += words[i];
    }
    return sum;
}

struct side {
    uint64_t *words;
    size_t count;
    unsigned int write_passes, read_passes;
    uint64_t base;
    uint64_t wrong_sums;
    double *write_mb_s, *read_mb_s;     /* a figure a pair */
};

static double write_time(struct side *s)
{
    double start = now_us();

    for (unsigned int i = 0; i < s->write_passes; i++) {
        write_pass(s->words, s->count, ++s->base);
    }
    return now_us() - start;
}

static double read_time(struct side *s)
{
    uint64_t n = s->count, should = s->base * n + n / 2 * (n - 1);
    double start = now_us();

    for (unsigned int i = 0; i < s->read_passes; i++) {
        s->wrong_sums += read_pass(s->words, s->count) != should;
    }
    return now_us() - start;
}

/* As many passes as it takes for one sample to be measurable. */
static void calibrate(struct side *s)
{
    s->write_passes = s->read_passes = 1;
    while (write_time(s) < MIN_SAMPLE_US && s->write_passes < MAX_PASSES) {
        s->write_passes *= 2;
    }
    while (read_time(s) < MIN_SAMPLE_US && s->read_passes < MAX_PASSES) {
        s->read_passes *= 2;
    }
}

static void measure(struct side *s, unsigned int pair)
{
    double bytes = s->count * sizeof(uint64_t);

    /* Bytes a microsecond are MB a second. */
    s->write_mb_s[pair] = bytes * s->write_passes / write_time(s);
    s->read_mb_s[pair] = bytes * s->read_passes / read_time(s);
}

static void side_init(struct side *s, uint64_t *words, size_t count,
                      unsigned int pairs)
{
    *s = (struct side) { .words = words, .count = count };
    s->write_mb_s = calloc(pairs, sizeof(double));
    s->read_mb_s = calloc(pairs, sizeof(double));
    if (!s->write_mb_s || !s->read_mb_s) {
        die("no memory");
    }
    calibrate(s);
}

static void side_free(struct side *s)
{
    free(s->write_mb_s);
    free(s->read_mb_s);
}

/*
 * low and high enclose the true median with 95 % confidence: order statistics
 * at 1.96 standard deviations of a binomial, whatever the distribution.
 */
static void print_ratio(const char *name, const double *blob,
                        const double *ram, unsigned int pairs)
{
    double *ratio = calloc(pairs, sizeof(*ratio));
    double spread = 0.98 / sqrt(pairs);

    if (!ratio) {
        die("no memory");
    }
    for (unsigned int i = 0; i < pairs; i++) {
        ratio[i] = blob[i] / ram[i];
    }
    sort(ratio, pairs);
    printf(", \"%s\": {\"median\": %.5g, \"low\": %.5g, \"high\": %.5g, "
           "\"min\": %.5g, \"max\": %.5g}", name,
           quantile(ratio, pairs, 0.5),
           quantile(ratio, pairs, fmax(0.5 - spread, 0)),
           quantile(ratio, pairs, fmin(0.5 + spread, 1)),
           ratio[0], ratio[pairs - 1]);
    free(ratio);
}

/* The first @bytes of the blob. Returns whether every sum was right. */
static bool bench(const struct blob *blob, size_t bytes, unsigned int pairs)
{
    size_t count = bytes / sizeof(uint64_t);
    uint64_t *ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    struct side b, r;
    uint64_t wrong;

    if (ram == MAP_FAILED) {
        die("no memory for %zu bytes to compare with", bytes);
    }
    side_init(&b, blob->words, count, pairs);
    side_init(&r, ram, count, pairs);
    for (unsigned int i = 0; i < pairs; i++) {
        /* Changing places, so that a drift favours neither. */
        measure(i % 2 ? &r : &b, i);
        measure(i % 2 ? &b : &r, i);
    }
    wrong = b.wrong_sums + r.wrong_sums;

    printf("{\"bytes\": %zu, \"pairs\": %u, \"wrong_sums\": %" PRIu64,
           bytes, pairs, wrong);
    /* The ratios first: a median sorts. */
    print_ratio("write_ratio", b.write_mb_s, r.write_mb_s, pairs);
    print_ratio("read_ratio", b.read_mb_s, r.read_mb_s, pairs);
    printf(", \"guest_write_mb_s\": %.3f, \"guest_read_mb_s\": %.3f"
           ", \"ram_write_mb_s\": %.3f, \"ram_read_mb_s\": %.3f}\n",
           median(b.write_mb_s, pairs), median(b.read_mb_s, pairs),
           median(r.write_mb_s, pairs), median(r.read_mb_s, pairs));
    fflush(stdout);
    side_free(&b);
    side_free(&r);
    munmap(ram, bytes);
    return !wrong;
}

static int run_bench(int gpu, char **arg)
{
    struct blob blob;
    bool right;

    blob_open(gpu, &blob, bytes_of(arg[0]));
    right = bench(&blob, blob.bytes, options.pairs);
    blob_close(gpu, &blob);
    return !right;
}

/*
 * Commands
 */

static int open_commands(void)
{
    int fd;

    if (!options.fifo) {
        return STDIN_FILENO;
    }
    /* For writing, too: no end of file between two writers. */
    fd = open(options.fifo, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        die("%s: %s", options.fifo, strerror(errno));
    }
    return fd;
}

/*
 * One line, without stdio's buffer, which poll() would not see. False: end of
 * file. A line too long is cut, and will not be understood.
 */
static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    ssize_t got;
    char c;

    for (;;) {
        got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        if (c == '\n') {
            line[len] = '\0';
            return true;
        }
        if (len + 1 < size) {
            line[len++] = c;
        }
    }
}

/*
 * hold
 */

static bool answer_count(const char *command, size_t bad, double start)
{
    printf("{\"command\": \"%s\", \"mismatches\": %zu, \"us\": %.0f}\n",
           command, bad, now_us() - start);
    fflush(stdout);
    return !bad;
}

/* What programs do: stores and loads as wide as the C library likes them. */
static size_t copy(struct blob *blob, uint64_t seed, bool in)
{
    size_t count = blob->bytes / sizeof(uint64_t), bad = 0;
    uint64_t *words = malloc(blob->bytes);

    if (!words) {
        die("no memory for %zu bytes", blob->bytes);
    }
    if (in) {
        fill(words, count, seed);
        memcpy(blob->words, words, blob->bytes);
    } else {
        memcpy(words, blob->words, blob->bytes);
        bad = mismatches(words, count, seed);
    }
    free(words);
    return bad;
}

/* Returns whether all was right. */
static bool hold_command(struct blob *blob, const char *line)
{
    size_t count = blob->bytes / sizeof(uint64_t);
    char word[16] = "", first[24] = "", second[24] = "";
    uint64_t seed = 0, n = 0;
    double start = now_us();
    int given;

    given = sscanf(line, "%15s %23s %23s", word, first, second);
    if ((given > 1 && !parse(first, &seed)) ||
        (given > 2 && !parse(second, &n))) {
        given = 0;
    }
    if (!strcmp(word, "verify") && given == 2) {
        return answer_count(word, mismatches(blob->words, count, seed), start);
    }
    if (!strcmp(word, "fill") && given == 2) {
        fill(blob->words, count, seed);
        return answer_count(word, 0, start);
    }
    if ((!strcmp(word, "copy-in") || !strcmp(word, "copy-out")) && given == 2) {
        return answer_count(word, copy(blob, seed, !strcmp(word, "copy-in")),
                            start);
    }
    if (!strcmp(word, "sample") && given == 3) {
        return answer_count(word, sample(blob->words, count, seed, n), start);
    }
    if (!strcmp(word, "scatter") && given == 3) {
        scatter(blob->words, count, seed, n);
        return answer_count(word, 0, start);
    }
    if (!strcmp(word, "bench") && given > 1 && seed > 0 && seed <= 100000) {
        size_t bytes = given > 2 ? n : blob->bytes;

        if (bytes >= PAGE && bytes <= blob->bytes) {
            return bench(blob, bytes, seed);
        }
    }
    printf("{\"error\": \"no such command; there are: verify SEED, fill SEED, "
           "copy-in SEED, copy-out SEED, sample SEED N, "
           "scatter SEED N, bench PAIRS [BYTES], quit\"}\n");
    fflush(stdout);
    return false;
}

static int run_hold(int gpu, char **arg)
{
    uint64_t seed = number(arg[1], "SEED");
    int commands = open_commands();
    struct blob blob;
    size_t count, bad = 0;
    double start, fill_us;
    char line[128];
    bool right;

    blob_open(gpu, &blob, bytes_of(arg[0]));
    count = blob.bytes / sizeof(uint64_t);
    start = now_us();
    if (options.fill) {
        fill(blob.words, count, seed);
        bad = mismatches(blob.words, count, seed);
    }
    fill_us = now_us() - start;
    right = !bad;

    printf("{\"bytes\": %zu, \"mismatches\": %zu, \"filled\": %s, "
           "\"create_us\": %.0f, \"mmap_us\": %.0f, \"map_us\": %.0f, "
           "\"fill_and_verify_us\": %.0f, \"phys\": \"0x%" PRIx64 "\"}\n",
           blob.bytes, bad, options.fill ? "true" : "false", blob.create_us,
           blob.mmap_us, blob.create_us + blob.mmap_us, fill_us,
           physical(blob.words));
    fflush(stdout);

    while (read_line(commands, line, sizeof(line)) && strcmp(line, "quit")) {
        right &= hold_command(&blob, line);
    }
    printf("{\"command\": \"quit\", \"unmap_us\": %.0f}\n",
           blob_close(gpu, &blob));
    return !right;
}

/*
 * live: stores that must not be lost while the memory behind them changes
 * from trapped to granted and back
 */

enum store { STORE_WORD, STORE_REP, STORE_STRADDLE, STORE_KINDS };

static const char *const store_names[] = { "plain", "rep", "straddle" };

struct worker {
    pthread_t thread;
    unsigned int cpu;
    enum store kind;
    uint8_t *blob;              /* its own part of the blob, whole pages */
    uint8_t *shadow;            /* what it must contain */
    size_t bytes;
    uint64_t random;
    atomic_ullong words, rounds, mismatches;
    /* The first wrong word; valid if mismatches is not 0. */
    size_t bad_offset;
    uint64_t bad_is, bad_should;
};

static atomic_bool stopping;

static void store_word(uint8_t *at, uint64_t value)
{
    __asm__ volatile("movq %1, (%0)" : : "r"(at), "r"(value) : "memory");
}

static void store_rep(uint8_t *at, uint64_t value, size_t count)
{
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(value)
                     : "memory");
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t value;

    __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

/* Stores at @at of the worker's part and a little more; returns bytes done. */
static size_t store_some(struct worker *w, size_t at)
{
    uint64_t value = lab_random(&w->random);
    size_t count, page;

    switch (w->kind) {
    case STORE_WORD:
        store_word(w->blob + at, value);
        memcpy(w->shadow + at, &value, sizeof(value));
        w->words++;
        return sizeof(value);
    case STORE_REP:
        /* Up to a quarter more than a page: some cross from one to another. */
        count = 1 + value % 640;
        if (count > (w->bytes - at) / sizeof(value)) {
            count = (w->bytes - at) / sizeof(value);
        }
        store_rep(w->blob + at, value, count);
        for (size_t i = 0; i < count; i++) {
            memcpy(w->shadow + at + i * sizeof(value), &value, sizeof(value));
        }
        w->words += count;
        return count * sizeof(value);
    default:
        /* The last 1 to 7 bytes of this page, the rest in the next. */
        page = at / PAGE * PAGE + PAGE;
        if (page < w->bytes) {
            size_t to = page - 1 - value % 7;

            store_word(w->blob + to, value);
            memcpy(w->shadow + to, &value, sizeof(value));
            w->words++;
        }
        return PAGE;
    }
}

static void check_word(struct worker *w, size_t at)
{
    uint64_t is = load_word(w->blob + at), should;

    memcpy(&should, w->shadow + at, sizeof(should));
    if (is == should) {
        return;
    }
    if (!w->mismatches) {
        w->bad_offset = at;
        w->bad_is = is;
        w->bad_should = should;
    }
    w->mismatches++;
}

/*
 * Straddling stores touch two words of each page, and only these are read
 * back while it runs: reading costs as much as storing while it traps.
 */
static void check_some(struct worker *w)
{
    size_t step = w->kind == STORE_STRADDLE ? PAGE : sizeof(uint64_t);

    for (size_t at = 0; at < w->bytes && !stopping; at += step) {
        check_word(w, at);
        if (step == PAGE) {
            check_word(w, at + PAGE - sizeof(uint64_t));
        }
    }
}

static void check_all(struct worker *w)
{
    for (size_t at = 0; at < w->bytes; at += sizeof(uint64_t)) {
        check_word(w, at);
    }
}

static void *work(void *data)
{
    struct worker *w = data;
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(w->cpu, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);

    while (!stopping) {
        for (size_t at = 0; at < w->bytes && !stopping;) {
            at += store_some(w, at);
        }
        check_some(w);
        w->rounds++;
    }
    /* Every word, also those of a round that was not finished. */
    check_all(w);
    return NULL;
}

static void worker_start(struct worker *w)
{
    w->shadow = malloc(w->bytes);
    if (!w->shadow) {
        die("no memory");
    }
    /* rep stosq, too, so that it need not take a trap for each word. */
    store_rep(w->blob, 0, w->bytes / sizeof(uint64_t));
    memset(w->shadow, 0, w->bytes);
    if (pthread_create(&w->thread, NULL, work, w)) {
        die("cannot start a thread");
    }
}

static void print_first_mismatch(const struct worker *w)
{
    printf(", \"first\": {\"store\": \"%s\", \"offset\": %zu, "
           "\"is\": \"0x%016" PRIx64 "\", \"should\": \"0x%016" PRIx64 "\"}",
           store_names[w->kind], w->bad_offset, w->bad_is, w->bad_should);
}

/* Returns the number of mismatches so far. */
static uint64_t live_answer(struct worker *workers, unsigned int count,
                            bool final)
{
    uint64_t kinds[STORE_KINDS] = { 0 }, words = 0, bad = 0, rounds = 0;
    const struct worker *first = NULL;

    for (unsigned int i = 0; i < count; i++) {
        struct worker *w = &workers[i];

        kinds[w->kind] += w->words;
        words += w->words;
        rounds += w->rounds;
        bad += w->mismatches;
        if (!first && w->mismatches) {
            first = w;
        }
    }
    printf("{\"words\": %" PRIu64 ", \"rounds\": %" PRIu64
           ", \"mismatches\": %" PRIu64 ", \"threads\": %u", words, rounds,
           bad, count);
    for (unsigned int i = 0; i < STORE_KINDS; i++) {
        printf(", \"%s\": %" PRIu64, store_names[i], kinds[i]);
    }
    if (final && first) {
        print_first_mismatch(first);
    }
    printf(", \"final\": %s}\n", final ? "true" : "false");
    fflush(stdout);
    return bad;
}

/* Until "quit", the end of input (if that is to count), or the time is up. */
static void live_commands(struct worker *workers, unsigned int count,
                          double seconds)
{
    struct pollfd in = { .fd = open_commands(), .events = POLLIN };
    double end = now_us() + seconds * 1e6;
    char line[128];

    for (;;) {
        double left = (end - now_us()) / 1e3;
        int timeout = options.until_eof ? -1
                    : left > 1e6 ? 1000000 : (int)left + 1;

        if (!options.until_eof && left <= 0) {
            return;
        }
        if (poll(&in, 1, timeout) <= 0) {
            continue;
        }
        if (!read_line(in.fd, line, sizeof(line))) {
            if (options.until_eof) {
                return;
            }
            in.fd = -1;         /* poll() ignores it: only the time is left */
        } else if (!strcmp(line, "quit")) {
            return;
        } else if (!strcmp(line, "stats")) {
            live_answer(workers, count, false);
        } else {
            printf("{\"error\": \"no such command; there are: stats, quit\"}\n");
            fflush(stdout);
        }
    }
}

static int run_live(int gpu, char **arg)
{
    double seconds = options.until_eof ? 0 : number(*arg++, "SECONDS");
    size_t bytes = bytes_of(arg[0]), part;
    uint64_t seed = number(arg[1], "SEED"), bad;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned int count = options.threads ? options.threads
                                         : STORE_KINDS * cpus;
    struct worker *workers = calloc(count, sizeof(*workers));
    struct blob blob;

    /* Two pages each, for a store from one to the other. */
    part = bytes / PAGE / count * PAGE;
    if (part < 2 * PAGE) {
        die("%u threads need %u bytes or more", count, count * 2 * PAGE);
    }
    if (!workers) {
        die("no memory");
    }
    blob_open(gpu, &blob, bytes);
    for (unsigned int i = 0; i < count; i++) {
        /* Neighbours in the blob store in different ways. */
        workers[i].kind = i % STORE_KINDS;
        workers[i].cpu = i / STORE_KINDS % cpus;
        workers[i].blob = (uint8_t *)blob.words + i * part;
        workers[i].bytes = part;
        workers[i].random = lab_word(seed, i);
        worker_start(&workers[i]);
    }
    live_commands(workers, count, seconds);
    stopping = true;
    for (unsigned int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        free(workers[i].shadow);
    }
    bad = live_answer(workers, count, true);
    blob_close(gpu, &blob);
    free(workers);
    return bad != 0;
}

/*
 * many
 */

#define WORDS_OF_EACH   16

/* Some words from the first to the last, different in each blob. */
static size_t place(size_t count, unsigned int k)
{
    return (count - 1) * k / (WORDS_OF_EACH - 1);
}

static int run_many(int gpu, char **arg)
{
    uint64_t count = number(arg[0], "COUNT");
    size_t bytes = bytes_of(arg[1]), words = bytes / sizeof(uint64_t);
    size_t bad = 0;
    struct blob *blobs;
    double *map_us, *unmap_us;

    if (!count || count > 100000) {
        die("COUNT is 1 to 100000, not '%s'", arg[0]);
    }
    blobs = calloc(count, sizeof(*blobs));
    map_us = calloc(count, sizeof(*map_us));
    unmap_us = calloc(count, sizeof(*unmap_us));
    if (!blobs || !map_us || !unmap_us) {
        die("no memory");
    }
    for (uint64_t i = 0; i < count; i++) {
        volatile uint64_t *p;

        blob_open(gpu, &blobs[i], bytes);
        map_us[i] = blobs[i].create_us + blobs[i].mmap_us;
        p = blobs[i].words;
        for (unsigned int k = 0; k < WORDS_OF_EACH; k++) {
            p[place(words, k)] = lab_word(i, place(words, k));
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        const volatile uint64_t *p = blobs[i].words;

        for (unsigned int k = 0; k < WORDS_OF_EACH; k++) {
            bad += p[place(words, k)] != lab_word(i, place(words, k));
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        unmap_us[i] = blob_close(gpu, &blobs[i]);
    }
    printf("{\"count\": %" PRIu64 ", \"bytes\": %zu, \"mismatches\": %zu, "
           "\"map_us_median\": %.0f, \"unmap_us_median\": %.0f}\n",
           count, bytes, bad, median(map_us, count), median(unmap_us, count));
    free(blobs);
    free(map_us);
    free(unmap_us);
    return bad != 0;
}

/*
 * cycle: one blob after the other
 */

static int run_cycle(int gpu, char **arg)
{
    uint64_t count = number(arg[0], "COUNT");
    size_t bytes = bytes_of(arg[1]), words = bytes / sizeof(uint64_t);
    size_t bad = 0;
    struct blob blob;

    for (uint64_t i = 0; i < count; i++) {
        blob_open(gpu, &blob, bytes);
        fill(blob.words, words, i);
        bad += mismatches(blob.words, words, i);
        blob_close(gpu, &blob);
    }
    printf("{\"count\": %" PRIu64 ", \"bytes\": %zu, \"mismatches\": %zu}\n",
           count, bytes, bad);
    return bad != 0;
}

/*
 * Command line
 */

static const struct subcommand {
    const char *name;
    int nr_args;
    const char *usage;
    int (*run)(int gpu, char **arg);
} subcommands[] = {
    { "hold", 2, "hold BYTES SEED [--no-fill] [--fifo PATH]", run_hold },
    { "bench", 1, "bench BYTES [--pairs N]", run_bench },
    { "live", 3, "live SECONDS|--until-eof BYTES SEED [--threads N] "
      "[--fifo PATH]", run_live },
    { "many", 2, "many COUNT BYTES", run_many },
    { "cycle", 2, "cycle COUNT BYTES", run_cycle },
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void __attribute__((noreturn)) usage(void)
{
    for (size_t i = 0; i < NR_SUBCOMMANDS; i++) {
        fprintf(stderr, "%s blobtool %s\n", i ? "      " : "usage:",
                subcommands[i].usage);
    }
    fprintf(stderr, "options of all: --device PATH, --mem host3d|guest\n");
    die("wrong arguments");
}

static void set_mem(const char *name)
{
    if (!strcmp(name, "host3d")) {
        options.mem = VIRTGPU_BLOB_MEM_HOST3D;
    } else if (!strcmp(name, "guest")) {
        options.mem = VIRTGPU_BLOB_MEM_GUEST;
    } else {
        die("--mem is host3d or guest, not '%s'", name);
    }
}

static unsigned int small_number(const char *text, const char *what)
{
    uint64_t value = number(text, what);

    if (!value || value > 100000) {
        die("%s is 1 to 100000, not '%s'", what, text);
    }
    return value;
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        { "device", required_argument, NULL, 'd' },
        { "mem", required_argument, NULL, 'm' },
        { "fifo", required_argument, NULL, 'f' },
        { "pairs", required_argument, NULL, 'p' },
        { "threads", required_argument, NULL, 't' },
        { "until-eof", no_argument, NULL, 'e' },
        { "no-fill", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'd': options.device = optarg; break;
        case 'm': set_mem(optarg); break;
        case 'f': options.fifo = optarg; break;
        case 'p': options.pairs = small_number(optarg, "--pairs"); break;
        case 't': options.threads = small_number(optarg, "--threads"); break;
        case 'e': options.until_eof = true; break;
        case 'n': options.fill = false; break;
        default: usage();
        }
    }
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    for (size_t i = 0; optind < argc && i < NR_SUBCOMMANDS; i++) {
        const struct subcommand *s = &subcommands[i];
        int args = s->nr_args - (s->run == run_live && options.until_eof);

        if (!strcmp(argv[optind], s->name) && argc - optind - 1 == args) {
            return s->run(open_gpu(), argv + optind + 1);
        }
    }
    usage();
}
