# SPDX-License-Identifier: GPL-2.0-or-later
"""xen-hostmem-check as it is installed, on real machines: it names what the lab lacks, what a case
breaks, and nothing else."""

import json
import os
import re
from contextlib import contextmanager

import dom0
from blobs import KIB, MIB, Blob, wait_granted, window
from cases.fallback import UDMABUF_LIMIT
from desktop import program_ends, start_weston, vkcube
from dom0 import OUT, RUN, Failed
from fill import module_parameters
from guest import DISPLAY, GPU, SYSTEM
from lab import case, load_driver, unload_driver

# The lab loads xen-dmabuf-grant from the share, and its guest has no udev.
DOM0_LACKS, GUEST_LACKS = ["at-boot"], ["mtrr-rule"]
READY, NOT_READY = 0, 1
STALE = "/local/domain/0/backend/hostmem/31999"
SERVER = "/usr/libexec/virgl_render_server"
LARGE = f"""\
name = "large"
type = "hvm"
memory = 768
vga = "none"
device_model_override = "{RUN}/qemu-system-x86_64"
device_model_args_hvm = [ "-display", "{DISPLAY}",
    "-device", "{GPU.replace('256M', '1G')}" ]
"""


def parsed(status, output):
    try:
        said = json.loads(output)
    except ValueError:
        raise Failed(f"xen-hostmem-check: exit {status}, no JSON: {dom0.brief(output)}") from None
    if said["status"] != status:
        raise Failed(f"xen-hostmem-check: exit {status}, but it says {said['status']}")
    return said


def examine(arguments=""):
    """What the program says in dom0."""
    output = dom0.sh(f"{RUN}/xen-hostmem-check --json {arguments}; echo $?", 120, False)
    text, _newline, status = output.rstrip().rpartition("\n")
    return parsed(int(status), text)


def examine_guest(guest):
    """What it says in the guest. Its system sees the guest's debugfs only if that is mounted."""
    guest.run("in-system true; cd /system/sys/kernel/debug && "
              "if [ ! -e x86 ]; then mount -t debugfs debug .; fi", 60)
    return parsed(*guest.status("in-system xen-hostmem-check --json", 120))


def names(lab, said, wanted, when):
    """Check that it names these and nothing else."""
    complaints = [f for f in said["findings"] if f["check"] in said["named"]]
    lab.equal(sorted(said["named"]), sorted(wanted), f"{when}: named, of {complaints}")
    lab.equal(said["status"], NOT_READY if wanted else READY, f"{when}: exit status")


def texts(said, check):
    return [f["text"] for f in said["findings"] if f["check"] == check]


@contextmanager
def written(path, text):
    """Change a file for a while."""
    with open(path, encoding="ascii") as f:
        old = f.read()
    try:
        dom0.sh(f"echo {text} >{path}")
        yield
    finally:
        dom0.sh(f"echo {old.strip()} >{path}")


@contextmanager
def stale_node():
    dom0.sh(f"xenstore-write {STALE}/0/state 4")
    try:
        yield
    finally:
        dom0.sh(f"xenstore-rm {STALE}")


@contextmanager
def no_server():
    dom0.sh(f"chmod 644 {SERVER}")
    try:
        yield
    finally:
        dom0.sh(f"chmod 755 {SERVER}")


@case("check-dom0", limit=400, slow=True)
def check_dom0(lab):
    """In dom0, with a guest that runs, it complains of the lab's own lack only; then of each of
    six faults."""
    lab.guest(driver=False, fresh=True)
    said = examine()
    lab.data["findings"] = said["findings"]
    lab.equal(said["mode"], "dom0", "what it takes this machine for")
    names(lab, said, DOM0_LACKS, "with a guest")
    lab.require("guest (256M, running)" in texts(said, "guests")[0], f"{texts(said, 'guests')}")
    lab.require("(vgem)" in texts(said, "render-node")[0], f"{texts(said, 'render-node')}")
    faults = (("udmabuf-limit", written(UDMABUF_LIMIT, 128)),
              ("peer-limit", module_parameters(peer_limit=1024)),
              ("stale-nodes", stale_node()),
              ("render-server", no_server()))
    for name, fault in faults:
        with fault:
            names(lab, examine(), [*DOM0_LACKS, name], name)
    with open(f"{OUT}/large.cfg", "w", encoding="ascii") as f:
        f.write(LARGE)
    # The lab's limit for one guest is what its largest window usually needs.
    names(lab, examine(f"--config {OUT}/large.cfg"),
          [*DOM0_LACKS, "gnttab-max-frames", "peer-limit"], "with a window of 1 GiB configured")
    lab.drop_guest()
    lab.provide(False)
    try:
        names(lab, examine(), ["provider"], "without the module")
    finally:
        lab.provide(True)
    os.remove(f"{OUT}/large.cfg")


