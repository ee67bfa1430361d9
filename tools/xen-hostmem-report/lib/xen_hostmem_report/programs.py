# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that measure: blobtool and vkmemory, which belong to this program, and vkmark."""

import json
import os
import shutil
import subprocess
import sys
import threading

# Where they are: beside this program, as "make install" puts them, in a source tree
FOLDERS = (".", "../libexec/xen-hostmem", "../../build/tools")


class NotMeasured(Exception):
    """The message says why, and what to do about it."""


def find(name):
    """The path of a helper."""
    here = os.path.dirname(os.path.realpath(sys.argv[0]))
    for folder in FOLDERS:
        path = os.path.join(here, folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    found = shutil.which(name)
    if found is None:
        raise NotMeasured(f"{name} is missing: make -C tools/xen-hostmem-report install")
    return found


def answer(text, what):
    """The last line of a program's output, which is JSON and no error."""
    lines = [t for t in text.splitlines() if t.strip()]
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise NotMeasured(f"{what}: {lines[-1] if lines else 'no answer'}") from None
    if not isinstance(said, dict) or "error" in said:
        raise NotMeasured(f"{what}: {said['error'] if 'error' in said else said}")
    return said


class Conversation:
    """A helper that answers lines with lines, for a limited time."""

    def __init__(self, command, limit):
        self.name = os.path.basename(command[0])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        self.clock = threading.Timer(limit, self.process.kill)
        self.clock.start()

    def say(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            pass                # hear() says why it has ended

    def hear(self):
        line = self.process.stdout.readline()
        if not line.strip():
            line = self.process.stderr.read()
        if not line.strip() and self.process.wait() < 0:
            raise NotMeasured(f"{self.name} took too long, or was killed")
        return answer(line, self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.clock.cancel()
        self.process.kill()
        self.process.communicate()


class Programs:
    """Tests have another one, with canned answers."""

    def output(self, command, limit):
        """The output of a program that ends by itself."""
        try:
            done = subprocess.run([find(command[0]), *command[1:]], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit,
                                  text=True, errors="replace", check=False)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"{command[0]} did not end within {limit} s") from None
        except OSError as why:
            raise NotMeasured(f"{command[0]}: {why}") from None
        return done.stdout

    def json(self, command, limit):
        return answer(self.output(command, limit), command[0])

    def converse(self, command, limit):
        return Conversation([find(command[0]), *command[1:]], limit)
