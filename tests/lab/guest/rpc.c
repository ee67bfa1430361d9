// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rpc [PORT]: run commands in the guest for the host.
 *
 * The host sends "SEQUENCE SECONDS COMMAND" through xenstore or, without Xen,
 * through a virtio-serial port; PORT is the path of its device node. The
 * command runs under sh. A command that exceeds its time is killed and not
 * waited for: it may hang in the kernel, and this program must not hang, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "transport.h"

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

/* Reads some of the available output; returns whether there was any. */
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

/* What is polled while a command runs */
enum { OUTPUT, SHELL, NR_ENDS };

/* Waits that long for output and reads it; false if the time is over. */
static int more_within(struct pollfd *ends, double seconds)
{
    if (seconds <= 0 || poll(ends, NR_ENDS, seconds * 1000 + 1) <= 0) {
        return 0;
    }
    if (ends[OUTPUT].revents && !drain(ends[OUTPUT].fd)) {
        ends[OUTPUT].fd = -1;   /* all writers are gone */
    }
    return 1;
}

/*
 * The command ends when its shell ends, not when the pipe is closed: a
 * background process may keep the pipe open forever.
 */
static int run(const char *command, double seconds)
{
    double end = now() + seconds;
    int fd, status, result = TIMED_OUT;
    pid_t pid = start(command, &fd);
    struct pollfd ends[NR_ENDS] = {
        [OUTPUT] = { .fd = fd, .events = POLLIN },
        [SHELL] = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN },
    };

    if (ends[SHELL].fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK)) {
        die("watching the shell");
    }
    length = 0;
    while (!ends[SHELL].revents && more_within(ends, end - now())) {
        /* until the shell has ended */
    }
    if (ends[SHELL].revents && waitpid(pid, &status, 0) == pid) {
        while (now() < end && drain(fd)) {
            /* the rest of the output */
        }
        result = WIFEXITED(status) ? WEXITSTATUS(status)
                                   : 128 + WTERMSIG(status);
    } else {
        kill(-pid, SIGKILL);
    }
    close(ends[SHELL].fd);
    close(fd);
    return result;
}

static void serve(const struct transport *transport, const char *text)
{
    unsigned sequence, seconds;
    int skip = 0, status;

    if (sscanf(text, "%u %u %n", &sequence, &seconds, &skip) < 2 || !skip) {
        return;
    }
    status = run(text + skip, seconds);
    transport->answer(sequence, status, output, length);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        /* commands that were killed earlier */
    }
}

static const struct transport *choose(const char *path)
{
    int no_xenstore, no_port;

    if (!path && xenstore_transport.open(NULL)) {
        return &xenstore_transport;
    }
    no_xenstore = errno;
    if (port_transport.open(path)) {
        return &port_transport;
    }
    no_port = errno;
    if (path) {
        die(path);
    }
    fprintf(stderr, "rpc: cannot reach the host: xenstore: %s; ",
            strerror(no_xenstore));
    fprintf(stderr, "virtio-serial port: %s\n", strerror(no_port));
    exit(1);
}

int main(int argc, char **argv)
{
    const struct transport *transport = choose(argc > 1 ? argv[1] : NULL);

    for (;;) {
        serve(transport, transport->next());
    }
}
