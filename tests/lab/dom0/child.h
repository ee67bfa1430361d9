/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a case leaves to a process of its own. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/wait.h>

#include "check.h"

/* Runs in a child; returns what it returns, or minus the signal that ended it. */
static int in_child(int (*run)(int fd, void *at), int fd, void *at)
{
    int status;
    pid_t pid = fork();

    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        _exit(run(fd, at));
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
