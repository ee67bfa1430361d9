#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check.py SUITE...: run the suites that need no lab. Runs in the build base.

Each writes build/results/SUITE.json, which report.py adds up."""

import json
import os
import re
import subprocess
import sys
import time

import fuzz as fuzzers

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(TOP, "tests", "bench"))
import instructions  # noqa: E402
BUILD = os.path.join(TOP, "build")
QEMU = os.path.join(BUILD, "qemu")
QEMU_SRC = os.path.join(BUILD, "qemu-src")
LIMIT = 180             # seconds for one program

# Upstream's tests of what we hook into, beside our own.
QTESTS = ("tests/qtest/virtio-gpu-hostmem-test", "tests/qtest/display-vga-test",
          "tests/qtest/device-introspect-test", "tests/qtest/qmp-cmd-test",
          "tests/qtest/test-hmp")
UPSTREAM_UNITS = ("tests/unit/test-xs-node", "tests/unit/test-virtio-dmabuf")
QEMU_TARGETS = QTESTS + UPSTREAM_UNITS


def run(command, **options):
    """(exit status, output); a program that hangs counts as failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=LIMIT,
                              stdin=subprocess.DEVNULL, **options)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return 124, f"{late.stdout or ''}\nnot done in {LIMIT} s"


def tail(text, lines=15):
    return "\n".join(text.strip().splitlines()[-lines:])


def tap(name, command, **options):
    """One result for each line of a program that speaks TAP."""
    status, output = run(command, **options)
    results, counted = [], False
    for line in output.splitlines():
        m = re.match(r"\s*(not )?ok \d* ?-? ?(\S+)(?:.*# SKIP ?(.*))?", line)
        if m:
            counted = True
            what = "fail" if m[1] else "skip" if m[3] is not None else "pass"
            results.append((m[2], what, m[3] or (tail(output) if m[1] else "")))
    if (status and not any(r[1] == "fail" for r in results)) or not counted:
        results.append((name, "fail", f"exit {status}: {tail(output)}"))
    return results


FUZZ_RUNS = 50000       # of each fuzzer; "make fuzz" does more


# Suites: each yields (name, result, reason)

def unit():
    """The core with a scripted guest, under ASAN and UBSAN."""
    folder = os.path.join(BUILD, "unit")
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        status, output = run(["meson", "setup", folder, TOP])
        if status:
            return [("meson", "fail", tail(output))]
    status, output = run(["ninja", "-C", folder])
    if status:
        return [("build", "fail", tail(output, 40))]
    results = []
    for program in ("ring", "window", "room", "session", "fault", "parked", "gpu"):
        results += tap(program, [f"{folder}/tests/unit/test-{program}", "--tap"],
                       env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1",
                            "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1"})
    return results


def fuzz():
    """The kept inputs, and some new ones."""
    try:
        found = fuzzers.run(FUZZ_RUNS)
    except subprocess.CalledProcessError as why:
        return [("build", "fail", tail(why.stdout, 40))]
    results = []
    for name, (done, finding) in found.items():
        if not finding and done < FUZZ_RUNS:
            finding = f"{done} executions only"
        results.append((name, "fail" if finding else "pass", finding or ""))
    return results


def cost():
    """How the work of a map and an unmap grows, in instructions."""
    return instructions.check()


def qtest():
    """QEMU's own tests of what we touch, and ours in QEMU."""
    results = []
    for program in QTESTS + UPSTREAM_UNITS:
        results += tap(program, [os.path.join(QEMU, program), "--tap", "-k"], cwd=QEMU,
                       env={**os.environ, "QTEST_QEMU_BINARY": "./qemu-system-x86_64",
                            "G_TEST_DBUS_DAEMON": "/bin/false"})
    return results


def tracked(*patterns):
    """Files of the project, without asking git, which the base has not."""
    found = []
    for folder, folders, names in os.walk(TOP):
        folders[:] = sorted(f for f in folders if f not in ("build", ".git", "__pycache__"))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), TOP)
            if any(re.search(p, path) for p in patterns):
                found.append(path)
    return found


def is_shell(path):
    with open(os.path.join(TOP, path), "rb") as f:
        first = f.readline()
    return bool(re.match(rb"#!.*\bsh\b", first)) and b"python" not in first


def verdict(name, command, ignore=None):
    status, output = run(command, cwd=TOP)
    if ignore:
        output = "\n".join(t for t in output.splitlines() if not re.search(ignore, t))
        status = 1 if re.search(r"ERROR|WARNING", output) else 0
    return (name, "fail" if status else "pass", tail(output, 30) if status else "")


