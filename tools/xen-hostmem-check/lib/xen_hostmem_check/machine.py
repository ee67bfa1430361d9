# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine under examination: its files and the output of its commands. Everything that the
program learns comes through here, so that tests can use a folder and canned output instead."""

import glob
import itertools
import os
import re
import subprocess

COMMAND_LIMIT = 30      # seconds; xl waits for a lock that another xl may hold
MOST = 4 << 20          # bytes of a file that are read, which may be a log
PIECE = 64 << 10        # bytes at a time: files of /proc/sys refuse to be asked for 4 MiB


def run(command):
    """(exit status, output) of a program; 127 if there is none, 124 if it hangs."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=COMMAND_LIMIT, check=False,
                              env={**os.environ, "LC_ALL": "C",
                                   "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:"
                                           "/usr/local/bin"})
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} did not end within {COMMAND_LIMIT} s"
    except OSError as why:
        return 127, str(why)
    text = done.stdout.decode(errors="replace")
    return done.returncode, text if done.returncode == 0 else \
        text + done.stderr.decode(errors="replace")


class Machine:
    def __init__(self, root="/", runner=run, release=None, uid=None, environ=None):
        self.root = root
        self.run = runner
        self.release = release or os.uname().release
        self.uid = os.geteuid() if uid is None else uid
        self.environ = os.environ if environ is None else environ

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        """A file's text, or None if it cannot be read."""
        data = self.read_bytes(name)
        return None if data is None else data.decode(errors="replace")

    def read_bytes(self, name):
        try:
            with open(self.path(name), "rb") as f:
                pieces = (f.read(PIECE) for _ in range(MOST // PIECE))
                return b"".join(itertools.takewhile(bool, pieces))
        except OSError:
            return None

    def word(self, name):
        """The text without white space around it; None as in read()."""
        text = self.read(name)
        return None if text is None else text.strip()

    def number(self, name):
        """The number in a file, or None."""
        text = self.word(name)
        return int(text) if text and re.fullmatch(r"-?\d+", text) else None

    def exists(self, name):
        return os.path.exists(self.path(name))

    def executable(self, name):
        return os.path.isfile(self.path(name)) and os.access(self.path(name), os.X_OK)

    def size(self, name):
        try:
            return os.stat(self.path(name)).st_size
        except OSError:
            return 0

    def glob(self, pattern):
        """Names as they are on the machine, sorted."""
        found = glob.glob(os.path.join(glob.escape(self.root), pattern.lstrip("/")))
        return sorted("/" + os.path.relpath(path, self.root) for path in found)

    def link(self, name):
        """The last component of what a symbolic link leads to, or None."""
        path = self.path(name)
        return os.path.basename(os.path.realpath(path)) if os.path.islink(path) else None
