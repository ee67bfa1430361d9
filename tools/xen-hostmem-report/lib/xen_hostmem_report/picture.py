# SPDX-License-Identifier: GPL-2.0-or-later
"""A report as a picture: what was measured, and on what."""

from .svg import LINE, Chart, Picture, bars, number

WIDTH, MARGIN, GAP = 1040, 24, 32
WARNINGS = {"emulated": "EMULATED: this machine is made by a program. No figure here is one of "
                        "hardware.",
            "unknown": "It is not known whether this machine is hardware."}
MIB, KIB = 1 << 20, 1 << 10


def size(count):
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"


def results(part, name):
    """The results of a measurement, or None."""
    found = part["measured"][name]
    return None if isinstance(found, dict) and "not_measured" in found else found


def facts(report):
    dom0, guest = report["dom0"], report["guest"]
    cpu, gpu = dom0["cpu"], results(dom0, "vulkan")
    gpus = ", ".join(g["driver"] for g in dom0["gpus"]) or "none"
    return (f"CPU: {cpu.get('model_name', 'unknown')} ({cpu.get('vendor_id', 'unknown')})",
            "GPU: " + (f"{gpu['device']}, {gpu['driver']} {gpu['version']}" if gpu else
                       "its Vulkan driver was not asked") + f"; kernel driver: {gpus}",
            f"Xen {dom0['xen'].get('xen_version', 'unknown')}, {dom0['dom0_kind']} dom0 with Linux "
            f"{dom0['versions']['linux']}, QEMU {dom0['qemu']}; guest with Linux "
            f"{guest['versions']['linux']}, window of {guest['window_mib']} MiB",
            "provider: " + (", ".join(w["provider"] for w in dom0["windows"]) or "unknown") +
            "; write-combined blobs: " +
            (", ".join(w["write_combined"] for w in dom0["windows"]) or "unknown"))


def speed_chart(report):
    found = results(report["guest"], "speed")
    if not found:
        return None
    operations = ("write", "read", "copy", "random")
    rows = [(size(b["bytes"]) + (", RAM in 4 KiB pages" if b["small_pages"] else ""),
             [b[f"{op}_ratio"]["median"] for op in operations]) for b in found]
    return Chart("Speed of a granted blob, relative to the guest's RAM", "", operations, rows,
                 mark=1)


def latency_chart(report):
    found = results(report["guest"], "latency")
    if not found:
        return None
    rows = [(size(b["bytes"]), [b["ready_us"]["median"] / 1e3, b["back_to_back_us"] / 1e3])
            for b in found]
    return Chart("Time to map a blob and touch each page; map and unmap", "ms",
                 ("map and touch", "cycle, back to back"), rows, logarithmic=True)


def short(flags):
    names = [f.removeprefix("host-") for f in flags if f != "host-visible"]
    return ", ".join(n.replace("device-local", "local") for n in names if n != "coherent") or \
        "not cached"


def memory_chart(report):
    guest, dom0 = results(report["guest"], "vulkan"), results(report["dom0"], "vulkan")
    if not guest:
        return None
    host = {tuple(m["flags"]): m for m in dom0["memory"]} if dom0 else {}
    rows = []
    for m in guest["memory"]:
        same = host.get(tuple(m["flags"]), {})
        kind = short(m["flags"]) + (f" ({', '.join(m['guest_types'])})" if m["guest_types"] else "")
        for op in ("write", "read"):
            rows.append((f"{op}: {kind}"[:38], [m[f"{op}_mb_s"], same.get(f"{op}_mb_s")]))
    return Chart("Vulkan's memory types", "MB/s", ("guest", "dom0"), rows, logarithmic=True)


def frames_chart(report):
    guest, dom0 = results(report["guest"], "frames"), results(report["dom0"], "frames")
    if not guest:
        return None
    host = {f["scene"]: f["fps"] for f in dom0 or ()}
    return Chart("vkmark, frames per second", "", ("guest", "dom0"),
                 [(f["scene"], [f["fps"], host.get(f["scene"])]) for f in guest],
                 logarithmic=True)


def coherency(report):
    """Words that were wrong, or None if it was not measured."""
    found = results(report["guest"], "vulkan")
    return None if found is None else sum(m["wrong_fill"] + m["wrong_copy"]
                                          for m in found["memory"])


def sentences(report):
    wrong, types = coherency(report), results(report["guest"], "memory_type")
    trapped = results(report["guest"], "trapped")
    yield "coherency between GPU and guest: " + \
        ("not measured" if wrong is None else f"{wrong} wrong words")
    yield "memory type of a cached blob in the guest: " + (", ".join(types or ()) or "not measured")
    yield "trapped: " + ("not measured" if not trapped else
                         f"a store takes {number(8 / trapped['guest_write_mb_s'])} us, "
                         f"a load {number(8 / trapped['guest_read_mb_s'])} us")
    for side in ("guest", "dom0"):
        for name, found in report[side]["measured"].items():
            if isinstance(found, dict) and "not_measured" in found:
                yield f"not measured in {side}: {name.replace('_', ' ')}: " \
                    f"{found['not_measured']}"[:150]


def draw(report):
    """The SVG's text."""
    picture = Picture(WIDTH)
    kind = report["dom0"]["kind"]
    y = 34
    picture.text(MARGIN, y, "xen-hostmem on " + {"hardware": "hardware"}.get(kind, kind +
                 " hardware"), 20, bold=True)
    picture.text(WIDTH - MARGIN, y, report["month"] + (", quick run" if report["quick"] else ""),
                 anchor="end")
    if kind in WARNINGS:
        y += 14
        picture.rectangle(MARGIN, y, WIDTH - 2 * MARGIN, 24, "#b3261e")
        picture.text(MARGIN + 8, y + 17, WARNINGS[kind], 13, "#ffffff", bold=True)
        y += 22
    for line in facts(report):
        y += LINE
        picture.text(MARGIN, y, line[:150])
    y += 28
    half = (WIDTH - 2 * MARGIN - GAP) / 2
    columns = [y, y]
    charts = (speed_chart, latency_chart, memory_chart, frames_chart)
    for n, chart in enumerate(filter(None, (make(report) for make in charts))):
        side = n % 2
        columns[side] = bars(picture, MARGIN + side * (half + GAP), columns[side], half, chart)
    y = max(columns)
    for line in sentences(report):
        picture.text(MARGIN, y, line, 12)
        y += LINE
    return picture.svg("xen-hostmem: a report from " + kind)
