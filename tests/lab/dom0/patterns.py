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
        r"Reboot disabled|emergency mode"


def find_fatal(text):
    """The first line after which a machine cannot continue, as (what, line), or None."""
    for line in text.splitlines():
        if re.search(FATAL, line):
            return "the machine stopped", line.strip()
    return None