def kernel_checkpatch():
    """The kernel's script, out of its source package."""
    folder = os.path.join(BUILD, "checkpatch")
    script = os.path.join(folder, "linux-source-6.12/scripts/checkpatch.pl")
    if not os.path.exists(script):
        os.makedirs(folder, exist_ok=True)
        run(["tar", "-C", folder, "-xf", "/usr/src/linux-source-6.12.tar.xz",
             *(f"linux-source-6.12/scripts/{n}" for n in
               ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch"))])
    return script


def spdx():
    """Each file says its licence in its first lines."""
    missing = []
    for path in tracked(r"\.(c|h|py|sh|rst|md|rules)$", r"(^|/)(Makefile|Kbuild|meson\.build|"
                        r"UPSTREAM|trace-events)$", r"^scripts/packages"):
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            head = "".join(f.readline() for _ in range(5))
        if "SPDX-License-Identifier" not in head and not path.endswith("trace-events") \
                and "packages." not in path:
            missing.append(path)
    return ("spdx", "fail" if missing else "pass", "without SPDX: " + " ".join(missing))


def copies():
    """The wire header and the module's interface are the same everywhere."""
    results = []
    for one, other in (("include/hw/xen/interface/io/hostmem.h", "guest/linux/hostmem.h"),
                       ("include/hw/xen/interface/dmabuf-grant.h",
                        "dom0/linux/dmabuf-grant.h")):
        results.append(verdict(f"copy-{os.path.basename(one)}", ["cmp", one, other]))
    return results


def lint():
    """Style and licence of every file."""
    shell = [p for p in tracked(r".") if is_shell(p)]
    qemu_files = tracked(r"^(hw|include|tests/(unit|qtest|bench))/.*\.[ch]$")
    modules = tracked(r"^(guest|dom0)/linux/.*\.[ch]$")
    return [
        spdx(), *copies(),
        verdict("shellcheck", ["shellcheck", "-x", "-e", "SC1091", *shell]),
        verdict("codespell", ["codespell", "-q", "3", "-L", "sring,inout,renderd",
                              *tracked(r"\.(c|h|py|sh|rst|md)$")]),
        verdict("checkpatch-qemu", ["perl", f"{QEMU_SRC}/scripts/checkpatch.pl", "--no-tree",
                                    "--terse", "-f", *qemu_files],
                r"acceptable license 'MIT|dmabuf-grant\.h|^total:|architecture specific"),
        verdict("checkpatch-linux", ["perl", kernel_checkpatch(), "--no-tree", "--terse",
                                     "--no-summary", "--ignore", "CAMELCASE,FILE_PATH_CHANGES",
                                     "-f", *modules],
                r"^total:|hostmem\.h|MODULE_LICENSE"),
        verdict("python", ["python3", "-m", "py_compile", *tracked(r"\.py$")]),
        *mtrr(),
    ]


def mtrr():
    """The guest's MTRR helper, on samples of /proc/mtrr."""
    status, output = run(["sh", "guest/linux/mtrr/test.sh"], cwd=TOP)
    return [("mtrr", "fail" if status else "pass", tail(output) if status else "")]


def setup():
    """What scripts/check-setup.sh found out; it runs outside this base."""
    return tap("setup", ["cat", os.path.join(BUILD, "results", "setup.tap")])


SUITES = {"unit": unit, "cost": cost, "fuzz": fuzz, "qtest": qtest, "lint": lint, "setup": setup}


def main():
    if sys.argv[1:] == ["--targets"]:
        print(" ".join(QEMU_TARGETS))
        return 0
    os.makedirs(os.path.join(BUILD, "results"), exist_ok=True)
    failed = False
    for suite in sys.argv[1:]:
        began = time.monotonic()
        results = [{"suite": suite, "name": n, "result": r, "reason": why if r != "pass" else ""}
                   for n, r, why in SUITES[suite]()]
        with open(f"{BUILD}/results/{suite}.json", "w", encoding="utf-8") as f:
            json.dump(results, f, indent=1)
        bad = [r for r in results if r["result"] == "fail"]
        print(f"  {suite}: {len(results)} results, {len(bad)} failed, "
              f"{time.monotonic() - began:.0f} s", flush=True)
        for r in bad:
            print(f"  fail {suite}/{r['name']}: {r['reason']}", flush=True)
        failed = failed or bool(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
