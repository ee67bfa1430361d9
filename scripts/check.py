#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check.py SUITE...: run the suites that need no lab. Runs in the build base.

Each writes build/results/SUITE.json, which report.py adds up. qtest-10.2 runs the qtests of
build/qemu-10.2."""

import json
import os
import re
import subprocess
import sys
import time

import catalogue
import fuzz as fuzzers

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(TOP, "tests", "bench"))
import instructions  # noqa: E402
BUILD = os.path.join(TOP, "build")
QEMU = os.path.join(BUILD, "qemu")
QEMU_SRC = os.path.join(BUILD, "qemu-src")
LIMIT = 180             # seconds for one program
LONG_LIMIT = 1800       # for one that may download or compile much

# Upstream's tests of the code that we hook into, beside our own.
QTESTS = ("tests/qtest/virtio-gpu-hostmem-test", "tests/qtest/virtio-gpu-guest-blob-test",
          "tests/qtest/virtio-gpu-limits-test", "tests/qtest/virtio-queue-reset-test",
          "tests/qtest/display-vga-test",
          "tests/qtest/device-introspect-test", "tests/qtest/qmp-cmd-test",
          "tests/qtest/test-hmp")
UNITS = ("ring", "window", "room", "session", "memtype", "fault", "hold")
QEMU_UNITS = (*(f"tests/unit/test-hostmem-{name}" for name in UNITS),
              "tests/unit/test-gpu-display", "tests/unit/test-gpu-virgl",
              "tests/unit/test-xen-mapcache",
              "tests/unit/test-xs-node", "tests/unit/test-virtio-dmabuf")
QEMU_TARGETS = QTESTS + QEMU_UNITS


def run(command, limit=LIMIT, **options):
    """(exit status, output); a program that hangs counts as failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=limit,
                              stdin=subprocess.DEVNULL, **options)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return 124, f"{late.stdout or ''}\ndid not finish within {limit} s"
    except OSError as why:
        return 127, str(why)


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


FUZZ_RUNS = 50000       # executions of each fuzzer; "make fuzz" does more


# Suites: each returns a list of (name, result, reason)

def unit():
    """The core, with a scripted guest, under ASAN and UBSAN."""
    folder = os.path.join(BUILD, "unit")
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        status, output = run(["meson", "setup", folder, TOP])
        if status:
            return [("meson", "fail", tail(output))]
    status, output = run(["ninja", "-C", folder])
    if status:
        return [("build", "fail", tail(output, 40))]
    status, output = run(["meson", "introspect", "--tests", folder])
    if status:
        return [("introspect", "fail", tail(output))]
    results = []
    for test in json.loads(output):
        results += tap(test["name"], test["cmd"],
                       env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1",
                            "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=1"})
    return results


def fuzz():
    """The inputs of the corpus, and some new ones."""
    try:
        found = fuzzers.run(FUZZ_RUNS)
    except subprocess.CalledProcessError as why:
        return [("build", "fail", tail(why.stdout, 40))]
    results = []
    for name, (done, finding) in found.items():
        if not finding and done < FUZZ_RUNS:
            finding = f"only {done} executions"
        results.append((name, "fail" if finding else "pass", finding or ""))
    return results


def cost():
    """The instructions that a map and an unmap take, and how they grow."""
    return instructions.check()


def qtest(version=""):
    """QEMU's own tests of the code that we touch, and our tests, built in QEMU."""
    folder = f"{QEMU}-{version}" if version else QEMU
    results = []
    for program in QEMU_TARGETS:
        results += tap(program, [os.path.join(folder, program), "--tap", "-k"], cwd=folder,
                       env={**os.environ, "QTEST_QEMU_BINARY": "./qemu-system-x86_64",
                            "G_TEST_DBUS_DAEMON": "/bin/false"})
    return results


