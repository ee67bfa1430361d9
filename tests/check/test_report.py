# SPDX-License-Identifier: GPL-2.0-or-later
"""xen-hostmem-report: what it measures, what it removes, what it writes."""

import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import fake
import fake_report
from fake import TOP
from fake_report import CACHED, COMBINED, FakePrograms, Talk, bench, memory
from xen_hostmem_report import main, measure, picture, privacy, schema, table
from xen_hostmem_report.programs import Programs

PROGRAM = os.path.join(TOP, "tools/xen-hostmem-report/xen-hostmem-report")
NODE = "/sys/bus/xen/drivers/xen-hostmem"
HELD = "PAT: [mem 0x00000000e4000000-0x00000000e4100000] write-back\n"
CACHED_BUFFER = "PAT: [mem 0x00000000e4000000-0x00000000e4400000] write-back\n" \
    "PAT: [mem 0x00000000e6000000-0x00000000e6001000] uncached-minus\n"
COMBINING = "PAT: [mem 0x00000000e5000000-0x00000000e5400000] write-combining\n"
DEVICE = {"types": 2, "device": "Fake Radeon", "driver": "radv", "version": "Mesa 25.0.7"}
# Personal data of the machines below, and of what logs say of others
PERSONAL = ("alices-tower", "alice", "liddell", "wonderland", "bobs-desktop", "S/N-4711-XYZ",
            "00:16:3e:aa:bb:cc", "192.0.2.15", "2001:db8::42", "alice@example.org",
            "c1b1c3d4-1111-4222-8333-000000000001", "0123456789abcdef0123456789abcdef")
LOG_LINE = "xen-hostmem: Alice Liddell on alices-tower.wonderland.example, 192.0.2.15, " \
    "2001:db8::42, 00:16:3E:AA:BB:CC, alice@example.org, /home/alice/x, bobs-desktop, " \
    "disk S/N-4711-XYZ, c1b1c3d4-1111-4222-8333-000000000001\n"


def personal(machine):
    """Give a machine an owner."""
    machine.write("/proc/sys/kernel/hostname", "alices-tower\n")
    machine.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 alices-tower.wonderland.example "
                  "alices-tower\n")
    machine.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                  "alice:x:1000:1000:Alice Liddell,,,:/home/alice:/bin/sh\n")
    machine.write("/sys/class/dmi/id/board_serial", "S/N-4711-XYZ\n")
    machine.write("/sys/class/dmi/id/chassis_serial", "To be filled by O.E.M.\n")
    machine.write("/sys/class/net/eth0/address", "00:16:3e:aa:bb:cc\n")
    machine.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    machine.environ["SUDO_USER"] = "alice"


def vulkan_lines(combined=8000.0):
    return [json.dumps(t) for t in (
        {"ready": True}, {"mapped": 0}, memory(0, CACHED, 9000.0, 10000.0), {"mapped": 1},
        memory(1, COMBINED, combined, 300.0), DEVICE)]


class Output(unittest.TestCase):
    def test_scenes(self):
        """A warning of Mesa's may come before the frames of a scene."""
        text = "[cube] duration=5:MESA-VIRTIO: debug: stuck in fence wait with iter at 4096\n" \
            " FPS: 12 FrameTime: 83 ms\n[clear] duration=5: FPS: 14 FrameTime: 71 ms\n"
        self.assertEqual(measure.scenes_in(text), [("cube", "12"), ("clear", "14")])


