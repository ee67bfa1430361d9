# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of xen-hostmem-check: parsers, the calculator, the output."""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

import fake
from fake import TOP
from xen_hostmem_check import (guestconfig, main, memtype, monitor, output, pci, plan,
                               running_checks, units, xlcfg)
from xen_hostmem_check.finding import Finding
from xen_hostmem_check.machine import Machine


def source(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


class XlCfg(unittest.TestCase):
    def test_values(self):
        text = "# c\na = 1; b = 0x10 # c\nc='x\\'y'\nd = [ \"p\",\n 'q', [ 1, ], ]\nd += [ 's' ]\n"
        self.assertEqual(xlcfg.parse(text), {"a": 1, "b": 16, "c": "x'y",
                                             "d": ["p", "q", [1], "s"]})

    def test_nothing(self):
        self.assertEqual(xlcfg.parse("\n \n#\n"), {})

    def test_mistakes(self):
        for text in ("a", "a =", "a = b", "a = 'x", "a = [ 'x' 'y' ]", "a = [ 'x'", "= 1",
                     "a = 1 2", "a = 1 b = 2", "a = 0x", "a = (1)", "a = " + "[" * 100):
            with self.subTest(text), self.assertRaises(xlcfg.Invalid):
                xlcfg.parse(text)

    def test_the_line_of_a_mistake(self):
        with self.assertRaisesRegex(xlcfg.Invalid, "line 3"):
            xlcfg.parse("a = 1\n\nb 2\n")

    def test_page(self):
        """The xl.cfg of the user documentation needs no change but what any guest needs."""
        page = source("docs/system/xen-virtio-gpu.rst")
        block = re.search(r"\nxl\n~~\n\n::\n\n((?:  .*\n)+)", page)[1]
        found = guestconfig.from_xlcfg(block, "page")
        self.assertEqual((found.type, found.vga, found.gpu.window), ("hvm", "none", 256 << 20))


class Garbage(unittest.TestCase):
    """Whatever files hold, no parser fails in another way than it says."""

    def test_anything(self):
        chance = random.Random(1)
        pieces = [fake.XL_CFG, fake.MONITOR, fake.MTRR, fake.PAT, fake.XL_LIST]
        for _ in range(2000):
            text = list(chance.choice(pieces))
            for _ in range(chance.randrange(1, 12)):
                at = chance.randrange(len(text))
                text[at:at + chance.randrange(4)] = chance.choice("[]\"'=,;\n#0x \\aM")
            text = "".join(text)
            try:
                found = guestconfig.from_xlcfg(text, "x")
                self.assertIsInstance(found.grants and found.wanted >= 0, bool)
            except xlcfg.Invalid:
                pass
            monitor.parse(text)
            memtype.mappings(text, (0, 1 << 40))
            memtype.uncachable_registers(text, (0, 1 << 40))
            pci.window(text.encode()[:256].ljust(256, b"\t"), "0x1000 0x2000 0x0\n" * 6)

    def test_values_of_the_wrong_kind(self):
        text = "name = 1\ntype = [ 1 ]\nmemory = \"x\"\nvga = 1\nstdvga = []\nhap = []\n" \
            "device_model_override = []\ndevice_model_args = 1\nvideoram = \"\"\n"
        machine = fake.FakeDom0()
        try:
            machine.write("/etc/xen/odd.cfg", text)
            self.assertEqual(machine.examine()[1]["named"], [])
        finally:
            machine.close()


class Config(unittest.TestCase):
    def test_device(self):
        gpu = guestconfig.parse_device("virtio-gpu-gl-pci,blob,hostmem=1G,xen-hostmem-quota=8M")
        self.assertTrue(gpu.on("blob"))
        self.assertEqual((gpu.window, gpu.size("xen-hostmem-quota")), (1 << 30, 8 << 20))

    def test_driver_property(self):
        self.assertEqual(guestconfig.parse_device("driver=virtio-vga-gl,hostmem=4K").model,
                         "virtio-vga-gl")

    def test_arguments_as_words(self):
        text = 'name = "g"\ndevice_model_args = "-device virtio-gpu-gl"'
        found = guestconfig.from_xlcfg(text, "x")
        self.assertEqual(found.gpu.model, "virtio-gpu-gl")

    def test_unset_numbers_of_libxl(self):
        found = guestconfig.from_libxl(1, {"c_info": {}, "b_info": {
            "max_maptrack_frames": 0xffffffff, "shadow_memkb": 2 ** 64 - 1}})
        self.assertEqual((found.maptrack_frames, found.shadow_kib), (None, None))

    def test_sizes(self):
        for text, size in (("1", 1), ("256M", 256 << 20), ("1g", 1 << 30), ("0x1000", 4096),
                           ("1.5G", 3 << 29), ("", None), ("M", None), ("-1", None), ("1X", None)):
            with self.subTest(text):
                self.assertEqual(units.parse_size(text), size)


class Memory(unittest.TestCase):
    def test_window_above_4_gib(self):
        config = fake.capability_config(8 << 30)
        resources = "0x0 0x0 0x0\n" * 4 + "0x0000000400000000 0x00000005ffffffff 0x14220c\n"
        self.assertEqual(pci.window(config, resources), (16 << 30, 8 << 30))

    def test_no_address(self):
        self.assertIsNone(pci.window(fake.capability_config(), "0x0 0x0 0x0\n" * 5))

    def test_broken_configuration_space(self):
        loop = bytearray(fake.capability_config(kind=2))
        loop[85] = 84
        for data in (b"", bytes(64), bytes(256), bytes(loop), b"\xff" * 256):
            self.assertIsNone(pci.window(data, "0x1000 0x1fff 0x0\n" * 6))

    def test_registers(self):
        text = "reg00: base=0x0a0000000 ( 2560MB), size=   64KB, count=2: uncachable\n" \
            "reg10: base=0x0a0010000 ( 2560MB), size=    1MB, count=1: uncachable\n" \
            "reg11: base=0x0a0000000 ( 2560MB), size=    1MB, count=1: write-back\n"
        self.assertEqual(memtype.uncachable_registers(text, (0xa0000000, 0x10000)), [0])
        self.assertEqual(memtype.uncachable_registers(text, (0xa000f000, 0x2000)), [0, 10])
        self.assertEqual(memtype.uncachable_registers(text, (0xa0110000, 0x1000)), [])
        self.assertEqual(memtype.uncachable_registers(text, (0x9ffff000, 0x1000)), [])

    def test_another_region(self):
        """Shared memory that is not the host visible one is none of ours."""
        other = bytearray(fake.capability_config())
        other[84 + 5] = 2
        self.assertIsNone(pci.shared_memory(bytes(other)))


class Monitor(unittest.TestCase):
    def test_format(self):
        """The lines are those that QEMU prints: literal parts of its format strings are known."""
        code = source("hw/xen/hostmem/xen-hostmem-hmp-cmds.c")
        for part in ("window of %", "policy %s, ", "driver %s, provider %s", "granted %",
                     " KiB of a quota of %", " KiB, trapped %", "blobs use %", "and may use %",
                     " were refused", " grants; trapped accesses: %", " writes, %",
                     " outside any blob", "write-combined and uncached blobs are %s%s",
                     "(CPU %s, paging %s)", "not granted %", " times: %s", "resource %",
                     ": offset 0x%", " shared memory", " (being unmapped)"):
            self.assertIn(part, code)

    def test_window(self):
        (window,), strange = monitor.parse(fake.MONITOR)
        self.assertEqual(strange, [])
        self.assertEqual((window.kib, window.policy, window.connected, window.provider),
                         (262144, "auto", True, "xen-dmabuf-grant"))
        self.assertEqual([b.kib for b in window.blobs], [132, 8192, 1024])
        self.assertEqual([b.shared for b in window.blobs], [True, True, False])
        self.assertEqual((window.numbers["reads"], window.numbers["strays"]), (0, 0))

    def test_page(self):
        """The example of the user documentation is understood."""
        page = source("docs/system/xen-virtio-gpu.rst")
        example = re.search(r"(?<=info xen-hostmem'\n)(?:  .*\n)+", page)[0]
        windows, strange = monitor.parse(re.sub("^  ", "", example, flags=re.M))
        self.assertEqual((len(windows), strange), (1, []))

    def test_unknown_line(self):
        self.assertEqual(monitor.parse(fake.MONITOR + "  new: 1\n")[1], ["  new: 1"])

    def test_guest_memory(self):
        page = source("docs/system/xen-virtio-gpu.rst")
        example = re.search(r"(?:  .*\n)+", page[page.index(": guest memory that is") - 60:])[0]
        self.assertEqual(example.count("\n"), 3)
        for text in (monitor.NO_WINDOW + "\n", fake.MONITOR):
            windows, strange = monitor.parse(text + re.sub("^  ", "", example, flags=re.M))
            self.assertEqual((len(windows), strange), (text == fake.MONITOR, []))

    def test_every_reason_has_advice(self):
        text = re.search(r"'enum': 'XenHostmemReason',\s*'data': \[([^]]*)\]",
                         source("qapi/xen-hostmem.json"))[1]
        reasons = set(re.findall(r"'([\w-]+)'", text)) - {"none"}
        self.assertEqual(set(running_checks.ADVICE), reasons)


class Plan(unittest.TestCase):
    def pages(self, name):
        return sum(size for _what, size in plan.mapped(plan.Wish(programs=[(name, 1)]))) // 4096

    def test_measured(self):
        """What the lab's traces show (docs/system/xen-hostmem-check.rst)."""
        self.assertEqual(plan.VENUS // 4096, 2338)
        of_images = self.pages("vkcube") - 4 * 1000
        self.assertEqual(of_images + 4 * 250, 3406)
        self.assertLessEqual(5403, of_images + 3 * 1000)
        vkmark = plan.PROGRAMS["vkmark"]
        self.assertEqual((plan.VENUS + vkmark.data) // 4096, 2595)
        self.assertEqual(self.pages("weston"), 0)

    def test_defaults(self):
        result = plan.plan(plan.Wish())
        self.assertEqual((result.hostmem, result.gnttab_max_frames, result.max_maptrack_frames,
                          result.shadow_memory), (256 << 20, 512, 1024, None))

    def test_udmabuf(self):
        """Nobody is told to write a limit that would lower what newer kernels have."""
        for software, line in ((False, "  # udmabuf.size_limit_mb: the default is enough"),
                               (True, "  udmabuf.size_limit_mb=256   # not from 7.3 on: no limit")):
            wish = plan.Wish(software=software)
            self.assertIn(line, plan.text(wish, plan.plan(wish)).splitlines())

    def test_small_buffers(self):
        """Three windows of 256 MiB fit the table of 512 frames, but not what is left of it beside
        small buffers; of 2048 frames, 2944 MiB are left."""
        self.assertEqual(plan.plan(plan.Wish(guests=3)).gnttab_max_frames, 1024)
        self.assertEqual(units.grant_frames([2944 << 20]), 2048)
        self.assertEqual(units.bulk_size(2048), 2944 << 20)

    def test_as_the_checks_judge(self):
        """A host that follows the plan has nothing to change."""
        for guests, program, memory in ((1, "vkcube", 512), (2, "browser", 1024),
                                        (8, "game", 512), (3, str(16 << 30), 1024)):
            with self.subTest(program):
                self.follow(guests, program, memory)

    def follow(self, guests, program, memory):
        wish = plan.Wish(guests=guests, programs=[plan.parse_program(program)],
                         memory_mib=memory, vcpus=1)
        result = plan.plan(wish)
        machine = fake.FakeDom0()
        try:
            machine.remove("/etc/xen/games.cfg")
            machine.domains.pop()
            machine.update()
            machine.say("xl info", fake.XL_INFO.replace(
                "gnttab_max_frames=512", f"gnttab_max_frames={result.gnttab_max_frames}"))
            machine.write("/proc/meminfo", f"MemTotal: {result.dom0_mib * 1024} kB\n")
            text = fake.XL_CFG.replace("hostmem=256M", f"hostmem={units.show(result.hostmem)}")
            text = text.replace("memory = 2048; vcpus = 2", f"memory = {memory}\n"
                                f"max_maptrack_frames = {result.max_maptrack_frames}\n" + (
                                    f"shadow_memory = {result.shadow_memory}\n"
                                    if result.shadow_memory else ""))
            for n in range(guests):
                machine.write(f"/etc/xen/g{n}.cfg", text.replace("games", f"g{n}"))
            self.assertEqual(machine.examine()[1]["named"], [])
        finally:
            machine.close()

    def test_shadow_memory(self):
        """The example of the user documentation: 32 MiB more than the default, for 8 GiB."""
        wish = plan.Wish(programs=[(5 << 30, 1)], memory_mib=768, vcpus=1)
        result = plan.plan(wish)
        self.assertEqual((result.hostmem, result.shadow_memory), (8 << 30, 4 + 32))

    def test_wrong_use(self):
        for arguments in (["--program", "nothing"], ["--program", "game:0"],
                          ["--resolution", "big"], ["--resolution", "0x1"], ["--guests", "0"]):
            with self.subTest(arguments):
                status, _text = main.main(["--plan", *arguments], None)
                self.assertEqual(status, main.WRONG_USE)

    def test_json(self):
        status, text = main.main(["--plan", "--json", "--program", "game"], None)
        self.assertEqual((status, json.loads(text)["hostmem"]), (0, 1 << 30))


class Files(unittest.TestCase):
    def test_sysctl(self):
        """The kernel refuses to read these with a buffer of 4 MiB or more."""
        self.assertEqual(Machine().word("/proc/sys/kernel/ostype"), "Linux")

    def test_long(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/log", "wb") as f:
                f.write(bytes(range(256)) * (20 << 10))
            data = Machine(folder).read_bytes("/log")
        self.assertEqual(data, bytes(range(256)) * (16 << 10))


class Output(unittest.TestCase):
    def test_status(self):
        for levels, status in (([], 0), (["ok", "note"], 0), (["problem", "unknown"], 1),
                               (["unknown"], 3)):
            self.assertEqual(output.status([Finding("x", v, "") for v in levels]), status)

    def test_quiet(self):
        text = output.text([Finding("a", "ok", "fine"), Finding("b", "problem", "bad", "do")], True)
        self.assertNotIn("fine", text)
        self.assertIn("-> do", text)
        self.assertTrue(text.endswith("to change: 1 (b)"))

    def test_without_xen(self):
        machine = fake.Fake()
        try:
            status, said = machine.examine()
        finally:
            machine.close()
        self.assertEqual((status, said["named"]), (fake.NOT_KNOWN, ["xen"]))

    def test_program(self):
        """The program itself, from the tree and as the one file that is installed."""
        tool = os.path.join(TOP, "tools", "xen-hostmem-check")
        for command in ([sys.executable, f"{tool}/xen-hostmem-check"], self.built(tool)):
            done = subprocess.run([*command, "--plan"], capture_output=True, text=True, check=True)
            self.assertIn("gnttab_max_frames=512", done.stdout)
            done = subprocess.run([*command, "--plan", "--guests", "0"], capture_output=True,
                                  text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (main.WRONG_USE, ""))

    def built(self, tool):
        folder = fake.Fake()
        self.addCleanup(folder.close)
        subprocess.run(["make", "-s", "-C", tool, "install", f"DESTDIR={folder.root}"], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertTrue(folder.machine().exists("/usr/local/share/man/man8/xen-hostmem-check.8"))
        return [folder.path("/usr/local/sbin/xen-hostmem-check")]


if __name__ == "__main__":
    unittest.main()
