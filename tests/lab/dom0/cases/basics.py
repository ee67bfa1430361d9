# SPDX-License-Identifier: GPL-2.0-or-later
"""What the other cases rely on."""

import resource

from dom0 import OUT, Failed, sh
from lab import PV, case

DRM_MODULES = ("virtio_gpu", "drm_shmem_helper", "virtio_dma_buf")


@case("guest-gpu", limit=240)
def guest_gpu(lab):
    """A guest without our driver has a virtio-gpu with 3D, blobs and host memory."""
    guest = lab.guest(driver=False, provider=False)
    modules = guest.run("cat /proc/modules")
    for name in DRM_MODULES:
        lab.require(name in modules, f"{name} is not loaded in the guest")
    lab.require("renderD128" in guest.run("ls /dev/dri"), "no render node in the guest")
    log = guest.run("dmesg | grep -i 'virtio_gpu\\|drm'")
    for feature in ("+virgl", "+resource_blob", "+host_visible", "+context_init"):
        lab.require(feature in log, f"virtio-gpu of the guest lacks {feature}: {log}")
    for capset in ("id 1,", "id 2,", "id 4,"):
        lab.require(capset in log, f"capset {capset} is missing: {log}")


@case("guest-commands", limit=240)
def guest_commands(lab):
    """The channel that commands are run by: exit status, long output, time limit."""
    guest = lab.guest(driver=False, provider=False)
    lab.equal(guest.status("exit 3")[0], 3, "exit status")
    lab.equal(len(guest.run("head -c 20000 /dev/zero | tr '\\0' x")), 20000, "long output")
    lab.equal(guest.status("sleep 20", 2)[0], 124, "status of a command that timed out")
    lab.equal(guest.run("echo still here").strip(), "still here", "the next command")
    # A program that is slow to end does not answer for the next one of the same name.
    for _ in range(2):
        guest.spawn_quiet("slow", "sh -c 'read x; echo 1; sleep 1; exit 3'")
        lab.equal(guest.ask("slow", "go"), 1, "answer")
    guest.spawn_quiet("slow", "sh -c 'read x; sleep 1; echo 2'")
    lab.equal(guest.status("sleep 2; ask slow 10 go", 20), (0, "2\n"), "answer after that")
    # An answer that is an error fails the case even if the case does not check it.
    try:
        guest.json("echo '{\"error\": \"no blob\"}'")
    except Failed as why:
        lab.require("no blob" in str(why), f"how an error is reported: {why}")
    else:
        lab.require(False, "an error was taken for an answer")


@case("pcid", limit=20, boots=PV)       # a PVH dom0 has page tables of its own
def pcid(lab):
    """Xen uses the emulated CPU's PCIDs (patches/lab) for dom0's kernel and programs.
    Otherwise each system call would empty the emulated TLB."""
    if not lab.software:
        lab.skip("the CPU is not emulated; whether it has PCIDs does not matter")
    with open(f"{OUT}/xen.log", encoding="utf-8") as f:
        found = [line for line in f if "XPTI (64-bit PV only)" in line]
    lab.alive()
    lab.require(found and "(with PCID)" in found[0], f"what Xen logs about PCIDs: {found}")
    # They are available. By default Xen uses them against Meltdown only.
    line = sh("xl info xen_commandline").split()
    lab.require("pcid=1" in line, f"Xen is not told to use PCIDs: {line}")


@case("next-rip", limit=20)
def next_rip(lab):
    """The emulated CPU saves the address of a guest's next instruction (patches/lab), so
    Xen need not decode the instruction it handles. All other cases depend on that."""
    if not lab.software:
        lab.skip("the CPU is not emulated; what it saves at an exit does not matter")
    with open(f"{OUT}/xen.log", encoding="utf-8") as f:
        found = [line.strip() for line in f if "Next-RIP" in line]
    lab.alive()
    lab.equal(len(found), 1, f"what Xen logs about the next RIP: {found}")


@case("guest-alone", limit=120)
def guest_alone(lab):
    """A measurement in a guest has the guest's CPU to itself and shares dom0's with QEMU
    only: vCPUs stay pinned, and the lab sleeps until a command has ended."""
    guest = lab.guest(driver=False, provider=False)
    for line in sh(f"xl vcpu-list {guest.name}").splitlines()[1:]:
        hard = line.split()[-3]     # ... "1 / all", hard and soft
        lab.equal(hard, "1", f"where xl pins it: {line}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    guest.run("sleep 4")
    woken = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    lab.require(woken < 20, f"the lab woke up {woken} times in four seconds")
    # In the guest, waiting for a program's answer uses no CPU time either.
    guest.spawn_quiet("alone", "sh -c 'n() { sed -n \"s/processes //p\" /proc/stat; }; "
                      "read x; a=$(n); sleep 4; echo $(($(n) - a))'")
    started = guest.ask("alone", "go")
    lab.require(started < 20, f"{started} processes started in the guest in four seconds")
