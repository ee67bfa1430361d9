# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages, installed in dom0 and in a guest, and used from then on. They have a
boot of their own, whose disk packaging/lab.sh makes: it has the packages in /packages and what
they depend on. The cases build on each other, in the order in which they are here."""

import glob
import os
import re

import dom0
from blobs import KIB, Blob, memory_type, wait_no_grants, window_range
from cases.graphics import emulated, nothing_trapped
from desktop import vkcube_in_weston
from dom0 import sh
from guest import SYSTEM
from lab import CONNECTED, FRONTEND, case

DEBS = "/packages"
DEVICE_MODEL = "/usr/bin/qemu-system-x86_64-xen-hostmem"
IN_DOM0 = "qemu-system-xen-hostmem", "xen-hostmem-dom0-dkms"
IN_GUEST = "xen-hostmem-guest-dkms"
UDMABUF_LIMIT = "/sys/module/udmabuf/parameters/size_limit_mb"
COMPILE = 2400          # seconds that DKMS may take on an emulated CPU
FRAMES = 40             # of vkcube

# The guest's system with a layer above it that can be written to, and a real udev. That
# of the other cases, /system, is read-only.
WRITABLE = """set -e
in-system modprobe overlay
mkdir -p /rw /installed
mount -t tmpfs -o size=800m rw /rw
mkdir -p /rw/upper /rw/work
mount -t overlay -o lowerdir=/system,upperdir=/rw/upper,workdir=/rw/work installed /installed
for folder in proc sys dev; do mount --bind /$folder /installed/$folder; done
for folder in run tmp; do mount -t tmpfs $folder /installed/$folder; done
installed /usr/lib/systemd/systemd-udevd --daemon
installed udevadm settle"""
INSTALLED = """#!/bin/sh
exec chroot /installed /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""


def files_of(packages):
    return " ".join(f"{DEBS}/{name}_*.deb" for name in packages)


def dkms_version(package):
    """The version that a package has, which is that of its module for DKMS."""
    return sh(f"dpkg-query -W -f '${{Version}}' {package}").strip()


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


@case("packages-dom0", limit=COMPILE, boots=("packages",), slow=True)
def packages_dom0(lab):
    """dom0's packages install; DKMS compiles the module and it is loaded at once."""
    lab.require(not dom0.have_module(), "the module is loaded before it is installed")
    lab.require(not os.path.exists(DEVICE_MODEL), f"{DEVICE_MODEL} is there already")
    lab.data["dpkg"] = sh(f"dpkg -i {files_of(IN_DOM0)}", COMPILE)
    lab.alive()
    version, kernel = dkms_version(IN_DOM0[1]), os.uname().release
    lab.require(f"xen-dmabuf-grant/{version}, {kernel}, x86_64: installed" in sh("dkms status"),
                f"dkms status: {sh('dkms status')}")
    lab.require(dom0.have_module(), "xen-dmabuf-grant is not loaded: " + sh("dmesg | tail -5"))
    lab.require(os.path.exists("/dev/xen/dmabuf-grant"), "there is no /dev/xen/dmabuf-grant")
    with open(UDMABUF_LIMIT, encoding="ascii") as f:
        lab.equal(f.read().strip(), "1024", "udmabuf's limit")
    lab.require(f"xen-hostmem {version}" in sh(f"{DEVICE_MODEL} --version"),
                "what the device model says about its version")


def installed_guest(lab):
    """A guest of the packaged device model, with the guest's package installed by dpkg and
    nothing else: what loads the module is udev."""
    lab.require(os.path.exists(DEVICE_MODEL) and dom0.have_module(),
                "dom0's packages are not installed: run packages-dom0, too")
    guest = lab.unborn_guest(device_model=DEVICE_MODEL, memory=1792, **SYSTEM)
    guest.create()
    lab.alive()
    guest.run(f"cat >/bin/installed <<'END'\n{INSTALLED}END\nchmod 755 /bin/installed")
    guest.run(WRITABLE, 120)
    lab.require(guest.node(FRONTEND) != CONNECTED, "a driver is connected already")
    lab.require(uncachable(guest), "the firmware left no uncachable MTRR over the window")
    lab.data["dpkg"] = guest.run(f"installed sh -c 'dpkg -i {files_of([IN_GUEST])}' 2>&1",
                                 COMPILE)
    guest.run("installed udevadm settle", 60)
    dom0.wait_for(f"udev has loaded the driver (state 4 at {FRONTEND})",
                  lambda: guest.node(FRONTEND) == CONNECTED, 60)
    return guest


@case("packages-guest", limit=2 * COMPILE, boots=("packages",), slow=True)
def packages_guest(lab):
    """The guest's package installs; udev loads the module that DKMS compiled, and makes the
    window write-back. Words are the same on both sides, vkcube draws, nothing is trapped.
    The module goes on working when the package is purged."""
    guest = installed_guest(lab)
    try:
        path = guest.run("installed modinfo -n xen-hostmem").strip()
        lab.require("/updates/dkms/" in path, f"the module is {path}")
        dom0.wait_for("the udev rule has removed the uncachable MTRRs",
                      lambda: not uncachable(guest), 30, 1)
        blob = Blob(guest, 64 * KIB, 301)
        lab.equal(memory_type(guest), {"write-back"}, "memory type (R26)")
        blob.check_both_ways(lab, 303)
        blob.close()
        before = emulated(guest)
        vkcube_in_weston(guest, FRAMES)
        nothing_trapped(lab, guest, before)
        guest.run(f"installed dpkg -P {IN_GUEST} 2>&1", COMPILE)
        lab.equal(guest.run("installed dkms status").strip(), "", "dkms status when purged")
        blob = Blob(guest, 64 * KIB, 311)
        blob.check_both_ways(lab, 313)
        blob.close()
        nothing_trapped(lab, guest, before)
    finally:
        guest.destroy()


@case("packages-purged", limit=COMPILE, boots=("packages",), slow=True)
def packages_purged(lab):
    """dom0's packages are purged: the device model and the compiled module are gone, the
    loaded one stays until it is unloaded."""
    lab.require(dom0.have_module(), "dom0's packages are not installed: run packages-dom0, too")
    wait_no_grants()
    sh(f"dpkg -P {' '.join(IN_DOM0)}", COMPILE)
    lab.alive()
    lab.equal(sh("dkms status").strip(), "", "dkms status")
    left = [DEVICE_MODEL] if os.path.exists(DEVICE_MODEL) else []
    left += glob.glob("/usr/src/xen-dmabuf-grant-*") + \
        glob.glob("/lib/modules/*/updates/dkms/xen-dmabuf-grant*") + \
        glob.glob("/usr/lib/*.d/xen-hostmem*") + glob.glob("/usr/lib/*.d/xen-dmabuf-grant*")
    lab.equal(left, [], "files that are left")
    lab.require(dom0.have_module(), "the module was unloaded under those who use it")
    dom0.unload_module()
