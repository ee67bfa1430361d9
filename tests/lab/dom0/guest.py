# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest with our QEMU as its device model, and commands run in it. xl.py and kvm.py
create the two kinds of guests."""

import errno
import json
import os
import shlex
import socket

import screen
from dom0 import RUN, Failed, allowed, brief, tool_json, wait_for

GPU = "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on"
DISPLAY = "egl-headless,rendernode=/dev/dri/renderD128"
# Options that make dom0's disk the guest's system. Otherwise Linux would ask Xen to unplug
# an emulated disk, in favour of Xen's own kind.
SYSTEM = {"args": ("-drive", "if=none,id=system,file=/dev/vdc,format=raw,readonly=on",
                   "-device", "virtio-blk-pci,drive=system"),
          "cmdline": "xen_emul_unplug=never"}
# What the kernel calls when the toolstack asks for a reboot: busybox' own asks the first
# process, which here is a script.
REBOOT = "rm /bin/reboot; printf '#!/bin/sh\\nexec busybox reboot -f\\n' >/bin/reboot; " \
    "chmod 755 /bin/reboot"


def cpus_of(first, vcpus):
    """A physical CPU for each vCPU; CPU 0 is left to the host's programs."""
    return [1 + (first - 1 + n) % 2 for n in range(vcpus)]


class Guest:
    """Subclasses have create(), exists(), destroy() and qemu_pid()."""

    def __init__(self, name, gpu, display, traces, args):
        self.name = name
        self.qmp_socket, self.vnc_socket = f"{RUN}/{name}.qmp", f"{RUN}/{name}.vnc"
        self.log = f"/var/log/xen/qemu-dm-{name}.log"
        # Not on the share: writing a line there takes as long as a map.
        self.trace = f"{RUN}/{name}.trace"
        self.link = None        # to the program in the guest that runs commands
        self.sequence = 0
        self.qemu_args = ["-L", "/usr/share/qemu", "-L", "/usr/share/seabios",
                          "-display", display, "-vnc", f"unix:{self.vnc_socket}",
                          "-device", gpu,
                          "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
                          "-D", self.trace,
                          *(a for t in traces.split(",") if t for a in ("-trace", t)), *args]

    def use_link(self, link):
        """Each boot of the guest has its own link; None if there is no guest."""
        last, self.link, self.sequence = self.link, link, 0
        if last is not None:
            last.close()    # once, also if the case's time ends here

    def wait_ready(self, seconds=150):
        wait_for("the guest accepts commands (its console: out/xen/console)",
                 self.link.ready, seconds)

    # Commands in the guest

    def status(self, command, seconds=30):
        """Run a shell command; return its exit status and output."""
        if self.link is None:
            raise Failed(f"there is no guest to run this in: {command}")
        self.sequence += 1
        self.link.send(self.sequence, allowed(seconds), command)
        return self.link.answer(self.sequence, allowed(seconds) + 15)

    def run(self, command, seconds=30):
        """Run a shell command that must succeed; return its output."""
        status, output = self.status(command, seconds)
        if status:
            raise Failed(f"guest: {command}: exit {status}: {brief(output)}")
        return output

    def json(self, command, seconds=60):
        """Run a tool and return its answer, the last line, which must not be an error."""
        status, output = self.status(command, seconds)
        try:
            answer = json.loads(output.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise Failed(f"guest: {command}: exit {status}, no JSON answer: "
                         f"{brief(output)}") from None
        if isinstance(answer, dict) and "error" in answer:
            raise Failed(f"guest: {command}: {answer['error']}")
        return answer

    def spawn(self, name, command, seconds=120):
        """Start a program that answers lines; return its first answer."""
        self.run(f"spawn {name} {command}")
        return self.json(f"ask {name} {allowed(seconds)}", seconds + 5)

    def spawn_quiet(self, name, command):
        """Start a program that prints nothing until it is asked."""
        self.run(f"spawn {name} {command}")

    def ask(self, name, line, seconds=60):
        return self.json(f"ask {name} {allowed(seconds)} {shlex.quote(line)}", seconds + 5)

    # The device model

    def qemu_log(self):
        """QEMU's messages, followed by its trace."""
        return "".join(self._text(path) for path in (self.log, self.trace))

    @staticmethod
    def _text(path):
        if not os.path.exists(path):
            return ""
        for left in (2, 1, 0):
            try:
                with open(path, encoding="utf-8", errors="replace") as f:
                    return f.read()
            except OSError as why:
                # Linux 7.3 said so once of a file on the share that grew meanwhile.
                if why.errno != errno.ENODATA or not left:
                    raise
        return ""

    def peek(self, arguments, seconds=120):
        """Examine the dma-bufs that this guest's QEMU holds."""
        return tool_json(f"{RUN}/peek {self.qemu_pid()} {arguments}", seconds)

    def qmp(self, command, **arguments):
        """Run one QMP command; return its result."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.qmp_socket)
            stream = s.makefile("rw", encoding="utf-8")
            stream.readline()
            for message in ({"execute": "qmp_capabilities"},
                            {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
                answer = self._answer(stream)
            return answer

    @staticmethod
    def _answer(stream):
        for _ in range(1000):       # events may come before the answer
            answer = json.loads(stream.readline() or '{"error": {"desc": "closed"}}')
            if "error" in answer:
                raise Failed("QMP: " + answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
        raise Failed("QMP: no answer among 1000 messages")

    def picture(self):
        """A picture of the screen as it is now."""
        try:
            return screen.grab(self.vnc_socket)
        except OSError as why:
            raise Failed(f"no picture of the guest's screen: {why}") from None
