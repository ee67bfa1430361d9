# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings as text for a person and as JSON for a program."""

import json
from dataclasses import asdict

from .finding import NOTE, OK, PROBLEM, UNKNOWN, named

MARKS = {OK: "ok     ", NOTE: "note   ", PROBLEM: "MISSING", UNKNOWN: "UNKNOWN"}
READY, NOT_READY, NOT_KNOWN = 0, 1, 3       # 2 is a wrong command line


def status(findings):
    """The exit status."""
    levels = {f.level for f in findings}
    return NOT_READY if PROBLEM in levels else NOT_KNOWN if UNKNOWN in levels else READY


def summary(findings):
    names = named(findings)
    return "ready: nothing is missing" if not names else \
        f"to change: {len(names)} ({', '.join(names)})"


def text(findings, quiet=False):
    lines = []
    for f in findings:
        if quiet and f.level in (OK, NOTE):
            continue
        lines.append(f"{MARKS[f.level]} {f.check}: {f.text}")
        if f.advice:
            lines.append(f"            -> {f.advice}")
    return "\n".join([*lines, summary(findings)])


def as_json(mode, findings, **more):
    return json.dumps({"mode": mode, "status": status(findings), "named": named(findings), **more,
                       "findings": [asdict(f) for f in findings]}, indent=1)
