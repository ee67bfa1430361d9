# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of xl.cfg and commands of xl, tried with a window in use.
docs/system/xen-virtio-gpu-toolstacks.rst has the results as a table."""

import os
import pty
import select
import subprocess
import time

import dom0
from blobs import KIB, MIB, Blob, granted_pages, wait_granted, wait_no_grants
from cases.page import PageGuest
from dom0 import sh, wait_for
from fill import resize_p2m_pool
from guest import GPU, REBOOT
from lab import case, load_driver

TEXT = "text-for-the-console"


def in_use(lab, seed, **options):
    """A guest with these options, and a blob that is granted and right."""
    guest = lab.guest(driver=True, fresh=True, **options)
    blob = Blob(guest, MIB, seed)
    lab.equal(granted_pages(guest), MIB // 4096, f"granted pages with {options}")
    blob.check_both_ways(lab, seed)
    return guest, blob


def unchanged(lab, guest, blob, seed, after):
    """The blob is still granted and has the words that dom0 wrote last, and a new one is
    granted, too."""
    lab.equal(blob.ask(f"verify {seed + 1}")["mismatches"], 0, f"words after {after}")
    lab.equal(granted_pages(guest), blob.size // 4096, f"granted pages after {after}")
    new = Blob(guest, 64 * KIB, seed + 2, name="new")
    new.check_both_ways(lab, seed + 2)
    new.close()
    wait_granted(guest, blob.size // 4096)


def read_console(kind, write):
    """What xl console prints while something is written to the guest's end."""
    ours, theirs = pty.openpty()
    xl = subprocess.Popen(["xl", "console", "-t", kind, "guest"], stdin=theirs, stdout=theirs,
                          stderr=theirs, start_new_session=True)
    os.close(theirs)
    said, end = b"", time.monotonic() + dom0.allowed(20)
    try:
        while time.monotonic() < end and TEXT.encode() not in said:
            write()
            while select.select([ours], [], [], 0.5)[0]:
                said += os.read(ours, 4096)
    finally:
        xl.kill()
        xl.wait()
        os.close(ours)
    return said.decode(errors="replace")


@case("xl-console", limit=240, slow=True)
def xl_console(lab):
    """xl console shows the guest's console (hvc0) and, with serial=, its serial port; xl
    trigger and xl sysrq reach the kernel. The blob in use does not change."""
    guest, blob = in_use(lab, 601, more='serial = "pty"')
    for kind, device in (("pv", "/dev/hvc0"), ("serial", "/dev/ttyS0")):
        said = read_console(kind, lambda device=device: guest.run(f"echo {TEXT} >{device}"))
        lab.require(TEXT in said, f"xl console -t {kind}: {said[-300:]!r}")
    for command, kernel in ((f"xl trigger {guest.domid} nmi", "NMI received"),
                            (f"xl sysrq {guest.domid} h", "sysrq: HELP")):
        sh(command)
        wait_for(f"the guest's kernel log has '{kernel}' after {command}",
                 lambda kernel=kernel: kernel in guest.run("dmesg"), 20, 1)
    sh(f"xl trigger {guest.domid} power")       # a button, which nobody listens to
    unchanged(lab, guest, blob, 601, "xl trigger")
    blob.close()


OTHER_CPUS = "for cpu in /sys/devices/system/cpu/cpu[1-9]*; do " \
    "[ ! -e $cpu/online ] || echo {} >$cpu/online; done 2>/dev/null || true"


