#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fuzz.py RUNS: fuzz the ring, whole sessions and the GPU's commands, RUNS executions of
each, all fuzzers at the same time. Runs in the build base.

New inputs go to build/fuzz/NAME. With KEEP=1 in the environment, a minimised
set of them is added to tests/fuzz/corpus/NAME."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(TOP, "build", "fuzz")
NAMES = ("ring", "session", "gpu")
MAX_LEN = 400


def build():
    """Build the fuzzers; raise CalledProcessError with the output on failure."""
    commands = [["ninja", "-C", FOLDER]]
    if not os.path.exists(os.path.join(FOLDER, "build.ninja")):
        commands.insert(0, ["meson", "setup", "-Dfuzz=true", FOLDER, TOP])
    for command in commands:
        subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, env={**os.environ, "CC": "clang"})


def corpus(name):
    return os.path.join(TOP, "tests", "fuzz", "corpus", name)


def start(name, runs):
    """Start one fuzzer: it runs the kept corpus first, then new inputs."""
    found = os.path.join(FOLDER, name)
    os.makedirs(found, exist_ok=True)
    return subprocess.Popen(
        [f"{FOLDER}/tests/fuzz/fuzz-{name}", f"-runs={runs}", f"-max_len={MAX_LEN}",
         f"-artifact_prefix={FOLDER}/finding-{name}-", "-print_final_stats=1",
         "-timeout=60", found, corpus(name)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, "UBSAN_OPTIONS": "halt_on_error=1"})


def result(name, process):
    """(executions, None or the end of the output, which shows the finding)"""
    output = process.communicate()[0]
    m = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    done = int(m[1]) if m else 0
    if process.returncode:
        return done, "\n".join(output.splitlines()[-40:]) + \
            f"\nto reproduce it: {FOLDER}/tests/fuzz/fuzz-{name} {FOLDER}/finding-{name}-*"
    return done, None


def keep(name):
    subprocess.run([f"{FOLDER}/tests/fuzz/fuzz-{name}", "-merge=1", corpus(name),
                    os.path.join(FOLDER, name)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(runs):
    """{name: (executions, finding or None)}"""
    build()
    running = [(name, start(name, runs)) for name in NAMES]
    return {name: result(name, process) for name, process in running}


def main():
    runs = int(sys.argv[1])
    print(f"==> fuzzing: {runs} executions each of {', '.join(NAMES)} …", flush=True)
    results = run(runs)
    for name, (done, finding) in results.items():
        print(f"  {name}: {done} executions, " + ("a finding:\n" + finding if finding
                                                  else "no finding"))
        if os.environ.get("KEEP") and not finding:
            keep(name)
    return any(finding for _done, finding in results.values())


if __name__ == "__main__":
    sys.exit(main())
