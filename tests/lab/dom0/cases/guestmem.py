# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory as a dma-buf in dom0: the module xen-guest-dmabuf (M1 to M9 of
docs/specs/virtio-gpu-guest-memory.rst)."""

import json
import select
import subprocess
import time
from contextlib import contextmanager

import dom0
from lab import case

MODULE = "xen_guest_dmabuf"
DEBUGFS = "/sys/kernel/debug/xen-guest-dmabuf"
COUNTERS = ("buffers", "pages", "attachments", "views", "lost")
DISK = "/dev/vdd"
PAGES = 1024
WORDS = PAGES * 512
TEN_MILLION = 10_000_000
GPU = "virtio-gpu-pci"          # what the guest's screen is does not matter


@contextmanager
def modules(name="xen-guest-dmabuf", lost=0):
    """Both are loaded; afterwards nothing of ours is left, and they are unloaded."""
    for each in (name, "lab-dma"):
        dom0.sh(f"insmod {dom0.RUN}/{each}.ko")
    try:
        yield
        wait_zero(lost)
    finally:
        while Holder.running:
            Holder.running[0].end(kill=True)
        dom0.sh(f"rmmod lab_dma; rmmod {MODULE}", check=False)


def counters():
    def read(name):
        with open(f"{DEBUGFS}/{name}", encoding="ascii") as f:
            return int(f.read())
    return {name: read(name) for name in COUNTERS}


def wait_zero(lost=0):
    dom0.wait_for("the module's counters are zero",
                  lambda: counters() == dict.fromkeys(COUNTERS, 0) | {"lost": lost}, 20)


def free_memory():
    """What Xen has for anybody, in MiB."""
    return int(dom0.sh("xl info free_memory"))


def listed(domid):
    return str(domid) in dom0.sh("xl list | awk '{ print $2 }'").split()


def make_pages(guest, kind, count, seed):
    """A program in the guest that has such pages; their numbers, as guestcheck reads them."""
    if kind != "frames":
        guest.run("modprobe xen-gntalloc limit=4096")   # 1024 by itself: 4 MiB
    found = guest.spawn(kind, f"pages {kind} {count} {seed}")
    return f"{kind} {seed}\n" + "\n".join(map(str, found)) + "\n"


def write_list(*lists):
    path = f"{dom0.RUN}/guest-pages"
    with open(path, "w", encoding="ascii") as f:
        f.writelines(lists)
    return path


class Holder:
    """guestcheck --hold: a process in dom0 with one buffer."""

    running = []

    def __init__(self, domid, path, kind):
        command = [f"{dom0.RUN}/guestcheck", str(domid), path, "--hold", kind, "--disk", DISK]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.running.append(self)
        self._answer("the buffer")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer(line)

    def _answer(self, what):
        if not select.select([self.process.stdout], [], [], dom0.allowed(60))[0]:
            raise dom0.Failed(f"guestcheck --hold does not answer: {what}")
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        if isinstance(answer, dict) and "error" in answer:
            raise dom0.Failed(f"guestcheck --hold: {what}: {answer['error']}")
        return answer

    def end(self, kill=False):
        self.running.remove(self)
        if kill:
            self.process.kill()
        else:
            self.process.stdin.close()
        self.process.wait(dom0.allowed(60))


@case("guest-dmabuf", limit=400, everywhere=True)
def guest_dmabuf(lab):
    """The module with a guest's pages: contents, what user space may do with a mapping, each
    number of a request wrong, limits, devices and a disk (M1, M4 to M9)."""
    guest = lab.guest(driver=False, fresh=True, gpu=GPU)
    path = write_list(make_pages(guest, "frames", 256, 501), make_pages(guest, "grants", 128, 502),
                      make_pages(guest, "read-only", 16, 503))
    with modules():
        output = dom0.sh(f"{dom0.RUN}/guestcheck {guest.domid} {path} --disk {DISK}", 300,
                         check=False)
        with open(f"{dom0.OUT}/guestcheck.log", "w", encoding="utf-8") as f:
            f.write(output)
        failed = [line for line in output.splitlines() if line.startswith("not ok")]
        lab.equal(failed, [], "guestcheck")
        result = dom0.tool_json(f"tail -n 1 {dom0.OUT}/guestcheck.log")
    lab.data.update(result, skips=[s for s in output.splitlines() if s.startswith("skip")])
    lab.require(result.get("passed", 0) > 60, f"guestcheck: {result}")
    for kind, seed in (("frames", 501), ("grants", 502), ("read-only", 503)):
        lab.equal(guest.ask(kind, f"check {seed}"), 0, f"words that the guest finds: {kind}")


@case("guest-dmabuf-faults", limit=400, boots=("module", "debug", "pvh"), slow=True)
def guest_dmabuf_faults(lab):
    """Each allocation, copy and call of Xen in the module fails once: an error, nothing left,
    and the next buffer works. What Xen does not unmap is not used again (M3, M4)."""
    guest = lab.guest(driver=False, fresh=True, gpu=GPU)
    path = write_list(make_pages(guest, "frames", 64, 551), make_pages(guest, "grants", 64, 552))
    # A buffer of 40 pages in each round of guestcheck, but for one on a PV dom0.
    with modules("xen-guest-dmabuf-faults", lost=(4 if lab.boot == "pvh" else 3) * 40):
        output = dom0.sh(f"{dom0.RUN}/guestcheck {guest.domid} {path} --only fault:", 300,
                         check=False)
        failed = [line for line in output.splitlines() if not line.startswith("ok")][:-1]
        lab.equal(failed, [], "guestcheck")
    lab.data.update(json.loads(output.splitlines()[-1]))
    lab.equal((lab.data["passed"], lab.data["skipped"]), (6, 0), "guestcheck")
    lab.drop_guest()


def words_both_ways(lab, guest, holder, kind, rounds):
    """The guest writes, dom0 reads, and the other way, each time other words."""
    words = 0
    for n in range(rounds):
        seed = 1000 + 2 * n
        guest.ask(kind, f"fill {seed}")
        lab.equal(holder.ask(f"check {seed}"), 0, f"{kind}: words that dom0 finds")
        holder.ask(f"fill {seed + 1}")
        lab.equal(guest.ask(kind, f"check {seed + 1}"), 0, f"{kind}: words that the guest finds")
        words += WORDS
    return words


def through_disk(lab, guest, holder, kind, seed):
    """A device's DMA reads the pages, and writes them."""
    guest.ask(kind, f"fill {seed}")
    holder.ask("attach")
    holder.ask("write")
    guest.ask(kind, f"fill {seed + 1}")
    holder.ask("read")
    lab.equal(guest.ask(kind, f"check {seed}"), 0, f"{kind}: words that came from the disk")
    lab.equal(holder.ask(f"check {seed}"), 0, f"{kind}: the same in dom0")


