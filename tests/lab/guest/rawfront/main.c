// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rawfront: plays the frontend of xen-hostmem, without the kernel's driver, and
 * does what that driver would never do. Meanwhile blobs are mapped as usual, by
 * the kernel's GPU driver.
 *
 * Reads commands, one per line, and answers each with one line of JSON:
 *   prepare                    write all nodes, but enter no state
 *   connect [NODE=VALUE]...    negotiate, with these nodes changed; "backend" is
 *                              the state in which QEMU ends up
 *   policy [map=HOW] [unmap=HOW] [status=N] [place=window|elsewhere]
 *                              HOW: ok, silent, twice, other-id,
 *                              other-operation, status, lie
 *   state N, node NAME VALUE   write to xenstore
 *   flap N                     write N states, in the wrong order
 *   ahead N                    claim N responses more than requests
 *   flood N                    notify QEMU N times
 *   scribble MS SEED           write anything to the shared pages meanwhile
 *   idle                       wait until that has ended
 *   revoke                     take back the shared pages
 *   check                      "pages" that we keep although we said that they
 *                              are unmapped; words in them that have "changed"
 *   drop                       unmap everything
 *   try FIRST COUNT            "mapped": how many references Xen lets us map
 *   stats                      our pid, and the requests so far
 * It serves requests between two commands. If it is killed, QEMU hears nothing
 * of it, and what it has mapped in the window stays mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rawfront.h"

#include <xen/io/xenbus.h>

#define CONNECT_MS 5000

double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;

    if (!text || *end || value > UINT32_MAX) {
        die("not a number: '%s'", text ?: "");
    }
    return value;
}

static char *word(void)
{
    return strtok(NULL, " \n");
}

/* Splits NODE=VALUE. */
static char *value_of(char *text)
{
    char *value = strchr(text, '=');

    if (!value) {
        die("expected NAME=VALUE, not '%s'", text);
    }
    *value = 0;
    return value + 1;
}

static void run_connect(void)
{
    unsigned int backend;
    char *text;

    connection_prepare();
    while ((text = word())) {
        char *value = value_of(text);

        connection_node(text, value);
    }
    serve_start();
    connection_state(XenbusStateInitialised);
    backend = connection_wait(1u << XenbusStateConnected |
                              1u << XenbusStateClosing |
                              1u << XenbusStateClosed, CONNECT_MS);
    if (backend == XenbusStateConnected) {
        connection_state(XenbusStateConnected);
    }
    printf("{\"backend\": %u}\n", backend);
}

static void run_prepare(void)
{
    connection_prepare();
    printf("{}\n");
}

static enum answer answer_of(const char *text)
{
    static const char *const names[] = {
        [ANSWER_OK] = "ok",
        [ANSWER_SILENT] = "silent",
        [ANSWER_TWICE] = "twice",
        [ANSWER_OTHER_ID] = "other-id",
        [ANSWER_OTHER_OPERATION] = "other-operation",
        [ANSWER_STATUS] = "status",
        [ANSWER_LIE] = "lie",
    };

    for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(text, names[i])) {
            return i;
        }
    }
    die("there is no answer '%s'", text);
}

static void run_policy(void)
{
    char *text;

    policy = (struct policy) { 0 };
    while ((text = word())) {
        char *value = value_of(text);

        if (!strcmp(text, "map")) {
            policy.map = answer_of(value);
        } else if (!strcmp(text, "unmap")) {
            policy.unmap = answer_of(value);
        } else if (!strcmp(text, "status")) {
            policy.status = strtol(value, NULL, 10);
        } else if (!strcmp(text, "place")) {
            policy.elsewhere = !strcmp(value, "elsewhere");
        } else {
            die("there is no policy '%s'", text);
        }
    }
    printf("{}\n");
}

static void run_state(void)
{
    connection_state(number(word()));
    printf("{}\n");
}

static void run_node(void)
{
    char *name = word(), *value = word();

    if (!name) {
        die("node NAME VALUE");
    }
    connection_node(name, value ?: "");
    printf("{}\n");
}

