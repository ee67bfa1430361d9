# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest made by xl, and commands run in it."""

import json
import os
import shlex
import socket

import screen
from dom0 import OUT, RUN, Failed, brief, sh, store, tool_json, wait_for, xenstore

GPU = "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on"
DISPLAY = "egl-headless,rendernode=/dev/dri/renderD128"
# What makes dom0's disk the guest's system. Linux would have Xen unplug a disk
# of this kind, to have it back as Xen's own.
SYSTEM = {"args": ("-drive", "if=none,id=system,file=/dev/vdc,format=raw,readonly=on",
                   "-device", "virtio-blk-pci,drive=system"),
          "cmdline": "xen_emul_unplug=never"}
CONFIG = """\
name = "{name}"
type = "hvm"
memory = {memory}
vcpus = {vcpus}
cpus = "1-2"
kernel = "{run}/vmlinuz"
ramdisk = "{run}/initrd.gz"
cmdline = "console=hvc0 mitigations=off loglevel=6 {cmdline}"
vga = "none"
videoram = {videoram}
vnc = 0
on_crash = "destroy"
on_reboot = "{on_reboot}"
tsc_mode = "native"
timer_mode = "no_missed_ticks_pending"
device_model_override = "{device_model}"
device_model_args_hvm = [{args}]
{more}
"""


class Guest:
    def __init__(self, gpu=GPU, display=DISPLAY, memory=768, vcpus=1, cmdline="",
                 on_reboot="destroy", videoram=0, args=(), more="", name="guest",
                 device_model=f"{RUN}/qemu-system-x86_64"):
        self.name = name
        self.qmp_socket, self.vnc_socket = f"{RUN}/{name}.qmp", f"{RUN}/{name}.vnc"
        self.xl_config = f"{OUT}/{name}.cfg"
        self.domid = None
        self.sequence = 0
        dm_args = ["-L", "/usr/share/qemu", "-L", "/usr/share/seabios",
                   "-display", display, "-vnc", f"unix:{self.vnc_socket}", "-device", gpu,
                   "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
                   "-trace", "xen_hostmem*", *args]
        self.config = CONFIG.format(
            name=name, memory=memory, vcpus=vcpus, run=RUN, cmdline=cmdline,
            on_reboot=on_reboot, videoram=videoram, more=more,
            device_model=device_model,
            args=",".join(f'"{a}"' for a in dm_args))

    def write_config(self):
        with open(self.xl_config, "w", encoding="ascii") as f:
            f.write(self.config)

    def create(self, seconds=150):
        """xl create, then wait until the guest takes commands."""
        self.write_config()
        sh(f"xl create {self.xl_config}", timeout=seconds)
        self.domid = int(sh(f"xl domid {self.name}"))
        self.wait_ready(seconds)
        return self

    def create_fails(self, seconds=100):
        """xl create of a guest that must not come up; what xl said."""
        self.write_config()
        output = sh(f"xl create {self.xl_config} 2>&1 && echo CREATED", timeout=seconds, check=False)
        if "CREATED" in output:
            raise Failed("xl create went well, and must not")
        return output

    def reboot(self, seconds=150):
        """The guest's own reboot; xl starts it again as a new domain."""
        old = self.domid
        self.run("(sleep 1; reboot -f) >/dev/null 2>&1 &")

        def reborn():
            domid = sh(f"xl domid {self.name} 2>/dev/null", check=False).strip()
            return domid if domid.isdigit() and int(domid) != old else None
        self.domid = int(wait_for("xl starts the guest again", reborn, seconds))
        self.sequence = 0
        self.wait_ready(seconds)

    def wait_ready(self, seconds=150):
        wait_for("the guest takes commands (its console: out/xen/console)",
                 lambda: self.node("data/ready") == "1", seconds)

    def node(self, path):
        return store(f"/local/domain/{self.domid}/{path}")

    def exists(self):
        return self.domid is not None and \
            xenstore().read("", f"/local/domain/{self.domid}/name") is not None

    def destroy(self):
        if self.exists():
            sh(f"xl destroy {self.domid}", timeout=60, check=False)
        self.domid = None

    # Commands in the guest

    def status(self, command, seconds=30):
        """Run a shell command; its exit status and output."""
        self.sequence += 1
        base = f"/local/domain/{self.domid}/data"
        handle = xenstore()
        handle.write("", base + "/cmd", f"{self.sequence} {seconds} {command}")
        done = wait_for(f"the guest answers: {command}",
                        lambda: self._done(handle, base), seconds + 15, 0.03)
        pieces = [handle.read("", f"{base}/out/{n}") or b"" for n in range(int(done[2]))]
        return int(done[1]), b"".join(pieces).decode(errors="replace")

    def _done(self, handle, base):
        words = (handle.read("", base + "/done") or b"").decode().split()
        return words if words and int(words[0]) == self.sequence else None

    def run(self, command, seconds=30):
        """Run a shell command that has to succeed; its output."""
        status, output = self.status(command, seconds)
        if status:
            raise Failed(f"guest: {command}: exit {status}: {brief(output)}")
        return output

    def json(self, command, seconds=60):
        """Run a tool whose last line is its answer."""
        status, output = self.status(command, seconds)
        try:
            return json.loads(output.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise Failed(f"guest: {command}: exit {status}, no JSON answer: "
                         f"{brief(output)}") from None

    def spawn(self, name, command, seconds=120):
        """Start a program that answers lines; its first answer."""
        self.run(f"spawn {name} {command}")
        return self.json(f"ask {name} {seconds}", seconds + 5)

    def spawn_quiet(self, name, command):
        """Start a program that says nothing until it is asked."""
        self.run(f"spawn {name} {command}")

    def ask(self, name, line, seconds=60):
        return self.json(f"ask {name} {seconds} {shlex.quote(line)}", seconds + 5)

    # The device model

    def qemu_pid(self):
        return int(self.node("image/device-model-pid"))

    def qemu_log(self):
        path = f"/var/log/xen/qemu-dm-{self.name}.log"
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def peek(self, arguments, seconds=120):
        """Look into the dma-bufs that this guest's QEMU holds."""
        return tool_json(f"{RUN}/peek {self.qemu_pid()} {arguments}", seconds)

    def qmp(self, command, **arguments):
        """One QMP command; what it returns."""
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
        for _ in range(1000):       # events may come first
            answer = json.loads(stream.readline() or '{"error": {"desc": "closed"}}')
            if "error" in answer:
                raise Failed("QMP: " + answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
        raise Failed("QMP: no answer among 1000 messages")

    def picture(self):
        """What is on the screen now."""
        try:
            return screen.grab(self.vnc_socket)
        except OSError as why:
            raise Failed(f"no picture of the guest's screen: {why}") from None
