# SPDX-License-Identifier: GPL-2.0-or-later
"""The same guest under KVM, for comparison: the same QEMU, GPU, kernel and initrd."""

import subprocess

from dom0 import RUN, Failed, sh, wait_for
from guest import DISPLAY, GPU, Guest, cpus_of
from link import PortLink


class KvmGuest(Guest):
    def __init__(self, gpu=GPU, display=DISPLAY, memory=768, vcpus=1, cmdline="", args=(),
                 name="guest", cpu=1, traces=""):
        super().__init__(name, gpu, display, traces, args)
        self.port = f"{RUN}/{name}.port"
        self.console = f"/var/log/xen/console/guest-{name}.log"
        self.cpus = cpus_of(cpu, vcpus)
        self.process = None
        # Blobs require memory that can be shared; the memory of xl's guests can.
        self.command = [
            f"{RUN}/qemu-system-x86_64", "-M", "pc,memory-backend=ram", "-accel", "kvm",
            "-cpu", "host", "-smp", str(vcpus), "-m", f"{memory}M",
            "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on",
            "-nodefaults", "-no-user-config", "-vga", "none", "-serial", f"file:{self.console}",
            "-kernel", f"{RUN}/vmlinuz", "-initrd", f"{RUN}/initrd.gz",
            "-append", f"console=ttyS0 mitigations=off loglevel=6 {cmdline}",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=rpc,name=lab.rpc",
            "-chardev", f"socket,id=rpc,path={self.port},server=on,wait=off", *self.qemu_args]

    def create(self, seconds=150):
        """Start QEMU and wait until the guest accepts commands."""
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        self.place_cpus()
        self.use_link(PortLink(self.port))
        self.wait_ready(seconds)
        return self

    def place_cpus(self):
        """Pin the vCPUs, as xl does with `cpus`."""
        threads = wait_for("QEMU's monitor answers", self._cpu_threads, 30)
        for cpu, thread in zip(self.cpus, threads):
            sh(f"taskset -cp {cpu} {thread}")

    def _cpu_threads(self):
        try:
            return [c["thread-id"] for c in self.qmp("query-cpus-fast")]
        except OSError:
            if not self.exists():
                raise Failed(f"QEMU ended: {self.qemu_log()[-800:]}") from None
            return None

    def exists(self):
        return self.process is not None and self.process.poll() is None

    def destroy(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.use_link(None)

    def qemu_pid(self):
        return self.process.pid
