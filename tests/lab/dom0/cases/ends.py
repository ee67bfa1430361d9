# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest or its QEMU ends at a random instant, while blobs are mapped and unmapped."""

import glob
import random
import re
import time

import dom0
from blobs import KIB, MIB, Blob
from lab import PV, case

ROUNDS, MANY_ROUNDS = 6, 200
LONGEST = 2.0                   # seconds from the start of the load to the end
PROGRAMS = ("qemu-system", "virgl_render")
# What Linux and Xen log about a panic that the case provokes.
PANIC = (r"sysrq", r"Kernel panic", r"reported crashed by")


def kill_qemu(guest):
    dom0.sh(f"kill -9 {guest.qemu_pid()}")


def xl_destroy(guest):
    dom0.sh(f"xl destroy {guest.domid}", 60)


def panic(guest):
    """The answer never comes; on_crash destroys the guest."""
    guest.link.send(guest.sequence + 1, 5, "echo c >/proc/sysrq-trigger")
    guest.sequence += 1
    dom0.wait_for("the guest has crashed", lambda: not guest.exists(), 60)


ENDS = (kill_qemu, xl_destroy, panic)


def program_names():
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii", errors="replace") as f:
                yield f.read()
        except OSError:
            pass                # it has just ended


def held_by_dom0():
    """What a guest and its QEMU hold: all zero once both are gone."""
    with open("/sys/kernel/debug/dma_buf/bufinfo", encoding="ascii", errors="replace") as f:
        total = re.search(r"Total (\d+) objects, (\d+) bytes", f.read())
    return {**dom0.counters(), "dmabufs": int(total[1]), "dmabuf_bytes": int(total[2]),
            "processes": sum(name.startswith(PROGRAMS) for name in program_names())}


def held_by_guest(guest):
    """What QEMU opens for a guest, and all nodes in xenstore: the same for each guest."""
    return {"fds": len(dom0.sh(f"ls /proc/{guest.qemu_pid()}/fd").split()),
            "nodes": len(dom0.sh("xenstore-ls -f | grep -v /data/").splitlines())}


def run(lab, rounds, seed):
    choose = random.Random(seed)
    first, counts = None, dict.fromkeys((end.__name__ for end in ENDS), 0)
    lab.expected += PANIC
    for n in range(rounds):
        guest = lab.guest(driver=True, fresh=True, memory=512)
        holds = held_by_guest(guest)
        first = first or holds
        lab.equal(holds, first, f"round {n}: what a new guest holds")
        Blob(guest, 4 * MIB, n, fill=False, name="held")
        guest.spawn_quiet("load", f"blobtool cycle 100000 {64 * KIB}")
        end, instant = choose.choice(ENDS), choose.uniform(0, LONGEST)
        time.sleep(instant)
        end(guest)
        lab.drop_guest()
        dom0.wait_for(f"round {n}, {end.__name__} after {instant:.3f} s: all is given back: "
                      f"{held_by_dom0()}", lambda: not any(held_by_dom0().values()), 60, 0.2)
        lab.checks += 1
        counts[end.__name__] += 1
    lab.data.update(rounds=rounds, **counts, **first)


@case("random-ends", limit=1200, slow=True)
def random_ends(lab):
    """6 times: QEMU is killed, the guest destroyed, or its kernel panics, at a random instant
    under load. Grants, dma-bufs, processes, descriptors and nodes are back each time (I8)."""
    run(lab, ROUNDS, 1)


@case("random-ends-long", limit=9000, boots=PV, long=True)
def random_ends_long(lab):
    """The same 200 times."""
    run(lab, MANY_ROUNDS, 2)