class Case(unittest.TestCase):
    """A guest and a dom0, and the files that are written."""

    def setUp(self):
        self.guest, self.dom0 = fake.FakeGuest(), fake.FakeDom0()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for machine in (self.guest, self.dom0):
            self.addCleanup(machine.close)
            machine.write("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n"
                          "model name\t: AMD Ryzen 9 7950X\nmicrocode\t: 0xa601206\n\n"
                          "processor\t: 1\n")
        for name in ("sys_vendor", "product_name"):
            self.dom0.write(f"/sys/class/dmi/id/{name}", "ASUSTeK\n")
        self.part, self.report = self.file("guest.json"), self.file("report.json")
        self.here, self.host = self.guest_programs(), FakePrograms()
        self.host.talks["vkmemory"] = Talk(vulkan_lines(9000.0))

    def file(self, name):
        return os.path.join(self.folder.name, name)

    def mapped(self, text):
        return lambda: self.guest.write("/sys/kernel/debug/x86/pat_memtype_list", fake.PAT + text)

    def guest_programs(self):
        programs = FakePrograms()
        programs.talks["blobtool hold"] = Talk(['{"bytes": 1048576}'], [self.mapped(HELD)])
        programs.talks["vkmemory"] = Talk(
            vulkan_lines(), [self.mapped(""), self.mapped(CACHED_BUFFER), lambda: None,
                             self.mapped(COMBINING)])
        return programs

    def in_guest(self, *arguments):
        status, said = self.call(["-o", self.part, *arguments], self.guest, self.here)
        self.assertEqual(status, 0, said)
        return self.read(self.part)["guest"]

    def in_dom0(self, *arguments):
        return self.call(["desktop", self.part, "-o", self.report, *arguments], self.dom0,
                         self.host)

    @staticmethod
    def call(arguments, machine, programs):
        said, sys.stderr = sys.stderr, open(os.devnull, "w", encoding="ascii")
        try:
            return main.main(arguments, machine.machine(), programs)
        finally:
            sys.stderr.close()
            sys.stderr = said

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as f:
            return json.load(f)

    def both(self):
        self.in_guest("--keep-driver")
        status, said = self.in_dom0()
        self.assertEqual(status, 0, said)
        return self.read(self.report)


class Measure(Case):
    def test_whole(self):
        """Both parts make a valid report."""
        report = self.both()
        self.assertEqual(schema.faults(report, schema.REPORT), [])
        self.assertEqual(report["dom0"]["kind"], "hardware")
        self.assertEqual(report["dom0"]["xen"]["options"]["gnttab_max_frames"], "512")
        self.assertNotIn("loglvl", report["dom0"]["xen"]["options"])
        self.assertEqual(report["dom0"]["windows"][0]["provider"], "xen-dmabuf-grant")
        self.assertEqual(report["dom0"]["cpu"]["microcode"], "0xa601206")
        self.assertEqual([f["scene"] for f in report["guest"]["measured"]["frames"]],
                         list(measure.SCENES))

    def test_memory_types(self):
        """Of what was mapped just now, and of nothing else."""
        measured = self.in_guest("--keep-driver")["measured"]
        self.assertEqual(measured["memory_type"], ["write-back"])
        self.assertEqual([m["guest_types"] for m in measured["vulkan"]["memory"]],
                         [["write-back"], ["write-combining"]])

    def test_large_blobs_do_not_fit(self):
        """A window of 64 MiB has no room for three blobs of 64 MiB."""
        pci = f"/sys/devices/pci0000:00/{fake.GPU_PCI}"
        self.guest.write(pci + "/config", fake.capability_config(64 << 20))
        measured = self.in_guest("--keep-driver")["measured"]
        self.assertEqual({b["bytes"] for b in measured["speed"]}, {64 << 10, 1 << 20, 16 << 20})

    def test_nothing_there(self):
        """Each that cannot be measured says why, and the others are measured."""
        for missing, names in (("vkmark", ["frames"]), ("vkmemory", ["vulkan"]),
                               ("blobtool", ["memory_type", "speed", "latency"])):
            with self.subTest(missing):
                self.here = self.guest_programs()
                self.here.missing = {missing}
                measured = self.in_guest("--keep-driver")["measured"]
                why = {n: m["not_measured"] for n, m in measured.items()
                       if isinstance(m, dict) and "not_measured" in m}
                self.assertEqual(sorted(why), sorted([*names, "trapped"]))
                self.assertTrue(all(f"{missing} is missing" in why[n] for n in names), why)

    def test_not_connected(self):
        """Without the driver, all would be trapped: nothing is measured."""
        self.guest.write("/sys/bus/xen/devices/hostmem-0/state", "Initialising\n")
        measured = self.in_guest()["measured"]
        self.assertTrue(all("not connected" in m["not_measured"] for m in measured.values()))
        self.assertEqual(self.here.commands, [])

    def test_programs_that_fail(self):
        self.here.answers["vkmark"] = "Error: no device\n"
        self.here.answers["blobtool bench"] = '{"error": "no memory"}'
        self.here.talks["vkmemory"] = Talk(['{"ready": true}', "Segmentation fault"])
        measured = self.in_guest("--keep-driver")["measured"]
        for name, why in (("frames", "no device"), ("speed", "no memory"),
                          ("vulkan", "Segmentation fault")):
            self.assertIn(why, measured[name]["not_measured"])

    def test_emulated(self):
        """What a program makes is not hardware, whatever else is known of it."""
        for vendor, kind in (("QEMU", "emulated"), ("VMware, Inc.", "emulated"),
                             ("Xen", "emulated"), ("LENOVO", "hardware"), (None, "unknown")):
            with self.subTest(str(vendor)):
                for name in ("sys_vendor", "product_name"):
                    if vendor:
                        self.dom0.write(f"/sys/class/dmi/id/{name}", vendor + "\n")
                    else:
                        self.dom0.remove(f"/sys/class/dmi/id/{name}")
                self.here, self.host = self.guest_programs(), FakePrograms()
                self.host.talks["vkmemory"] = Talk(vulkan_lines())
                self.assertEqual(self.both()["dom0"]["kind"], kind)


