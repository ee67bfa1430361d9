# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that floods the log or hoards memory, and a renderer that is not there, or hangs."""

import glob
import os
import re
import signal
import time

import dom0
from blobs import KIB, MIB, Blob, granted_pages, wait_no_grants, window
from guest import GPU, SYSTEM
from lab import case, load_driver

SERVER = "/usr/libexec/virgl_render_server"
UNSPEC = 0x1200             # VIRTIO_GPU_RESP_ERR_UNSPEC, the first error
NEEDS_RESET = 0x40          # VIRTIO_CONFIG_S_NEEDS_RESET
OUT_OF_MEMORY = 0x1201      # VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
LOG_BYTES = 100 * KIB
SUMMARY = "in-system timeout 60 vulkaninfo --summary 2>&1"
TIMEOUT = 5                 # seconds: venus-timeout, to have it soon
SLACK = 10                  # for the emulated CPU


def available_mib():
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(re.search(r"^MemAvailable: +(\d+)", f.read(), re.M)[1]) // 1024


def log_size(guest):
    return os.path.getsize(guest.log)


def count_left_out(guest):
    return sum(map(int, re.findall(r": (\d+) more messages were left out", guest.qemu_log())))


@case("log-flood", limit=300, slow=True)
def log_flood(lab):
    """100,000 refused commands add less than 100 KiB to the log, which says how many lines
    were left out."""
    guest = lab.guest(driver=True, fresh=True)
    before = log_size(guest)
    lab.data.update(guest.json("rawgpu flood 100000", 200))
    lab.equal((lab.data["answered"], lab.data["alive"]), (100000, True), "refused commands")
    dom0.wait_for("QEMU reports how many messages it left out",
                  lambda: count_left_out(guest) > 10000, 90, 1)
    lab.data.update(left_out=count_left_out(guest), bytes=log_size(guest) - before)
    lab.require(lab.data["bytes"] < LOG_BYTES, f"the log grew by {lab.data['bytes']} bytes")
    lab.drop_guest()


def flap(lab, guest, times, nodes, reason):
    """Fail to connect so many times with these nodes; returns what was added to the log."""
    front = f"/local/domain/{guest.domid}/device/hostmem/0"
    back = f"/local/domain/0/backend/hostmem/{guest.domid}/0/state"
    before = log_size(guest)
    values = " ".join(f"{front}/{name} {value}" for name, value in nodes.items())
    for _ in range(times):
        dom0.sh(f"xenstore-write {values} {front}/state 1 {front}/state 3")
        dom0.wait_for("QEMU closes", lambda: dom0.store(back) == "5", 10, 0.02)
        dom0.sh(f"xenstore-write {front}/state 6")
        dom0.wait_for("QEMU has closed", lambda: dom0.store(back) == "6", 10, 0.02)
    with open(guest.log, encoding="utf-8", errors="replace") as f:
        f.seek(before)
        added = f.read()
    lab.require(reason in added, f"the log does not say '{reason}'")
    lab.require(len(added) < 4 * KIB, f"the log grew by {len(added)} bytes")
    return added


@case("log-flapping", limit=420, slow=True)
def log_flapping(lab):
    """A frontend that fails to connect fills no log, 200 times with a bad version and 100 times
    with a bad ring, of which libxengnttab complains, too. It can connect then."""
    guest = lab.guest(driver=False, fresh=True)
    front = f"/local/domain/{guest.domid}/device/hostmem/0"
    lab.data["bytes"] = len(flap(lab, guest, 200, {"version": 2},
                                 "frontend speaks version 2"))
    added = flap(lab, guest, 100, {"version": 1, "ring-ref": 999999}, "gnttab: ")
    lab.data.update(ring_bytes=len(added), ring_lines=added.count("gnttab: "))
    dom0.sh(f"xenstore-rm {front}/ring-ref")
    dom0.sh(f"xenstore-write {front}/state 1")
    load_driver(guest)
    lab.equal(Blob(guest, 64 * KIB, 141).facts["mismatches"], 0, "words")
    lab.drop_guest()


