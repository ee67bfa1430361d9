# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings, and the registry of checks. A check is a pure function from the facts of its mode to
any number of findings, all under the check's name."""

from dataclasses import dataclass

OK, NOTE, PROBLEM, UNKNOWN = "ok", "note", "problem", "unknown"
# Where an option of Xen's belongs; for advice.
XEN_LINE = "on Xen's command line (Debian: GRUB_CMDLINE_XEN in /etc/default/grub, then " \
    "update-grub and a reboot)"


@dataclass(frozen=True)
class Finding:
    check: str
    level: str
    text: str           # what was found
    advice: str = ""    # the line to change, or the command


def ok(text):
    return OK, text, ""


def note(text, advice=""):
    """Nothing to change, but worth knowing."""
    return NOTE, text, advice


def problem(text, advice):
    return PROBLEM, text, advice


def unknown(text, advice):
    """It could not be found out."""
    return UNKNOWN, text, advice


class Checks:
    """The checks of one mode, in the order in which they are reported."""

    def __init__(self):
        self.known = {}

    def check(self, name):
        """Register a generator of ok(), note(), problem() and unknown()."""
        def register(function):
            assert name not in self.known and function.__doc__
            self.known[name] = function
            return function
        return register

    def run(self, facts):
        return [Finding(name, *found) for name, function in self.known.items()
                for found in function(facts)]


def named(findings):
    """The names of the checks that complain, each once."""
    return list(dict.fromkeys(f.check for f in findings if f.level in (PROBLEM, UNKNOWN)))
