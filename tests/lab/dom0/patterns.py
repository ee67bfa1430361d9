# SPDX-License-Identifier: GPL-2.0-or-later
"""Log lines that mean a failure, whatever the result of a case is."""

import re

FAILURES = [
    ("Xen panic", r"Panic on CPU|FATAL TRAP|Xen BUG at|Assertion '.*' failed at"),
    ("domain crash", r"domain_crash|Domain \d+ .*crashed|VMEXIT.*failed|"
                     r"emulation failed \(|not permitted"),
    ("kernel BUG", r"\bBUG:|\bBUG [\w-]+ \(|pagealloc: |kernel BUG at|\bOops\b|Kernel panic|"
                   r"general protection fault|Internal error:"),
    ("kernel warning", r"WARNING: CPU: \d+"),
    ("hung task", r"blocked for more than \d+ seconds|soft lockup|rcu_\w+ (self-)?detected"),
    ("leak", r"kmemleak|g\.e\. .*still (in use|pending)"),
    ("QEMU", r"qemu.*Assertion|ERROR:\.\./|AddressSanitizer|runtime error:|"
             r"Sanitizer: |terminated by signal"),
]


def find(text, expected=()):
    """The first line of text that shows a failure, as (what, line), or None.

    expected: patterns of lines that a case provokes on purpose."""
    for line in text.splitlines():
        if any(re.search(p, line) for p in expected):
            continue
        for what, pattern in FAILURES:
            if re.search(pattern, line):
                return what, line.strip()
    return None


FATAL = r"Panic on CPU|Kernel panic|FATAL TRAP|Xen BUG at|Rebooting in|" \
        r"Reboot disabled|emergency mode|Hardware Dom0 crashed|\bOops: "


def find_fatal(text):
    """The first line after which a machine cannot continue, or not be trusted, as (what,
    line), or None."""
    for line in text.splitlines():
        if re.search(FATAL, line):
            return "Xen or dom0 has failed", line.strip()
    return None


# Xen shows the state that the CPU has saved of a PVH dom0, and the code segment and address
# in it are those of Xen.
MIXED_UP = r"^.*RIP: +e008:\[<ffff82d0[0-9a-f]{8}>\].*\n.*CONTEXT: hvm guest \(d0v\d+\)"
HOST_FAULT = "\nTriple fault\n"     # what QEMU logs of a CPU that does not run a guest
TRIPLE_FAULT = r"^.*\bd0v\d+ Triple fault.*"
KERNEL_FAULT = r"\bBUG\b|\bOops\b|\bPANIC\b|Kernel panic|general protection fault|" \
               r"stack guard page"


def find_loss(text, emulator=""):
    """What shows in the serial log, or in the emulator's, that the emulated CPU has lost a PVH
    dom0, or None.

    Software can cause neither of these: the CPU alone saves a guest's state, and Linux has
    no such code segment; and before a triple fault of its own, Linux reports the first one.
    Other guests have triple faults without a report now and then, too. A triple fault of the
    machine itself is one of Xen's, which would report its first one, too."""
    if HOST_FAULT in emulator and not find_fatal(text):
        return "the emulated CPU lost Xen: triple fault, and Xen has reported nothing"
    found = re.search(MIXED_UP, text, re.M)
    if not found:
        found = re.search(TRIPLE_FAULT, text, re.M)
        if not found or re.search(KERNEL_FAULT, text[:found.start()]):
            return None
    return "the emulated CPU lost dom0: " + " ".join(found[0].split())
