# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of xen-hostmem-check."""

import argparse
import json
import sys
from dataclasses import asdict

from . import (config_checks, dom0, dom0_checks, guest, guest_checks, limit_checks, monitor,
               output, plan, running_checks)
from .finding import UNKNOWN, Finding
from .machine import Machine

WRONG_USE = 2


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="xen-hostmem-check",
        description="Say what of virtio-gpu host memory on Xen is ready, and what is missing. "
                    "Without GUEST: of the machine that it runs on, dom0 or a guest.",
        epilog="Exit status: 0 ready, 1 something is missing, 2 wrong use, 3 something could not "
               "be found out.")
    parser.add_argument("guest", nargs="?", metavar="GUEST",
                        help="a running guest of xl: ask its QEMU")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="print only what is missing")
    parser.add_argument("--config", action="append", metavar="FILE",
                        help="examine this xl.cfg instead of /etc/xen/*.cfg; may be repeated")
    parser.add_argument("--mode", choices=("dom0", "guest"),
                        help="what this machine is, if it cannot be told")
    group = parser.add_argument_group("how much to give")
    group.add_argument("--plan", action="store_true", help="compute it, and examine nothing")
    group.add_argument("--guests", type=int, default=1, metavar="N")
    group.add_argument("--screens", type=int, default=1, metavar="N", help="of each guest")
    group.add_argument("--resolution", default="1920x1080", metavar="WxH")
    group.add_argument("--program", action="append", metavar="NAME[:COUNT]",
                       help=f"{', '.join(plan.PROGRAMS)}, or a size such as 64M; may be repeated "
                            "(default: weston and vkcube)")
    group.add_argument("--memory", type=int, default=2048, metavar="MIB", help="of each guest")
    group.add_argument("--vcpus", type=int, default=2, metavar="N", help="of each guest")
    group.add_argument("--software", action="store_true", help="dom0 renders without a GPU")
    return parser.parse_args(arguments)


def wish(options):
    width, height = plan.parse_resolution(options.resolution)
    for name in ("guests", "screens", "memory", "vcpus"):
        if getattr(options, name) < 1:
            raise plan.Invalid(f"--{name} {getattr(options, name)}: at least 1")
    found = plan.Wish(guests=options.guests, screens=options.screens, width=width, height=height,
                      memory_mib=options.memory, vcpus=options.vcpus, software=options.software)
    if options.program:
        found.programs = [plan.parse_program(p) for p in options.program]
    return found


def run_plan(options):
    wanted = wish(options)
    result = plan.plan(wanted)
    if options.json:
        return 0, json.dumps({"mode": "plan", **asdict(result),
                              "parts": [{"what": w, "bytes": b} for w, b in result.parts]},
                             indent=1)
    return 0, plan.text(wanted, result)


def mode_of(machine):
    """dom0, guest or None, which is a machine without Xen."""
    if machine.word("/sys/hypervisor/type") != "xen":
        return None
    start = "/sys/hypervisor/start_flags/initdomain"
    if "control_d" in (machine.read("/proc/xen/capabilities") or "") or machine.word(start) == "1":
        return "dom0"
    return "guest"


def examine(machine, options):
    """(mode, findings)"""
    if options.guest:
        return "running", running_checks.run(monitor.collect(machine, options.guest))
    mode = options.mode or mode_of(machine)
    if mode == "dom0":
        facts = dom0.collect(machine, options.config)
        return mode, [f for part in (dom0_checks, limit_checks, config_checks)
                      for f in part.CHECKS.run(facts)]
    if mode == "guest":
        return mode, guest_checks.CHECKS.run(guest.collect(machine))
    return "none", [Finding("xen", UNKNOWN, "this machine does not run on Xen",
                            "boot Xen (Debian: apt install xen-system-amd64, then its entry in "
                            "GRUB), or start this Linux as a guest of Xen")]


def main(arguments, machine):
    """(exit status, text to print)"""
    options = parse(arguments)
    if options.plan:
        try:
            return run_plan(options)
        except plan.Invalid as why:
            return WRONG_USE, f"xen-hostmem-check: {why}"
    mode, findings = examine(machine, options)
    status = output.status(findings)
    if options.json:
        return status, output.as_json(mode, findings)
    return status, output.text(findings, options.quiet)


def run():
    """The program."""
    status, text = main(sys.argv[1:], Machine())
    print(text, file=sys.stderr if status == WRONG_USE else sys.stdout)
    sys.exit(status)
