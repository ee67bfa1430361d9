// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rpc [PORT]: the guest's end of "run this command".
 *
 * The host sends "SEQUENCE SECONDS COMMAND", through xenstore or, where there
 * is none, through a virtio-serial port; PORT names that one's device. The
 * command runs under sh. One that outlives its time is killed and left behind:
 * one that hangs in the kernel must not take this program with it.
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
        /* what an earlier time limit left behind */
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
    fprintf(stderr, "rpc: no way to the host: xenstore: %s; ",
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
