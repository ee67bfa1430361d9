# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of xen-hostmem-report."""

import argparse
import datetime
import json
import os
import sys

from xen_hostmem_check.machine import Machine
from xen_hostmem_check.main import mode_of

from . import dom0, guest, picture, privacy, schema, table
from .programs import Programs

DONE, NOT_VALID, WRONG_USE = 0, 1, 2
MOST = 4 << 20          # characters of a file; a report has some thousands
GUEST_FILE, REPORT_FILE = "xen-hostmem-guest.json", "xen-hostmem-report.json"


class Wrong(Exception):
    """What the user is told; nothing was written."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="xen-hostmem-report",
        description="Measure virtio-gpu host memory on a Xen host, as one file to send and a "
                    "picture. Run it in the guest first, without arguments; then in dom0, with "
                    f"the guest's name and the file that it has written, {GUEST_FILE}.",
        epilog="Names of hosts, users and guests, serial numbers and addresses are removed "
               "before anything is written. Exit status: 0 done, 1 not valid, 2 wrong use.")
    parser.add_argument("guest", nargs="?", metavar="GUEST", help="in dom0: its name in xl list")
    parser.add_argument("file", nargs="?", metavar="FILE", help="in dom0: the guest's file")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help=f"what to write (default: {GUEST_FILE} in a guest, {REPORT_FILE} in "
                             "dom0; the picture has .svg in place of .json)")
    parser.add_argument("--quick", action="store_true", help="less of everything, to try it")
    parser.add_argument("--keep-driver", action="store_true",
                        help="in a guest: do not unbind the driver for a moment to measure what "
                             "a trapped access costs")
    parser.add_argument("--check", metavar="FILE", help="say whether a report is valid")
    parser.add_argument("--picture", metavar="FILE", help="draw a report again")
    parser.add_argument("--table", metavar="FILE", nargs="+",
                        help="print reports as rows of docs/hardware.rst")
    return parser.parse_args(arguments)


def read(path):
    """What a file holds, which may come from a guest that is not trusted."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read(MOST + 1)
        if len(text) > MOST:
            raise Wrong(f"{path} is larger than {MOST} characters")
        return json.loads(text)
    except (OSError, ValueError) as why:
        raise Wrong(f"{path}: {why}") from None
    except RecursionError:
        raise Wrong(f"{path} is nested too deeply") from None


def valid(path):
    """A report that was read from a file."""
    report = read(path)
    wrong = schema.faults(report, schema.REPORT)
    if wrong:
        raise Wrong(f"{path} is no valid report: {wrong[0]}")
    return report


def write(path, text):
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".tmp", path)


def head(quick):
    return {"format": schema.FORMAT, "program": "xen-hostmem-report",
            "month": datetime.date.today().strftime("%Y-%m"), "quick": quick}


def finish(head_part, parts, removed, names, spec):
    """The report's text, after the proof that nothing personal is in it."""
    parts, found = privacy.remove(parts, names)
    report = {**head_part, "removed": {kind: removed.get(kind, 0) + found.get(kind, 0)
                                       for kind in {**removed, **found}}, **parts}
    wrong = schema.faults(report, spec)
    if wrong:
        raise Wrong(f"this is a fault of xen-hostmem-report, please tell: {wrong[0]}")
    text = json.dumps(report, indent=1) + "\n"
    left = privacy.leaks(text, names)
    if left:
        raise Wrong("nothing was written, because something personal is left, a fault of "
                    f"xen-hostmem-report: {left[0]}")
    return report, text


def in_guest(options, machine, programs):
    parts = {"guest": guest.collect(machine, programs, options.quick, options.keep_driver)}
    _report, text = finish(head(options.quick), parts, {}, privacy.collect(machine), schema.PART)
    out = options.output or GUEST_FILE
    write(out, text)
    return f"{out} is written. Copy it to dom0, and run there: xen-hostmem-report GUEST {out}"


def in_dom0(options, machine, programs):
    if not options.guest or not options.file:
        raise Wrong("in dom0: xen-hostmem-report GUEST FILE, with the guest's name in xl list and "
                    f"the file that xen-hostmem-report has written there ({GUEST_FILE})")
    part = read(options.file)
    wrong = schema.faults(part, schema.PART)
    if wrong:
        raise Wrong(f"{options.file} is not what xen-hostmem-report writes in a guest: {wrong[0]}")
    found, guests = dom0.collect(machine, programs, options.quick, options.guest)
    names = privacy.collect(machine, [*guests, options.guest])
    report, text = finish(head(options.quick or part["quick"]),
                          {"guest": part["guest"], "dom0": found}, part["removed"], names,
                          schema.REPORT)
    out = options.output or REPORT_FILE
    drawing = out.removesuffix(".json") + ".svg"
    write(out, text)
    write(drawing, picture.draw(report))
    removed = ", ".join(f"{n} {kind}" for kind, n in sorted(report["removed"].items())) or "nothing"
    return f"{out} is the report to send, {drawing} the picture.\n" \
        f"Personal data that was removed: {removed}. It is text: look through it before you " \
        "send it."


def dispatch(options, machine, programs):
    """What to print."""
    if options.check:
        valid(options.check)
        return f"{options.check} is valid"
    if options.picture:
        drawing = options.output or options.picture.removesuffix(".json") + ".svg"
        write(drawing, picture.draw(valid(options.picture)))
        return f"{drawing} is written"
    if options.table:
        return "\n".join(table.row(valid(path)) for path in options.table)
    mode = mode_of(machine)
    if mode is None:
        raise Wrong("this machine does not run on Xen")
    if machine.uid != 0:
        raise Wrong("not run as root: sudo xen-hostmem-report")
    return (in_dom0 if mode == "dom0" else in_guest)(options, machine, programs)


def main(arguments, machine, programs):
    """(exit status, text to print)"""
    options = parse(arguments)
    try:
        return DONE, dispatch(options, machine, programs)
    except Wrong as why:
        return NOT_VALID if options.check or options.picture or options.table else WRONG_USE, \
            f"xen-hostmem-report: {why}"


def run():
    """The program."""
    status, text = main(sys.argv[1:], Machine(), Programs())
    print(text, file=sys.stderr if status else sys.stdout)
    sys.exit(status)
