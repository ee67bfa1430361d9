#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""instructions.py [--profile PAGES OTHERS TRAPPED WHY [GREF-PAGES]]: count the instructions
that a map and an unmap cost QEMU. Runs in the build base. check.py calls check().

Callgrind counts them, so the machine's speed and load do not matter. Writes
build/bench/instructions.json; with --profile, lists the most expensive functions of one
scenario instead."""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, "build", "bench")
MESON = os.path.join(FOLDER, "meson")
PROGRAM = os.path.join(MESON, "tests", "bench", "window-cost")
RESULT = os.path.join(FOLDER, "instructions.json")

PAGES = (1, 16, 256, 4096, 16384)
BLOBS = (0, 10, 100, 1000)
GREF_PAGES = 16         # the size of the Linux frontend's reference buffer
REFS_PER_PAGE = 1024    # a request uses at most a quarter of the buffer
REQUESTS = (1, 4, 16, 64, 256, 1024)
# Reasons for blobs to be trapped: they end with room, with time, or never.
WHYS = ("quota", "table-full", "not-exportable")
STEPS = ("map", "unmap", "tick", "burst", "reset")
WAIT_STEPS = ("wait", "wait-tick", "wait-end")   # of maps that wait for their range
BURST = 64              # maps before the guest answers any; as in window-cost.c

# Use the same memcpy and memset on all CPUs: only the baseline variant. Without ERMS, since
# callgrind counts "rep movsb" as one instruction per byte.
TUNABLES = "glibc.cpu.hwcaps=" + ",".join("-" + f for f in (
    "AVX", "AVX2", "AVX512F", "AVX512VL", "AVX512BW", "BMI1", "BMI2", "ERMS", "FSRM",
    "AVX_Fast_Unaligned_Load", "Prefer_No_VZEROUPPER", "SSSE3", "SSE4_1", "SSE4_2"))


def build():
    commands = [["ninja", "-C", MESON, "tests/bench/window-cost"]]
    if not os.path.exists(os.path.join(MESON, "build.ninja")):
        # With QEMU's options, but without sanitizers.
        commands.insert(0, ["meson", "setup", "-Dbench=true", "-Db_sanitize=none", MESON, TOP])
    for command in commands:
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            sys.exit(done.stdout)


def parse(text):
    """(what was dumped, {function: its own instructions}) of one callgrind dump."""
    names, costs, name, skip = {}, {}, None, False
    what = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)
    for line in text.splitlines():
        m = re.match(r"c?fn=(\(\d+\))(?: (.*))?$", line)
        if m:
            names.setdefault(m[1], m[2])
            if line.startswith("fn="):
                name = names[m[1]]
        elif line.startswith("calls="):
            skip = True         # the next line is the callee's cost
        elif re.match(r"[+\-*\d]", line):
            if not skip:
                costs[name] = costs.get(name, 0) + int(line.split()[1])
            skip = False
    total = sum(costs.values())
    stated = int(re.search(r"^(?:summary|totals): (\d+)", text, re.M)[1])
    assert total == stated, f"parsed {total} instructions of {stated}"
    return what and what[1], costs


def is_peer(function):
    """Whether a function stands in for kernel and guest, including code inlined there."""
    return function.startswith("peer_") or function == "main"


def raise_limit():
    """Each blob has a descriptor. Must run before valgrind, which keeps the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))


def profile(pages, others, trapped, why, gref_pages=GREF_PAGES):
    """({step: {function: instructions}}, number of requests for the map)."""
    steps, output = run(STEPS, pages, others, trapped, why, gref_pages)
    assert set(steps) >= set(STEPS) - {"burst"}, steps.keys()
    return steps, int(re.search(r"requests (\d+)", output)[1])


def waiters(quarantined, waiting):
    """{step: instructions} of maps that wait for the ranges of quarantined blobs."""
    steps, _output = run(WAIT_STEPS, "waiters", quarantined, waiting)
    return {s: sum(steps[s].values()) for s in WAIT_STEPS}


