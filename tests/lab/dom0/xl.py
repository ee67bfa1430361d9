# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest created by xl."""

from dom0 import OUT, RUN, Failed, sh, store, wait_for, xenstore
from guest import DISPLAY, GPU, Guest, cpus_of
from link import XenstoreLink

CONFIG = """\
name = "{name}"
type = "hvm"
memory = {memory}
vcpus = {vcpus}
cpus = {cpus}
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


class XlGuest(Guest):
    def __init__(self, gpu=GPU, display=DISPLAY, memory=768, vcpus=1, cmdline="",
                 on_reboot="destroy", videoram=0, args=(), more="", name="guest", cpu=1,
                 traces="xen_hostmem*", device_model=f"{RUN}/qemu-system-x86_64"):
        super().__init__(name, gpu, display, traces, args)
        self.xl_config = f"{OUT}/{name}.cfg"
        self.domid = None
        self.config = CONFIG.format(
            name=name, memory=memory, vcpus=vcpus, run=RUN, cmdline=cmdline,
            cpus=[str(n) for n in cpus_of(cpu, vcpus)],
            on_reboot=on_reboot, videoram=videoram, more=more, device_model=device_model,
            args=",".join(f'"{a}"' for a in self.qemu_args))

    def write_config(self):
        with open(self.xl_config, "w", encoding="ascii") as f:
            f.write(self.config)

    def create(self, seconds=150):
        """Run xl create and wait until the guest accepts commands."""
        self.write_config()
        sh(f"xl create {self.xl_config}", timeout=seconds)
        self.domid = int(sh(f"xl domid {self.name}"))
        self.use_link(XenstoreLink(self.domid))
        self.wait_ready(seconds)
        return self

    def create_fails(self, seconds=100):
        """Run xl create, which must fail; return its output."""
        self.write_config()
        output = sh(f"xl create {self.xl_config} 2>&1 && echo CREATED", timeout=seconds, check=False)
        if "CREATED" in output:
            raise Failed("xl create succeeded although it should fail")
        return output

    def reboot(self, seconds=150):
        """Have the guest reboot itself; xl starts it again as a new domain."""
        old = self.domid
        self.run("(sleep 1; reboot -f) >/dev/null 2>&1 &")
        self.wait_reborn(old, seconds)

    def wait_reborn(self, old, seconds=150):
        """Wait until xl has started it again as a new domain, and it accepts commands."""
        def reborn():
            domid = sh(f"xl domid {self.name} 2>/dev/null", check=False).strip()
            return domid if domid.isdigit() and int(domid) != old else None
        self.domid = int(wait_for("xl starts the guest again", reborn, seconds))
        self.use_link(XenstoreLink(self.domid))
        self.wait_ready(seconds)

    def node(self, path):
        return store(f"/local/domain/{self.domid}/{path}")

    def exists(self):
        return self.domid is not None and \
            xenstore().read("", f"/local/domain/{self.domid}/name") is not None

    def destroy(self):
        if self.exists():
            sh(f"xl destroy {self.domid}", timeout=60, check=False)
        self.domid = None
        self.use_link(None)

    def qemu_pid(self):
        return int(self.node("image/device-model-pid"))
