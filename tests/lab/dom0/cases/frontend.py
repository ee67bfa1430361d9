# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose frontend lies, hoards, floods or vanishes."""

import time

import dom0
from blobs import KIB, MIB, Blob, reasons, wait_granted, wait_no_grants, window
from dom0 import wait_for
from frontend import CLOSED, CLOSING, CONNECTED, Front, usable
from guest import GPU
from lab import case, load_driver

# What QEMU must refuse when it connects (R3, R4). An empty value stands for a missing node.
BAD_NODES = (
    "version=0", "version=2", "version=-1", "version=", "version=x",
    "ring-ref=", "ring-ref=3", "ring-ref=999999", "ring-ref=4294967295",
    "gref-pages=", "gref-pages=0", "gref-pages=17", "gref-pages=-1", "gref-pages=4294967295",
    "gref-ref-0=", "gref-ref-7=999999", "gref-ref-15=x",
    "event-channel=", "event-channel=0", "event-channel=99999999",
)


@case("frontend-nodes", limit=300, slow=True)
def frontend_nodes(lab):
    """Whatever a frontend writes to xenstore, QEMU refuses to connect or works with it, and
    the next frontend finds it unharmed (R3, R4, R22)."""
    guest = lab.guest(driver=False, fresh=True)
    front = Front(guest)
    for nodes in BAD_NODES:
        lab.require(front.connect(nodes) in (CLOSING, CLOSED), f"QEMU accepts {nodes}")
        lab.require(guest.qmp("query-status")["running"], f"{nodes}: QEMU does not run")
    lab.equal(front.connect("gref-pages=1"), CONNECTED, "a buffer of one page")
    usable(lab, guest, front, 161, "bad nodes")
    front.ask("flap 1000", 60)
    usable(lab, guest, front, 162, "1000 states in the wrong order")
    front.leave()
    load_driver(guest)
    blob = Blob(guest, 64 * KIB, 163)
    wait_granted(guest, 16)
    blob.check_both_ways(lab, 163)
    blob.close()
    lab.drop_guest()


def right(lab, guest, name, seed, what):
    """Check that stores to a blob are not lost."""
    guest.ask(name, f"scatter {seed} 16")
    lab.equal(guest.ask(name, f"sample {seed} 16")["mismatches"], 0, what)


# How the frontend answers MAP: with these it has not answered it,
UNANSWERED = ("map=twice", "map=other-id", "map=other-operation")
# and with these QEMU takes it for mapped or traps it.
ANSWERED = ("map=lie",
            *(f"map=status status={n}" for n in
              (1, -1, -5, -12, -17, -19, -22, 2147483647, -2147483648)))


@case("frontend-answers", limit=400, slow=True)
def frontend_answers(lab):
    """A frontend answers twice, for others, with any status, or claims what it has not done.
    A blob that it has not mapped is right by trapping (I1, R15, R22)."""
    guest = lab.guest(driver=False, fresh=True)
    front = Front(guest)
    for how in UNANSWERED + ANSWERED:
        lab.equal(front.connect(), CONNECTED, "QEMU's state")
        front.ask(f"policy {how} place=elsewhere")
        guest.spawn_quiet("held", f"blobtool hold {16 * KIB} 5 --no-fill")
        time.sleep(0.5)
        lab.require(guest.qmp("query-status")["running"], f"{how}: QEMU does not run")
        if how in ANSWERED:
            guest.json("ask held 60", 65)
            right(lab, guest, "held", 6, how)
        front.ask("drop")
        front.ask("policy")
        front.connect()                 # what is not answered ends with the connection
        if how in UNANSWERED:
            guest.json("ask held 60", 65)
        right(lab, guest, "held", 7, f"{how}, granted by the next frontend")
        guest.ask("held", "quit")
        wait_no_grants()
    usable(lab, guest, front, 181, "answers to MAP")
    for seed, how in enumerate(("twice", "other-id", "other-operation", "silent",
                                "status status=-5", "status status=7"), 182):
        front.ask(f"policy unmap={how} place=elsewhere")
        Blob(guest, 16 * KIB, seed, fill=False, name="unmapped")
        guest.run("killall blobtool; sleep 0.5")
        lab.require(guest.qmp("query-status")["running"], f"unmap={how}: QEMU does not run")
        front.ask("drop")               # now it is true
        usable(lab, guest, front, seed, f"unmap={how}")
    front.leave()
    lab.drop_guest()


