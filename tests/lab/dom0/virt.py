# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest created by libvirt, from the domain of the user documentation."""

import os
import xml.etree.ElementTree as ET

from dom0 import OUT, RUN, Failed, sh, wait_for
from guest import Guest
from link import XenstoreLink
from screen import grab
from xl import XlGuest

EXAMPLE = f"{RUN}/xen-virtio-gpu-libvirt.xml"
# The path in the documentation; the lab's QEMU is in RUN.
DEVICE_MODEL = "/usr/local/bin/qemu-system-x86_64"
XEN = "http://libvirt.org/schemas/domain/xen/1.0"
VNC = "127.0.0.1", 5905             # of the example
CONFIG = """\
auth_unix_rw = "none"
unix_sock_group = "root"
log_level = 2
log_outputs = "2:file:{out}/libvirtd.log"
"""


def virsh(command, timeout=60, check=True):
    return sh(f"virsh -c xen:///system {command}", timeout, check)


def refuses(command, timeout=60):
    """Run a command of virsh that must fail; return what it says."""
    status = sh(f"virsh -c xen:///system {command} 2>&1 && echo SUCCEEDED", timeout, check=False)
    if "SUCCEEDED" in status:
        raise Failed(f"virsh {command} succeeded although it should fail: {status}")
    return " ".join(status.split())


def start_daemon():
    """Start libvirtd unless it runs, and wait until its driver for Xen answers."""
    sh("busybox ip link set lo up")
    if not os.path.exists(DEVICE_MODEL):
        os.symlink(f"{RUN}/qemu-system-x86_64", DEVICE_MODEL)
    if "xen:///system" in virsh("uri", check=False):
        return
    config = f"{RUN}/libvirtd.conf"
    with open(config, "w", encoding="ascii") as f:
        f.write(CONFIG.format(out=OUT))
    # libvirt has to find a model for dom0's CPU. All but two need sep, which Xen hides on
    # AMD; those need vme, which an emulated CPU lacks.
    sh("sed -i /vme/d /usr/share/libvirt/cpu_map/x86_486.xml "
       "/usr/share/libvirt/cpu_map/x86_pentium.xml")
    sh(f"libvirtd --daemon --config {config}")
    try:
        wait_for("libvirtd has a driver for Xen",
                 lambda: "Domain-0" in virsh("list", check=False), 90, 1)
    except Failed as why:
        said = sh(f"grep ' error :' {OUT}/libvirtd.log | tail -n 5", check=False)
        raise Failed(f"{why}: {said}") from None


def set_text(parent, path, text):
    """The text of an element, which is created if there is none."""
    element = parent.find(path)
    if element is None:
        element = ET.SubElement(parent, path)
    element.text = text


class VirtGuest(XlGuest):
    """The example, with what the lab's guests need: a kernel in place of the disk."""

    def __init__(self, memory=768, cmdline="", args=(), name="guest", change=None,
                 device_model=DEVICE_MODEL):
        """args: more arguments of QEMU. change: a function that gets the domain."""
        Guest.__init__(self, name, gpu="", display="", traces="", args=())
        args = ("-qmp", f"unix:{self.qmp_socket},server=on,wait=off", "-D", self.trace,
                "-trace", "xen_hostmem*", *args)
        self.domid = None
        self.xml = f"{OUT}/{name}.xml"
        ET.register_namespace("xen", XEN)
        domain = ET.parse(EXAMPLE).getroot()
        set_text(domain, "name", name)
        set_text(domain, "memory", str(memory))
        domain.find("vcpu").text = "1"
        domain.find("vcpu").set("cpuset", "1")
        system = domain.find("os")
        system.remove(system.find("boot"))
        set_text(system, "kernel", f"{RUN}/vmlinuz")
        set_text(system, "initrd", f"{RUN}/initrd.gz")
        set_text(system, "cmdline", f"console=hvc0 mitigations=off loglevel=6 {cmdline}")
        devices = domain.find("devices")
        set_text(devices, "emulator", device_model)
        for kind in "disk", "interface":
            devices.remove(devices.find(kind))
        for arg in args:
            ET.SubElement(domain.find(f"{{{XEN}}}commandline"), f"{{{XEN}}}arg", value=arg)
        if change is not None:
            change(domain)
        ET.ElementTree(domain).write(self.xml)

    def create(self, seconds=150):
        """Define and start it, and wait until the guest accepts commands."""
        virsh(f"define {self.xml}")
        virsh(f"start {self.name}", seconds)
        self.use_domain(seconds)
        return self

    def use_domain(self, seconds=150):
        """Talk to the domain that libvirt has started."""
        self.domid = int(virsh(f"domid {self.name}"))
        self.use_link(XenstoreLink(self.domid))
        self.wait_ready(seconds)

    def destroy(self):
        virsh(f"destroy {self.name}", check=False)
        # A managedsave that failed leaves its file, and with it undefine refuses.
        sh(f"rm -f /var/lib/libvirt/libxl/save/{self.name}.save")
        virsh(f"undefine {self.name}", check=False)
        self.domid = None
        self.use_link(None)

    def monitor(self, command):
        """What QEMU's monitor answers. libvirt has no way to it for Xen, but xl has."""
        return sh(f"xl qemu-monitor-command {self.domid} '{command}'")

    def picture(self):
        try:
            return grab(VNC)
        except OSError as why:
            raise Failed(f"no picture of the guest's screen: {why}") from None
