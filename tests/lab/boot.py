# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot Xen and a dom0, or Linux with KVM, once; let it run its cases and watch it. Runs
in the build base."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build")
sys.path.append(os.path.join(HERE, "dom0"))
import patterns  # noqa: E402

BOOT_LIMIT = 300        # power-on to the first case, under a busy software CPU
PVH_BOOT_LIMIT = 600    # the same of a dom0 with nested page tables
SCRATCH = 64 << 20      # bytes of the disk for what a case writes
PVH_PATIENCE = 2        # factor of the time limits of a PVH dom0's cases
# The user's factor, for a machine that is slow or has other work. An emulated CPU is told to
# take its time: so guests and dom0 keep limits that nobody can change, 5 seconds for an
# answer to the guest's GPU driver, say.
PATIENCE = int(os.environ.get("PATIENCE") or 1)
SPARE = 100             # beyond a case's own limit, before dom0 is considered dead
OFF_LIMIT = 60
LOST = "-lost-"         # in the names of folders with the logs of such boots
RESTARTS = 4            # of a boot whose dom0 the emulated CPU has lost
# So many seconds in which the emulator takes less than a hundredth of a CPU; for a dom0 that
# waits, it was seen to take more than a tenth.
STILL = 180

# spec-ctrl=no is what mitigations=off is for Linux.
XEN_LINE = "console=com1 com1=115200,8n1 dom0_mem=2G dom0_max_vcpus=1 dom0_vcpus_pin " \
    "gnttab_max_frames=512 pcid=1 cpuidle=0 spec-ctrl=no loglvl=info guest_loglvl=warning " \
    "conring_size=1M noreboot"
# clocksource=tsc: otherwise reading the clock is a system call, which is expensive in a
# PV dom0 under a software CPU. With it, a trapped access takes half as long.
DOM0_LINE = "root=/dev/vda rw net.ifnames=0 mitigations=off " \
    "udmabuf.size_limit_mb=2048 clocksource=tsc tsc=reliable quiet loglevel=4"
# nofsgsbase: with FSGSBASE, Linux reads the user's GS base at each thread switch. In a PV
# dom0 that is an MSR access, which Xen has to emulate.
PV_LINE = DOM0_LINE + " console=hvc0 nofsgsbase"
PVH_LINE = DOM0_LINE + " console=hvc0"
# Xen refuses a PVH dom0 without an IOMMU. A virtio device goes through it if told to, which
# legacy virtio does not know.
IOMMU = ["-device", "amd-iommu,intremap=on"]
BEHIND_IOMMU = ",iommu_platform=on,disable-legacy=on"
# What Debian's kernel can check of itself: red zones, poison and owners of each object of
# the slab allocators, poisoned free pages, and guard pages around some of the objects.
DEBUG_LINE = " slub_debug=FZPU page_poison=1 kfence.sample_interval=20"
# Xen's dom0 has one of the three CPUs to itself, and so has KVM's host.
KVM_LINE = DOM0_LINE + " console=ttyS0 isolcpus=1,2"

# Boots that compare with Debian's QEMU, unmodified
PLAIN = ("bench", "bench-pvh")
# Boots whose gntdev is a rebuilt one, with dma-buf calls. Only a PVH dom0 has large folios,
# for which Linux' own would overrun memory; with our fix, a fault of QEMU's fails a case.
GNTDEV = {"gntdev": "xen-gntdev", "pvh": "xen-gntdev-fixed",
          "series": "xen-gntdev-series", "pvh-series": "xen-gntdev-series"}


def hardware():
    """Whether the CPU itself offers virtualisation; /dev/kvm alone does not prove it."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        return bool(re.search(r"^flags\s*:.*\b(vmx|svm)\b", f.read(), re.M)) and \
            os.access("/dev/kvm", os.R_OK | os.W_OK)


def software(pvh=False):
    """Whether the CPU is emulated. That of a PVH dom0 always is: the lab's IOMMU is AMD's."""
    return pvh or not hardware()


def is_pvh(name):
    """Whether a boot's dom0 is a PVH one."""
    return "pvh" in name.split("-")


def accel(pvh=False):
    return "tcg" if software(pvh) else "kvm"


