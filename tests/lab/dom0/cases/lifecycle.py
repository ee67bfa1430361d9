# SPDX-License-Identifier: GPL-2.0-or-later
"""After every kind of end, everything that Xen and Linux let us free is freed (I8)."""

import json
import os

import dom0
from blobs import (KIB, MIB, Blob, gpu_folder, granted_pages, reasons, renderer_mappings,
                   resident_kib, wait_granted, wait_no_grants, window)
from dom0 import wait_for
from guest import GPU, SYSTEM
from lab import case, load_driver, unload_driver

NODES = "/local/domain/0/backend/hostmem"


def has_backend(domid):
    """Whether the device's node exists. QEMU leaves its empty parent to the next sweep."""
    return dom0.store(f"{NODES}/{domid}/0/state") is not None


@case("reload", limit=240, everywhere=True)
def reload(lab):
    """A mapped blob keeps its words while the driver is unloaded and loaded again (R19, R20,
    R27)."""
    guest = lab.guest(driver=True)
    blob = Blob(guest, MIB, 71)
    unload_driver(guest)
    lab.equal(granted_pages(guest), 0, "granted pages without the driver")
    wait_no_grants()
    lab.equal(blob.ask("sample 71 16")["mismatches"], 0, "words, trapped")
    load_driver(guest)
    dom0.wait_for("the blob is granted again",
                  lambda: granted_pages(guest) == MIB // 4096, 20)
    lab.equal(blob.ask("verify 71")["mismatches"], 0, "words, granted again")
    blob.close()
    wait_no_grants()


@case("destroy", limit=240, everywhere=True)
def destroy(lab):
    """xl destroy with a blob granted leaves no grant, buffer or node behind."""
    guest = lab.guest(driver=True)
    Blob(guest, 16 * MIB, 72)
    lab.equal(granted_pages(guest), 4096, "granted pages")
    domid = str(guest.domid)
    lab.require(has_backend(domid), "no backend node while the guest runs")
    lab.drop_guest()
    wait_no_grants()
    lab.require(not has_backend(domid), f"node of {domid} left")


@case("kill-qemu", limit=300, everywhere=True)
def kill_qemu(lab):
    """After kill -9 of QEMU pages are held until the guest is gone, and nodes are swept."""
    guest = lab.guest(driver=True)
    Blob(guest, MIB, 73)
    domid = str(guest.domid)
    dom0.sh(f"kill -9 {guest.qemu_pid()}")
    dom0.wait_for("the module keeps what the guest has mapped",
                  lambda: dom0.counters().get("pending"), 20)
    lab.require(dom0.counters()["references"] >= 1, f"{dom0.counters()}")
    lab.drop_guest()
    wait_no_grants(60)
    lab.guest(driver=False, fresh=True)
    nodes = dom0.sh(f"xenstore-list {NODES}").split()
    lab.require(domid not in nodes, f"node of {domid} not swept: {nodes}")


@case("reboot", limit=300)
def reboot(lab):
    """After a reboot with a blob mapped, the next kernel finds the window unused."""
    guest = lab.guest(driver=True, on_reboot="restart")
    Blob(guest, MIB, 74)
    guest.reboot()
    wait_no_grants()
    load_driver(guest)
    blob = Blob(guest, MIB, 75)
    lab.equal(granted_pages(guest), MIB // 4096, "granted pages after the reboot")
    blob.check_both_ways(lab, 75)
    blob.close()


@case("pause", limit=240)
def pause(lab):
    """QEMU does not wait for a guest that is paused while it should map (I3)."""
    guest = lab.guest(driver=True)
    guest.run(f"spawn paused blobtool hold {16 * MIB} 76")
    dom0.sh(f"xl pause {guest.domid}")
    guest.qmp("query-status")           # its main loop answers
    dom0.sh(f"sleep 3; xl unpause {guest.domid}")
    lab.equal(guest.json("ask paused 60", 65)["mismatches"], 0, "words")
    lab.equal(granted_pages(guest), 4096, "granted pages")
    guest.ask("paused", "quit")


@case("long-pause", limit=300, slow=True)
def long_pause(lab):
    """A pause that is longer than every time limit costs the guest nothing (R23)."""
    guest = lab.guest(driver=True)
    held = Blob(guest, MIB, 103, name="held")
    guest.run(f"spawn paused blobtool hold {16 * MIB} 104")
    dom0.sh(f"xl pause {guest.domid}")
    states = {b["state"] for b in window(guest)["blobs"] if b["size"] == 16 * MIB}
    dom0.sh(f"sleep 40; xl unpause {guest.domid}", timeout=60)
    lab.data["states at the pause"] = sorted(states)
    lab.equal(guest.json("ask paused 60", 65)["mismatches"], 0, "words")
    lab.equal(granted_pages(guest), 4096 + 256, "granted pages")
    lab.equal(held.ask("verify 103")["mismatches"], 0, "words of a blob that was mapped before")
    guest.ask("paused", "quit")
    held.close()


@case("hot-unplug", limit=240)
def hot_unplug(lab):
    """QEMU refuses to unplug a GPU while the guest runs."""
    guest = lab.guest(driver=True, gpu=GPU + ",id=gpu")
    blob = Blob(guest, 64 * KIB, 78)
    try:
        guest.qmp("device_del", id="gpu")
        said = "nothing"
    except dom0.Failed as why:
        said = str(why)
    lab.require("does not support hotplugging" in said, f"device_del says {said}")
    blob.check_both_ways(lab, 78)
    blob.close()


BIND = "/sys/bus/virtio/drivers/virtio_gpu"


@case("gpu-rebind", limit=300)
def gpu_rebind(lab):
    """The guest unbinds its GPU driver, which resets the device, and binds it again."""
    guest = lab.guest(driver=True, fresh=True)
    Blob(guest, MIB, 79, name="before")
    lab.equal(renderer_mappings(guest), "1", "mappings of the blob in QEMU")
    lab.expected.append("drm_mm_takedown")      # Linux complains: a blob was mapped
    device = guest.run(f"cd {BIND}; ls -d virtio*").strip()
    guest.run(f"echo {device} >{BIND}/unbind", 60)
    wait_granted(guest, 0)
    wait_no_grants()
    lab.equal(renderer_mappings(guest), "0", "mappings of the blob in QEMU after the reset")
    # The old device's minor number is in use until its last user is gone.
    guest.run("killall blobtool; sleep 1")
    guest.run(f"echo {device} >{BIND}/bind; sleep 1; ls /dev/dri", 60)
    again = Blob(guest, MIB, 80, name="again")
    again.check_both_ways(lab, 80)
    lab.equal(granted_pages(guest), 256, "granted pages")
    again.close()
    lab.drop_guest()


# Of the GPU's configuration space: the command register, BAR 4's upper half.
COMMAND, BAR4_HIGH = 0x04, 0x24


def poke_config(guest, at, octets):
    """Write to the GPU's configuration space; return the old contents."""
    gpu = gpu_folder(guest)
    old = guest.run(f"dd if={gpu}/config bs=1 skip={at} count={len(octets)} 2>/dev/null "
                    "| od -An -tx1")
    text = "".join(f"\\x{o:02x}" for o in octets)
    # The driver checks it once a second (R17).
    guest.run(f"printf '{text}' | dd of={gpu}/config bs=1 seek={at} conv=notrunc 2>/dev/null; "
              "sleep 1.1")
    return bytes.fromhex(old)


@case("decoding-off", limit=300)
def decoding_off(lab):
    """The driver maps nothing at a BAR that is disabled, and says so (I6)."""
    guest = lab.guest(driver=False, fresh=True)
    blob = Blob(guest, 64 * KIB, 96, fill=False)
    blob.ask("scatter 96 32")
    old = poke_config(guest, COMMAND, b"\0\0")
    load_driver(guest)
    wait_for("QEMU says why", lambda: "guest-no-window" in reasons(guest), 20)
    lab.equal(granted_pages(guest), 0, "granted pages while decoding is off")
    lab.require("does not decode" in guest.run("dmesg | grep -i hostmem"),
                "the guest does not say why")
    poke_config(guest, COMMAND, old)
    wait_granted(guest, 16, 40)
    lab.equal(blob.ask("sample 96 32")["mismatches"], 0, "words, granted")
    blob.close()


@case("bar-moved", limit=300)
def bar_moved(lab):
    """After the BAR was moved, the driver maps nothing at either place (I6)."""
    guest = lab.guest(driver=True, fresh=True)
    Blob(guest, 64 * KIB, 97, name="before").close()
    old = poke_config(guest, BAR4_HIGH, b"\x20\0\0\0")
    moved = Blob(guest, 64 * KIB, 98, fill=False, name="moved")
    lab.equal(granted_pages(guest), 0, "granted pages while the BAR is elsewhere")
    lab.require("guest-no-window" in reasons(guest), f"reasons: {reasons(guest)}")
    poke_config(guest, BAR4_HIGH, old)
    wait_granted(guest, 16, 40)
    moved.check_both_ways(lab, 98, 32)
    moved.close()


@case("two-guests", limit=400)
def two_guests(lab):
    """Two guests run at once: each sees its own blobs only, and one survives the other."""
    guest = lab.guest(driver=True, memory=512)
    other = lab.another_guest(memory=512)
    load_driver(other)
    mine, others = Blob(guest, MIB, 101), Blob(other, MIB, 102)
    mine.check_both_ways(lab, 101)
    others.check_both_ways(lab, 102)
    lab.equal((granted_pages(guest), granted_pages(other)), (256, 256), "granted pages")
    other.destroy()
    wait_for("the other's grants are gone", lambda: dom0.counters()["references"] == 256, 30)
    lab.equal(mine.ask("verify 102")["mismatches"], 0, "words of the one that stays")
    mine.close()
    wait_no_grants()


@case("version-refused", limit=240)
def version_refused(lab):
    """If versions of driver and QEMU differ, each logs the other's; nothing is mapped (R3)."""
    guest = lab.guest(driver=False, fresh=True)
    back = f"{NODES}/{guest.domid}/0"
    front = f"/local/domain/{guest.domid}/device/hostmem/0"

    dom0.sh(f"xenstore-write {back}/versions 2,3")
    guest.run("modprobe xen-hostmem; sleep 2")
    lab.require('speaks hostmem versions "2,3"' in guest.run("dmesg | grep hostmem"),
                "the guest's log does not name the versions")
    unload_driver(guest)
    dom0.sh(f"xenstore-write {back}/versions 1")

    # No driver uses the frontend's nodes now: pretend to be one of version 2.
    dom0.sh(f"xenstore-write {front}/version 2 {front}/state 3")
    wait_for("QEMU names the version",
             lambda: "frontend speaks version 2" in guest.qemu_log(), 20)
    wait_for("QEMU closes", lambda: dom0.store(f"{back}/state") in ("5", "6"), 20)
    dom0.sh(f"xenstore-write {front}/state 6")
    wait_for("QEMU has closed", lambda: dom0.store(f"{back}/state") == "6", 20)

    load_driver(guest)
    blob = Blob(guest, 64 * KIB, 131)
    lab.equal(granted_pages(guest), 16, "granted pages with the right versions")
    blob.check_both_ways(lab, 131)
    blob.close()


CYCLES, REBOOTS = 1000, 20


def holdings(guest):
    """What must not grow: dom0's grants, QEMU's descriptors, xenstore nodes."""
    return {**dom0.counters(),
            "fds": len(dom0.sh(f"ls /proc/{guest.qemu_pid()}/fd").split()),
            "nodes": len(dom0.sh("xenstore-ls -f | grep -v /data/").splitlines())}


@case("kexec", limit=300)
def kexec(lab):
    """kexec ends the guest, cleanly: to xl it is a soft reset, which QEMU's GPU cannot do.

    Linux shuts our driver down first, as for a reboot (R20)."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    Blob(guest, MIB, 79)
    guest.run("in-system kexec -l /boot/vmlinuz-$(uname -r) --reuse-cmdline", 120)
    guest.run("(sleep 1; in-system kexec -e) >/dev/null 2>&1 &")
    wait_for("the driver unmaps everything", lambda: not granted_pages(guest), 60)
    wait_for("the guest has ended", lambda: not guest.exists(), 100)
    wait_no_grants()
    lab.require("frontend left" in guest.qemu_log() or "xen_hostmem_left clean 1" in guest.qemu_log(),
                "QEMU's log does not say that the driver left cleanly")
    lab.drop_guest()


@case("cycles", limit=800)
def cycles(lab):
    """1000 cycles of map, use and unmap leave nothing behind (I8)."""
    guest = lab.guest(driver=True, fresh=True)
    guest.json("blobtool cycle 100 65536", 300)
    wait_no_grants()
    before = holdings(guest)
    grown = lab.data["grown_kib"] = []
    # A PVH dom0 has huge pages, so memory may grow by one of 2 MiB once.
    while not grown or grown[-1] >= 2048 and len(grown) < 3:
        memory = resident_kib(guest)
        result = guest.json(f"blobtool cycle {CYCLES} 65536", 240)
        wait_no_grants()
        lab.equal(result["mismatches"], 0, "words")
        lab.equal(holdings(guest), before, f"holdings after {CYCLES} cycles")
        grown.append(resident_kib(guest) - memory)
    lab.require(grown[-1] < 2048, f"QEMU grew by {grown} KiB")
    lab.data.update(cycles=CYCLES, grown_kib=grown, **before)


@case("reboots", limit=2700, slow=True)
def reboots(lab):
    """20 reboots with a blob mapped leave nothing behind (I8)."""
    guest = lab.guest(driver=True, fresh=True, on_reboot="restart")
    before = None
    for n in range(REBOOTS + 1):
        Blob(guest, MIB, 110 + n)
        guest.reboot()
        load_driver(guest)
        wait_no_grants()
        before = before or holdings(guest)
    lab.equal(holdings(guest), before, f"holdings after {REBOOTS} reboots")
    lab.data.update(reboots=REBOOTS, **before)


@case("grantcheck", limit=400, everywhere=True)
def grantcheck(lab):
    """The module alone: all sizes and errors, with dom0's memory fragmented (I2)."""
    lab.drop_guest()
    lab.alive()
    dom0.load_module()
    dom0.sh(f"insmod {dom0.RUN}/lab-leaky.ko")
    try:
        result = checked(lab, "--balloon 512")
    finally:
        dom0.sh("rmmod lab_leaky")
    lab.require(result["passed"] > 30, f"grantcheck: {result}")
    lab.data.update(result)


@case("grantcheck-ttm", limit=300, everywhere=True)
def grantcheck_ttm(lab):
    """The module alone, with an exporter that has a GPU driver's habits: blocks, pools,
    video memory, unbinding. Granted, or refused with the right error (I2)."""
    lab.drop_guest()
    lab.alive()
    dom0.load_module()
    dom0.sh(f"[ -e /dev/lab-dmabuf-ttm ] || insmod {dom0.RUN}/lab-dmabuf-ttm.ko")
    try:
        result = checked(lab, "--only ttm --balloon 512")
    finally:
        dom0.sh("rmmod lab_dmabuf_ttm", check=False)
    lab.require(not os.path.exists("/sys/module/lab_dmabuf_ttm"), "buffers are left")
    # Only a PV domain can map its own pages, as one case does.
    skipped = int(lab.boot == "pvh")
    lab.equal((result["passed"], result["skipped"]), (18 - skipped, skipped),
              f"grantcheck: {result}")


def checked(lab, arguments):
    """Run grantcheck; return its last line. Of what failed, the message says which."""
    output = dom0.sh(f"{dom0.RUN}/grantcheck {arguments}", 380, check=False)
    failed = [line for line in output.splitlines() if line.startswith("not ok")]
    lab.equal(failed, [], "grantcheck")
    try:
        return json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        raise dom0.Failed(f"grantcheck: no answer: {output[-300:]}") from None


@case("module-faults", limit=240, boots=("module", "debug"), slow=True)
def module_faults(lab):
    """Each allocation and each call of the grant table in the module fails once: an error,
    nothing lost, and the next import works (I2)."""
    lab.drop_guest()
    lab.alive()
    dom0.unload_module()
    dom0.load_module("xen-dmabuf-grant-faults")
    try:
        result = checked(lab, "--only fault")
    finally:
        dom0.unload_module()
    lab.equal((result["passed"], result["skipped"]), (2, 0), f"grantcheck: {result}")


def fuzzed(lab, seconds):
    lab.drop_guest()
    lab.alive()
    dom0.load_module()
    result = dom0.tool_json(f"{dom0.RUN}/grantfuzz {seconds} {os.getpid()}", seconds + 60)
    lab.require("left" in result, f"grantfuzz: {result}")
    lab.equal(result["left"], [0, 0, 0, 0],
              "imports, references, pending ones and pinned pages left behind")
    for what in ("imports", "releases", "restricts", "kills"):
        lab.require(result[what], f"grantfuzz did none of '{what}': {result}")
    # Mapping one's own pages leaves holes in the memory of a PVH domain.
    lab.equal(bool(result["maps"]), lab.boot != "pvh", "whether grantfuzz has mapped references")
    lab.data.update(result)


@case("grantfuzz", limit=120)
def grantfuzz(lab):
    """Random ioctls of the module by several threads leave nothing behind."""
    fuzzed(lab, 20)


@case("grantfuzz-long", limit=900, boots=("debug",), long=True)
def grantfuzz_long(lab):
    """The same for 10 minutes, while dom0's kernel checks its memory."""
    zones = dom0.sh("cat /sys/kernel/slab/kmalloc-64/red_zone").strip()
    guards = dom0.sh("grep enabled /sys/kernel/debug/kfence/stats").strip()
    lab.equal((zones, guards), ("1", "enabled: 1"), "the kernel's checks")
    fuzzed(lab, 600)
