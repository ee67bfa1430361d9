#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""main.py IMAGE [CASE...]: run lab cases in as few boots as they need.

Without a case: all that are not marked slow; with "all": those too."""

import importlib
import json
import os
import pkgutil
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
import cases  # noqa: E402
from lab import CASES  # noqa: E402

BOOTS = ("module", "gntdev")
BOOT_BYTES = 6 << 30        # of memory, that a boot takes
WORTH_TWO = 12              # so few cases are done sooner than a second boot pays
STARTED = int(os.environ.get("XH_START", time.time()))


def chosen(names):
    """The cases to run, in the order of their files."""
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module("cases." + module.name)
    unknown = [n for n in names if n not in CASES and n != "all"]
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)}; there are: {', '.join(CASES)}")
    return [c for c in CASES.values()
            if c.name in names or "all" in names or not (names or c.slow)]


def say(what, case, reason, seconds, boot_name):
    elapsed = int(time.time()) - STARTED
    clock = f"({elapsed // 60}:{elapsed % 60:02d})"
    if what == "start":
        print(f"    {case} … {clock}", flush=True)
    else:
        note = f": {reason}" if reason else ""
        print(f"  {what:4} {boot_name}/{case} {seconds:.0f} s{note}", flush=True)


def boots_at_once():
    """Two, if there is room for them: one keeps little more than one CPU busy."""
    with open("/proc/meminfo", encoding="ascii") as f:
        available = int(re.search(r"^MemAvailable:\s*(\d+) kB", f.read(), re.M)[1]) << 10
    return 2 if available >= 2 * BOOT_BYTES and len(os.sched_getaffinity(0)) > 1 else 1


def halves(some):
    """Two parts, in order, that should take about as long, by the cases' limits."""
    total, so_far = sum(c.limit for c in some), 0
    for n, c in enumerate(some):
        so_far += c.limit
        if so_far * 2 >= total:
            return some[:n + 1], some[n + 1:]
    return some, []


def plan(chosen_cases, at_once):
    """(provider, part, cases) of each boot."""
    for name in BOOTS:
        wanted = [c for c in chosen_cases if name in c.boots]
        parts = halves(wanted) if at_once > 1 and len(wanted) >= WORTH_TWO else (wanted,)
        for n, part in enumerate(parts, 1):
            if part:
                yield name, n, [c.name for c in part]


def run_boot(image, name, part, wanted):
    print(f"==> lab: booting Xen, cases to run: {len(wanted)}, provider '{name}' "
          f"on {boot.accel()} …", flush=True)
    return boot.Boot(name, image, wanted, say, part).run()


def main():
    image, at_once = sys.argv[1], boots_at_once()
    boots = list(plan(chosen(sys.argv[2:]), at_once))
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run_boot, image, *b) for b in boots]
        results = [r for done in running for r in done.result()]
    os.makedirs(os.path.join(boot.BUILD, "results"), exist_ok=True)
    with open(os.path.join(boot.BUILD, "results", "lab.json"), "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    return any(r["result"] == "fail" for r in results)


if __name__ == "__main__":
    sys.exit(main())