@case("xl-vcpus", limit=600, slow=True)
def xl_vcpus(lab):
    """CPUs are added by xl while a blob is in use. xl takes none away from an HVM guest: the
    guest does that itself."""
    guest, blob = in_use(lab, 611, more="maxvcpus = 4")
    # xl refuses more than dom0's machine has, which is three, unless told to.
    sh(f"xl vcpu-set --ignore-host {guest.domid} 4")
    # Linux takes what udev tells it to: in the lab's guest, the case does.
    wait_for("the guest has 4 CPUs", lambda: switched(guest, 1) == 4, 200, 1)
    unchanged(lab, guest, blob, 611, "xl vcpu-set 4")
    sh(f"xl vcpu-set {guest.domid} 1")
    lab.equal(switched(guest, 1), 4, "CPUs after xl vcpu-set 1")
    wait_for("the guest has one CPU", lambda: switched(guest, 0) == 1, 200, 1)
    unchanged(lab, guest, blob, 611, "taking three CPUs offline")
    blob.close()


def switched(guest, online):
    """Have all CPUs that xl gives, or only the first one; return how many there are. Four of
    them share what the emulated machine has, so this can take minutes."""
    guest.run(OTHER_CPUS.format(online), 150)
    return int(guest.run("grep -c ^processor /proc/cpuinfo"))


LOAD = "while :; do blobtool many 4 262144; done >/tmp/load 2>&1"


