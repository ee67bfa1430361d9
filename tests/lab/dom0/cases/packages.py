# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages, installed in dom0 and in a guest, and used from then on. They have a
boot of their own, whose disk packaging/lab.sh makes: it has the packages in /packages, a later
version of them in /packages/later, and what they depend on. The cases build on each other, in
the order in which they are here."""

import os
import re
import time

import dom0
from blobs import KIB, Blob, memory_type, wait_granted, wait_no_grants, window_range
from cases.graphics import emulated, nothing_trapped
from cases.preflight import names, parsed
from desktop import vkcube_in_weston
from dom0 import sh
from guest import SYSTEM
from lab import CONNECTED, FRONTEND, case, load_driver, unload_driver
from virt import VirtGuest, start_daemon

DEBS = "/packages"
LATER = DEBS + "/later"
DEVICE_MODEL = "/usr/bin/qemu-system-x86_64-xen-hostmem"
QEMU, DKMS_DOM0, DKMS_DMABUF, DKMS_GUEST = "qemu-system-xen-hostmem", \
    "xen-hostmem-dom0-dkms", "xen-guest-dmabuf-dkms", "xen-hostmem-guest-dkms"
IN_DOM0 = QEMU, DKMS_DOM0, DKMS_DMABUF, "xen-hostmem-tools"
DOM0_MODULES = "xen-dmabuf-grant", "xen-guest-dmabuf"
IN_GUEST = DKMS_GUEST, "xen-hostmem-tools"
UDMABUF_LIMIT = "/sys/module/udmabuf/parameters/size_limit_mb"
COMPILE = 4800          # seconds that DKMS may take on an emulated CPU; depmod alone takes 200
FRAMES = 40             # of vkcube

# The guest's system with a layer above it that can be written to, and a real udev. That
# of the other cases, /system, is read-only.
WRITABLE = """set -e
in-system modprobe overlay
mkdir -p /rw /installed
mount -t tmpfs -o size=800m rw /rw
mkdir -p /rw/upper /rw/work
mount -t overlay -o lowerdir=/system,upperdir=/rw/upper,workdir=/rw/work installed /installed
for folder in proc sys dev; do mount -o rbind /$folder /installed/$folder; done
for folder in run tmp; do mount -t tmpfs $folder /installed/$folder; done
installed /usr/lib/systemd/systemd-udevd --daemon
installed udevadm settle"""
# udevadm does nothing in a chroot unless it is told that this is a whole system.
INSTALLED = """#!/bin/sh
exec chroot /installed /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive SYSTEMD_IGNORE_CHROOT=1 "$@"
"""


def files_of(packages, folder=DEBS):
    return " ".join(f"{folder}/{name}_*.deb" for name in packages)


def version_of(folder=DEBS):
    """The version of the packages there, which is that of the modules for DKMS."""
    return sh(f"dpkg-deb -f {files_of([QEMU], folder)} Version").strip()


def dkms_has(lab, status, modules, folder=DEBS):
    """Check that DKMS has installed the modules, in that version alone."""
    version = version_of(folder)
    lab.equal(sorted(status.strip().splitlines()),
              sorted(f"{module}/{version}, {os.uname().release}, x86_64: installed"
                     for module in modules), "dkms status")


def run_in_dom0(lab, what, command):
    """Run it, without a limit of its own; record how long it took."""
    began = time.monotonic()
    said = sh(command, COMPILE)
    lab.data[what] = {"seconds": round(time.monotonic() - began), "said": said}


def run_in_guest(lab, guest, what, command):
    """The same in the guest's system with the packages."""
    began = time.monotonic()
    said = guest.run(f"installed sh -c '{command}' 2>&1", COMPILE)
    lab.data[what] = {"seconds": round(time.monotonic() - began), "said": said}


def uncachable(guest):
    """The guest's uncachable MTRRs that cover a part of the window."""
    start, end = window_range(guest)
    found = []
    for line in guest.run("cat /proc/mtrr").splitlines():
        # reg00: base=0x0f0000000 ( 3840MB), size=  256MB, count=1: uncachable
        m = re.search(r"base=0x(\w+) .*size= *(\d+)([KM])B.*: uncachable", line)
        if m:
            base, size = int(m[1], 16), int(m[2]) << {"K": 10, "M": 20}[m[3]]
            if base < end and base + size > start:
                found.append(line)
    return found


