# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that xen-hostmem-report runs, with canned answers. Their shapes:
    bench, latency, hold    tests/lab/guest/blobtool: pairs.c, latency.c, hold.c, stats.c
    vkmemory                tools/xen-hostmem-report/vkmemory.c
    vkmark                  its output of a scene"""

import os
import sys

from fake import TOP

sys.path.insert(0, os.path.join(TOP, "tools", "xen-hostmem-report", "lib"))
from xen_hostmem_report.programs import NotMeasured, answer  # noqa: E402


def spread(value):
    return {"median": value, "low": 0.9 * value, "high": 1.1 * value, "min": 0.8 * value,
            "max": 1.2 * value}


def bench(size, pairs, speed=10000.0, operations=("write", "copy", "random", "read")):
    found = {"bytes": size, "pairs": pairs, "wrong_sums": 0}
    for name in operations:
        unit = "m_s" if name == "random" else "mb_s"
        found |= {f"{name}_ratio": spread(speed / 10000), f"guest_{name}_{unit}": speed,
                  f"ram_{name}_{unit}": 10000.0}
    return found


def latency(count, size):
    return {"count": count, "bytes": size, "held": 0, "mismatches": 0, "first_ready_us": 9000.0,
            **{f"{name}_us": spread(100.0) for name in ("create", "map", "touch", "ready",
                                                        "unmap")}, "cycle_us": 250.0}


CACHED = ["device-local", "host-visible", "host-coherent", "host-cached"]
COMBINED = ["host-visible", "host-coherent"]


def memory(number, flags, write, read):
    return {"type": number, "bytes": 4 << 20, "flags": flags, "write_mb_s": write,
            "ram_write_mb_s": 9000.0, "write_ratio": write / 9000, "read_mb_s": read,
            "ram_read_mb_s": 11000.0, "read_ratio": read / 11000, "rounds": 200, "wrong_fill": 0,
            "wrong_copy": 0}


class Talk:
    """A helper that says its lines in turn; before each, a test may change the machine."""

    def __init__(self, lines, before=()):
        self.lines, self.before, self.said = list(lines), list(before), []

    def hear(self):
        if self.before:
            self.before.pop(0)()
        return answer(self.lines.pop(0) if self.lines else "", "helper")

    def say(self, line):
        self.said.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass


class FakePrograms:
    """Tests change missing, answers and talks."""

    def __init__(self):
        self.missing = set()
        self.answers = {}       # first words of a command: its answer
        self.talks = {}         # name: Talk
        self.commands = []

    def require(self, command):
        self.commands.append(" ".join(command))
        if command[0] in self.missing:
            raise NotMeasured(f"{command[0]} is missing: make -C tools/xen-hostmem-report install")

    def output(self, command, _limit):
        self.require(command)
        scenes = [w.partition(":")[0] for w in command if ":duration=" in w]
        return self.answers.get(command[0]) or "".join(
            f"[{scene}] x=y: FPS: {60 + n} FrameTime: 16.6 ms\n" for n, scene in enumerate(scenes))

    def json(self, command, _limit):
        self.require(command)
        name = " ".join(command[:2])
        if name in self.answers:
            return answer(self.answers[name], name)
        if command[1] == "bench":
            return bench(int(command[2]), 41)
        return latency(int(command[2]), int(command[3]))

    def converse(self, command, _limit):
        self.require(command)
        return self.talks[" ".join(command[:2]) if command[0] == "blobtool" else command[0]]