@case("xl-balloon", limit=900, slow=True)
def xl_balloon(lab):
    """Memory is populated on demand (memory below maxmem), taken and given back in a loop
    while a program maps and unmaps blobs: no word is wrong, and the window stays granted."""
    guest, blob = in_use(lab, 621, memory=640, more="maxmem = 1024")
    guest.run(f"({LOAD}) </dev/null >/dev/null 2>&1 & echo $! >/tmp/load.pid")
    sizes = lab.data["sizes"] = []
    for target in (560, 900, 600, 1024, 560, 800) * 2:
        sh(f"xl mem-set {guest.domid} {target}m", timeout=100)
        try:
            wait_for(f"the guest has {target} MiB", lambda target=target:
                     abs(memory_of(guest) - target) < 24, 120, 0.5)
        finally:
            sizes.append(memory_of(guest))
        lab.equal(blob.ask("sample 622 16")["mismatches"], 0, f"words at {target} MiB")
    guest.run("kill $(cat /tmp/load.pid)")
    load = guest.run("cat /tmp/load")
    lab.data["maps"] = load.count('"mismatches": 0') * 4
    lab.require(load.count('"mismatches": 0') > 2, f"the load did not run: {load[-300:]}")
    lab.require("error" not in load, f"the load failed: {load[-300:]}")
    lab.equal(load.count("mismatches"), load.count('"mismatches": 0'), "loads without a wrong word")
    wait_granted(guest, MIB // 4096)
    unchanged(lab, guest, blob, 621, "xl mem-set")
    blob.close()


def memory_of(guest):
    """MiB that xl list reports."""
    return int(sh(f"xl list {guest.domid}").splitlines()[-1].split()[-4])


# What a user meets who leaves a line out, or asks for what this QEMU or Xen does not have: the
# options of the guest, and what xl or QEMU's log says. The user documentation explains each.
GL = "does not have OpenGL support"
VALUE = "Parameter 'type' does not accept value '{}'"
REFUSED = (
    ("no egl-headless", {"display": "none"}, GL),
    ("-display sdl", {"display": "sdl,gl=on"}, VALUE.format("sdl")),
    ("-display gtk", {"display": "gtk,gl=on"}, VALUE.format("gtk")),
    ("-display dbus without a bus", {"display": "dbus,gl=on"}, "failed to connect to DBus"),
    ("-display dbus,gl=on", {"display": "dbus,p2p=yes,gl=on,rendernode=/dev/dri/renderD128"},
     "-vnc none: Display vnc is incompatible with the GL context"),
    ("sdl = 1", {"more": "sdl = 1"}, "sdl"),
    ("spice = 1", {"more": 'spice = 1\nspicehost = "127.0.0.1"\nspiceport = 6000\n'
                           "spicedisable_ticketing = 1"}, "-spice: invalid option"),
    ("virtio-vga-gl without videoram", {"gpu": GPU.replace("gpu-gl-pci", "vga-gl")},
     "failed to populate ram"),
    ("vga = virtio", {"more": 'vga = "virtio"'}, "vga"),
    ("two GPUs", {"args": ("-device", GPU)}, "at most one"),
    ("no such device model", {"device_model": "/usr/local/bin/not-there"},
     "is not executable"),
)


@case("xl-refused", limit=600, slow=True)
def xl_refused(lab):
    """Lines that are missing or not possible: xl create fails, and the reason is said."""
    lab.drop_guest()
    lab.provide(True)
    lab.alive()
    wrong = []
    for name, options, says in REFUSED:
        guest = lab.unborn_guest(**options)
        guest.write_config()
        if os.path.exists(guest.log):
            os.unlink(guest.log)
        said = sh(f"xl create {guest.xl_config} 2>&1 && echo CREATED", timeout=120, check=False)
        log = guest.qemu_log()
        lab.data[name] = {"xl": said[-700:], "log": log[-400:]}
        if "CREATED" in said:
            wrong.append(f"{name}: created")
            sh("xl destroy guest", check=False)
        elif says not in said + log:
            wrong.append(f"{name}: {says!r} is neither in {said[-300:]!r} nor in {log[-300:]!r}")
    lab.equal(wrong, [], "not as expected")


# Lines beside the GPU that change nothing about it
HARMLESS = (
    ("stdvga beside it", {"more": 'vga = "stdvga"\nvideoram = 16'}),
    ("cirrus beside it", {"more": 'vga = "cirrus"\nvideoram = 8'}),
    ("device_model_args", {"more": 'device_model_args = [ "-name", "named" ]\n'
                                   'device_model_version = "qemu-xen"\nnographic = 1\n'
                                   "mmio_hole = 2048\nshadow_memory = 32"}),
)


@case("xl-harmless", limit=400, slow=True)
def xl_harmless(lab):
    """A VGA beside the GPU, and lines that have nothing to do with it: blobs are granted.
    shadow_memory is the size of the guest's p2m pool."""
    for name, options in HARMLESS:
        guest, blob = in_use(lab, 641, **options)
        blob.close()
        line = sh(f"tr '\\0' ' ' </proc/{guest.qemu_pid()}/cmdline")
        lab.data[name] = line[-1500:]
        if "shadow_memory" in options.get("more", ""):
            lab.equal(resize_p2m_pool(guest.domid, 0), 32 * MIB, "the p2m pool")
            lab.require("-name named" in line, "device_model_args did not reach QEMU")
            lab.require("-nographic" in line, "nographic did not reach QEMU")
    lab.drop_guest()


VERSION = 'device_model_version = "qemu-xen"\n'


@case("xl-warning", limit=60, slow=True)
def xl_warning(lab):
    """xl has nothing to complain of in the xl.cfg of the user documentation. Without
    device_model_version, it has."""
    lab.alive()
    guest = PageGuest()
    guest.write_config()
    with open(guest.xl_config, encoding="ascii") as f:
        example = f.read()
    for name, text, warns in (("example", example, False),
                              ("without version", example.replace(VERSION, ""), True)):
        with open(guest.xl_config, "w", encoding="ascii") as f:
            f.write(text)
        said = lab.data[name] = sh(f"xl create -qn {guest.xl_config} 2>&1 >/dev/null")
        lab.equal("WARNING" in said, warns, f"{name}: xl says {said!r}; whether it warns")


@case("xl-reboot", limit=300, slow=True)
def xl_reboot(lab):
    """xl reboot has the guest's kernel reboot; the next one finds the window unused."""
    guest, _blob = in_use(lab, 651, on_reboot="restart")
    old = guest.domid
    guest.run(REBOOT)
    sh(f"xl reboot {old}")
    guest.wait_reborn(old)
    wait_no_grants()
    load_driver(guest)
    blob = Blob(guest, MIB, 653)
    blob.check_both_ways(lab, 653)
    blob.close()
    lab.drop_guest()
