# SPDX-License-Identifier: GPL-2.0-or-later
"""How the time of maps and unmaps is spent."""

import re
from statistics import median

from dom0 import wait_for

TRACES = "virtio_gpu_xen*,xen_hostmem*"
LINE = re.compile(r"^\d+@(\d+\.\d+):(\w+) ?(.*)$", re.M)

# (step, event, text): a step ends with the last of these events that begins with the text.
MAP_STEPS = (("renderer", "virtio_gpu_xen_renderer_map", ""),
             ("export", "virtio_gpu_xen_renderer_export", ""),
             ("udmabuf", "virtio_gpu_xen_udmabuf", ""),
             ("import", "xen_hostmem_import", ""),
             ("request", "xen_hostmem_post", "map "),
             ("guest", "xen_hostmem_reply", "operation 1 "),
             ("answer", "virtio_gpu_xen_settled", ""))
UNMAP_STEPS = (("request", "xen_hostmem_post", "unmap "),
               ("guest", "xen_hostmem_reply", "operation 2 "),
               ("release", "xen_hostmem_release", ""),
               ("answer", "virtio_gpu_xen_settled", ""))


def spans(log, begin, steps, blobs):
    """For each blob: when each step ended, in microseconds after its first event `begin`.
    Blobs must not overlap in time."""
    ends = {event: (step, text) for step, event, text in steps}
    last, waiting = steps[-1][1], set(blobs)
    current, start, times, result = None, 0, {}, []
    for stamp, event, text in LINE.findall(log):
        now = float(stamp) * 1e6
        blob = text.split()[1] if text.startswith("res ") else None
        if event == begin and blob in waiting:
            waiting.remove(blob)
            current, start, times = blob, now, {}
        elif current and event in ends and text.startswith(ends[event][1]):
            times[ends[event][0]] = now - start
            if event == last and blob == current:
                result.append(times)
                current = None
    return result


def differences(times, steps):
    """How long each step took; 0 for a step that did not happen."""
    before, result = 0.0, {}
    for name, _event, _text in steps:
        result[name] = max(times.get(name, before) - before, 0.0)
        before = max(before, times.get(name, before))
    return result


def summary(runs, steps):
    """Medians of each step and of the total, in microseconds."""
    each = [differences(t, steps) for t in runs]
    result = {name: round(median(e[name] for e in each), 1) for name, _event, _text in steps}
    result["all"] = round(median(sum(e.values()) for e in each), 1)
    return result


def medians(log, size):
    """Times of maps of that many bytes, from QEMU's log with TRACES and time stamps."""
    blobs = re.findall(rf"virtio_gpu_xen_map res (\d+) .* size {size}$", log, re.M)
    maps = spans(log, "virtio_gpu_xen_map", MAP_STEPS, blobs)
    unmaps = spans(log, "virtio_gpu_xen_unmap", UNMAP_STEPS, blobs)
    if not maps or not unmaps:
        return {"maps": 0}
    return {"maps": len(maps), "map_us": summary(maps, MAP_STEPS),
            "unmap_us": summary(unmaps, UNMAP_STEPS)}


class Tracer:
    """The guest kernel's function tracer, limited to these functions."""

    FOLDER = "/sys/kernel/tracing"

    def __init__(self, guest, kind, functions):
        self.guest = guest
        guest.run(f"mount -t tracefs tracefs {self.FOLDER} 2>/dev/null; cd {self.FOLDER} && "
                  f"echo '{' '.join(functions)}' >set_ftrace_filter && "
                  f"echo mono >trace_clock && echo {kind} >current_tracer")

    def start(self):
        self.guest.run(f"cd {self.FOLDER} && echo 0 >tracing_on && echo >trace && "
                       "echo 1 >tracing_on")

    def stop(self, pattern):
        """The last lines of the trace that match."""
        return self.guest.run(f"cd {self.FOLDER} && echo 0 >tracing_on && "
                              f"grep '{pattern}' trace | tail -n 400")


class Profile(Tracer):
    """Measures the functions of our driver in the guest."""

    FUNCTIONS = ("xen_hostmem_map", "xen_hostmem_unmap")

    def __init__(self, guest):
        super().__init__(guest, "function_graph", self.FUNCTIONS)

    def medians(self):
        """Medians in microseconds, by function; a long map consists of several calls."""
        found = {}
        for us, name in re.findall(r"([\d.]+) us\s+\|\s+(xen_hostmem_\w+)",
                                   self.stop("xen_hostmem")):
            found.setdefault(name, []).append(float(us))
        return {name: round(median(values), 1) for name, values in found.items()}


class Unmaps(Tracer):
    """Measures how long it takes from closing a blob in the guest until its range in the
    window is free. The guest's driver frees it in the callback for the answer to UNREF, the
    blob's last command. No system call waits for that, and the driver's own debugfs file
    must not be polled: Linux 6.12 prints the ranges without a lock, and crashes."""

    FREED = "virtio_gpu_cmd_unref_cb"
    EVENTS = rf"close\|{FREED}"

    def __init__(self, guest):
        super().__init__(guest, "function", [self.FREED])

    @classmethod
    def read(cls, trace):
        """How long each blob that was closed took, in microseconds, and how many are not free
        yet. Answers come in the order of the commands, on a busy machine after the next close."""
        result, closed = [], []
        for stamp, event in re.findall(rf"([\d.]+): (tracing_mark_write: close|{cls.FREED})",
                                       trace):
            if event != cls.FREED:
                closed.append(float(stamp))
            elif closed:
                result.append(round((float(stamp) - closed.pop(0)) * 1e6, 1))
        return result, len(closed)

    def all_freed(self):
        """Whether the answers for all blobs that were closed have arrived."""
        trace = self.guest.run(f"grep '{self.EVENTS}' {self.FOLDER}/trace | tail -n 400")
        return not self.read(trace)[1]

    def times(self):
        """Of each blob that `blobtool latency --marks` closed, in microseconds."""
        wait_for("the last blob is freed", self.all_freed, 30)
        return self.read(self.stop(self.EVENTS))[0]
