# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of maps and unmaps goes."""

import re
from statistics import median

TRACES = "virtio_gpu_xen*,xen_hostmem*"
LINE = re.compile(r"^\d+@(\d+\.\d+):(\w+) ?(.*)$", re.M)

# Each step ends with its event, the last one of those whose text begins so.
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
    """For each of the blobs, from its first event `begin`: the time at which each step
    had come to its end, in microseconds from then. One at a time."""
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
    """How long each step took; one that did not happen took nothing."""
    before, result = 0.0, {}
    for name, _event, _text in steps:
        result[name] = max(times.get(name, before) - before, 0.0)
        before = max(before, times.get(name, before))
    return result


def summary(runs, steps):
    """Medians of each step and of the whole, in microseconds."""
    each = [differences(t, steps) for t in runs]
    result = {name: round(median(e[name] for e in each), 1) for name, _event, _text in steps}
    result["all"] = round(median(sum(e.values()) for e in each), 1)
    return result


def medians(log, size):
    """What QEMU's log, with TRACES and time stamps, says of maps of that many bytes."""
    blobs = re.findall(rf"virtio_gpu_xen_map res (\d+) .* size {size}$", log, re.M)
    maps = spans(log, "virtio_gpu_xen_map", MAP_STEPS, blobs)
    unmaps = spans(log, "virtio_gpu_xen_unmap", UNMAP_STEPS, blobs)
    if not maps or not unmaps:
        return {"maps": 0}
    return {"maps": len(maps), "map_us": summary(maps, MAP_STEPS),
            "unmap_us": summary(unmaps, UNMAP_STEPS)}


class Profile:
    """How long the driver's functions take, by the guest kernel's function tracer."""

    FOLDER = "/sys/kernel/tracing"
    FUNCTIONS = ("xen_hostmem_map", "xen_hostmem_unmap")

    def __init__(self, guest):
        self.guest = guest
        guest.run(f"mount -t tracefs tracefs {self.FOLDER} 2>/dev/null; cd {self.FOLDER} && "
                  f"echo '{' '.join(self.FUNCTIONS)}' >set_ftrace_filter && "
                  "echo function_graph >current_tracer")

    def start(self):
        self.guest.run(f"cd {self.FOLDER} && echo 0 >tracing_on && echo >trace && "
                       "echo 1 >tracing_on")

    def stop(self):
        """Medians in microseconds, by function; a long map is several calls."""
        text = self.guest.run(f"cd {self.FOLDER} && echo 0 >tracing_on && "
                              "grep xen_hostmem trace | tail -n 400")
        found = {}
        for us, name in re.findall(r"([\d.]+) us\s+\|\s+(xen_hostmem_\w+)", text):
            found.setdefault(name, []).append(float(us))
        return {name: round(median(values), 1) for name, values in found.items()}
