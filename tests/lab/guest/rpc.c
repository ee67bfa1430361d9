// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rpc: the guest's end of "run this command", over xenstore.
 *
 * dom0 writes "SEQUENCE SECONDS COMMAND" to data/cmd. The command runs under
 * sh; its output goes to data/out/N in pieces that fit a xenstore value, then
 * "SEQUENCE STATUS PIECES" to data/done. A command that outlives its time is
 * killed and left behind: one that hangs in the kernel must not take this
 * program with it. Xenstore needs neither the device model nor a network, so
 * this works while QEMU is busy, wedged or dead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "xenbus.h"

#define PIECE 1800              /* xenstored refuses values over 2048 bytes */
#define MAX_OUTPUT (64 * 1024)
#define TIMED_OUT 124

static char output[MAX_OUTPUT];
static size_t length;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static pid_t start(const char *command, int *out)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC)) {
        die("pipe");
    }
    pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        setsid();
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

/* Takes what is there; false when all writers are gone. */
static int drain(int fd)
{
    char spill[512];
    char *to = length < MAX_OUTPUT ? output + length : spill;
    size_t room = length < MAX_OUTPUT ? MAX_OUTPUT - length : sizeof(spill);
    ssize_t n = read(fd, to, room);

    if (n > 0 && to != spill) {
        length += n;
    }
    return n > 0;
}

/*
 * A background process of the command may keep the pipe open for ever, so the
 * end of the shell decides, not the end of the pipe.
 */
static int run(const char *command, double seconds)
{
    double end = now() + seconds;
    int fd, status, open = 1;
    pid_t pid = start(command, &fd);

    length = 0;
    while (now() < end) {
        struct pollfd p = { .fd = open ? fd : -1, .events = POLLIN };

        if (poll(&p, 1, 20) > 0) {
            open = drain(fd);
        } else if (waitpid(pid, &status, WNOHANG) == pid) {
            close(fd);
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status);
        }
    }
    kill(-pid, SIGKILL);
    close(fd);
    return TIMED_OUT;
}

static void publish(int bus, unsigned sequence, int status)
{
    char path[32], done[64];
    unsigned n = 0;

    for (size_t at = 0; at < length; at += PIECE, n++) {
        size_t size = length - at < PIECE ? length - at : PIECE;

        snprintf(path, sizeof(path), "data/out/%u", n);
        xenbus_write(bus, path, output + at, size);
    }
    snprintf(done, sizeof(done), "%u %d %u", sequence, status, n);
    xenbus_write(bus, "data/done", done, strlen(done));
}

static void serve(int bus, const char *text, unsigned *last)
{
    unsigned sequence, seconds;
    int skip = 0;

    if (sscanf(text, "%u %u %n", &sequence, &seconds, &skip) < 2 || !skip ||
        sequence == *last) {
        return;
    }
    *last = sequence;
    publish(bus, sequence, run(text + skip, seconds));
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        /* what an earlier time limit left behind */
    }
}

int main(void)
{
    static char text[XENBUS_MAX + 1];
    unsigned last = 0;
    int bus = xenbus_open();

    if (bus < 0 || !xenbus_watch(bus, "data/cmd") ||
        !xenbus_write(bus, "data/ready", "1", 1)) {
        die("xenstore");
    }
    for (;;) {
        xenbus_wait(bus);
        if (xenbus_read(bus, "data/cmd", text)) {
            serve(bus, text, &last);
        }
    }
}