@case("frontend-silent", limit=240, slow=True)
def frontend_silent(lab):
    """A frontend never answers: its own blobs are refused after a time, its unmaps wait, and
    QEMU does not (I3, R23)."""
    guest = lab.guest(driver=False, fresh=True)
    front = Front(guest)
    front.connect()
    front.ask("policy map=silent")
    began = time.monotonic()
    guest.spawn_quiet("late", f"blobtool hold {16 * KIB} 5 --no-fill")
    slowest = 0
    while guest.status("test -s /tmp/spawn/late.status")[0] and time.monotonic() - began < 90:
        asked = time.monotonic()
        guest.qmp("query-status")
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.5)
    lab.data.update(refused_s=round(time.monotonic() - began, 1), qmp_s=round(slowest, 2))
    lab.require("error" in guest.run("cat /tmp/spawn/late.out"), "the blob was not refused")
    lab.require(slowest < 5, f"QEMU's monitor did not answer for {slowest:.1f} s")
    front.ask("drop")
    usable(lab, guest, front, 191, "no answer")
    front.leave()
    lab.drop_guest()


@case("frontend-ring", limit=300, slow=True)
def frontend_ring(lab):
    """The shared pages change while QEMU reads them, indexes are impossible, events flood: at
    most the connection ends (R22, I4)."""
    guest = lab.guest(driver=False, fresh=True, vcpus=2)
    front = Front(guest)
    for ahead in (1, 63, 65, 2147483648, 4294967295):
        lab.equal(front.connect(), CONNECTED, "QEMU's state")
        lab.require(front.ask(f"ahead {ahead}")["backend"] in (CLOSING, CLOSED),
                    f"QEMU accepts {ahead} responses too many")
    usable(lab, guest, front, 201, "indexes")
    connected = 0
    for seed in range(8):
        lab.equal(front.connect(), CONNECTED, "QEMU's state")
        front.ask(f"scribble 2000 {seed}")
        for n in range(4):
            guest.spawn_quiet(f"noise{n}", f"blobtool hold {16 * KIB} 5 --no-fill")
        connected += front.ask("idle")["backend"] == CONNECTED
        lab.require(guest.qmp("query-status")["running"], f"scribbling {seed}: QEMU does not run")
        front.connect()                     # answers what is left
        front.ask("policy")
        guest.run("killall blobtool; sleep 0.5")
    lab.data["scribbled_connections_that_lasted"] = connected
    usable(lab, guest, front, 202, "scribbling")
    front.connect()
    lab.data.update(front.ask("flood 20000", 60))
    usable(lab, guest, front, 203, "20000 events")
    front.leave()
    lab.drop_guest()


KEPT, KEPT_SIZE = 8, 8 * KIB
QUOTA = KEPT * KEPT_SIZE


