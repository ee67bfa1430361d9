# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's libxl driver, and the domain of the user documentation. The cases have a boot of
their own, whose dom0 has Debian's libvirt: scripts/lab-libvirt.sh makes its disk."""

import xml.etree.ElementTree as ET

import dom0
from blobs import KIB, MIB, Blob, granted_pages, memory_type, wait_no_grants
from cases.demo import CONSOLE, drawn
from cases.graphics import emulated, nothing_trapped
from desktop import vkcube_in_weston
from dom0 import sh, wait_for
from guest import REBOOT, SYSTEM
from lab import case, load_driver
from virt import EXAMPLE, VirtGuest, refuses, start_daemon, virsh

BOOT = ("libvirt",)
FRAMES = 40             # of vkcube


def begin(lab):
    lab.drop_guest()
    lab.provide(True)
    start_daemon()
    lab.alive()


def ready(guest):
    """With the driver, and the window write-back."""
    load_driver(guest)
    guest.run("xen-hostmem-mtrr")
    return guest


@case("libvirt-xml", limit=200, boots=BOOT, slow=True)
def libvirt_xml(lab):
    """The domain of the documentation is valid for libvirt's schema, is defined as it is,
    and becomes an xl.cfg with the same arguments of QEMU."""
    begin(lab)
    said = sh(f"virt-xml-validate {EXAMPLE} domain")
    lab.require("validates" in said, f"virt-xml-validate: {said}")
    native = virsh(f"domxml-to-native xen-xl {EXAMPLE}")
    lab.data["native"] = native
    for text in ('builder = "hvm"', 'device_model_override = "/usr/local/bin/qemu-system-x86_64"',
                 'device_model_args = [ "-display", "egl-headless", "-vnc", "127.0.0.1:5", '
                 '"-device", "virtio-gpu-gl-pci,blob=on,hostmem=256M,venus=on" ]'):
        lab.require(text in native, f"domxml-to-native does not print '{text}': {native}")
    virsh(f"define --validate {EXAMPLE}")
    try:
        kept = virsh("dumpxml --inactive gpu-guest")
        lab.data["dumpxml"] = kept
        lab.require("hostmem=256M" in kept, f"dumpxml: {kept}")
        lab.require("<video" not in kept and "<graphics" not in kept,
                    f"libvirt has added a display: {kept}")
    finally:
        virsh("undefine gpu-guest")


@case("libvirt-life", limit=800, boots=BOOT, slow=True)
def libvirt_life(lab):
    """A guest that libvirt starts has its blobs granted, also after suspend, resume and a
    reboot; its screen is on VNC; nothing is left when it is destroyed (I8)."""
    begin(lab)
    guest = VirtGuest(cmdline=CONSOLE)
    try:
        ready(guest.create())
        blob = Blob(guest, MIB, 501)
        lab.equal(memory_type(guest), {"write-back"}, "memory type (R26)")
        lab.equal(granted_pages(guest), MIB // 4096, "granted pages")
        said = guest.monitor("info xen-hostmem")
        lab.require("driver connected" in said, f"the monitor says: {said}")
        blob.check_both_ways(lab, 501)
        virsh("suspend guest")
        lab.equal(virsh("domstate guest").strip(), "paused", "domstate")
        guest.peek(f"{MIB} fill 503")
        virsh("resume guest")
        lab.equal(virsh("domstate guest").strip(), "running", "domstate")
        lab.equal(blob.ask("verify 503")["mismatches"], 0, "dom0's words after a pause")
        guest.run("text=$(yes 'text on the screen' | head -n 30); echo \"$text\" >/dev/tty0", 60)
        wait_for("text on the guest's screen", lambda: drawn(guest), 120, 3)
        old = guest.domid
        guest.run(REBOOT)
        virsh("reboot guest")
        wait_for("libvirt starts the guest again", lambda: virsh(
            "domid guest", check=False).strip() not in ("", "-", str(old)), 100, 1)
        guest.use_domain()
        ready(guest)
        Blob(guest, MIB, 505).check_both_ways(lab, 505)
        virsh("destroy guest")
        lab.equal(virsh("domstate guest").strip(), "shut off", "domstate")
        wait_no_grants()
    finally:
        guest.destroy()


# What the driver does not do for any guest, or not with a virtio GPU, and what it says
REFUSED = (
    ("screenshot guest /tools/screen.ppm", "not supported by the connection driver"),
    ("vncdisplay guest", "Failed to get VNC port"),
    ("qemu-monitor-command guest --hmp 'info xen-hostmem'",
     "not supported by the connection driver"),
    ("send-key guest KEY_A", "not supported by the connection driver"),
    ("save guest /tools/saved", "Failed to save domain"),
    ("managedsave guest", "Failed to save domain"),
    ("dompmsuspend guest mem", "Failed to suspend domain"),
)


@case("libvirt-refused", limit=500, boots=BOOT, slow=True)
def libvirt_refused(lab):
    """What libvirt refuses, and its words; the guest runs on, with its blobs."""
    begin(lab)
    guest = VirtGuest()
    try:
        ready(guest.create())
        blob = Blob(guest, 64 * KIB, 511)
        for command, says in REFUSED:
            said = lab.data[command] = refuses(command, 120)
            lab.require(says in said, f"virsh {command}: {said}")
        lab.equal(virsh("domstate guest").strip(), "running", "domstate")
        blob.check_both_ways(lab, 511)
        blob.close()
    finally:
        guest.destroy()


def add_device(text):
    def change(domain):
        domain.find("devices").append(ET.fromstring(text))
    return change


# Devices that can be defined, but not started
DEVICES = (
    ("<video><model type='virtio' blob='on'><acceleration accel3d='yes'/></model></video>",
     "video type virtio is not supported by libxl"),
    ("<video><model type='none'/></video>", "video type none is not supported by libxl"),
    ("<graphics type='egl-headless'/>", "unsupported graphics type egl-headless"),
)


@case("libvirt-devices", limit=200, boots=BOOT, slow=True)
def libvirt_devices(lab):
    """The elements that describe such a GPU for QEMU's driver are refused at start."""
    begin(lab)
    for text, says in DEVICES:
        guest = VirtGuest(change=add_device(text))
        try:
            virsh(f"define {guest.xml}")
            said = lab.data[text] = refuses("start guest")
            lab.require(says in said, f"{text}: {said}")
        finally:
            guest.destroy()


@case("libvirt-vkcube", limit=500, boots=BOOT, slow=True)
def libvirt_vkcube(lab):
    """vkcube draws in a guest that libvirt has started, and nothing is trapped."""
    begin(lab)
    guest = VirtGuest(memory=1024, args=SYSTEM["args"], cmdline=SYSTEM["cmdline"])
    try:
        ready(guest.create())
        before = emulated(guest)
        picture = vkcube_in_weston(guest, FRAMES)
        lab.equal((picture.width, picture.height), (1280, 800), "the screen's size")
        nothing_trapped(lab, guest, before)
    finally:
        guest.destroy()
    lab.require(dom0.have_module(), "the module is gone")
