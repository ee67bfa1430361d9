# SPDX-License-Identifier: GPL-2.0-or-later
"""A report as a row of the table in docs/hardware.rst."""

from .picture import MIB, coherency, results
from .svg import number


def at(found, name, size):
    """The result for a size, or the largest that there is."""
    fitting = [b for b in found or () if not b.get("small_pages")]
    exact = [b for b in fitting if b["bytes"] == size]
    return (exact or fitting or [None])[-1]


def ratio(found, key):
    return "--" if found is None else number(found[key]["median"])


def write_combined(report):
    """The slowest write of a type that is not cached: guest, relative to dom0."""
    guest, dom0 = results(report["guest"], "vulkan"), results(report["dom0"], "vulkan")
    if not guest or not dom0:
        return "--"
    host = {tuple(m["flags"]): m["write_mb_s"] for m in dom0["memory"]}
    found = [m["write_mb_s"] / host[tuple(m["flags"])] for m in guest["memory"]
             if "host-cached" not in m["flags"] and tuple(m["flags"]) in host]
    return number(min(found)) if found else "no such memory"


def frames(report):
    """The geometric mean of the scenes' ratios to dom0."""
    guest, dom0 = results(report["guest"], "frames"), results(report["dom0"], "frames")
    host = {f["scene"]: f["fps"] for f in dom0 or ()}
    found = [f["fps"] / host[f["scene"]] for f in guest or () if host.get(f["scene"])]
    product = 1.0
    for r in found:
        product *= r
    return number(product ** (1 / len(found))) if found else "--"


def row(report):
    """A row of a list-table."""
    guest, dom0 = report["guest"], report["dom0"]
    speed = at(results(guest, "speed"), "write_ratio", 16 * MIB)
    latency = at(results(guest, "latency"), "ready_us", MIB)
    trapped, wrong = results(guest, "trapped"), coherency(report)
    gpu = results(dom0, "vulkan")
    cells = (dom0["cpu"].get("model_name", "unknown"),
             f"{gpu['device']}, {gpu['version']}" if gpu else
             ", ".join(g["driver"] for g in dom0["gpus"]) or "none",
             f"{dom0['xen'].get('xen_version', '?')}, {dom0['dom0_kind']}",
             ", ".join(results(guest, "memory_type") or ()) or "--",
             f"{ratio(speed, 'write_ratio')}, {ratio(speed, 'read_ratio')}",
             ratio(speed, "random_ratio"), write_combined(report),
             "--" if latency is None else f"{number(latency['ready_us']['median'] / 1e3)} ms",
             "--" if trapped is None else f"{number(8 / trapped['guest_write_mb_s'])} us",
             "--" if wrong is None else str(wrong), frames(report))
    label = {"hardware": ""}.get(dom0["kind"], f" ({dom0['kind']})")
    return "\n".join(f"   {'* -' if n == 0 else '  -'} {' '.join(cell.split())}"
                     f"{label if n == 0 else ''}" for n, cell in enumerate(cells))
