# SPDX-License-Identifier: GPL-2.0-or-later
"""Access to dom0 itself: commands, modules, counters, xenstore."""

import glob
import json
import os
import subprocess
import sys
import time

SHARE = "/lab"
OUT = SHARE + "/out"
RUN = "/tools"            # a tmpfs; /run would be noexec
MODULE = "xen_dmabuf_grant"
# The renderer itself, without a render server.
LAVAPIPE = "VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json"
DEBUGFS = "/sys/kernel/debug/xen-dmabuf-grant"
patience = 1                # factor of all time limits


class Failed(Exception):
    """A requirement is not met."""


class Skipped(Exception):
    """The case cannot run here; the message says why."""


def brief(text):
    """Both ends of a long output: the cause is often at the start, the effect at the end."""
    text = text.strip()
    return text if len(text) < 1600 else text[:800] + "\n[...]\n" + text[-700:]


def be_patient(factor):
    """Multiply all time limits, in a boot that is slower than others."""
    global patience                     # pylint: disable=global-statement
    patience = factor


def allowed(seconds):
    """A time limit in this boot."""
    return int(seconds * patience)


def sh(command, timeout=60, check=True):
    """Run a shell command and return its output."""
    done = subprocess.run(command, shell=True, text=True, timeout=allowed(timeout),
                          stdin=subprocess.DEVNULL, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise Failed(f"dom0: {command}: exit {done.returncode}: {brief(done.stdout)}")
    return done.stdout


def tool_json(command, timeout=120):
    """Run one of our tools and return its answer, the last line of its output."""
    lines = [t for t in sh(command, timeout, check=False).splitlines() if t.strip()]
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        raise Failed(f"dom0: {command}: no JSON answer: {' / '.join(lines[-3:])}") from None


def wait_for(what, predicate, seconds, pause=0.1):
    """Poll until predicate() is true; return its value."""
    end = time.monotonic() + allowed(seconds)
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"did not happen within {allowed(seconds)} s: {what}")
        time.sleep(pause)


def xenstore():
    """A connection, by Xen's own binding, which only dom0 has."""
    if not any("/xen-" in p for p in sys.path):
        sys.path += glob.glob("/usr/lib/xen-*/lib/python")
    from xen.lowlevel.xs import xs  # pylint: disable=import-outside-toplevel
    return xs()


def store(path):
    """A xenstore value as text, or None."""
    value = xenstore().read("", path)
    return None if value is None else value.decode(errors="replace")


def have_module():
    return os.path.exists(f"/sys/module/{MODULE}")


def load_module(name="xen-dmabuf-grant", peer_limit=65536):
    """Load it; a guest may have as many pages as the largest window has."""
    if not have_module():
        sh(f"insmod {RUN}/{name}.ko peer_limit={peer_limit}")


def unload_module():
    """Wait until the last guest's QEMU and its grants are gone, then unload it."""
    wait_for(f"the module {MODULE} can be unloaded",
             lambda: not have_module() or "ERROR" not in sh(f"rmmod {MODULE}", check=False), 60, 1)


def counters():
    """The module's counters; {} if it is not loaded."""
    result = {}
    for path in glob.glob(DEBUGFS + "/*"):
        with open(path, encoding="ascii") as f:
            result[os.path.basename(path)] = int(f.read())
    return result


def qemu_version():
    return sh(f"{RUN}/qemu-system-x86_64 --version").split()[3]


def require_qemu(version):
    """Fail unless the device model has this version (or one that begins with it)."""
    found = qemu_version()
    if version and not f"{found}.".startswith(f"{version}."):
        raise Failed(f"the device model is QEMU {found}, not {version}")


def versions(kvm):
    """What runs below the guests."""
    found = {"linux": os.uname().release, "qemu": qemu_version()}
    return found if kvm else {**found, "xen": sh("xl info xen_version").strip()}


def setup(kvm):
    """Once per boot: unpack the programs from the second disk and prepare devices."""
    sh(f"mount -t tmpfs tools {RUN}")
    sh(f"tar -xf /dev/vdb -C {RUN}")
    sh("modprobe vgem; modprobe udmabuf", check=False)
    if kvm:
        sh("modprobe kvm_amd || modprobe kvm_intel")
    if not glob.glob("/dev/dri/renderD*"):
        raise Failed("no render node although vgem is loaded: " + sh("dmesg | tail -5"))
