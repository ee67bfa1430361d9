# SPDX-License-Identifier: GPL-2.0-or-later
"""What a running guest's QEMU says: "info xen-hostmem", whose text
hw/xen/hostmem/xen-hostmem-hmp-cmds.c makes, and its log."""

import re
from dataclasses import dataclass, field

COMMAND = "info xen-hostmem"
NO_WINDOW = "no virtio GPU has a hostmem window on Xen"
# hw/display/virtio-gpu-render-server.c
NO_SERVER = "venus=on needs the render server of virglrenderer"

WINDOW = re.compile(r"^(\S+): window of (\d+) KiB, policy (\S+), driver (connected|not connected), "
                    r"provider (\S+)$")
LINES = (
    (re.compile(r"^  granted (\d+) KiB of a quota of (\d+) KiB, trapped (\d+) KiB$"),
     ("granted", "quota", "trapped")),
    (re.compile(r"^  this is of buffers of (\d+) KiB, which count as a whole$"), ("pinned",)),
    (re.compile(r"^  blobs use (\d+) KiB of host memory, and may use (\d+) KiB; "
                r"(\d+) were refused$"),
     ("host_memory", "host_memory_limit", "refused")),
    (re.compile(r"^  (\d+) maps, (\d+) unmaps, (\d+) grants; trapped accesses: (\d+) reads, "
                r"(\d+) writes, (\d+) outside any blob$"),
     ("maps", "unmaps", "grants", "reads", "writes", "strays")),
)
HOST = re.compile(r"^  write-combined and uncached blobs are (granted|trapped: (\S+)) "
                  r"\(CPU (\S+), paging (\S+)\)$")
FALLBACK = re.compile(r"^  not granted (\d+) times: (\S+)$")
BLOB = re.compile(r"^  resource (\d+): offset 0x([0-9a-f]+), (\d+) KiB( shared memory)?, "
                  r"([\w-]+), ([\w-]+)(?:: ([\w-]+))?( \(being unmapped\))?$")

# Guest memory that a plain virtio GPU shows needs no window; QEMU's log has advice.
GUEST_MEMORY = re.compile(r"^(\S+: guest memory that is shown|"
                          r"  resource \d+: \d+ KiB in \d+ pages, (dmabuf|mapped|copied).*)$")


@dataclass
class Blob:
    resource: int
    offset: int
    kib: int
    shared: bool
    type: str
    state: str
    reason: str         # or None


@dataclass
class Window:
    device: str
    kib: int
    policy: str
    connected: bool
    provider: str       # or None
    numbers: dict = field(default_factory=dict)     # in KiB where they are sizes
    write_combined: str = None      # why such blobs are trapped; None if they are granted
    cpu: str = None
    paging: str = None
    fallbacks: dict = field(default_factory=dict)   # reason: count
    blobs: list = field(default_factory=list)


@dataclass
class Running:
    name: str
    uid: int = 0
    windows: list = field(default_factory=list)
    error: str = ""     # why there is no answer
    text: str = ""      # the answer itself
    strange: list = field(default_factory=list)     # lines that this program does not know
    no_server: bool = False


def parse_line(window, line):
    """Put a line into the window; false if it is not known."""
    for pattern, names in LINES:
        m = pattern.match(line)
        if m:
            window.numbers.update(zip(names, map(int, m.groups())))
            return True
    m = HOST.match(line)
    if m:
        window.write_combined, window.cpu, window.paging = m[2], m[3], m[4]
        return True
    m = FALLBACK.match(line)
    if m:
        window.fallbacks[m[2]] = int(m[1])
        return True
    m = BLOB.match(line)
    if m:
        window.blobs.append(Blob(int(m[1]), int(m[2], 16), int(m[3]), bool(m[4]), m[5], m[6],
                                 m[7]))
    return bool(m)


def parse(text):
    """(Windows, lines that are not known)"""
    windows, strange = [], []
    for line in text.splitlines():
        m = WINDOW.match(line.rstrip())
        if m:
            windows.append(Window(m[1], int(m[2]), m[3], m[4] == "connected",
                                  None if m[5] == "none" else m[5]))
        elif line.strip() and line.strip() != NO_WINDOW and not \
                GUEST_MEMORY.match(line.rstrip()) and not (
                windows and parse_line(windows[-1], line.rstrip())):
            strange.append(line)
    return windows, strange


def collect(machine, name):
    """Ask the QEMU of a guest of xl."""
    facts = Running(name, machine.uid)
    status, text = machine.run(["xl", "qemu-monitor-command", name, COMMAND])
    if status:
        facts.error = (text.strip().splitlines() or [f"xl: exit {status}"])[-1]
    else:
        facts.text = text
        facts.windows, facts.strange = parse(text)
    log = machine.read(f"/var/log/xen/qemu-dm-{name}.log") or ""
    facts.no_server = NO_SERVER in log
    return facts