@case("packages-dom0", limit=COMPILE + 200, boots=("packages",), slow=True)
def packages_dom0(lab):
    """dom0's packages install; DKMS compiles the modules and they are loaded at once."""
    lab.require(not dom0.have_module(), "the module is loaded before it is installed")
    lab.require(not os.path.exists(DEVICE_MODEL), f"{DEVICE_MODEL} is there already")
    run_in_dom0(lab, "install", f"dpkg -i {files_of(IN_DOM0)}")
    lab.alive()
    dkms_has(lab, sh("dkms status"), DOM0_MODULES)
    lab.require(dom0.have_module(), "xen-dmabuf-grant is not loaded: " + sh("dmesg | tail -5"))
    for device in "dmabuf-grant", "guest-dmabuf":
        lab.require(os.path.exists(f"/dev/xen/{device}"), f"there is no /dev/xen/{device}")
    # The rest of the boot renders in software, where Mesa does not bear it: see the user page.
    sh("modprobe -r xen-guest-dmabuf")
    with open(UDMABUF_LIMIT, encoding="ascii") as f:
        lab.equal(f.read().strip(), "1024", "udmabuf's limit")
    lab.require(f"xen-hostmem {version_of()}" in sh(f"{DEVICE_MODEL} --version"),
                "what the device model says about its version")


def packaged_guest(lab):
    """A guest that libvirt starts, with the packaged device model; its system can be written
    to, and has a udev."""
    lab.require(os.path.exists(DEVICE_MODEL) and dom0.have_module(),
                "dom0's packages are not installed: run packages-dom0, too")
    lab.drop_guest()
    start_daemon()
    guest = VirtGuest(device_model=DEVICE_MODEL, memory=1792, **SYSTEM).create()
    lab.alive()
    guest.run(f"cat >/bin/installed <<'END'\n{INSTALLED}END\nchmod 755 /bin/installed")
    guest.run(WRITABLE, 120)
    return guest


def install_in_guest(lab, guest):
    """dpkg and nothing else: what loads the module and removes the MTRR is udev."""
    lab.require(guest.node(FRONTEND) != CONNECTED, "a driver is connected already")
    lab.require(uncachable(guest), "the firmware left no uncachable MTRR over the window")
    run_in_guest(lab, guest, "install", f"dpkg -i {files_of(IN_GUEST)}")
    dkms_has(lab, guest.run("installed dkms status", 120), ("xen-hostmem",))
    dom0.wait_for(f"udev has loaded the driver (state 4 at {FRONTEND})",
                  lambda: guest.node(FRONTEND) == CONNECTED, 60)
    path = guest.run("installed modinfo -n xen-hostmem").strip()
    lab.require("/updates/dkms/" in path, f"the module is {path}")
    dom0.wait_for("the udev rule has removed the uncachable MTRRs",
                  lambda: not uncachable(guest), 30, 1)


def same_words(lab, guest, seed):
    """A blob is granted, as write-back memory, and both sides see the same words (I1, R26)."""
    before = emulated(guest)
    blob = Blob(guest, 64 * KIB, seed)
    lab.equal(memory_type(guest), {"write-back"}, "memory type (R26)")
    blob.check_both_ways(lab, seed)
    nothing_trapped(lab, guest, before)
    blob.close()


def checks_find_nothing(lab, guest):
    """The packaged xen-hostmem-check names nothing, in dom0, of the guest, and in the guest."""
    for what in "", guest.name:
        output = sh(f"xen-hostmem-check --json {what}; echo $?", 120, False)
        text, _newline, status = output.rstrip().rpartition("\n")
        names(lab, parsed(int(status), text), [], f"xen-hostmem-check {what} in dom0")
    said = parsed(*guest.status("installed xen-hostmem-check --json", 120))
    names(lab, said, [], "xen-hostmem-check in the guest")