class Trapped(Case):
    """The driver is unbound, and bound again whatever happens."""

    def setUp(self):
        super().setUp()
        self.guest.write(f"{NODE}/unbind")
        self.guest.write(f"{NODE}/bind")
        figures = bench(512, 5, 0.02, ("write", "read"))
        self.here.talks["blobtool hold"] = Talk(
            ['{"bytes": 1048576}', '{"bytes": 65536}', json.dumps(figures)],
            [self.mapped(HELD)])

    def written(self, name):
        return self.guest.machine().read(f"{NODE}/{name}")

    def test_unbound_and_bound(self):
        trapped = self.in_guest()["measured"]["trapped"]
        self.assertEqual(trapped["guest_write_mb_s"], 0.02)
        self.assertEqual((self.written("unbind"), self.written("bind")), ("hostmem-0",) * 2)

    def test_bound_after_a_failure(self):
        self.here.talks["blobtool hold"].lines[1:] = []
        self.assertIn("no answer", self.in_guest()["measured"]["trapped"]["not_measured"])
        self.assertEqual(self.written("bind"), "hostmem-0")

    def test_programs_in_the_way(self):
        """A program with a blob would not survive it."""
        self.guest.write("/proc/77/maps", "7f0000000000-7f0000001000 rw-s /dev/dri/renderD128\n")
        self.guest.write("/proc/77/comm", "weston\n")
        self.assertIn("weston", self.in_guest()["measured"]["trapped"]["not_measured"])
        self.assertEqual(self.written("unbind"), "")


