#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py IMAGE [CASE...]: what is measured in the lab, as build/bench/lab.json: one
boot of Xen, and one of the same Linux with KVM on the same CPU. What is measured anew
takes the place of what was."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
from main import chosen, say  # noqa: E402

OUT = os.path.join(boot.BUILD, "bench")
BOOTS = ("bench", "bench-kvm")


def earlier():
    try:
        with open(f"{OUT}/lab.json", encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def main():
    names = sys.argv[2:] or [c.name for c in chosen(["all"]) if c.boots[0] in BOOTS]
    data, bad = earlier() if sys.argv[2:] else {}, []
    for name in BOOTS:
        wanted = [c.name for c in chosen(names) if name in c.boots]
        if not wanted:
            continue
        machine = boot.Boot(name, sys.argv[1], wanted, say)
        print(f"==> lab: {'Linux with KVM' if machine.kvm else 'Xen'} on {boot.accel()}, "
              f"measurements: {len(wanted)} …", flush=True)
        results = machine.run()
        bad += [f"{name}/{r['name']}: {r['reason']}" for r in results if r["result"] != "pass"]
        data.setdefault("kvm" if machine.kvm else "xen", {}).update(
            versions=machine.info, **{r["name"]: r["data"] for r in results})
    os.makedirs(OUT, exist_ok=True)
    with open(f"{OUT}/lab.json", "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
    for line in bad:
        print(f"error: not measured: {line}", file=sys.stderr)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
