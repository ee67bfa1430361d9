# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's part of a report: what is measured in a guest whose driver is connected."""

import time

from xen_hostmem_check import finding, guest, guest_checks, memtype

from . import host, measure
from .programs import NotMeasured

KIB, MIB = 1 << 10, 1 << 20
# Size and pairs of measurements; and of the quick run
SPEED = ((64 * KIB, 41), (MIB, 41), (16 * MIB, 41), (64 * MIB, 21))
QUICK_SPEED = ((64 * KIB, 5), (MIB, 5))
OPERATIONS = "write,read,copy,random"
# Size and cycles. The window has to hold three blobs of each size.
LATENCY = ((4 * KIB, 200), (64 * KIB, 200), (MIB, 100), (16 * MIB, 30), (64 * MIB, 15))
QUICK_LATENCY = ((64 * KIB, 20), (MIB, 20))
TRAPPED_BLOB, TRAPPED_BYTES, TRAPPED_PAIRS = 64 * KIB, 512, 5
DRIVER = "/sys/bus/xen/drivers/xen-hostmem"
NAME = "hostmem-0"


class Guest:
    def __init__(self, machine, programs, quick, keep_driver=False):
        self.machine, self.programs, self.quick = machine, programs, quick
        self.keep_driver = keep_driver
        self.facts = guest.collect(machine)

    def fits(self, size):
        """Whether the window has room for three such blobs."""
        return bool(self.facts.window) and 3 * size <= self.facts.window[1]

    def types(self):
        """The mappings of the window now: (offset, size, type)."""
        text = self.machine.read(guest.DEBUGFS + "/x86/pat_memtype_list")
        return memtype.mappings(text, self.facts.window) if text and self.facts.window else []

    def require_granted(self):
        if not self.facts.window:
            raise NotMeasured("the GPU has no window: run xen-hostmem-check")
        if not self.facts.bound or self.facts.state != "Connected":
            raise NotMeasured("the driver xen-hostmem is not connected: run xen-hostmem-check")

    def speed(self):
        """A cached blob, relative to the guest's own memory. For a large one, the same of memory
        in small pages, as the blob's are: the difference is what larger pages are worth."""
        self.require_granted()
        results = []
        for size, pairs in QUICK_SPEED if self.quick else SPEED:
            if not self.fits(size):
                continue
            command = ["blobtool", "bench", str(size), OPERATIONS, "--pairs", str(pairs)]
            results.append({"small_pages": False, **self.programs.json(command, 600)})
            if size >= 16 * MIB:
                results.append({"small_pages": True,
                                **self.programs.json([*command, "--small-pages"], 600)})
        return results

    def latency(self):
        """Maps and unmaps: each alone, and back to back."""
        self.require_granted()
        results = []
        for size, count in QUICK_LATENCY if self.quick else LATENCY:
            if not self.fits(size):
                continue
            command = ["blobtool", "latency", str(count), str(size)]
            alone = self.programs.json([*command, "--pause", "20"], 600)
            cycles = self.programs.json(command, 600)
            results.append({**alone, "back_to_back_us": cycles["cycle_us"],
                            "mismatches": alone["mismatches"] + cycles["mismatches"]})
        return results

    def memory_type(self):
        """What Linux has chosen for a cached blob."""
        self.require_granted()
        before = self.types()
        with self.programs.converse(["blobtool", "hold", str(MIB), "7"], 60) as blob:
            blob.hear()
            new = [t for t in self.types() if t not in before]
            blob.say("quit")
        if not new:
            raise NotMeasured("/sys/kernel/debug/x86/pat_memtype_list does not show it: "
                              "mount -t debugfs debug /sys/kernel/debug")
        return sorted({kind for _at, _size, kind in new})

    def users(self):
        """Programs that have memory of a GPU mapped; they would not survive the next test."""
        found = set()
        for path in self.machine.glob("/proc/[0-9]*/maps"):
            if "/dev/dri/" in (self.machine.read(path) or ""):
                comm = self.machine.word(path.removesuffix("maps") + "comm")
                found.add(comm or path.split("/")[2])
        return sorted(found)

    def trapped(self):
        """A few words of a blob while the driver is unbound."""
        self.require_granted()
        if self.keep_driver:
            raise NotMeasured("left out (--keep-driver)")
        users = self.users()
        if users:
            raise NotMeasured("programs have memory of the GPU mapped and would not survive it: "
                              f"end {', '.join(users[:3])}, or run this from a text console")
        self.write("unbind", lambda: not self.machine.exists(f"{DRIVER}/{NAME}"))
        try:
            with self.programs.converse(["blobtool", "hold", str(TRAPPED_BLOB), "9", "--no-fill"],
                                        240) as blob:
                blob.hear()
                blob.say(f"bench {TRAPPED_PAIRS} {TRAPPED_BYTES} write,read")
                return blob.hear()
        finally:
            self.write("bind", lambda: self.machine.word(guest.DEVICE + "/state") == "Connected")

    def write(self, name, done):
        """Write the device's name to a file of the driver, and wait for what it should do."""
        try:
            with open(self.machine.path(f"{DRIVER}/{name}"), "w", encoding="ascii") as f:
                f.write(NAME)
        except OSError as why:
            raise NotMeasured(f"{DRIVER}/{name}: {why}") from None
        end = time.monotonic() + 30
        while not done():
            if time.monotonic() > end:
                raise NotMeasured(f"the driver did not {name} within 30 s: "
                                  "dmesg | grep -i hostmem")
            time.sleep(0.05)

    def vulkan(self):
        self.require_granted()
        return measure.vulkan(self.programs, self.quick, self.types)

    def frames(self):
        self.require_granted()
        return measure.frames(self.programs, self.quick)

    def kernel_log(self):
        status, text = self.machine.run(["dmesg"])
        return [] if status else host.last_lines(text, "(?i)hostmem")


def collect(machine, programs, quick, keep_driver=False):
    """The guest's part."""
    one = Guest(machine, programs, quick, keep_driver)
    findings = guest_checks.CHECKS.run(one.facts)
    measured = measure.run((("memory_type", one.memory_type), ("speed", one.speed),
                            ("latency", one.latency), ("vulkan", one.vulkan),
                            ("frames", one.frames), ("trapped", one.trapped)))
    return {"part": "guest", **host.facts(machine),
            "window_mib": one.facts.window[1] // MIB if one.facts.window else 0,
            "named": finding.named(findings), "kernel_log": one.kernel_log(),
            "measured": measured}