class Private(Case):
    def setUp(self):
        super().setUp()
        personal(self.guest)
        personal(self.dom0)
        self.dom0.domains.append({"domid": 5, "config": {"c_info": {"name": "bobs-desktop"},
                                                         "b_info": {}}})
        self.dom0.update()
        self.guest.say("dmesg", "[    1.5] " + LOG_LINE.replace(", bobs-desktop", ""))
        self.dom0.write("/var/log/xen/qemu-dm-desktop.log", LOG_LINE)

    def test_removed(self):
        """Nothing of it is left on either side; what it was is."""
        report = self.both()
        for path in (self.part, self.report, self.file("report.svg")):
            with open(path, encoding="utf-8") as f:
                text = f.read().lower()
            for word in PERSONAL:
                self.assertNotIn(word.lower(), text, path)
        for kind in ("host name", "user name", "guest name", "serial number", "IP address"):
            self.assertIn(f"<{kind}>", report["dom0"]["log"][0])
        self.assertEqual(report["removed"]["guest name"], 1)
        self.assertEqual(report["removed"]["host name"], 2)

    def test_nothing_is_written_if_something_is_left(self):
        """Whatever removing misses ends it."""
        clean = privacy.clean_text
        for word in ("alices-tower", "192.0.2.15", "00:16:3e:aa:bb:cc"):
            with self.subTest(word):
                privacy.clean_text = lambda text, names, found, word=word: \
                    clean(text, names, found) + (word if text.startswith("xen-hostmem") else "")
                try:
                    status, said = self.call(["-o", self.part, "--keep-driver"], self.guest,
                                             self.guest_programs())
                finally:
                    privacy.clean_text = clean
                self.assertEqual((status, word in said.lower()), (main.WRONG_USE, True), said)
                self.assertFalse(os.path.exists(self.part))

    def test_words_that_are_left(self):
        """Neither versions, nor PCI addresses, nor words that contain a name."""
        names = {"ann": "user name"}
        for text in ("1:10.0.13+ds-0+deb13u1", "0000:00:08.0", "25.0.7-2", "cannot, channel",
                     "1002:744c", "10:20:30", "6.12.118+deb13-amd64", "a::b is C++", "xen"):
            with self.subTest(text):
                self.assertEqual(privacy.remove(text, names), (text, {}))

    def test_words_that_are_removed(self):
        names = {"ann": "user name", "ann-pc": "host name"}
        for text, wanted in (("Ann's", "<user name>'s"), ("/home/bob/x", "/home/<home folder>/x"),
                             ("at ann-pc:", "at <host name>:"), ("fe80::1 up", "<IP address> up"),
                             ("[fe80::1]", "[<IP address>]"), ("ann_x", "<user name>_x"),
                             ("at 2001:db8::42: no", "at <IP address> no"),
                             ("10.1.2.3:5900", "<IP address>:5900"),
                             ("0A-1b-2c-3d-4e-5f", "<MAC address>")):
            with self.subTest(text):
                self.assertEqual(privacy.remove(text, names)[0], wanted)

    def test_common_names(self):
        """A host that is called like what it is does not spoil the report."""
        self.guest.write("/proc/sys/kernel/hostname", "xen\n")
        self.assertNotIn("xen", privacy.collect(self.guest.machine()))

    def test_no_serial_number(self):
        self.assertNotIn("to be filled by o.e.m.", privacy.collect(self.guest.machine()))


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.made = self.both()

    def check(self, report):
        path = self.file("x.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(report, f)
        return self.call(["--check", path], self.dom0, self.host)

    def test_valid(self):
        self.assertEqual(self.check(self.made)[0], 0)

    def places(self, value, path=()):
        """Each place in a report."""
        yield path
        items = value.items() if isinstance(value, dict) else \
            enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            yield from self.places(item, (*path, key))

    def test_damaged(self):
        """A value of another kind is noticed wherever it is."""
        places = [p for p in self.places(self.made) if p]
        random.Random(3).shuffle(places)
        for place in places[:300]:
            report = copy.deepcopy(self.made)
            at = report
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = None
            self.assertTrue(schema.faults(report, schema.REPORT), place)

    def test_missing_and_unknown(self):
        for damage, said in ((lambda r: r["guest"].pop("cpu"), "guest.cpu is missing"),
                             (lambda r: r.update(more=1), "more is not known"),
                             (lambda r: r.update(format=2), "report.format")):
            report = copy.deepcopy(self.made)
            damage(report)
            status, text = self.check(report)
            self.assertEqual((status, said in text), (main.NOT_VALID, True), text)

    def test_numbers_of_a_hostile_guest(self):
        """What is valid can be drawn, and printed as a row."""
        chance, drawn = random.Random(4), 0
        places = [p for p in self.places(self.made["guest"]["measured"]) if p]
        for n in range(60):
            report = copy.deepcopy(self.made)
            for place in chance.sample(places, 6):
                at = report["guest"]["measured"]
                for key in place[:-1]:
                    at = at[key]
                if isinstance(at[place[-1]], (int, float)):
                    at[place[-1]] = chance.choice((1e-12, 1, 1e18, 1e9, 3) if n % 3 else
                                                  (0, 10 ** 400, -1, float("inf"), float("nan")))
            if not schema.faults(report, schema.REPORT):
                drawn += 1
                xml.etree.ElementTree.fromstring(picture.draw(report))
                table.row(report)
        self.assertGreater(drawn, 5)

    def test_no_report(self):
        for text in ("", "[]", "null", "{}", "1", "[" * 100000, " " * (5 << 20)):
            path = self.file("x.json")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            for option in ("--check", "--picture", "--table"):
                self.assertEqual(self.call([option, path], self.dom0, self.host)[0],
                                 main.NOT_VALID)

    def test_picture(self):
        """It parses, has a bar for each figure, and says what is not hardware."""
        for kind in ("hardware", "emulated", "unknown"):
            self.made["dom0"]["kind"] = kind
            drawing = picture.draw(self.made)
            root = xml.etree.ElementTree.fromstring(drawing)
            titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
            # 6 blobs with 4 operations; 5 latencies, 2 types with 2 operations and 6 scenes,
            # each with 2 bars
            self.assertEqual(len(titles), 1 + 24 + 10 + 8 + 12)
            self.assertEqual("EMULATED" in drawing, kind == "emulated")
            self.assertEqual("not known whether" in drawing, kind == "unknown")

    def test_picture_of_nothing(self):
        """Without any figure there is a picture, too."""
        for side in ("guest", "dom0"):
            for name in self.made[side]["measured"]:
                self.made[side]["measured"][name] = {"not_measured": "a < b & c"}
        drawing = picture.draw(self.made)
        xml.etree.ElementTree.fromstring(drawing)
        self.assertIn("a &lt; b &amp; c", drawing)
        self.assertIn("--", table.row(self.made))

    def test_table(self):
        """As many cells as the table of the page has columns."""
        with open(os.path.join(TOP, "docs/hardware.rst"), encoding="utf-8") as f:
            page = f.read()
        columns = page.partition("   * - CPU\n")[2].partition("   * -")[0].count("     - ") + 1
        row = table.row(self.made)
        self.assertEqual(len(row.splitlines()), columns, row)
        self.assertIn("AMD Ryzen 9 7950X\n", row)
        self.assertIn("     - 0.889\n", row, "8000 of 9000 MB/s, write-combined")
        self.made["dom0"]["kind"] = "emulated"
        self.assertIn("AMD Ryzen 9 7950X (emulated)", table.row(self.made))

    def test_no_emulated_figures_in_the_page(self):
        with open(os.path.join(TOP, "docs/hardware.rst"), encoding="utf-8") as f:
            reports = f.read().partition("\nReports\n")[2].partition("\nClaims\n")[0]
        self.assertNotIn("(emulated)", reports)


class Use(Case):
    def test_wrong_use(self):
        self.in_guest("--keep-driver")
        for arguments, said in (((), "xen-hostmem-report GUEST FILE"),
                                (("desktop",), "xen-hostmem-report GUEST FILE"),
                                (("desktop", "/none"), "/none"),
                                (("desktop", "/etc/hostname"), "/etc/hostname")):
            status, text = self.call(list(arguments), self.dom0, self.host)
            self.assertEqual((status, said in text), (main.WRONG_USE, True), text)

    def test_not_root(self):
        self.guest.uid = 1000
        self.assertIn("root", self.call([], self.guest, self.here)[1])

    def test_not_on_xen(self):
        self.guest.remove("/sys/hypervisor/type")
        self.assertIn("does not run on Xen", self.call([], self.guest, self.here)[1])


class Helpers(unittest.TestCase):
    """The real way to run programs."""

    def test_no_such_program(self):
        with self.assertRaisesRegex(fake_report.NotMeasured, "is missing: make"):
            Programs().output(["no-such-helper"], 5)

    def test_too_long(self):
        with self.assertRaisesRegex(fake_report.NotMeasured, "did not end within"):
            Programs().output(["sleep", "20"], 0.2)

    def test_conversation(self):
        with Programs().converse(["sh", "-c", 'read a; echo "{\\"got\\": \\"$a\\"}"'], 20) as talk:
            talk.say("hello")
            self.assertEqual(talk.hear(), {"got": "hello"})

    def test_silent(self):
        with Programs().converse(["sleep", "20"], 0.2) as talk:
            with self.assertRaisesRegex(fake_report.NotMeasured, "too long"):
                talk.hear()

    def test_last_words(self):
        with Programs().converse(["sh", "-c", "echo no device >&2"], 20) as talk:
            with self.assertRaisesRegex(fake_report.NotMeasured, "no device"):
                talk.hear()

    def test_help(self):
        done = subprocess.run([sys.executable, PROGRAM, "--help"], capture_output=True, text=True,
                              check=True)
        self.assertIn("--check FILE", done.stdout)

    def test_one_file(self):
        """What is installed is one file that runs alone."""
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "report")
            subprocess.run([sys.executable, os.path.join(os.path.dirname(PROGRAM), "build.py"),
                            out], check=True)
            done = subprocess.run([sys.executable, out, "--check", "/none"], cwd=folder,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, main.NOT_VALID, done.stderr)