@case("guest-dmabuf-words", limit=500, slow=True)
def guest_dmabuf_words(lab):
    """10 million words each way, by frames and by grants, and DMA to a disk and back (M1, M5,
    M6)."""
    guest = lab.guest(driver=False, fresh=True, gpu=GPU)
    with modules():
        for kind in ("frames", "grants"):
            path = write_list(make_pages(guest, "frames", 1, 1) if kind == "grants" else "",
                              make_pages(guest, kind, PAGES, 510))
            began = time.monotonic()
            holder = Holder(guest.domid, path, kind)
            lab.data[f"{kind}_ready_ms"] = round((time.monotonic() - began) * 1000)
            words = words_both_ways(lab, guest, holder, kind, TEN_MILLION // WORDS + 1)
            lab.data[f"{kind}_words"] = words
            through_disk(lab, guest, holder, kind, 520)
            holder.end()
    lab.drop_guest()


@case("guest-dmabuf-ends", limit=500, everywhere=True)
def guest_dmabuf_ends(lab):
    """The guest gives the pages back to Xen, and ends, while dom0 has them: the old contents
    stay until the last user is gone, then everything is free. The owner is killed (M2, M3)."""
    guest = lab.guest(driver=False, fresh=True, gpu=GPU)
    domid = guest.domid
    with modules():
        path = write_list(make_pages(guest, "frames", PAGES, 530))
        holder = Holder(domid, path, "frames")
        holder.ask("attach")
        before = free_memory()
        guest.run("modprobe xen-privcmd unrestricted=1")
        lab.equal(guest.ask("frames", "return"), PAGES, "frames that Xen took back")
        lab.equal(holder.ask("check 530"), 0, "words after the guest gave the pages back")
        holder.ask("map")
        lab.equal(holder.ask("check 530"), 0, "words in a new mapping")
        lab.equal(free_memory(), before, "free memory while the pages are held")
        # What the guest's kernel does with these frames now is its own fault.
        lab.drop_guest()
        lab.equal(holder.ask("check 530"), 0, "words after the guest has ended")
        holder.ask("fill 531")
        holder.ask("map")
        lab.equal(holder.ask("check 531"), 0, "words that were written since, newly mapped")
        lab.equal(counters(), {"buffers": 1, "pages": PAGES, "attachments": 1, "views": 3,
                               "lost": 0}, "counters")
        lab.require(listed(domid), "nothing is left of the domain although its pages are used")
        before = free_memory()
        holder.end(kill=True)
        wait_zero()
        dom0.wait_for("the domain is gone", lambda: not listed(domid), 20)
        dom0.wait_for("the pages are free",
                      lambda: free_memory() - before >= PAGES * 4096 >> 20, 20)


@case("guest-dmabuf-rounds", limit=900, slow=True)
def guest_dmabuf_rounds(lab):
    """100 owners are killed with buffers that are mapped and attached, and guests are
    destroyed meanwhile: nothing is left (M3)."""
    with modules():
        for _ in range(5):
            guest = lab.guest(driver=False, fresh=True, gpu=GPU)
            path = write_list(make_pages(guest, "frames", 256, 540),
                              make_pages(guest, "grants", 128, 541))
            for n in range(20):
                holder = Holder(guest.domid, path, ("frames", "grants")[n % 2])
                holder.ask("attach")
                if n == 19:
                    lab.drop_guest()
                holder.end(kill=True)
            wait_zero()
        dom0.wait_for("no domain is left", lambda: len(dom0.sh("xl list").splitlines()) == 2, 30)
        lab.data["rounds"] = 100
        lab.equal(counters()["lost"], 0, "pages that Xen did not let go")
