#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py SUITE...: sum up build/results/SUITE.json in build/check.json and in
one last line. A suite without results counts as failed."""

import json
import os
import sys

BUILD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build")


def load(suite):
    path = f"{BUILD}/results/{suite}.json"
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError) as why:
        return [{"suite": suite, "name": suite, "result": "fail", "reason": f"no results: {why}"}]


def main():
    results = [r for suite in sys.argv[1:] for r in load(suite)]
    count = {what: sum(r["result"] == what for r in results)
             for what in ("pass", "fail", "skip")}
    lost = sum(r.get("dom0_lost", 0) for r in results)
    with open(f"{BUILD}/check.json", "w", encoding="utf-8") as f:
        json.dump({"passed": count["pass"], "failed": count["fail"],
                   "skipped": count["skip"], "dom0_lost": lost, "results": results}, f, indent=1)
    for what in ("skip", "fail"):
        for r in results:
            if r["result"] == what:
                reason = r["reason"].strip().splitlines() or [""]
                print(f"{what} {r['suite']}/{r['name']}: {reason[-1]}")
    if lost:
        print(f"note: the emulated CPU lost dom0 {lost} times, and the lab went on")
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return 1 if count["fail"] or not count["pass"] else 0


if __name__ == "__main__":
    sys.exit(main())
