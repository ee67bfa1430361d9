#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's own code: what is a loss of dom0, that the lab goes on after it, and how a trace
is read. A shell script takes the place of the emulated machine."""

import json
import os
import sys
import tempfile
import time
import unittest
from argparse import Namespace

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
import main  # noqa: E402
import patterns  # noqa: E402
from lab import PATCHED, PV, PVH, Case  # noqa: E402
from steps import Unmaps  # noqa: E402

STATE = """\
(XEN) ----[ Xen-4.20.5-pre  x86_64  debug=n  Not tainted ]----
(XEN) CPU:    0
(XEN) RIP:    {rip}
(XEN) RFLAGS: 0000000000000086   CONTEXT: hvm guest ({vcpu})
"""
XENS, LINUX = "e008:[<ffff82d0402a3b5e>]", "0010:[<ffffffff81a3b5e0>]"
TRIPLE = "(XEN) d0v0 Triple fault - invoking HVM shutdown action 1\n"
END = "(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting.\n"
RESET = "CPU Reset (CPU 1)\nTriple fault\nCPU Reset (CPU 0)\n"
LOSS = STATE.format(rip=XENS, vcpu="d0v0") + END


class Patterns(unittest.TestCase):
    def test_loss(self):
        self.assertIn("lost Xen", patterns.find_loss("(XEN) before\n", RESET))
        for text in (LOSS, TRIPLE + STATE.format(rip=LINUX, vcpu="d0v0") + END):
            self.assertIn("lost dom0", patterns.find_loss("(XEN) before\n" + text))

    def test_no_loss(self):
        for text in (STATE.format(rip=LINUX, vcpu="d0v0") + END,    # dom0's own doing
                     STATE.format(rip=XENS.replace("e008", "0010"), vcpu="d0v0"),
                     STATE.format(rip=XENS, vcpu="d3v0"),           # another guest
                     TRIPLE.replace("d0v0", "d3v0"),
                     "[  9.1] BUG: unable to handle page fault\n" + TRIPLE,
                     "(XEN) Panic on CPU 0:\n", END):
            self.assertIsNone(patterns.find_loss(text, RESET[:9]), text)
        self.assertIsNone(patterns.find_loss("(XEN) Panic on CPU 0:\n", RESET))

    def test_fatal(self):
        self.assertTrue(patterns.find_fatal(LOSS))
        self.assertTrue(patterns.find_fatal("[    5.0] Oops: general protection fault, probably"))
        self.assertFalse(patterns.find_fatal("[    5.0] xen_dmabuf_grant: 1 oops"))


class Traces(unittest.TestCase):
    LINES = {"close": " latency-9 [000] ..... {}: tracing_mark_write: close\n",
             "free": " kworker/0:1-8 [000] ..... {}: virtio_gpu_cmd_unref_cb <-dequeue\n"}

    def read(self, *events):
        return Unmaps.read("".join(self.LINES[what].format(f"{at:.6f}") for what, at in events))

    def test_in_turn(self):
        self.assertEqual(self.read(("close", 1), ("free", 1.5), ("close", 2), ("free", 2.1)),
                         ([500000.0, 100000.0], 0))

    def test_late_answer(self):
        self.assertEqual(self.read(("close", 1), ("close", 2), ("free", 2.5), ("free", 2.6)),
                         ([1500000.0, 600000.0], 0))

    def test_not_answered(self):
        self.assertEqual(self.read(("free", 0.5), ("close", 1)), ([], 1))


class Machine(boot.Boot):
    """Passes each case of its job, but ends with a text on the serial line in some, and
    perhaps one in the emulator's log."""

    def __init__(self, serial, losses, name="pvh", log="", ends=True):
        super().__init__(name, "", "abc", say=lambda *said: None)
        self.ends = ends
        self.says, self.losses, self.log, self.boots = serial, list(losses), log, 0

    def prepare(self):
        super().prepare()
        self.boots += 1

    def files(self):
        return []

    def command(self):
        events = []
        with open(f"{self.folder}/job.json", encoding="utf-8") as f:
            cases = json.load(f)["cases"]
        for case in cases:
            events.append({"event": "start", "case": case, "limit": 5})
            if case in self.losses:
                self.losses.remove(case)
                program = self.script(events, self.says, self.log)
                return program if self.ends else ["sleep", "60"]
            events.append({"event": "end", "case": case, "result": "pass", "reason": "",
                           "seconds": 1, "data": {}, "tail": {}})
        return self.script(events)

    def script(self, events, serial="", log=""):
        for path, text in ((f"{self.out}/events.jsonl", "\n".join(map(json.dumps, events)) + "\n"),
                           (self.serial, serial)):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return ["printf", "%s", log]