static void run_flap(void)
{
    static const char order[] = "143651432";
    uint32_t n = number(word());

    for (uint32_t i = 0; i < n; i++) {
        connection_state(order[i % (sizeof(order) - 1)] - '0');
    }
    printf("{}\n");
}

static void run_ahead(void)
{
    serve_ahead(number(word()));
    printf("{\"backend\": %u}\n",
           connection_wait(1u << XenbusStateClosing | 1u << XenbusStateClosed,
                           CONNECT_MS));
}

static void run_flood(void)
{
    uint32_t n = number(word());
    double start = now_ms();

    for (uint32_t i = 0; i < n; i++) {
        connection_notify();
    }
    printf("{\"ms\": %.1f}\n", now_ms() - start);
}

static void run_scribble(void)
{
    uint32_t ms = number(word()), seed = number(word());

    scribble_start(ms, seed);
    printf("{}\n");
}

static void run_idle(void)
{
    while (scribble_busy()) {
        usleep(10000);
    }
    printf("{\"backend\": %u}\n", connection_backend());
}

static void run_revoke(void)
{
    connection_revoke();
    printf("{}\n");
}

static void run_check(void)
{
    uint64_t pages = 0, changed = 0;

    for (const struct held *h = held; h; h = h->next) {
        const uint64_t *is = (void *)h->at, *was = (void *)h->was;
        size_t words = (size_t)h->nr_pages * PAGE / sizeof(*is);

        for (size_t i = 0; was && i < words; i++) {
            changed += is[i] != was[i];
        }
        pages += h->nr_pages;
    }
    printf("{\"pages\": %" PRIu64 ", \"changed\": %" PRIu64 "}\n", pages,
           changed);
}

static void run_drop(void)
{
    grants_unmap_all();
    printf("{}\n");
}

static void run_try(void)
{
    uint32_t first = number(word()), count = number(word());
    struct tried tried = grants_try(first, count);

    printf("{\"mapped\": %u, \"copied\": %u, \"sum\": %" PRIu64 "}\n",
           tried.mapped, tried.copied, tried.sum);
}

static void run_stats(void)
{
    printf("{\"pid\": %d, \"maps\": %u, \"unmaps\": %u, \"refused\": %u}\n",
           getpid(), served.maps, served.unmaps, served.refused);
}

static const struct {
    const char *name;
    void (*run)(void);
} commands[] = {
    { "prepare", run_prepare }, { "connect", run_connect },
    { "policy", run_policy },
    { "state", run_state }, { "node", run_node }, { "flap", run_flap },
    { "ahead", run_ahead }, { "flood", run_flood },
    { "scribble", run_scribble }, { "idle", run_idle },
    { "revoke", run_revoke }, { "check", run_check }, { "drop", run_drop },
    { "try", run_try }, { "stats", run_stats },
};

static void run_line(char *line)
{
    const char *name = strtok(line, " \n");

    for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]);
         i++) {
        if (!strcmp(name, commands[i].name)) {
            commands[i].run();
            fflush(stdout);
            return;
        }
    }
    die("there is no command '%s'", name ?: "");
}

/* One read per line: stdio would hide further lines from poll(). */
static bool read_line(char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && read(STDIN_FILENO, line + length, 1) == 1) {
        if (line[length++] == '\n') {
            line[length] = 0;
            return true;
        }
    }
    return false;
}

int main(void)
{
    char line[1024];

    connection_init();
    grants_init();
    for (;;) {
        struct pollfd ends[] = {
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = connection_fd(), .events = POLLIN },
        };

        if (poll(ends, 2, -1) < 0 && errno != EINTR) {
            die("poll: %s", strerror(errno));
        }
        if (ends[1].revents & POLLIN) {
            connection_drain();
            serve();
        }
        if (ends[0].revents) {
            if (!read_line(line, sizeof(line))) {
                return 0;
            }
            run_line(line);
        }
    }
}