@case("hoard", limit=240, slow=True)
def hoard(lab):
    """Blobs that are created, mapped once and kept take no more than blob-quota of the host's
    memory; a reset returns it."""
    guest = lab.guest(driver=True, fresh=True)
    before = available_mib()
    lab.data.update(guest.spawn("hoard", "rawgpu hoard 25 64", 200))
    lab.equal((lab.data["created"], lab.data["answer"], lab.data["alive"]),
              (8, OUT_OF_MEMORY, True), "blobs of 64 MiB")
    now = window(guest)
    lab.equal((now["host-memory"], now["host-memory-limit"], now["refused-blobs"]),
              (512 * MIB, 512 * MIB, 1), "query-xen-hostmem")
    lab.data["taken_mib"] = before - available_mib()
    lab.require(lab.data["taken_mib"] < 640, f"dom0 has {lab.data['taken_mib']} MiB less")
    lab.require("(blob-quota)" in guest.qemu_log(), "the log does not name the property")
    guest.status("echo x >/tmp/spawn/hoard.in; sleep 1")
    wait_no_grants()
    lab.equal(window(guest)["host-memory"], 0, "host memory after a reset")
    lab.drop_guest()


@case("odd-sizes", limit=180, slow=True)
def odd_sizes(lab):
    """Blobs that are no whole pages are granted like others."""
    guest = lab.guest(driver=True, fresh=True)
    lab.data.update(guest.spawn("sizes", "rawgpu sizes 131268 1 4095 4097", 120))
    lab.equal((lab.data["mapped"], lab.data["wrong"]), (4, 0), "blobs, and wrong words")
    now = window(guest)
    lab.equal([(b["size"], b["state"]) for b in now["blobs"]],
              [(size, "mapped") for size in (33 * 4096, 4096, 4096, 8192)], "blobs")
    lab.equal((granted_pages(guest), now["fallbacks"]), (37, []), "granted pages, fallbacks")
    guest.status("echo x >/tmp/spawn/sizes.in; sleep 1")
    wait_no_grants()
    lab.drop_guest()


@case("no-render-server", limit=400)
def no_render_server(lab):
    """Without the render server the log says what to install; once it is there, it is used."""
    lab.drop_guest()
    dom0.sh(f"mv {SERVER} {SERVER}.away")
    try:
        guest = lab.guest(driver=True, fresh=True)
        lab.require("virgl-server" in guest.qemu_log(), "the log does not name the package")
        status, _output = guest.status("blobtool hold 4096 3 </dev/null", 40)
        lab.require(status, "a blob without a render server")
    finally:
        dom0.sh(f"mv {SERVER}.away {SERVER}")
    time.sleep(1)
    lab.equal(Blob(guest, 64 * KIB, 142).facts["mismatches"], 0, "words with the server back")
    lab.drop_guest()


def servers():
    """The render servers and their workers, as {pid: parent}"""
    found = {}
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if os.readlink(path + "/exe") == SERVER:
                with open(path + "/stat", encoding="ascii", errors="replace") as f:
                    # The name, in parentheses, is the worker's to choose.
                    found[int(os.path.basename(path))] = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            continue            # has ended, or is a thread of the kernel
    return found


def workers():
    now = servers()
    return [pid for pid, parent in now.items() if parent in now]


@case("dead-fences", limit=120, slow=True)
def dead_fences(lab):
    """A fence of a context that does not exist is refused, and the fences of a context end
    with it, although its worker never gets there."""
    guest = lab.guest(driver=True, fresh=True)
    guest.spawn("fences", "rawgpu fences", 60)
    dom0.wait_for("a worker", workers, 10)
    for pid in workers():
        os.kill(pid, signal.SIGSTOP)
    lab.data.update(guest.ask("fences", "x", 60))
    lab.equal(lab.data["unknown_answered"], True, "the unknown context's fence is answered")
    lab.require(lab.data["unknown"] >= UNSPEC, f"with 0x{lab.data['unknown']:x}")
    lab.equal(lab.data["at_once"], False, "the fence is reached by a stopped worker")
    lab.equal(lab.data["unanswered"], 0, "commands without an answer")
    lab.drop_guest()


@case("queue-reset", limit=180, slow=True)
def queue_reset(lab):
    """A queue without commands can be reset. With a command whose fence is not reached this
    breaks the device, so that such commands do not collect, until it is reset (I4)."""
    guest = lab.guest(driver=True, fresh=True)
    guest.spawn("reset", "rawgpu queue-reset", 60)
    dom0.wait_for("a worker", workers, 10)
    for pid in workers():
        os.kill(pid, signal.SIGSTOP)
    lab.data.update(guest.ask("reset", "x", 120))
    lab.equal((lab.data["idle"] & NEEDS_RESET, lab.data["idle_alive"]), (0, True),
              "reset of a queue without commands")
    lab.equal(lab.data["at_once"], False, "the fence is reached by a stopped worker")
    lab.equal((lab.data["before"] & NEEDS_RESET, lab.data["after"] & NEEDS_RESET),
              (0, NEEDS_RESET), "status before and after")
    lab.equal((lab.data["broken_alive"], lab.data["alive"]), (False, True),
              "answers until, and after, the reset of the device")
    lab.require("queue 0 reset with requests in flight" in guest.qemu_log(),
                "the log does not say why")
    lab.drop_guest()