class Restarts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, value in (("BUILD", folder.name), ("GNTDEV", {}),
                            ("device_model", lambda qemu: __file__)):
            self.addCleanup(setattr, boot, name, getattr(boot, name))
            setattr(boot, name, value)

    def run_machine(self, *arguments, **options):
        machine = Machine(*arguments, **options)
        results = machine.run()
        self.assertEqual([r["name"] for r in results], list("abc"))
        return machine, [(r["result"], r["dom0_lost"]) for r in results]

    def test_none(self):
        machine, results = self.run_machine(LOSS, "")
        self.assertEqual((machine.boots, results), (1, [("pass", 0)] * 3))

    def test_goes_on(self):
        machine, results = self.run_machine(LOSS, "bbc")
        self.assertEqual((machine.boots, results), (4, [("pass", 0), ("pass", 2), ("pass", 1)]))
        self.assertEqual(sorted(os.listdir(f"{self.folder}/lab")),
                         ["pvh", "pvh-lost-1", "pvh-lost-2", "pvh-lost-3"])

    def test_lost_xen(self):
        machine, results = self.run_machine("", "b", log=RESET)
        self.assertEqual((machine.boots, results), (2, [("pass", 0), ("pass", 1), ("pass", 0)]))

    def test_stands_still(self):
        for name, value in (("STILL", 0.5), ("software", lambda pvh: True)):
            self.addCleanup(setattr, boot, name, getattr(boot, name))
            setattr(boot, name, value)
        machine, results = self.run_machine("", "b", ends=False)
        self.assertEqual((machine.boots, results), (2, [("pass", 0), ("pass", 1), ("pass", 0)]))
        machine, results = self.run_machine("", "b", ends=False, name="module")
        self.assertEqual((machine.boots, results), (1, [("pass", 0), ("fail", 0), ("fail", 0)]))
        self.assertIn("stand still", machine.results[1]["reason"])

    def test_bounded(self):
        machine, results = self.run_machine(LOSS, "b" * 100)
        self.assertEqual(machine.boots, boot.RESTARTS + 1)
        self.assertEqual(results, [("pass", 0), ("fail", boot.RESTARTS), ("fail", 0)])

    def test_patience(self):
        """The user's factor slows an emulated CPU down, or else is dom0's."""
        for name in ("PATIENCE", "hardware"):
            self.addCleanup(setattr, boot, name, getattr(boot, name))
        boot.PATIENCE = 3
        for kvm, slowdown, patience in ((False, 3, 1), (True, 1, 3)):
            boot.hardware = lambda kvm=kvm: kvm
            machine, _results = self.run_machine("", "", name="module")
            self.assertEqual((machine.slowdown, machine.patience), (slowdown, patience))
            with open(f"{machine.folder}/job.json", encoding="utf-8") as f:
                self.assertEqual(json.load(f)["patience"], patience)
            machine.event({"event": "start", "case": "a", "limit": 5})
            self.assertGreater(machine.deadline - time.monotonic(), slowdown * boot.SPARE)

    def test_sign_of_life(self):
        """A dom0 that starts its preparations has as much time as it takes for them."""
        machine, _results = self.run_machine("", "")
        machine.deadline = 0
        machine.event({"event": "dom0", "limit": 240, "uptime": 90})
        self.assertGreater(machine.deadline - time.monotonic(), 240)

    def test_other_ends(self):
        for text, name in ((END, "pvh"), (LOSS, "module")):
            machine, results = self.run_machine(text, "b", name=name)
            self.assertEqual((machine.boots, results), (1, [("pass", 0), ("fail", 0), ("fail", 0)]))


class Choice(unittest.TestCase):
    """Which of the chosen cases runs where"""

    def runs(self, names="", only=None, system="", **marks):
        case = Case(None, "a", 1, marks.get("boots", PV + PVH),
                    everywhere=marks.get("everywhere", False))
        arguments = Namespace(boot=only, case=names.split(), system=system)
        return [name for name in main.boots_for(arguments) if main.runs_in(name, case, arguments)]

    def test_boots(self):
        self.assertEqual(self.runs(), ["module"])
        self.assertEqual(self.runs(everywhere=True), ["module", "pvh"])
        self.assertEqual(self.runs("all"), ["module", "pvh"])
        self.assertEqual(self.runs("all", boots=PV), ["module"])
        self.assertEqual(self.runs("a", everywhere=True), ["module"])
        self.assertEqual(self.runs("a", boots=PVH), ["pvh"])
        self.assertIn("pvh", self.runs("a", only="pvh"))
        self.assertNotIn("pvh", self.runs("a", only="pvh", boots=PV))
        self.assertEqual(self.runs("all", boots=PATCHED), [])

    def test_boots_newest(self):
        """The newest system has no boot with gntdev as the provider, and none with our series."""
        self.assertEqual(self.runs("all", system="newest"), ["module", "pvh"])
        self.assertEqual(self.runs("all", system="newest", boots=("gntdev", "series")), [])
        self.assertEqual(self.runs("a", system="newest", boots=("debug",)), ["debug"])

    def test_groups(self):
        """`make check` takes none that is slow, check-all none that is long."""
        taken = {group: {c.name for c in main.chosen(group.split())}
                 for group in ("", "all", "long", "canary-long")}
        self.assertLess(taken[""], taken["all"])
        self.assertEqual(taken["long"], {"canary-long", "random-ends-long", "grantfuzz-long"})
        self.assertFalse(taken["long"] & taken["all"])
        self.assertEqual(taken["canary-long"], {"canary-long"})

    def test_hypervisor(self):
        for name, xen in (("module", "/image/xen"), ("patched", boot.patched_xen())):
            machine = boot.Boot(name, "/image", [])
            self.assertEqual(machine.kernel()[1], xen)


if __name__ == "__main__":
    unittest.main()