def tracked(*patterns):
    """Files of the project, found without git, which the base does not have."""
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
    """The kernel's script, extracted from its source package."""
    folder = os.path.join(BUILD, "checkpatch")
    script = os.path.join(folder, "linux-source-6.12/scripts/checkpatch.pl")
    if not os.path.exists(script):
        os.makedirs(folder, exist_ok=True)
        run(["tar", "-C", folder, "-xf", "/usr/src/linux-source-6.12.tar.xz",
             *(f"linux-source-6.12/scripts/{n}" for n in
               ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch"))])
    return script


def spdx():
    """Each file states its licence in its first lines."""
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
    """All copies of the wire header and of the module's interface are the same."""
    results = []
    for one, other in (("include/hw/xen/interface/io/hostmem.h", "guest/linux/hostmem.h"),
                       ("include/hw/xen/interface/dmabuf-grant.h",
                        "dom0/linux/dmabuf-grant.h"),
                       ("include/hw/xen/interface/guest-dmabuf.h",
                        "dom0/guest-dmabuf/guest-dmabuf.h")):
        results.append(verdict(f"copy-{os.path.basename(one)}", ["cmp", one, other]))
    return results


def lint():
    """Style and licence of every file."""
    shell = [p for p in tracked(r".") if is_shell(p)]
    qemu_files = tracked(r"^(hw|include|util|tests/(unit|qtest|bench))/.*\.[ch]$")
    modules = tracked(r"^(guest/linux|dom0/linux|dom0/guest-dmabuf)/.*\.[ch]$")
    return [
        spdx(), *copies(),
        verdict("shellcheck", ["shellcheck", "-x", "-e", "SC1091", *shell]),
        verdict("codespell", ["codespell", "-q", "3", "-L", "sring,inout,renderd",
                              *tracked(r"\.(c|h|py|sh|rst|md)$")]),
        verdict("checkpatch-qemu", ["perl", f"{QEMU_SRC}/scripts/checkpatch.pl", "--no-tree",
                                    "--terse", "-f", *qemu_files],
                r"license 'MIT|(dmabuf-grant|guest-dmabuf)\.h|^total:|architecture specific"),
        verdict("checkpatch-linux", ["perl", kernel_checkpatch(), "--no-tree", "--terse",
                                     "--no-summary", "--ignore", "CAMELCASE,FILE_PATH_CHANGES",
                                     "-f", *modules],
                r"^total:|hostmem\.h|MODULE_LICENSE"),
        verdict("python", ["python3", "-m", "py_compile", *tracked(r"\.py$")]),
        verdict("lab", ["python3", "tests/lab/test_boot.py"]),
        verdict("python-3.11", ["python3", "scripts/check-python.py", *tracked(r"\.py$")]),
        *mtrr(),
        threats(),
    ]


def threats():
    """Each case of the threat model names tests that exist."""
    wrong, _count = catalogue.faults()
    return ("threat-model", "fail" if wrong else "pass", "\n".join(wrong))


def mtrr():
    """The guest's MTRR helper, on samples of /proc/mtrr."""
    status, output = run(["sh", "guest/linux/mtrr/test.sh"], cwd=TOP)
    return [("mtrr", "fail" if status else "pass", tail(output) if status else "")]


def setup():
    """The results of scripts/check-setup.sh, which runs outside this base."""
    return tap("setup", ["cat", os.path.join(BUILD, "results", "setup.tap")])


def tools():
    """The programs for users, on machines that exist in a folder only."""
    return tap("xen-hostmem-check", ["python3", "tests/check/run.py"], cwd=TOP)


def docs():
    """The documents as pages, in build/docs. A warning is an error. All is read anew: what was
    wrong the last time would not be looked at again. Runs with the layer of scripts/docs.sh."""
    return [verdict("pages", ["python3", "-m", "sphinx", "-q", "-E", "-W", "--keep-going",
                              "-b", "html", "-d", "build/docs-cache", "docs", "build/docs"])]


def deb():
    """The results of packaging/test.sh, which runs outside this base."""
    return tap("deb", ["cat", os.path.join(BUILD, "results", "deb.tap")])


def versions():
    """The patches fit every other QEMU that UPSTREAM pins, without fuzz."""
    with open(os.path.join(TOP, "UPSTREAM"), encoding="utf-8") as f:
        others = re.findall(r"^qemu_([0-9.]+)_version=", f.read(), re.M)
    results = []
    for series in others:
        status, output = run(["sh", "scripts/qemu-source.sh", "--qemu", series],
                             limit=LONG_LIMIT, cwd=TOP)
        # 3: the mirror has no such version, now that its suite has moved on
        what = {0: "pass", 3: "skip"}.get(status, "fail")
        results.append((f"patches-fit-{series}", what, tail(output)))
    return results


def modules():
    """The kernel modules compile with the headers of old and new kernels."""
    return tap("modules", ["sh", "scripts/modules-all.sh"], cwd=TOP, limit=LONG_LIMIT)


SUITES = {"unit": unit, "cost": cost, "fuzz": fuzz, "qtest": qtest, "lint": lint, "setup": setup,
          "tools": tools, "docs": docs, "deb": deb, "versions": versions, "modules": modules}


def run_suite(suite):
    name, _dash, version = suite.partition("-")
    return SUITES[name](version) if version else SUITES[name]()


def main():
    if sys.argv[1:] == ["--targets"]:
        print(" ".join(QEMU_TARGETS))
        return 0
    os.makedirs(os.path.join(BUILD, "results"), exist_ok=True)
    failed = False
    for suite in sys.argv[1:]:
        began = time.monotonic()
        results = [{"suite": suite, "name": n, "result": r, "reason": why if r != "pass" else ""}
                   for n, r, why in run_suite(suite)]
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