@case("check-guest", limit=500, slow=True)
def check_guest(lab):
    """In the guest it names the MTRR, a mapping that is uncached since before it was removed, and
    the missing driver; it lists the memory type of each mapping."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    blob = Blob(guest, MIB, 211)
    said = examine_guest(guest)
    lab.data["findings"] = said["findings"]
    lab.equal(said["mode"], "guest", "what it takes this machine for")
    names(lab, said, [*GUEST_LACKS, "mtrr"], "as the firmware leaves the MTRRs")
    guest.run("xen-hostmem-mtrr")
    names(lab, examine_guest(guest), [*GUEST_LACKS, "memory-type"],
          "with a mapping from before the MTRR was removed")
    blob.close()
    blob = Blob(guest, MIB, 212, name="again")
    said = examine_guest(guest)
    names(lab, said, GUEST_LACKS, "with the MTRR removed")
    types = texts(said, "memory-type")
    lab.require(types and all(t.endswith(": write-back") for t in types), f"types: {types}")
    blob.close()
    unload_driver(guest)
    names(lab, examine_guest(guest), [*GUEST_LACKS, "driver"], "without the driver")
    load_driver(guest)
    names(lab, examine_guest(guest), GUEST_LACKS, "with the driver again")


@case("check-running", limit=400, slow=True)
def check_running(lab):
    """Of a running guest it names why blobs are trapped, and nothing once they are granted."""
    guest = lab.guest(driver=False, fresh=True)
    blob = Blob(guest, 64 * KIB, 213, fill=False)
    names(lab, examine(guest.name), ["no-frontend"], "without the driver")
    load_driver(guest)
    wait_granted(guest, 16, 40)
    said = examine(guest.name)
    lab.data["findings"] = said["findings"]
    names(lab, said, [], "with the driver")
    lab.require("earlier" in texts(said, "no-frontend")[0], f"{said['findings']}")
    with written(UDMABUF_LIMIT, 1):
        large = Blob(guest, 2 * MIB, 214, fill=False, name="large")
        names(lab, examine(guest.name), ["udmabuf-failed"], "with a low limit of udmabuf")
    wait_granted(guest, 16 + 512, 80)
    names(lab, examine(guest.name), [], "with the limit as it was")
    large.close()
    blob.close()
    lab.equal(examine("nobody")["named"], ["guest"], "of a guest that does not exist")


TRANSITION = re.compile(r"xen_hostmem_transition blob (\d+) offset 0x(\w+) pages (\d+): "
                        r"\S+ -> (\S+)")


def most_mapped(guest):
    """The highest number of pages that were in the window at once, according to QEMU's trace."""
    now, most = {}, 0
    for blob, offset, pages, state in TRANSITION.findall(guest.qemu_log()):
        if state == "gone":
            now.pop((blob, offset), None)
        else:
            now[blob, offset] = int(pages)
        most = max(most, sum(now.values()))
    return most


def planned(program):
    """Pages that the calculator says the programs map."""
    return sum(p["bytes"] for p in json.loads(dom0.sh(
        f"{RUN}/xen-hostmem-check --plan --json --program {program}"))["parts"]) // 4096


LEAST = 0.8     # of what is planned: newer Mesa has three images of a window instead of four


@case("check-plan", limit=700, slow=True)
def check_plan(lab):
    """The calculator says what weston, three vkcubes beside it, and vkmark map."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    start_weston(guest)
    lab.equal(most_mapped(guest), planned("weston"), "pages that weston mapped")
    cubes = planned("vkcube:3")
    for n in range(3):
        guest.spawn_quiet(f"cube{n}", f"in-system {vkcube(100000)} --width 1000 --height 1000")
    try:
        dom0.wait_for(f"three vkcubes map about {cubes} pages",
                      lambda: most_mapped(guest) >= LEAST * cubes, 350, 3)
    finally:
        lab.data["three vkcubes"] = most_mapped(guest), cubes
    dom0.sh("sleep 5")
    most = most_mapped(guest)
    lab.require(most <= 1.05 * cubes, f"three vkcubes mapped {most} pages, not {cubes}")
    guest.run("killall -9 vkcube; killall weston; sleep 2", 60)
    wait_granted(guest, 0, 60)

    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    scenes = "-b vertex:duration=3 -b texture:duration=3 -b clear:duration=3"
    guest.spawn_quiet("vkmark", f"in-system vkmark --winsys headless -s 160x120 {scenes}")
    program_ends(guest, "vkmark", 150)
    # Without a window, so without the images of one, which the calculator adds.
    most, marks = most_mapped(guest), planned("vkmark")
    lab.data["vkmark"] = most, marks
    lab.require(0.4 * marks <= most <= marks, f"vkmark mapped {most} pages of {marks} at most")
    lab.data.update(window=window(guest)["size"])
