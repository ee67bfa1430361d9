# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to show a guest's frames: QEMU's CPU time, the guest's commands, and how much
QEMU copies."""

import glob
import re

import dom0

TRACEFS = "/sys/kernel/tracing"
EVENT = f"{TRACEFS}/events/virtio_gpu/virtio_gpu_cmd_queue"
# A command of virtio-gpu, as the guest's tracepoint has it
FLUSH = 0x104
COPIES = ("virtio_gpu_cmd_res_xfer_toh_2d", "virtio_gpu_cmd_res_flush")


def cpu_ms(guest):
    """CPU time that QEMU's threads have used, to the nanosecond: /proc/PID/stat has ticks."""
    total = 0
    for path in glob.glob(f"/proc/{guest.qemu_pid()}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass                        # the thread has ended
    return total / 1e6


def measure(guest, command, count):
    """What kmsdraw's `frames`, `flips` or `pictures` takes: the guest's time, and QEMU's."""
    before = cpu_ms(guest)
    result = guest.ask("kms", f"{command} {count}", 100)
    return {"fps": round(count * 1000 / result["ms"], 2),
            "cpu_ms": round((cpu_ms(guest) - before) / count, 4)}


def count_commands(guest):
    """Have the guest's kernel count its GPU commands by type; it costs QEMU nothing."""
    guest.run(f"mount -t tracefs tracefs {TRACEFS} 2>/dev/null; "
              f"echo 'hist:keys=type' >{EVENT}/trigger")


def commands(guest):
    """How many commands of each type the guest has sent since count_commands()"""
    text = guest.run(f"cat {EVENT}/hist")
    return {int(kind): int(hits) for kind, hits in
            re.findall(r"type:\s+(\d+) \} hitcount:\s+(\d+)", text)}


def is_shown_in_place(guest):
    """Whether all that is shown are blobs that QEMU has mapped. For these it has no image, and
    answers Linux' transfers, which are sent nevertheless, without doing anything."""
    buffers = [b for d in guest.qmp("query-gpu-guest-buffers") for b in d["buffers"]]
    return any(b["scanouts"] for b in buffers) and all(b["path"] != "copied" for b in buffers)


def octets_copied(guest, command, count):
    """How much a frame of `command` has QEMU copy into its image: the driver has the same
    rectangle copied as it flushes."""
    for name in COPIES:
        guest.qmp("trace-event-set-state", name=name, enable=True)
    before = len(guest.qemu_log())
    guest.ask("kms", f"{command} {count}", 100)
    for name in COPIES:
        guest.qmp("trace-event-set-state", name=name, enable=False)
    log = guest.qemu_log()[before:]
    flushes = re.findall(rf"{COPIES[1]} res (\w+), w (\d+), h (\d+)", log)
    if len(flushes) < count:
        raise dom0.Failed(f"{len(flushes)} flushes of {count} frames in QEMU's trace")
    # A cursor's picture is transferred, too, and never flushed.
    frames = {resource for resource, _width, _height in flushes}
    transfers = [r for r in re.findall(rf"{COPIES[0]} res (\w+)", log) if r in frames]
    return len(transfers) * 4 * max(int(w) * int(h) for _r, w, h in flushes) // count
