# SPDX-License-Identifier: GPL-2.0-or-later
"""What our patches for Linux and for Xen (upstream/patches) hold, each of them alone: our
driver's own protection is switched off."""

import os

import dom0
from blobs import wait_no_grants, window
from cases.misuse import (EMULATED_WRONG, EXEC, HALF_GONE, NOT_EXECUTED, SIGNALS,
                          check_guest)
from lab import PATCHED, PV, case

# Linux disarms all kprobes, but our driver believes that it has one.
DISARM = "echo 0 >/sys/kernel/debug/kprobes/enabled"
PATCHED_LINUX = "6.12."
CRASH = [r"domain_crash called", r"Domain \d+ .*crashed"]


def unprotected(lab, **options):
    """A guest with our driver, where it is up to Linux and Xen what a program can do."""
    guest = lab.guest(driver=True, fresh=True, **options)
    guest.run(DISARM)
    lab.expected += SIGNALS
    return guest


def execute_blobs(lab, guest):
    """Each way to execute a blob; all of them are granted."""
    before, got = window(guest), {}
    for name in EXEC:
        got.update(guest.json(f"misuse attempt {name}", 40))
    lab.data.update(got)
    now = window(guest)
    for what in ("trapped-reads", "trapped-writes"):
        lab.equal(now[what], before[what], what)
    return got


@case("exec-stock", limit=180, boots=PV, slow=True)
def exec_stock(lab):
    """Without our driver's protection and without a patch, a program that executes a granted
    blob ends its guest. Else the cases exec-linux and exec-xen would show nothing."""
    guest = unprotected(lab)
    lab.expected += CRASH
    lab.require(guest.exists(), "there is no guest")
    guest.run("(sleep 1; misuse attempt exec-mmap) >/dev/null 2>&1 &")
    dom0.wait_for("Xen ends the guest", lambda: not guest.exists(), 40)
    lab.drop_guest()
    wait_no_grants()


@case("exec-linux", limit=240, boots=PV, slow=True)
def exec_linux(lab):
    """The patch "drm/virtio: do not let host visible memory be executed" alone: the program
    gets an error or a signal, by whatever way it executes a granted blob."""
    if not os.uname().release.startswith(PATCHED_LINUX):
        lab.skip(f"the patch is for Linux {PATCHED_LINUX}x")
    guest = unprotected(lab, cmdline="gpu=noexec")
    for name, what in execute_blobs(lab, guest).items():
        lab.require(what in NOT_EXECUTED, f"{name}: {what}")
    check_guest(lab, guest)
    lab.drop_guest()
    wait_no_grants()


@case("exec-xen", limit=240, boots=PATCHED, slow=True)
def exec_xen(lab):
    """The patch "x86/hvm: answer an instruction fetch from a grant with #GP" alone: Linux lets
    programs have executable mappings of granted blobs, and who executes one gets a signal."""
    guest = unprotected(lab)
    for name, what in execute_blobs(lab, guest).items():
        lab.equal(what, "SIGSEGV", name)
    check_guest(lab, guest)
    lab.drop_guest()
    wait_no_grants()


@case("instructions-xen", limit=240, boots=PATCHED, slow=True)
def instructions_xen(lab):
    """The patch "x86emul: back out FSTP m80 and FBSTP when the write fails": 80-bit stores to
    a trapped blob are right."""
    guest = lab.guest(driver=False, fresh=True)
    got = guest.json(f"misuse instruction {EMULATED_WRONG}", 150)
    lab.data.update(got)
    lab.equal(got, dict.fromkeys([*EMULATED_WRONG.split(","), "beside"], "right"), "80-bit stores")
    check_guest(lab, guest)


@case("races-xen", limit=400, boots=PATCHED, slow=True)
def races_xen(lab):
    """The patch "x86/hvm: inject no interrupt into an instruction that waits for I/O": half of
    what is accessed goes all the time, and the guest still gets its interrupts."""
    guest = lab.guest(driver=False, fresh=True)
    lab.expected += SIGNALS
    for _ in range(4):
        for name in HALF_GONE:
            lab.equal(guest.json(f"misuse attempt {name}", 40), {name: "done"}, "the attempt")
    check_guest(lab, guest)