@case("render-server-killed", limit=400, slow=True)
def render_server_killed(lab):
    """A worker of the render server, and the server, are killed while a program draws. The
    next program works, each time, and QEMU says what happened."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, **SYSTEM)
    lab.require("driverName" in guest.run(SUMMARY, 100), "vulkaninfo before")
    for victim in ("worker", "server"):
        guest.spawn_quiet(victim, "in-system vkmark --winsys headless -s 160x120 "
                          "-b clear:duration=60")
        dom0.wait_for("a worker", workers, 60, 0.5)
        time.sleep(3)
        now = servers()
        for pid in workers() if victim == "worker" else set(now) - set(workers()):
            os.kill(pid, signal.SIGKILL)
        time.sleep(8)
        lab.data[victim] = guest.status(f"cat /tmp/spawn/{victim}.status; tail -n 2 "
                                        f"/tmp/spawn/{victim}.err; pidof vkmark", 10)[1][-300:]
        guest.status("killall -9 vkmark; sleep 2", 20)
        lab.require("driverName" in guest.run(SUMMARY, 100), f"vulkaninfo after the {victim}")
        wait_no_grants()
    lab.require("killed by signal 9" in guest.qemu_log(), "the log does not say so")
    lab.equal(guest.qmp("query-status")["running"], True, "QEMU runs")
    lab.drop_guest()


def silences(guest, seconds):
    """For how long QMP did not answer, while it was asked for so many seconds, the longest first."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        begin = time.monotonic()
        guest.qmp("query-status")
        found.append(time.monotonic() - begin)
        time.sleep(0.1)
    return sorted(found, reverse=True)


def hang(lab, guest, name, arguments, seconds, cut_off):
    """Have QEMU wait for workers that wait for ever, until the log names so many contexts."""
    guest.spawn_quiet(name, f"venushang {arguments}")
    found = silences(guest, seconds)
    lab.data[name] = found[:3]
    # Several turns of QEMU's main loop make one answer.
    lab.require(TIMEOUT - 3 < found[0] < 2 * TIMEOUT + SLACK,
                f"{arguments}: QMP did not answer for {found[:3]} seconds")
    dom0.wait_for("the log to say what was cut off",
                  lambda: guest.qemu_log().count("is cut off") >= cut_off, 60, 1)
    lab.require("contexts" in guest.json(f"ask {name} 60", 65), f"{arguments}: no answer")
    lab.equal(guest.qemu_log().count("is cut off"), cut_off, "contexts that the log names")


@case("venus-deadlock", limit=500, slow=True)
def venus_deadlock(lab):
    """A program without privileges has the worker of its Vulkan context wait for ever, and QEMU
    for the worker's answer, for many of them in a row, and for room for a message. QMP answers
    after venus-timeout, the log says so, only these contexts end, and Vulkan works on."""
    guest = lab.guest(driver=True, fresh=True, memory=1024, gpu=f"{GPU},venus-timeout={TIMEOUT}",
                      **SYSTEM)
    lab.require("driverName" in guest.run(SUMMARY, 100), "vulkaninfo before")
    usual = silences(guest, 5)[0]
    lab.data["usual"] = usual
    bystander = Blob(guest, 64 * KIB, 143, name="bystander")
    server = set(servers()) - set(workers())
    hang(lab, guest, "reply", "reply 1", 20, 1)
    hang(lab, guest, "many", "reply 8", 60, 9)
    hang(lab, guest, "room", "room", 20, 10)
    lab.require("driverName" in guest.run(SUMMARY, 100), "vulkaninfo beside them")
    lab.equal(bystander.ask("verify 143").get("mismatches"), 0, "words of a bystander")
    lab.equal(bystander.close().get("error"), None, "the bystander ends")
    another = Blob(guest, 64 * KIB, 144, name="another")
    lab.equal(another.facts["mismatches"], 0, "words of another program")
    another.close()
    for name in ("reply", "many", "room"):
        guest.status(f"echo x >/tmp/spawn/{name}.in")
    dom0.wait_for("the workers that hang have ended", lambda: not workers(), 30, 0.5)
    lab.equal(set(servers()), server, "the render server is the same")
    lab.require(silences(guest, 5)[0] < usual + 3, "QMP answers as before")
    wait_no_grants()
    lab.drop_guest()