def cpu_options(pvh):
    if not software(pvh):
        return ["-accel", "kvm", "-cpu", "host"]
    # pcid, invpcid: implemented by patches/lab; without them each system call of a PV
    # dom0 empties the emulated TLB twice.
    # -monitor: TCG faults on mwait, which Xen's idle driver uses (hence also cpuidle=0).
    # -rdtscp: TCG reports it to SVM as rdtsc; Xen then kills the guest.
    # -avx and its successors: emulated AVX makes lavapipe slower, 5 times on an Intel CPU.
    return ["-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm,+npt,+pcid,+invpcid,"
            "-monitor,-rdtscp,-avx,-avx2,-fma,-f16c"]


def suffix(qemu):
    """Suffix of file names that belong to this QEMU version; none for the default."""
    return f"-{qemu}" if qemu else ""


def device_model(qemu):
    """The QEMU binary that scripts/qemu.sh built for the lab."""
    return f"{BUILD}/lab/qemu-system-x86_64{suffix(qemu)}"


def patched_xen():
    """The hypervisor that the user built with our patches; scripts/lab.sh puts it there."""
    return f"{BUILD}/lab/xen-patched"


def cpu_seconds(pid):
    """The CPU time that a process has taken."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pulse:
    """Whether a process runs at all"""

    def __init__(self, pid):
        self.pid, self.since, self.taken = pid, time.monotonic(), 0

    def stopped(self):
        """It has hardly run for STILL seconds."""
        taken, now = cpu_seconds(self.pid), time.monotonic()
        if taken - self.taken > STILL / 100:
            self.since, self.taken = now, taken
        return now - self.since > STILL


class Boot:
    """One boot, with a folder for the share, the logs and the results."""

    def __init__(self, name, image, cases, say=print, qemu="", system=""):
        """qemu: the QEMU version of the device model; "" is the default one. system: the name
        of the lab's system and of its folder in build/; "" is build/ itself."""
        self.name, self.image, self.cases, self.say = name, image, list(cases), say
        self.kvm, self.pvh, self.qemu = name.endswith("kvm"), is_pvh(name), qemu
        self.system = system
        self.xen = patched_xen() if name == "patched" else f"{image}/xen"
        self.label = name + suffix(qemu) + suffix(system)
        self.folder = os.path.join(BUILD, "lab", self.label)
        self.out = os.path.join(self.folder, "out")
        self.programs = os.path.join(self.folder, "programs.tar")
        self.scratch = os.path.join(self.folder, "scratch.img")
        self.serial = os.path.join(self.folder, "serial.log")
        self.emulator_log = os.path.join(self.folder, "lab-qemu.log")
        self.slowdown = PATIENCE if software(self.pvh) else 1
        # Dom0 counts in its own seconds.
        self.patience = PATIENCE // self.slowdown * (PVH_PATIENCE if self.pvh else 1)
        self.results, self.info = [], {"accel": accel(self.pvh)}
        self.lost = Counter()   # case: how often the emulated CPU lost dom0 in it

    # The share

    def prepare(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.out)
        self.running, self.position, self.grace = None, 0, float("inf")
        self.still = False
        with open(self.scratch, "wb") as disk:
            disk.truncate(SCRATCH)
        shutil.copytree(os.path.join(HERE, "dom0"), os.path.join(self.folder, "dom0"),
                        ignore=shutil.ignore_patterns("__pycache__", "*.c", "*.h"))
        # The share is slow (9p under a software CPU), so programs are on a disk.
        with tarfile.open(self.programs, "w") as tar:
            for path in self.files():
                tar.add(path, os.path.basename(path))
            tar.add(device_model(self.qemu), "qemu-system-x86_64")
        if self.name in GNTDEV:
            shutil.copy(f"{BUILD}/modules/{GNTDEV[self.name]}.ko", f"{self.folder}/xen-gntdev.ko")
        with open(os.path.join(self.folder, "job.json"), "w", encoding="utf-8") as f:
            json.dump({"boot": self.name, "kvm": self.kvm, "software": software(self.pvh),
                       "patience": self.patience, "qemu": self.qemu,
                       "cases": self.remaining()}, f)

    def files(self):
        tools = [f"{BUILD}/tools/{name}"
                 for name in ("peek", "grantcheck", "guestcheck", "gntdevcheck", "grantfuzz",
                              "canary",
                              "vktool", "uncached.so", "xen-hostmem-check", "vkmemory",
                              "xen-hostmem-report", "bootsector.bin")]
        plain = [f"{BUILD}/lab/qemu-system-x86_64-plain"] if self.name in PLAIN else []
        modules = [f"{BUILD}/modules/{name}.ko"
                   for name in ("xen-dmabuf-grant", "xen-dmabuf-grant-faults",
                                "xen-guest-dmabuf", "xen-guest-dmabuf-faults",
                                "lab-dmabuf-pool", "lab-dmabuf-ttm",
                                "lab-leaky", "lab-dma")]
        return [*tools, *plain, *modules,
                f"{HERE}/dom0/uncached.json", f"{BUILD}/tools/dbusview",
                f"{self.image}/vmlinuz", f"{BUILD}/lab/initrd.gz",
                f"{TOP}/docs/system/xen-virtio-gpu.rst",
                f"{TOP}/docs/system/xen-virtio-gpu-libvirt.xml"]

    def kernel(self):
        """Xen with dom0 as its first module, or the same Linux alone."""
        initrd, linux = f"{self.image}/initrd", f"{self.image}/vmlinuz"
        if self.kvm:
            return ["-kernel", linux, "-initrd", initrd, "-append", KVM_LINE]
        xen, line = (XEN_LINE + " dom0=pvh", PVH_LINE) if self.pvh else (XEN_LINE, PV_LINE)
        if self.name in GNTDEV:
            line += " lab.gntdev"
        if self.name == "debug":
            line += DEBUG_LINE
        return ["-kernel", self.xen, "-append", xen,
                "-initrd", f"{linux} {line},{initrd}"]

    def command(self):
        image = self.image
        iommu, behind = (IOMMU, BEHIND_IOMMU) if self.pvh else ([], "")
        return [f"{BUILD}/lab/emulator", "-L", "/usr/share/qemu", "-L", "/usr/share/seabios",
                "-M", "q35", *cpu_options(self.pvh), *iommu,
                "-smp", "3", "-m", "5G", "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-d", "cpu_reset",
                "-serial", f"file:{self.serial}", *self.kernel(),
                "-drive", f"if=none,id=disk,file={image}/dom0.img,format=raw,"
                          "snapshot=on,cache=unsafe",
                "-device", "virtio-blk-pci,drive=disk" + behind,
                "-drive", f"if=none,id=programs,file={self.programs},format=raw,readonly=on",
                "-device", "virtio-blk-pci,drive=programs" + behind,
                # dom0's system as it was before this boot, for the guests
                "-drive", f"if=none,id=system,file={image}/dom0.img,format=raw,readonly=on",
                "-device", "virtio-blk-pci,drive=system" + behind,
                # to write to and read from: /dev/vdd
                "-drive", f"if=none,id=scratch,file={self.scratch},format=raw,cache=unsafe",
                "-device", "virtio-blk-pci,drive=scratch" + behind,
                "-fsdev", f"local,id=lab,path={self.folder},security_model=none",
                "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab" + behind]

    # Watching

    def run(self):
        """Run all cases; fills in results and info. A failing case raises nothing. Where the
        emulated CPU loses dom0, boot again and go on there."""
        for old in glob.glob(self.folder + LOST + "*"):
            shutil.rmtree(old)
        reason = self.boot()
        while self.loss() and self.lost.total() < RESTARTS:
            self.put_aside(self.loss())
            reason = self.boot()
        if self.running:
            self.finish(self.running, "fail", reason or "dom0 disappeared")
        for name in self.remaining():
            self.finish(name, "fail", "not run: " + (reason or "the boot ended early"))
        return self.results

    def remaining(self):
        return self.cases[len(self.results):]

    def boot(self):
        """Boot once, until the machine is off or hopeless; return why it failed, or None."""
        self.prepare()
        with open(self.emulator_log, "w", encoding="utf-8") as log:
            machine = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT,
                                       env={**os.environ, "TMPDIR": self.folder,
                                            "QEMU_LAB_SLOWDOWN": str(self.slowdown)})
            try:
                return self.watch(machine)
            finally:
                machine.kill()
                machine.wait()

    def loss(self):
        """What shows that the emulated CPU lost dom0 before the last case ended, or None."""
        if not self.pvh or not self.remaining():
            return None
        if self.still:
            return "the emulated CPUs stand still"
        serial = self.text(self.serial)
        return patterns.find_loss(serial, self.text(self.emulator_log))

    def put_aside(self, loss):
        """Count a loss of dom0, and keep the logs of that boot."""
        case = self.remaining()[0]
        self.lost[case] += 1
        self.say("again", case, loss, 0, self.label)
        os.remove(self.programs)
        os.rename(self.folder, f"{self.folder}{LOST}{self.lost.total()}")

    def watch(self, machine):
        """Wait until the machine is off or hopeless; return why it failed, or None."""
        self.allow(PVH_BOOT_LIMIT if self.pvh else BOOT_LIMIT)
        pulse = Pulse(machine.pid)
        while True:
            ended = machine.poll() is not None
            self.read_events()
            trouble = self.serial_trouble()
            if ended:
                return trouble or self.info.get("broken") or \
                    f"the machine is off (status {machine.returncode}), and dom0 with it"
            if trouble and time.monotonic() > self.grace:
                return trouble
            # With KVM, a machine without work takes next to nothing.
            self.still = software(self.pvh) and pulse.stopped()
            if self.still:
                return f"the emulated CPUs stand still ({self.running or 'starting'})"
            if time.monotonic() > self.deadline:
                return trouble or self.info.get("broken") or \
                    f"no sign of life for too long ({self.running or 'starting'})"
            time.sleep(0.3)

    @staticmethod
    def text(path):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def serial_trouble(self):
        """A panic of Xen or dom0 ends the boot, shortly after its first line."""
        hit = patterns.find_fatal(self.text(self.serial))
        if hit and self.grace == float("inf"):
            self.grace = time.monotonic() + 3
        return hit and f"{hit[0]}: {hit[1]} (see {self.shown(self.serial)})"

    def read_events(self):
        try:
            with open(os.path.join(self.out, "events.jsonl"), encoding="utf-8") as f:
                f.seek(self.position)
                text = f.read()
        except FileNotFoundError:
            return
        whole = text[:text.rfind("\n") + 1]     # the last line may be incomplete
        self.position += len(whole.encode())
        for line in whole.splitlines():
            self.event(json.loads(line))

    def allow(self, seconds):
        """Wait no longer than this for the next sign of life."""
        self.deadline = time.monotonic() + seconds * self.slowdown

    def event(self, e):
        kind = e["event"]
        if kind == "dom0":
            self.allow(e["limit"] + SPARE)
        elif kind == "ready":
            self.info.update(e["versions"])
        elif kind == "start":
            self.running = e["case"]
            self.allow(e["limit"] + SPARE)
            self.say("start", e["case"], "", 0, self.label)
        elif kind == "again":
            self.allow(e["limit"] + SPARE)
            self.say("again", e["case"], e["reason"] + " (a fault of the emulated CPU)", 0,
                     self.label)
        elif kind == "end":
            self.running = None
            self.allow(SPARE)
            self.finish(e["case"], e["result"], e["reason"], e["seconds"],
                        e["data"], e["tail"])
        elif kind == "broken":
            self.info["broken"] = "dom0: " + e["reason"].strip().splitlines()[-1]
            self.allow(OFF_LIMIT)
        elif kind == "done":
            self.allow(OFF_LIMIT)

    def finish(self, case, result, reason, seconds=0, data=None, tail=None):
        self.running = None
        self.results.append({"suite": "lab-" + self.label, "name": case, "result": result,
                             "reason": reason, "seconds": seconds, "data": data or {},
                             "dom0_lost": self.lost[case]})
        self.say(result, case, reason, seconds, self.label)
        for name, text in (tail or {}).items():
            if text.strip():
                print(f"--- {name} (in {self.shown(self.out)})\n" +
                      "\n".join(text.splitlines()[-12:]))

    def shown(self, path):
        """The path in the checkout as it is outside the build base."""
        return os.path.join("build", self.system, os.path.relpath(path, BUILD))