def keep_all(lab, guest, front):
    """Have the guest say that it has unmapped KEPT blobs, and keep them. Return a blob that
    follows them in the window, so that the guest's kernel puts only smaller ones there."""
    lab.equal(front.connect(), CONNECTED, "QEMU's state")
    front.ask("policy unmap=lie place=elsewhere")
    blobs = [Blob(guest, KEPT_SIZE, 210 + n, name=f"kept{n}") for n in range(KEPT)]
    wait_granted(guest, QUOTA // 4096)
    behind = Blob(guest, KEPT_SIZE, 218, fill=False, name="behind")
    for blob in blobs:
        lab.equal(blob.facts["mismatches"], 0, "words")
        blob.close()
    wait_for("what the guest keeps is in quarantine", lambda: [
        b["state"] for b in window(guest)["blobs"]].count("quarantined") == KEPT, 20)
    return behind


def churn():
    """Have dom0 use its free memory for something else."""
    dom0.sh("yes churn | head -c 256M >/dev/shm/churn; rm /dev/shm/churn", 120)


@case("frontend-keeps", limit=300, slow=True)
def frontend_keeps(lab):
    """A frontend maps references elsewhere, says that it has unmapped them, and reads on: it
    sees its own old buffers, which count towards its quota, and nothing else (I2, R24, R25)."""
    guest = lab.guest(driver=False, fresh=True, gpu=f"{GPU},xen-hostmem-quota={QUOTA}")
    front = Front(guest)
    behind = keep_all(lab, guest, front)
    churn()
    lab.equal(front.ask("check"), {"pages": QUOTA // 4096, "changed": 0}, "what it keeps")
    lab.equal(window(guest)["granted"], QUOTA, "bytes that count towards the quota")
    # Not into their range, which would not be safe. Elsewhere it is trapped.
    status, output = guest.status(f"blobtool hold {KEPT_SIZE} 219 --no-fill </dev/null", 60)
    lab.require(status, f"a blob in a range that is in quarantine: {output}")
    more = Blob(guest, QUOTA + 4 * KIB, 220, fill=False, name="more")
    lab.require("quota" in reasons(guest), f"reasons: {reasons(guest)}")
    more.ask("scatter 220 16")
    lab.equal(more.ask("sample 220 16")["mismatches"], 0, "words of a trapped blob")
    more.close()
    behind.close()
    lab.equal(front.ask("check"), {"pages": QUOTA // 4096, "changed": 0}, "what it keeps, later")
    front.ask("drop")
    wait_no_grants()
    wait_for("the window is empty", lambda: not window(guest)["blobs"], 20)
    usable(lab, guest, front, 221, "what it kept")
    front.leave()
    lab.drop_guest()


HOLD, SLACK = 5, 20             # seconds


@case("hold-limit", limit=300, slow=True)
def hold_limit(lab):
    """xen-hostmem-hold-limit: a guest that keeps what it should have unmapped is ended, and
    its memory is back soon after. One that does not keep it lives."""
    guest = lab.guest(driver=False, fresh=True, gpu=f"{GPU},xen-hostmem-hold-limit={HOLD}")
    front = Front(guest)
    usable(lab, guest, front, 241, "before")
    began = time.monotonic()
    while time.monotonic() - began < 2 * HOLD:
        guest.json("blobtool cycle 20 8192", 60)
    lab.require(guest.exists(), "an honest guest was ended")
    front.ask("policy unmap=lie place=elsewhere")
    blob = Blob(guest, 16 * MIB, 242, fill=False)
    wait_granted(guest, 4096)
    blob.close()
    began = time.monotonic()
    lab.require(dom0.counters()["references"] >= 4096, f"it kept nothing: {dom0.counters()}")
    wait_for("the guest is ended", lambda: not guest.exists(), HOLD + SLACK)
    gone = time.monotonic() - began
    wait_no_grants()
    back = time.monotonic() - began
    lab.data.update(limit_s=HOLD, guest_gone_s=round(gone, 1), memory_back_s=round(back, 1))
    lab.require(HOLD - 1 <= back <= HOLD + SLACK, f"the memory was back after {back:.1f} s")
    lab.require("xen-hostmem-hold-limit" in guest.qemu_log(), "QEMU's log does not say why")
    lab.drop_guest()


def vanish_prepared(front):
    front.ask("prepare")


def vanish_initialised(front):
    front.ask("prepare")
    front.ask("state 3")


def vanish_connected(front):
    front.connect()


def vanish_asked(front):
    """With a request that is not answered."""
    front.connect()
    front.ask("policy map=silent place=elsewhere")
    front.guest.spawn_quiet("held", f"blobtool hold {16 * KIB} 5 --no-fill")
    time.sleep(1)


def vanish_mapped(front):
    front.connect()
    front.ask("policy place=elsewhere")
    front.guest.spawn_quiet("held", f"blobtool hold {16 * KIB} 5 --no-fill")
    wait_granted(front.guest, 4)


def vanish_closing(front):
    vanish_mapped(front)
    front.ask("state 5")


def vanish_closed(front):
    """It says that it has unmapped everything, and has not."""
    vanish_mapped(front)
    front.ask("node unmapped 1")
    front.ask("state 6")


def vanish_revoked(front):
    """Its shared pages are gone before it is."""
    vanish_mapped(front)
    front.ask("revoke")


VANISH = (vanish_prepared, vanish_initialised, vanish_connected, vanish_asked, vanish_mapped,
          vanish_closing, vanish_closed, vanish_revoked)


@case("frontend-vanishes", limit=400, slow=True)
def frontend_vanishes(lab):
    """A frontend disappears in each state. A blob in use stays right, the next frontend gets
    it, and nothing is left (I1, I8, R21)."""
    guest = lab.guest(driver=False, fresh=True)
    for seed, vanish in enumerate(VANISH, 171):
        front = Front(guest)
        vanish(front)
        front.vanish()
        lab.require(guest.qmp("query-status")["running"], f"{vanish.__name__}: QEMU does not run")
        front = Front(guest)
        lab.equal(front.connect(), CONNECTED, f"{vanish.__name__}: the next frontend")
        if vanish in VANISH[3:]:
            lab.equal(guest.json("ask held 60", 65).get("mismatches", 0), 0, vanish.__name__)
            right(lab, guest, "held", 6, vanish.__name__)
            guest.ask("held", "quit")
        wait_no_grants()
        usable(lab, guest, front, seed, vanish.__name__)
        front.leave()
    lab.drop_guest()


REFERENCES = 131072             # as many as dom0 has: gnttab_max_frames=256


@case("frontend-all-references", limit=400, slow=True)
def frontend_all_references(lab):
    """A guest tries to map, and to copy from, every reference of dom0: it gets its own blob's
    and none of another guest's."""
    guest = lab.guest(driver=False, fresh=True, memory=512)
    other = lab.another_guest(memory=512)
    load_driver(other)
    others = Blob(other, MIB, 231)
    wait_granted(other, 256)
    front = Front(guest)
    front.connect()
    front.ask("policy")
    mine = Blob(guest, 64 * KIB, 232, name="mine")
    wait_granted(guest, 16)
    result = front.ask(f"try 0 {REFERENCES}", 300)
    lab.data.update(result)
    lab.equal((result["mapped"], result["copied"]), (16, 16), "references that work")
    lab.equal(others.ask("verify 231")["mismatches"], 0, "words of the other guest")
    others.close()
    mine.close()
    other.destroy()
    front.leave()
    lab.drop_guest()
