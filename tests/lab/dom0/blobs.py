# SPDX-License-Identifier: GPL-2.0-or-later
"""Blobs in a guest, examined from both sides; used by the cases and the demo."""

import re

import dom0
from dom0 import Failed, counters, wait_for
from lab import load_driver, unload_driver

KIB, MIB = 1024, 1024 * 1024
WINDOW = 256 * MIB


class Blob:
    """A blob that a process in the guest holds, filled with words unless told otherwise."""

    def __init__(self, guest, size, seed, fill=True, name="blob", seconds=240):
        self.guest, self.size, self.name = guest, size, name
        options = "" if fill else " --no-fill"
        self.facts = guest.spawn(name, f"blobtool hold {size} {seed}{options}", seconds)

    def ask(self, line, seconds=240):
        return self.guest.ask(self.name, line, seconds)

    def close(self, seconds=60):
        return self.ask("quit", seconds)

    def check_both_ways(self, lab, seed, sampled=0):
        """What the guest writes is in dom0's buffer, and the other way round (I1)."""
        size = self.size
        if sampled:
            self.guest.peek(f"{size} fill {seed}")
            lab.equal(self.ask(f"sample {seed} {sampled}")["mismatches"], 0,
                      f"words of {size} bytes that dom0 wrote")
            self.ask(f"scatter {seed + 1} {sampled}")
            lab.equal(self.ask(f"sample {seed + 1} {sampled}")["mismatches"], 0,
                      f"words of {size} bytes that the guest wrote")
            wrong = self.guest.peek(f"{size} verify {seed}")["mismatches"]
            lab.require(0 < wrong <= sampled, f"{wrong} words differ in dom0, "
                        f"at most {sampled} were written")
            return
        lab.equal(self.facts["mismatches"], 0, f"first words of {size} bytes")
        lab.equal(self.guest.peek(f"{size} verify {seed}")["mismatches"], 0,
                  f"the guest's words of {size} bytes in dom0")
        self.guest.peek(f"{size} fill {seed + 1}")
        lab.equal(self.ask(f"verify {seed + 1}")["mismatches"], 0,
                  f"dom0's words of {size} bytes in the guest")


def pause(size):
    """The option of `blobtool latency` that lets all work for one blob of this size end
    before the next one is created."""
    return f"--pause {100 + 10 * size // MIB}"


def memory_type(guest, offset=0, size=None):
    """The memory types of the guest's mappings of the window, or of a part of it. Linux
    lists them as lines such as "PAT: [mem 0x00000000f0000000-0x00000000f0010000]
    write-back"."""
    start, end = window_range(guest)
    if size is not None:
        start, end = start + offset, start + offset + size
    types = set()
    for line in guest.run("cat /sys/kernel/debug/x86/pat_memtype_list").splitlines():
        m = re.search(r"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (\S+)", line)
        if m and int(m[1], 16) < end and int(m[2], 16) > start:
            types.add(m[3])
    return types


def gpu_folder(guest):
    """The virtio-gpu's folder in the guest's sysfs."""
    device = guest.run("grep -lx 0x1050 /sys/bus/pci/devices/*/device").split()[0]
    return device.removesuffix("/device")


def window_range(guest):
    """Guest-physical start and end of the host visible window, from the PCI BAR."""
    lines = guest.run(f"cat {gpu_folder(guest)}/resource").splitlines()
    start, end, _flags = (int(n, 16) for n in lines[4].split())
    return start, end + 1


def granted_pages(guest):
    """How many pages are mapped by grants now, according to QEMU's log."""
    mapped = {}
    pattern = r"xen_hostmem_transition blob (\d+) offset 0x(\w+) pages (\d+): \S+ -> (\S+)"
    for blob, offset, pages, state in re.findall(pattern, guest.qemu_log()):
        mapped[blob, offset] = int(pages) if state == "mapped" else 0
    return sum(mapped.values())


def live_switches(guest, switches):
    """Run stores of three kinds on all CPUs while the driver is loaded and unloaded,
    `switches` times in total; return what the guest counted."""
    pages = 12
    guest.spawn_quiet("live", f"blobtool live --until-eof {pages * 4 * KIB} 5")
    for n in range(switches // 2):
        load_driver(guest)
        wait_for(f"the blob is granted, switch {2 * n + 1}",
                 lambda: granted_pages(guest) == pages, 20)
        unload_driver(guest)
        if granted_pages(guest):
            raise Failed(f"pages still granted after switch {2 * n + 2}")
    return guest.ask("live", "quit", 120)


def window(guest):
    """What query-xen-hostmem reports about the guest's window."""
    return guest.qmp("query-xen-hostmem")[0]


def renderer_mappings(guest):
    """How many of the renderer's shared memory objects QEMU has mapped."""
    return dom0.sh(f"grep -c vkr-shmem /proc/{guest.qemu_pid()}/maps", check=False).strip()


def resident_kib(guest):
    """Memory that the guest's QEMU has touched."""
    return int(dom0.sh(f"grep VmRSS /proc/{guest.qemu_pid()}/status").split()[1])


def truncate_shared_memory(guest):
    """Remove the memory behind the renderer's blobs, as a faulty renderer might."""
    files = dom0.sh(f"cd /proc/{guest.qemu_pid()}/fd; for n in *; do case $(readlink $n) in "
                    "*vkr-shmem*) truncate -s 0 $n && echo $n;; esac; done", check=False)
    if not files.split():
        raise Failed(f"no shared memory to truncate: {files}")


def wait_granted(guest, pages, seconds=20):
    """Wait until that many pages are granted according to both QEMU and its log."""
    wait_for(f"{pages} pages are granted (now {granted_pages(guest)}, "
             f"{window(guest)['fallbacks']})",
             lambda: granted_pages(guest) == pages == window(guest)["granted"] // 4096, seconds)


def reasons(guest):
    """Why blobs were trapped, according to QEMU's log."""
    return re.findall(r"-> trapped \((\S+)\)", guest.qemu_log())


def wait_no_grants(seconds=30):
    """Wait until dom0 holds nothing of any import (I8)."""
    def clean():
        now = counters()
        held = ("imports", "references", "pending", "pinned")
        return now if not any(now.get(n) for n in held) else None
    return wait_for(f"dom0's module holds nothing: {counters()}", clean, seconds, 0.5)