def upgrade_in_guest(lab, guest):
    """The module in use goes on working; the one that is loaded next is the new one."""
    blob = Blob(guest, 64 * KIB, 311)
    run_in_guest(lab, guest, "upgrade", f"dpkg -i {files_of(IN_GUEST, LATER)}")
    blob.check_both_ways(lab, 311)
    blob.close()
    dkms_has(lab, guest.run("installed dkms status", 120), ("xen-hostmem",), LATER)
    unload_driver(guest)
    guest.run("installed modprobe xen-hostmem", 60)
    dom0.wait_for("the new module is connected", lambda: guest.node(FRONTEND) == CONNECTED, 60)
    same_words(lab, guest, 321)


def remove_in_guest(lab, guest):
    """Neither remove nor purge stops what is in use."""
    run_in_guest(lab, guest, "remove", f"dpkg -r {' '.join(IN_GUEST)}")
    lab.equal(guest.run("installed dkms status", 120).strip(), "", "dkms status when removed")
    run_in_guest(lab, guest, "purge", f"dpkg -P {' '.join(IN_GUEST)}")
    left = guest.run("installed sh -c 'find /etc /usr /lib/modules /var/lib/dkms "
                     "-name \"*xen-hostmem*\"'", 300)
    lab.equal(left.strip(), "", "files that are left")
    same_words(lab, guest, 331)


@case("packages-guest", limit=3 * COMPILE, boots=("packages",), slow=True)
def packages_guest(lab):
    """In a guest that libvirt starts, the packages install; udev loads the module that DKMS
    compiled, and makes the window write-back. Words are the same on both sides, vkcube draws, nothing is trapped.
    The same module goes on working through an upgrade, remove and purge."""
    guest = packaged_guest(lab)
    try:
        install_in_guest(lab, guest)
        same_words(lab, guest, 301)
        checks_find_nothing(lab, guest)
        before = emulated(guest)
        vkcube_in_weston(guest, FRAMES)
        nothing_trapped(lab, guest, before)
        upgrade_in_guest(lab, guest)
        remove_in_guest(lab, guest)
    finally:
        guest.destroy()


@case("packages-upgraded", limit=COMPILE + 900, boots=("packages",), slow=True)
def packages_upgraded(lab):
    """dom0's packages are upgraded under a guest that runs, and goes on with what it has. The
    next guest has the new ones."""
    guest = lab.unborn_guest(device_model=DEVICE_MODEL).create()
    lab.alive()
    load_driver(guest)
    blob = Blob(guest, 64 * KIB, 341)
    run_in_dom0(lab, "upgrade", f"dpkg -i {files_of(IN_DOM0, LATER)}")
    dkms_has(lab, sh("dkms status"), DOM0_MODULES, LATER)
    sh("modprobe -r xen-guest-dmabuf")          # as in packages-dom0
    blob.check_both_ways(lab, 341)
    blob.close()
    Blob(guest, 64 * KIB, 345).close()
    guest.destroy()
    wait_no_grants()
    dom0.unload_module()
    sh("modprobe xen-dmabuf-grant")
    guest = lab.unborn_guest(device_model=DEVICE_MODEL).create()
    load_driver(guest)
    blob = Blob(guest, 64 * KIB, 351)
    wait_granted(guest, 16, 40)
    blob.check_both_ways(lab, 351)
    blob.close()
    guest.destroy()


@case("packages-purged", limit=2 * COMPILE, boots=("packages",), slow=True)
def packages_purged(lab):
    """dom0's packages are removed and purged: the device model and the compiled modules are
    gone, what is loaded stays until it is unloaded."""
    lab.require(dom0.have_module(), "dom0's packages are not installed: run packages-dom0, too")
    wait_no_grants()
    run_in_dom0(lab, "remove", f"dpkg -r {' '.join(IN_DOM0)}")
    lab.alive()
    lab.equal(sh("dkms status").strip(), "", "dkms status")
    run_in_dom0(lab, "purge", f"dpkg -P {' '.join(IN_DOM0)}")
    left = [DEVICE_MODEL] if os.path.exists(DEVICE_MODEL) else []
    left += sh("find /etc /usr /lib/modules /var/lib/dkms -name '*xen-hostmem*' "
               "-o -name '*xen-dmabuf-grant*' -o -name '*xen-guest-dmabuf*'", 300).split()
    lab.equal(left, [], "files that are left")
    lab.require(dom0.have_module(), "the module was unloaded under those who use it")
    dom0.unload_module()
