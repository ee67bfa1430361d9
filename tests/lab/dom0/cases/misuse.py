# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user of the guest does with a blob costs at most that user's process."""

import time

import dom0
from blobs import KIB, Blob, granted_pages, wait_granted, wait_no_grants, window
from desktop import program_ends
from guest import SYSTEM
from lab import case, load_driver

# What must not come of an attempt: the process has executed the blob, or it never ends.
EXECUTED, ENDLESS = ("returned", "returned 42"), ("no end", "cannot be killed", "nothing")
# Linux mentions each signal, and Xen each instruction that its emulator does not know.
SIGNALS = [r"traps: misuse", r"misuse\[\d+\]", r"emulation failed \("]
# With our driver the mapping is not executable, and cannot become so.
EXEC = ("exec-mmap", "exec-personality", "exec-mprotect", "exec-plain", "exec-mremap",
        "exec-dmabuf", "exec-dmabuf-mprotect", "exec-straddle", "exec-handler", "exec-fork")
NOT_EXECUTED = ("SIGSEGV", "SIGBUS", "EACCES", "EPERM")
# System calls that copy work, those that take pages do not.
COPY = ("pipe", "socket", "vm-local", "futex-op", "stack", "ioctl", "madvise", "clear-tid",
        "robust-list")
TAKE_PAGES = ("vmsplice", "vm-readv", "vm-writev", "proc-mem", "ptrace", "futex-shared", "grow",
              "io-uring")
RACES = ("race-mprotect", "race-munmap", "race-memory")
# The second page of an access goes while the first one's is on its way.
HALF_GONE = ("race-neighbour", "race-second")
# What Xen's emulator does not know, on a trapped blob
NOT_EMULATED = {"fnstenv": "SIGSEGV", "fnsave": "SIGSEGV", "fxsave": "SIGSEGV",
                "fxrstor": "SIGSEGV", "xsave": "SIGILL", "xrstor": "SIGSEGV"}
# What it does so wrong that Xen ends the guest: upstream/patches/xen-fstp-m80.patch
EMULATED_WRONG = "fstp80,fbstp"


def check_guest(lab, guest):
    """The guest is as well as before."""
    lab.require(guest.exists(), "the guest is gone")
    blob = Blob(guest, 64 * KIB, 171, fill=False, name="after")
    blob.check_both_ways(lab, 171, 16)
    blob.close()


@case("misuse-granted", limit=240)
def misuse_granted(lab):
    """A program without privileges tries to execute a granted blob, uses it for system calls,
    and changes its mappings while it is accessed. Others of the guest do not notice."""
    guest = lab.guest(driver=True, fresh=True)
    lab.expected += SIGNALS
    got = guest.json("misuse attempts", 200)
    lab.data.update(got)
    for name in EXEC:
        lab.require(got[name] in NOT_EXECUTED, f"{name}: {got[name]}")
    for name in (*COPY, "signal-stack", *RACES, *HALF_GONE):
        lab.equal(got[name], "done", name)
    for name in TAKE_PAGES:
        lab.require(got[name].startswith("E"), f"{name}: {got[name]}")
    never_ended = {n: how for n, how in got.items() if how in ENDLESS and n != "exec-arguments"}
    lab.equal(never_ended, {}, "attempts that did not end, or not begin")
    check_guest(lab, guest)
    wait_no_grants()


@case("misuse-trapped", limit=400, slow=True)
def misuse_trapped(lab):
    """The same on a trapped blob, where Xen's emulator makes the accesses. HALF_GONE is left to
    races-xen: without upstream/patches/xen-inject-after-io.patch, it can freeze the guest."""
    guest = lab.guest(driver=False, fresh=True)
    lab.expected += SIGNALS
    names = [*EXEC, *COPY, *TAKE_PAGES, *RACES]
    got = {}
    for name in names:
        got.update(guest.json(f"misuse attempt {name}", 40))
    lab.data.update(got)
    for name in names:
        lab.require(got[name] not in EXECUTED + ENDLESS, f"{name}: {got[name]}")
    for name in (*COPY, *RACES):
        lab.equal(got[name], "done", name)
    check_guest(lab, guest)


@case("misuse-before", limit=240, slow=True)
def misuse_before(lab):
    """Mappings that were there before the driver cannot be executed when it has granted
    them: not an executable one, and none that is made executable later. A program that maps
    buffers in the guest's memory all the time does not keep the driver from granting."""
    guest = lab.guest(driver=False, fresh=True, vcpus=2)
    lab.expected += SIGNALS
    guest.spawn("before", "misuse before")
    load_driver(guest)
    wait_granted(guest, 4)
    got = guest.ask("before", "now")
    lab.data.update(got)
    lab.equal((got["executable"], got["mprotect"], got["call"]),
              ("SIGBUS", "EACCES", "SIGSEGV"), "an executable mapping, another one, a call")
    lab.require(got["others"] > 100, f"the buffer was mapped {got['others']} times only")
    check_guest(lab, guest)


@case("instructions", limit=600, slow=True)
def instructions(lab):
    """All kinds of instructions work on a granted blob. On a trapped one some end the
    program, which the documentation lists, and two are not tried."""
    guest = lab.guest(driver=True, fresh=True)
    lab.expected += SIGNALS
    got = guest.json("misuse instructions", 60)
    lab.equal({n: r for n, r in got.items() if r != "right"}, {}, "granted, not right")
    guest = lab.guest(driver=False)
    got = guest.json(f"misuse instructions {EMULATED_WRONG}", 450)
    lab.data.update(got)
    lab.equal(got, {**dict.fromkeys(got, "right"), **NOT_EMULATED}, "trapped")


UNBIND = "/sys/bus/xen/drivers/xen-hostmem/unbind"
VKMARK = "in-system vkmark --winsys headless -s 160x120 -b vertex:duration={} 2>&1"


@case("unbind-waits", limit=300, slow=True)
def unbind_waits(lab):
    """An unbind of the driver waits until a running Vulkan program has ended, so that its
    ring is never trapped."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    guest.spawn_quiet("vk", VKMARK.format(15))
    dom0.wait_for("vkmark draws", lambda: granted_pages(guest) > 100, 60)
    time.sleep(3)
    before = window(guest)
    guest.run(f"spawn unbind sh -c 'echo hostmem-0 >{UNBIND}'")
    time.sleep(3)
    lab.equal(guest.node("device/hostmem/0/state"), "4", "the driver's state while vkmark runs")
    output = program_ends(guest, "vk", 100)
    lab.require("vkmark Score" in output, dom0.brief(output))
    dom0.wait_for("the driver is unbound", lambda: guest.node("device/hostmem/0/state") == "6", 30)
    now = window(guest)
    lab.equal((now["trapped-reads"], now["trapped-writes"]),
              (before["trapped-reads"], before["trapped-writes"]), "accesses that trapped")
    wait_no_grants()
    lab.drop_guest()