def run(wanted, *arguments):
    """({step: {function: instructions}} of the steps that are wanted, output)."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--compress-pos=no",
             f"--callgrind-out-file={folder}/out", PROGRAM,
             *(str(a) for a in arguments)],
            env={"PATH": os.environ["PATH"], "GLIBC_TUNABLES": TUNABLES,
                 "LC_ALL": "C"}, preexec_fn=raise_limit, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            sys.exit(done.stderr)
        steps = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                what, costs = parse(f.read())
            if what in wanted:
                steps[what] = {n: c for n, c in costs.items() if not is_peer(n)}
    return steps, done.stdout


def scenarios():
    """(pages, other mapped blobs, other trapped blobs, why, gref-pages)"""
    for pages in PAGES:
        for others in BLOBS:
            yield pages, others, 0, WHYS[-1], GREF_PAGES
    for pages in PAGES:
        for why in WHYS:
            for trapped in BLOBS[1:]:
                yield pages, 0, trapped, why, GREF_PAGES
    # Growth with the number of requests, with the smallest buffer a frontend may offer.
    for requests in REQUESTS:
        yield requests * REFS_PER_PAGE // 4, 0, 0, WHYS[-1], 1


def measure():
    rows, todo = [], list(scenarios())
    for pages, others, trapped, why, gref_pages in todo:
        steps, requests = profile(pages, others, trapped, why, gref_pages)
        sums = {s: sum(costs.values()) for s, costs in steps.items()}
        burst = sums.pop("burst", None)
        sums.pop("reset")
        rows.append({"pages": pages, "others": others, "trapped_others": trapped,
                     "why": why if trapped else None, "gref_pages": gref_pages,
                     "requests": requests, **sums,
                     "map_in_burst": burst and round(burst / BURST)})
        if sys.stderr.isatty():
            print(f"\r{len(rows)} of {len(todo)}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rows


def least_squares(points):
    """Factors f of y = f[0] x[0] + ... for [(x, y)], by the normal equations."""
    n = len(points[0][0])
    m = [[Fraction(sum(x[i] * x[j] for x, _ in points)) for j in range(n)]
         + [Fraction(sum(x[i] * y for x, y in points))] for i in range(n)]
    for i in range(n):
        # Never 0 if the rows differ in each x.
        m[i] = [v / m[i][i] for v in m[i]]
        for k in range(n):
            if k != i:
                m[k] = [a - m[k][i] * b for a, b in zip(m[k], m[i])]
    return [float(row[n]) for row in m]


def growth(rows, step, what):
    """Instructions per additional blob, and the factor for the largest number of them."""
    points = sorted((r[what], r[step]) for r in rows)
    return {"each": least_squares([((1, n), y) for n, y in points])[1],
            "times": points[-1][1] / points[0][1], "of": points[-1][0]}


def fit(rows):
    """Fixed cost, cost per page and per further request; growth with other blobs."""
    usual = [r for r in rows if r["gref_pages"] == GREF_PAGES]
    alone = [r for r in usual if not r["others"] and not r["trapped_others"]]
    one = [r for r in usual if r["pages"] == 1]
    result = {}
    for step in ("map", "unmap", "tick", "map_in_burst"):
        result[step] = {}
        if step in ("map", "unmap"):
            points = [((1, r["pages"], r["requests"] - 1), r[step]) for r in alone]
            factors = least_squares(points)
            result[step] = dict(zip(("fixed", "per_page", "per_further_request"), factors))
            result[step]["largest_error"] = max(
                abs(sum(f * v for f, v in zip(factors, x)) / y - 1) for x, y in points)
        result[step]["others"] = growth([r for r in one if not r["trapped_others"]],
                                        step, "others")
        for why in WHYS:
            some = [r for r in one if not r["others"] and r["why"] in (None, why)]
            if all(r[step] is not None for r in some):
                result[step]["trapped_others, " + why] = growth(some, step, "trapped_others")
        small = [r for r in rows if r["gref_pages"] == 1]
        if step in ("map", "unmap"):
            result[step]["of_each_request"] = {
                r["requests"]: round(r[step] / r["requests"]) for r in small}
    return result


def table(rows, fits):
    columns = ("pages", "others", "trapped_others", "why", "gref_pages", "requests",
               "map", "unmap", "tick", "map_in_burst")
    print(" ".join(f"{c:>14}" for c in columns))
    for r in rows:
        print(" ".join(f"{'-' if r[c] is None else r[c]:>14}" for c in columns))
    for step, one in fits.items():
        print(f"\n{step}")
        for name, value in one.items():
            if isinstance(value, dict) and "each" in value:
                value = f"{value['each']:.1f} each, {value['times']:.1f} times as many " \
                        f"with {value['of']}"
            elif isinstance(value, float):
                value = f"{value:.3f}"
            print(f"  {name:<32} {value}")


def check():
    """(name, result, reason) of the required properties: the cost is linear in pages and
    does not depend on other blobs."""
    build()

    def costs(*case):
        steps, _requests = profile(*case)
        return {s: sum(c.values()) for s, c in steps.items()}
    alone = costs(1, 0, 0, WHYS[-1])
    results = []

    def hold(name, value, bound):
        results.append((name, "pass" if value <= bound else "fail",
                        "" if value <= bound else f"{value} instructions, at most {bound:.0f}"))
    few = costs(1, 100, 0, WHYS[-1])
    for name, case in (("mapped", (1, 1000, 0, WHYS[-1])), ("trapped", (1, 0, 1000, WHYS[-1]))):
        many = costs(*case)
        if name == "mapped":
            # Trees and malloc() get a bit slower; with quadratic cost it would be far more.
            hold("reset-per-blob", many["reset"] // 1000, 2 * few["reset"] / 100)
        for step in ("map", "unmap"):
            hold(f"{step}-among-1000-{name}", many[step], 1.5 * alone[step])
        hold(f"burst-among-1000-{name}", many["burst"], 3 * BURST * alone["map"])
    # One tick retries a bounded number of releases, and looks at each map that waits.
    few, many = waiters(200, 100), waiters(2000, 1000)
    for step in WAIT_STEPS:
        hold(f"{step}-growth", many[step], 15 * few[step])
    # Each page costs the copy of a reference, which takes about two instructions.
    large = costs(16384, 0, 0, WHYS[-1])
    hold("map-per-page", large["map"] - alone["map"], 2 * 16384)
    # The highest number of requests that a guest can cause.
    one, many = (costs(n * REFS_PER_PAGE // 4, 0, 0, WHYS[-1], 1) for n in (16, 1024))
    for step in ("map", "unmap"):
        hold(f"{step}-per-request", many[step] // 64, 1.5 * one[step])
    return results


def show_profile(arguments):
    steps, requests = profile(*arguments)
    print(f"{requests} requests")
    for step in steps:
        print(f"\n{step}: {sum(steps[step].values())}")
        for name, cost in sorted(steps[step].items(), key=lambda p: -p[1])[:20]:
            print(f"{cost:10} {name}")


def main():
    build()
    if sys.argv[1:2] == ["--profile"]:
        show_profile(sys.argv[2:])
        return
    rows = measure()
    fits = fit(rows)
    with open(RESULT, "w", encoding="utf-8") as f:
        json.dump({"rows": rows, "fit": fits, "gref_pages": GREF_PAGES}, f, indent=1)
    table(rows, fits)


if __name__ == "__main__":
    main()
