#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""main.py IMAGE [--qemu VERSION] [--boot BOOT] [CASE...]: run lab cases in as few boots as
they need.

Without a case: all that are not marked slow, in their first boot, and those that are marked
"everywhere" in all their boots. With "all": all cases in all boots, but those marked long,
which are chosen with "long". Cases that are named run
in their first boot, or in the one that is named. The results go to
build/results/lab.json, those of a boot that has to be named to lab-BOOT.json. With --qemu
10.2, say, the device model is build/lab/qemu-system-x86_64-10.2, and the results go to
build/results/lab-10.2.json. With --system newest, build/ is build/newest, and the results are
called lab-newest.json; scripts/lab.sh sees to the first."""

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
import cases  # noqa: E402
from lab import CASES  # noqa: E402

BOOTS = {"module": "provider 'module'", "debug": "provider 'module', the kernel checks itself",
         "pvh": "PVH dom0", "gntdev": "provider 'gntdev'", "series": "our series for gntdev",
         "pvh-series": "our series for gntdev, PVH dom0"}
# Only if they are named: they need an image of their own, which the script makes, or a
# hypervisor that the user has built.
NAMED = {"packages": "the Debian packages",     # packaging/lab.sh
         "libvirt": "dom0 with libvirt",        # scripts/lab-libvirt.sh
         "patched": "a Xen with our patches"}
TITLES = BOOTS | NAMED
# The kernel of the newest system is none that our gntdev is built for, or that QEMU trusts
# gntdev with.
NEWEST = ("module", "debug", "pvh")
STARTED = int(os.environ.get("XH_START", time.time()))


def chosen(names):
    """The cases to run, sorted by file."""
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module("cases." + module.name)
    unknown = [n for n in names if n not in CASES and n not in ("all", "long")]
    if unknown:
        sys.exit(f"error: no such case: {', '.join(unknown)}; known: {', '.join(CASES)}")
    return [c for c in CASES.values()
            if c.name in names or ("long" if c.long else "all") in names
            or not (names or c.slow)]


def boots_for(arguments):
    """The boots that there are for these arguments, in order."""
    if arguments.boot:
        return [arguments.boot]
    return NEWEST if arguments.system else list(BOOTS)


def runs_in(boot_name, case, arguments):
    """Whether a case that was chosen runs in this boot."""
    if arguments.boot or "all" in arguments.case:
        return boot_name in case.boots
    return boot_name == case.boots[0] or \
        boot_name in case.boots and case.everywhere and not arguments.case


def say(what, case, reason, seconds, boot_name):
    elapsed = int(time.time()) - STARTED
    clock = f"({elapsed // 60}:{elapsed % 60:02d})"
    if what == "start":
        print(f"    {case} … {clock}", flush=True)
    else:
        note = f": {reason}" if reason else ""
        print(f"  {what:4} {boot_name}/{case} {seconds:.0f} s{note}", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Run cases of the lab.")
    parser.add_argument("image", help="folder with dom0's disk; scripts/lab.sh makes it")
    parser.add_argument("--qemu", default="", metavar="VERSION",
                        help="run build/lab/qemu-system-x86_64-VERSION as the device model")
    parser.add_argument("--system", default="", help="the name of the lab's system, if it is "
                        "not the usual one")
    parser.add_argument("--boot", choices=TITLES, help="run cases in this boot only")
    parser.add_argument("case", nargs="*", help="name of a case, or all, or long")
    return parser.parse_intermixed_args()


def main():
    arguments = parse_arguments()
    image, qemu = arguments.image, arguments.qemu
    if not os.path.exists(boot.device_model(qemu)):
        sys.exit(f"error: there is no {boot.device_model(qemu)}; build it first")
    if arguments.boot == "patched" and not os.path.exists(boot.patched_xen()):
        sys.exit("error: the boot 'patched' needs a hypervisor: XEN=FILE names a xen.gz of the "
                 "lab's version with upstream/patches/xen-f*.patch")
    cases_chosen, results = chosen(arguments.case), []
    for name in boots_for(arguments):
        wanted = [c.name for c in cases_chosen if runs_in(name, c, arguments)]
        if not wanted:
            continue
        version = f"{arguments.system} system, " if arguments.system else ""
        version += f"QEMU {qemu}, " if qemu else ""
        print(f"==> lab: booting Xen, cases to run: {len(wanted)}, {version}{TITLES[name]} "
              f"on {boot.accel(boot.is_pvh(name))} …", flush=True)
        results += boot.Boot(name, image, wanted, say, qemu, arguments.system).run()
    if not results:
        boots = {b for c in cases_chosen for b in c.boots}
        sys.exit(f"error: no boot to run in: name it, --boot {' or '.join(sorted(boots))}")
    os.makedirs(os.path.join(boot.BUILD, "results"), exist_ok=True)
    of = arguments.boot if arguments.boot in NAMED else arguments.system or qemu
    name = f"lab{boot.suffix(of)}.json"
    with open(os.path.join(boot.BUILD, "results", name), "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    return any(r["result"] == "fail" for r in results)


if __name__ == "__main__":
    sys.exit(main())
