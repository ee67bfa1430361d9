#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py IMAGE [CASE...]: run the lab's measurements and write build/bench/lab.json.

Xen is booted once, and so is the same Linux with KVM on the same CPU; for frame rates both
are booted several times in turn. A new measurement replaces the old one."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
from main import chosen, say  # noqa: E402

OUT = os.path.join(boot.BUILD, "bench")
# Xen with a PV dom0, Linux with KVM, Xen with a PVH dom0
BOOTS = ("bench", "bench-kvm", "bench-pvh")
ROUND_BOOTS = ("bench-frames", "bench-frames-kvm")
ROUNDS = 3
HOSTS = {"kvm": "Linux with KVM", "xen": "Xen", "pvh": "Xen, PVH dom0"}


def earlier():
    try:
        with open(f"{OUT}/lab.json", encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def measure(name, image, wanted, note=""):
    """Run these cases in one boot; return the host ("kvm", "xen" or, of a PVH dom0, "pvh"),
    versions, results."""
    machine = boot.Boot(name, image, wanted, say)
    side = "kvm" if machine.kvm else "pvh" if machine.pvh else "xen"
    print(f"==> lab: {HOSTS[side]} on {boot.accel(machine.pvh)}{note}, "
          f"measurements: {len(wanted)} …", flush=True)
    results = machine.run()
    for r in results:
        if r["result"] != "pass":
            print(f"error: not measured: {name}/{r['name']}: {r['reason']}", file=sys.stderr)
    return side, machine.info, results


class Data:
    """What has been measured so far; written to disk after each boot."""

    def __init__(self, sides):
        self.sides, self.complete = sides, True

    def keep(self, side, versions, results, rounds=False):
        """Store results; a case that runs in rounds has a list, with None for a failed round."""
        mine = self.sides.setdefault(side, {})
        if "linux" in versions:
            mine["versions"] = versions
        for r in results:
            good = r["data"] if r["result"] == "pass" else None
            self.complete &= good is not None
            if rounds:
                mine.setdefault(r["name"], []).append(good)
            else:
                mine[r["name"]] = good
        os.makedirs(OUT, exist_ok=True)
        with open(f"{OUT}/lab.json.new", "w", encoding="utf-8") as f:
            json.dump(self.sides, f, indent=1)
        os.replace(f"{OUT}/lab.json.new", f"{OUT}/lab.json")

    def forget(self, cases):
        for mine in self.sides.values():
            for name in cases:
                mine.pop(name, None)


def main():
    image, names = sys.argv[1], sys.argv[2:]
    cases = [c for c in chosen(names or ["all"]) if set(c.boots) & set(BOOTS + ROUND_BOOTS)]
    if not cases:
        sys.exit(f"error: none of these is a benchmark: {' '.join(names)}")
    data = Data(earlier() if names else {})

    def wanted(name):
        return [c.name for c in cases if name in c.boots]
    data.forget(wanted(ROUND_BOOTS[0]))
    for name in filter(wanted, BOOTS):
        data.keep(*measure(name, image, wanted(name)))
    for nr in range(ROUNDS):
        # The second boot finds warmer caches, so the order alternates.
        for name in filter(wanted, ROUND_BOOTS[::-1 if nr % 2 else 1]):
            data.keep(*measure(name, image, wanted(name), f", round {nr + 1} of {ROUNDS}"), True)
    return not data.complete


if __name__ == "__main__":
    sys.exit(main())
