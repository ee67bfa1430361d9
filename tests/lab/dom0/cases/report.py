# SPDX-License-Identifier: GPL-2.0-or-later
"""xen-hostmem-report as it is installed, on the lab's machine, which it has to call emulated."""

import base64
import json
import os
import xml.etree.ElementTree

import dom0
from cases.memtype import uncached_guest
from dom0 import OUT, RUN
from lab import CONNECTED, FRONTEND, case

PROGRAM = f"{RUN}/xen-hostmem-report"
GUEST_PART = "/tmp/xen-hostmem-guest.json"
# As the renderer that the guest's QEMU uses: without cached memory (cases/memtype.py)
RENDERER = f"{dom0.LAVAPIPE} VK_LAYER_PATH={RUN} VK_INSTANCE_LAYERS=VK_LAYER_LAB_uncached"
# What nobody may find in the report
TOWER, USER, GUEST_HOST, ADDRESS = "alices-tower", "alice", "alices-desktop", "192.0.2.77"
MAC = "00:16:3e:12:ab:cd"


def measure_in_guest(lab, guest):
    """Run the guest's part, with personal data in the kernel's log; return it as text."""
    guest.run("in-system true; cd /system/sys/kernel/debug && "
              "if [ ! -e x86 ]; then mount -t debugfs debug .; fi", 60)
    guest.run(f"hostname {GUEST_HOST} && "
              f"echo 'hostmem: {USER} at {GUEST_HOST}, {ADDRESS}, {MAC}' >/dev/kmsg")
    guest.run(f"in-system sh -c 'cd /tmp && SUDO_USER={USER} xen-hostmem-report --quick'", 500)
    lab.equal(guest.node(FRONTEND), CONNECTED, "the driver's state after the trapped test")
    packed = guest.run(f"in-system sh -c 'gzip -9c {GUEST_PART} | base64 -w 0'")
    path = f"{OUT}/guest.json"
    with open(path + ".gz", "wb") as f:
        f.write(base64.b64decode(packed))
    dom0.sh(f"gunzip -f {path}.gz")
    return path


def measure_in_dom0(guest, part):
    """Run dom0's part, with personal data in QEMU's log; return the report's path."""
    path = f"{OUT}/report.json"
    with open(guest.log, "a", encoding="utf-8") as f:
        f.write(f"xen-hostmem: {USER}@{TOWER}.example.org, {MAC}, /home/{USER}/x\n")
    old = dom0.sh("hostname").strip()
    dom0.sh(f"hostname {TOWER}")
    try:
        dom0.sh(f"SUDO_USER={USER} {RENDERER} {PROGRAM} --quick {guest.name} {part} -o {path}", 400)
    finally:
        # hostname refuses what a machine without a name has: (none)
        dom0.sh(f"echo '{old}' >/proc/sys/kernel/hostname")
    return path


def check_picture(lab, path):
    with open(path, encoding="utf-8") as f:
        drawing = f.read()
    root = xml.etree.ElementTree.fromstring(drawing)
    lab.require(root.tag.endswith("}svg") and len(root) > 50, f"the picture has {len(root)} parts")
    lab.require("EMULATED" in drawing, "the picture does not say that the machine is emulated")


def check_private(lab, text):
    for word in (TOWER, USER, GUEST_HOST, ADDRESS, MAC):
        lab.require(word not in text.lower(), f"{word} is in the report")
    said = [t for t in text.splitlines() if "<MAC address>" in t and "hostmem:" in t]
    lab.equal(len(said), 2, f"lines whose personal data was removed: {said}")


def measured(lab, part, name):
    found = part["measured"][name]
    lab.require(not isinstance(found, dict) or "not_measured" not in found, f"{name}: {found}")
    return found


def check_guest(lab, part, hosts):
    """Every figure is there, and what can be said of them here is right. hosts is what dom0's
    part has of Vulkan: Venus numbers the types as the renderer does, but calls one host-cached
    where the renderer has none."""
    cached = {m["type"]: "host-cached" in m["flags"] for m in hosts["memory"]}
    lab.equal(measured(lab, part, "memory_type"), ["write-back"], "type of a cached blob (R26)")
    for b in measured(lab, part, "speed"):
        lab.equal(b["wrong_sums"], 0, f"sums of {b['bytes']} bytes")
    for b in measured(lab, part, "latency"):
        lab.equal(b["mismatches"], 0, f"words of {b['bytes']} bytes")
    for m in measured(lab, part, "vulkan")["memory"]:
        lab.equal((m["wrong_fill"], m["wrong_copy"]), (0, 0), f"wrong words of {m['flags']}")
        lab.equal(m["guest_types"], ["write-back" if cached[m["type"]] else "write-combining"],
                  f"memory type of {m['flags']} (R26)")
    trapped, granted = measured(lab, part, "trapped"), part["measured"]["speed"][0]
    lab.require(trapped["guest_write_mb_s"] * 100 < granted["guest_write_mb_s"],
                f"trapped {trapped}, granted {granted}")
    lab.require(all(f["fps"] for f in measured(lab, part, "frames")), "a scene without a frame")


@case("report", limit=1100, boots=("module",), slow=True)
def report(lab):
    """The report of this machine is valid and complete, calls it emulated, has a picture that
    parses, and nothing personal that was in the logs on purpose."""
    guest = uncached_guest(lab)
    guest.run("xen-hostmem-mtrr")
    path = measure_in_dom0(guest, measure_in_guest(lab, guest))
    dom0.sh(f"{PROGRAM} --check {path}")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    said = json.loads(text)
    check_guest(lab, said["guest"], measured(lab, said["dom0"], "vulkan"))
    measured(lab, said["dom0"], "frames")
    lab.equal(said["dom0"]["kind"], "emulated", "what it calls this machine")
    lab.equal(len(said["dom0"]["windows"]), 1, "windows")
    check_private(lab, text)
    check_picture(lab, path.removesuffix(".json") + ".svg")
    lab.require("(emulated)" in dom0.sh(f"{PROGRAM} --table {path}"), "the table's row")
    lab.data.update(removed=said["removed"], size=os.path.getsize(path))
