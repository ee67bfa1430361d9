#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""catalogue.py: check that docs/threat-model.md is a complete catalogue: at least LEAST cases,
each with an actor, an attempt, what holds it, and tests that exist."""

import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(TOP, "docs", "threat-model.md")
LEAST = 60
HEADER = ["Actor", "Attempt", "What holds it", "Tests"]

# Where tests are defined: files, a pattern of their names, and how the catalogue writes them.
SOURCES = (
    ("tests/lab/dom0/cases/*.py", r'@case\("([^"]+)"', "{}"),
    ("tests/unit/*.c", r'g_test_add\w*\(\s*"([^"]+)"', "{}"),
    ("tests/unit/test-hostmem-memtype.c", r'^ +\{ "(\w+(?:/\w+)+)"', "/memtype/{}"),
    ("tests/qtest/*.c", r'qtest_add\w*\(\s*"([^"]+)"', "{}"),
    ("patches/*/*.patch", r'^\+.*g_test_add\w*\(\s*"([^"]+)"', "{}"),
    ("tests/fuzz/meson.build", r"^  '([\w-]+)':", "fuzz-{}"),
    ("tests/lab/dom0/grantcheck.c", r'^    \{ "((?:\w|-)+: [^"]+|size \d+)"', "grantcheck: {}"),
    ("tests/lab/dom0/guestcheck.c", r'^    \{ "(\w+: [^"]+)"', "guestcheck: {}"),
    ("scripts/check.py", r'return \[\("(mtrr)"|"(?:cost)": (cost),', "{}"),
)


def known_tests():
    found = set()
    for files, pattern, form in SOURCES:
        for path in glob.glob(os.path.join(TOP, files)):
            with open(path, encoding="utf-8") as f:
                found |= {form.format(match[match.lastindex])
                          for match in re.finditer(pattern, f.read(), re.M)}
    return found


def rows(text):
    """The cells of each row of each table with our columns."""
    inside = False
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if cells == HEADER:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not re.fullmatch(r"[-:| ]+", line):
            yield cells


def faults():
    """What is wrong with the catalogue, and the number of its cases."""
    with open(PAGE, encoding="utf-8") as f:
        cases = list(rows(f.read()))
    known, wrong = known_tests(), []
    for cells in cases:
        if len(cells) != len(HEADER) or not all(cells):
            wrong.append(f"not {len(HEADER)} cells: {' | '.join(cells)}")
            continue
        tests = re.findall(r"`([^`]+)`", cells[3])
        if not tests:
            wrong.append(f"no test: {cells[1]}")
        wrong += [f"no such test: {t}" for t in tests if t not in known]
    if len(cases) < LEAST:
        wrong.append(f"only {len(cases)} cases, at least {LEAST} are expected")
    return wrong, len(cases)


def main():
    wrong, count = faults()
    print("\n".join(wrong) or f"{count} cases")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
