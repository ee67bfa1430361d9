#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py: make build/bench/report.json, tables and plots from the measurements there.

Speeds are ratios of pairs that were measured in turn in one guest. Times are those of the
same commands in the same lab, on Xen and under KVM."""

import json
import os
import subprocess
import sys
from statistics import geometric_mean, mean, median

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "bench")
PAGE = 4096
KIB64 = 64 << 10
OPERATIONS = ("write", "read", "copy", "random")
SMALL_OPERATIONS = OPERATIONS[:3]
# The programs that have a goal; single scenes of vkmark have none.
PROGRAMS = ("vkcube", "vkmark mean", "vkmark score")
# How the software CPU affects the results.
DISTORTIONS = [
    "Exits, hypercalls and interrupts are emulated in software: relative to memory accesses "
    "all three cost more than on hardware. Fixed costs of maps do not carry over.",
    "Ratios between kinds of memory of one guest carry over, except for the cost of a TLB "
    "miss: page tables of 4 KiB pages are walked in software.",
    "Xen gives a sleeping guest a new ASID when its timer wakes it, which empties the "
    "emulated TLB.",
    "The trapped path is slower here than on hardware: each exit wakes an emulated dom0.",
    "Three emulated CPUs share two real ones, so waiting for another CPU takes longer.",
    "lavapipe draws everything, on one emulated CPU: frame rates compare hosts, not GPUs.",
]


def load(name):
    with open(os.path.join(OUT, name), encoding="utf-8") as f:
        return json.load(f)


def fit(points):
    """Fixed cost and cost per page of [(pages, cost)], by least squares of relative errors."""
    w = [1 / cost ** 2 for _pages, cost in points]
    s = sum(w)
    sx = sum(a * p for a, (p, _c) in zip(w, points))
    sy = sum(a * c for a, (_p, c) in zip(w, points))
    sxx = sum(a * p * p for a, (p, _c) in zip(w, points))
    sxy = sum(a * p * c for a, (p, c) in zip(w, points))
    slope = (s * sxy - sx * sy) / (s * sxx - sx * sx)
    return {"fixed": round((sy - slope * sx) / s, 3), "per_page": round(slope, 4)}


def costs(latencies, cycles):
    """Costs of each step. In an unmap the guest only queues it; the cycle includes it all."""
    result = {step: fit([(r["bytes"] // PAGE, r[f"{step}_us"]["median"]) for r in latencies])
              for step in ("create", "map", "ready")}
    result["cycle"] = fit([(r["bytes"] // PAGE, r["cycle_us"]) for r in cycles])
    return result


def over_rounds(rows, key):
    """For one size: the median, the lowest and the highest of the rounds' medians."""
    medians = sorted(r[key]["median"] for r in rows)
    return {"median": median(medians), "low": medians[0], "high": medians[-1]}


def speeds(rounds, operations=OPERATIONS):
    """The rounds of each size combined."""
    return [{"bytes": rows[0]["bytes"],
             **{op: over_rounds(rows, f"{op}_ratio") for op in operations}}
            for rows in zip(*rounds)]


def touches(data):
    """Time to read a word of each page, for the first time and again; medians of rounds."""
    return [{"bytes": rows[0]["bytes"],
             **{k: round(median(r[k] for r in rows) * PAGE / rows[0]["bytes"], 3)
                for k in ("first_touch_us", "touch_us")}}
            for rows in zip(*data["bench-speed"]["rounds"])]


def scene_rates(scenes):
    """Frames per second of vkmark's scenes. All scenes have the same weight in the geometric
    mean; the mean that vkmark calls its score depends mostly on the fastest scene."""
    result = {f"vkmark {s['scene']}": 1000 / s["frame_ms"] for s in scenes}
    return {"vkmark mean": geometric_mean(result.values()),
            "vkmark score": mean(result.values()), **result}


def rates(found):
    """Frames per second of each program in one round."""
    result = scene_rates(found["vkmark"])
    # The difference of two runs, so that starting the program does not count.
    few, many = found["vkcube"]
    result["vkcube"] = (many["frames"] - few["frames"]) / (many["seconds"] - few["seconds"])
    return result


def compare(pairs):
    """Compare each program in pairs of rounds, Xen's and KVM's: each ratio is that of two
    consecutive boots."""
    rows = {}
    for program in pairs[0][0]:
        fps = {side: [round(pair[n][program], 3) for pair in pairs]
               for n, side in enumerate(("xen", "kvm"))}
        ratios = sorted(a / b for a, b in zip(fps["xen"], fps["kvm"]))
        rows[program] = {"rounds": fps,
                         "fps": {side: round(median(n), 2) for side, n in fps.items()},
                         "ratio": {"median": round(median(ratios), 3),
                                   "low": round(ratios[0], 3), "high": round(ratios[-1], 3)}}
    return rows


def frames(xen, kvm):
    """Frame rates in guests and, if measured, in dom0 and on KVM's host without a guest."""
    pairs = [pair for pair in zip(xen["bench-vulkan"], kvm["bench-vulkan"]) if all(pair)]
    if not pairs:
        sys.exit("error: no round of bench-vulkan succeeded on both Xen and KVM: repeat it")
    guests = compare([tuple(map(rates, pair)) for pair in pairs])
    hosts = compare([tuple(scene_rates(r["host_vkmark"]) for r in pair) for pair in pairs])
    return [{"program": program, **row, "host": hosts.get(program)}
            for program, row in guests.items()]


def spread(values):
    values = sorted(values)
    return {"median": round(median(values), 3), "low": round(values[0], 3),
            "high": round(values[-1], 3)}


def shown_rows(title, rounds):
    """What each kind of GPU takes for a frame, and how many times as much CPU time without a
    blob, in pairs of the same round"""
    rows = []
    for kind, done in rounds[0].items():
        for what in done:
            mine = [r[kind][what] for r in rounds]
            row = {"measured": title, "kind": kind, "what": what,
                   **{key: spread([m[key] for m in mine]) for key in ("fps", "cpu_ms")}}
            if kind != "on":
                row["times_on"] = spread([r[kind][what]["cpu_ms"] / r["on"][what]["cpu_ms"]
                                          for r in rounds if what in r["on"]])
            rows.append(row)
    return rows


def shown(data):
    """Frames of a plain virtio-gpu, as one host showed them"""
    client = data["bench-shown-client"]
    return {"rows": shown_rows("no client", data["bench-shown"]["rounds"]) +
            shown_rows("client, sent", client["sent"]) +
            shown_rows("client, dma-buf", client["dmabuf"]) +
            shown_rows("weston", data["bench-shown-weston"]["rounds"]),
            "octets_copied": data["bench-shown"]["octets"],
            "dmabuf_us": data["bench-guest-dmabuf"]}


def all_measured(side):
    """Whether this host was measured: that of a PVH dom0 may be missing."""
    return all(side.get(name) for name in ("bench-shown", "bench-shown-client",
                                           "bench-shown-weston", "bench-guest-dmabuf"))


def on_pvh(data):
    """Speed and latency with a PVH dom0, if they were measured"""
    if not all(data.get(name) for name in ("bench-speed", "bench-latency")):
        return None
    latency = data["bench-latency"]
    return {"speed": speeds(data["bench-speed"]["rounds"]),
            "sizes": latency["sizes"], "cycles": latency["cycles"],
            "cost_us": costs(latency["sizes"], latency["cycles"])}


def of_size(rows, size):
    return next(r for r in rows if r["bytes"] == size)


def goals(report, xen, kvm):
    """The goals, with the results."""
    def goal(what, value, least=None, most=None):
        value = float(f"{value:.4g}")
        met = value >= least if most is None else value <= most
        return {"what": what, "value": value, "least": least, "most": most, "met": met}
    large = [s for s in report["speed"]["granted"] if s["bytes"] >= KIB64]
    result = [goal(f"granted {op} of 64 KiB and more, relative to guest RAM, lowest median",
                   min(s[op]["median"] for s in large), least=0.95)
              for op in SMALL_OPERATIONS]
    small = report["speed"]["of_ram_in_small_pages"]["granted"]
    result += [goal(f"granted {op}, relative to guest RAM in pages of 4 KiB, lowest median",
                    min(s[op]["median"] for s in small), least=0.95)
               for op in SMALL_OPERATIONS]
    at64 = [of_size(rows, KIB64) for rows in xen["bench-speed"]["rounds"]]
    result += [goal(f"granted {op} of 64 KiB, relative to the trapped path",
                    median(r[f"guest_{op}_mb_s"] for r in at64) /
                    xen["bench-trapped"][f"guest_{op}_mb_s"],
                    least=1000) for op in ("write", "read")]
    a, b = (of_size(side["bench-latency"]["sizes"], KIB64) for side in (xen, kvm))
    c, d = (of_size(side["bench-latency"]["cycles"], KIB64) for side in (xen, kvm))
    result += [goal("64 KiB created, mapped and touched, relative to KVM",
                    a["ready_us"]["median"] / b["ready_us"]["median"], most=1.5),
               goal("repeated create, map, use and unmap of 64 KiB, relative to KVM",
                    c["cycle_us"] / d["cycle_us"], most=1.5)]
    result += [goal(f"{f['program']}, relative to KVM's frame rate", f["ratio"]["median"], least=0.9)
               for f in report["frames"] if f["program"] in PROGRAMS]
    return result


def make_report():
    lab = load("lab.json")
    missing = [f"{side}/{name}" for side in ("xen", "kvm")
               for name, data in lab[side].items() if not data]
    if missing:
        sys.exit(f"error: no report, because this was not measured: {', '.join(missing)} "
                 "(to measure it: scripts/lab.sh bench.py NAME)")
    xen, kvm = lab["xen"], lab["kvm"]
    report = {
        "versions": xen["versions"], "distortions": DISTORTIONS,
        "speed": {"of": "guest RAM in the same guest", "interval": "of the rounds' medians",
                  "granted": speeds(xen["bench-speed"]["rounds"]),
                  "kvm": speeds(kvm["bench-speed"]["rounds"]),
                  "of_ram_in_small_pages": {
                      side: speeds(data["bench-speed"]["small_pages"], SMALL_OPERATIONS)
                      for side, data in (("granted", xen), ("kvm", kvm))},
                  "trapped_mb_s": xen["bench-trapped"],
                  "unpatched_mb_s": xen["bench-unpatched"]},
        "touch_us_per_page": {"xen": touches(xen), "kvm": touches(kvm)},
        "touch_ram": {"xen": xen["bench-speed"]["touch_ram"],
                      "kvm": kvm["bench-speed"]["touch_ram"]},
        "latency": {side: {"sizes": data["bench-latency"]["sizes"],
                           "held": data["bench-latency"]["held"], "busy": data["bench-busy"],
                           "cycles": data["bench-latency"]["cycles"],
                           "cost_us": costs(data["bench-latency"]["sizes"],
                                            data["bench-latency"]["cycles"])}
                    for side, data in (("xen", xen), ("kvm", kvm))},
        "calls": {"xen": xen["bench-calls"], "kvm": kvm["bench-calls"]},
        "steps": xen["bench-steps"]["sizes"],
        "frames": frames(xen, kvm),
        "grants": xen["bench-grants"]["grants"],
        "shown": {side: shown(lab[side]) for side in ("xen", "pvh")
                  if all_measured(lab.get(side, {}))},
        "pvh": on_pvh(lab.get("pvh", {})),
        "instructions": load("instructions.json"),
    }
    report["goals"] = goals(report, xen, kvm)
    return report


# For people

def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def ratio(r):
    return f"{r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}]"


def speed_table(speed):
    yield "speed relative to guest RAM: medians of interleaved pairs [range of the rounds' medians]"
    yield f"{'blob':>8}  {'path':8} " + " ".join(f"{op:22}" for op in OPERATIONS)
    for ours, theirs in zip(speed["granted"], speed["kvm"]):
        for path, row in (("granted", ours), ("KVM", theirs)):
            yield f"{size_text(row['bytes']):>8}  {path:8} " + \
                " ".join(f"{ratio(row[op]):22}" for op in OPERATIONS)
    yield "the same relative to guest RAM in pages of 4 KiB, like those of a blob"
    small = speed["of_ram_in_small_pages"]
    for ours, theirs in zip(small["granted"], small["kvm"]):
        for path, row in (("granted", ours), ("KVM", theirs)):
            yield f"{size_text(row['bytes']):>8}  {path:8} " + \
                " ".join(f"{ratio(row[op]):22}" for op in SMALL_OPERATIONS)
    for path in ("trapped", "unpatched"):
        row = speed[f"{path}_mb_s"]
        yield f"{'':8}  {path:8} " + " ".join(
            f"1/{1 / row[f'{op}_ratio']['median']:,.0f}".ljust(22) for op in ("write", "read"))


def latency_table(latency):
    yield "time until a blob is created, mapped and touched (ready; median), and of a whole cycle"
    yield "with the unmap (mean), in ms"
    yield f"{'blob':>8} {'ready':>9} {'KVM':>9} {'ratio':>6} {'cycle':>9} {'KVM':>9} {'ratio':>6}"
    for ours, theirs, our_cycle, their_cycle in zip(*(
            latency[side][what] for what in ("sizes", "cycles") for side in ("xen", "kvm"))):
        cells = [f"{a / 1000:9.2f} {b / 1000:9.2f} {a / b:6.2f}" for a, b in
                 ((ours["ready_us"]["median"], theirs["ready_us"]["median"]),
                  (our_cycle["cycle_us"], their_cycle["cycle_us"]))]
        yield f"{size_text(ours['bytes']):>8} {' '.join(cells)}"
    for step in ("ready", "cycle"):
        a, b = (latency[side]["cost_us"][step] for side in ("xen", "kvm"))
        yield f"{step}: {a['fixed']:.0f} us + {a['per_page']:.2f} us per page; " \
            f"KVM {b['fixed']:.0f} us + {b['per_page']:.2f} us"
    yield "64 KiB ready, Xen and KVM, by the number of blobs already mapped: " + ", ".join(
        f"{a['held']}: {a['ready_us']['median'] / 1000:.2f}, {b['ready_us']['median'] / 1000:.2f}"
        for a, b in zip(latency["xen"]["held"], latency["kvm"]["held"]))
    yield "64 KiB ready, Xen and KVM: " + "; ".join(
        f"{how.replace('_', ' ')} {latency['xen']['busy'][how]['ready_us']['median'] / 1000:.2f}"
        f", {latency['kvm']['busy'][how]['ready_us']['median'] / 1000:.2f}"
        for how in ("idle", "rendering", "two_guests"))


def pvh_table(found):
    """Nothing, if it was not measured"""
    if not found:
        return
    yield "PVH dom0: speed relative to guest RAM; ready and whole cycle, in ms"
    yield f"{'blob':>8} " + " ".join(f"{op:22}" for op in OPERATIONS) + f"{'ready':>8} {'cycle':>8}"
    times = {s["bytes"]: (s["ready_us"]["median"] / 1000, c["cycle_us"] / 1000)
             for s, c in zip(found["sizes"], found["cycles"])}
    for row in found["speed"]:
        yield f"{size_text(row['bytes']):>8} " + \
            " ".join(f"{ratio(row[op]):22}" for op in OPERATIONS) + \
            " ".join(f"{ms:8.2f}" for ms in times.get(row["bytes"], ()))
    for step, cost in found["cost_us"].items():
        yield f"{step}: {cost['fixed']:.0f} us + {cost['per_page']:.2f} us per page"


def step_table(steps):
    names = [n for n in steps[0]["map_us"] if n != "all"]
    yield "steps of a map in QEMU, medians in us"
    yield f"{'blob':>8} " + " ".join(f"{n:>9}" for n in names) + f" {'guest: hypercalls':>18}"
    for row in steps:
        yield f"{size_text(row['bytes']):>8} " + \
            " ".join(f"{row['map_us'][n]:9.0f}" for n in names) + \
            f" {row['guest'].get('xen_hostmem_map', 0):18.0f}"


def frame_table(rows):
    yield f"frames per second, medians of {len(rows[0]['rounds']['xen'])} rounds; " \
        "ratios of consecutive boots [lowest, highest]"
    yield "first in a guest, then without a guest in dom0 and on KVM's host"
    for r in rows:
        yield f"  {r['program']:38}" + "".join(
            f" {of['fps']['xen']:>8} KVM {of['fps']['kvm']:>8} ratio {ratio(of['ratio']):22}"
            for of in (r, r["host"]) if of).rstrip()


def call_table(calls):
    yield "system calls and sleeps in us, which also affect frame rates here"
    names = list(calls["xen"]["host"])
    yield f"{'':10} " + " ".join(f"{n.replace('_us', ''):>12}" for n in names)
    for side in ("xen", "kvm"):
        for where in ("host", "guest"):
            yield f"{side:4} {where:5} " + \
                " ".join(f"{calls[side][where][n]:12.1f}" for n in names)


def shown_table(by_side):
    for side, found in by_side.items():
        yield f"frames of a plain virtio-gpu, {'PVH dom0' if side == 'pvh' else 'PV dom0'}: " \
            "medians of rounds [lowest, highest]"
        yield f"{'':16} {'':6} {'':20} {'frames a second':26} {'QEMU, CPU ms a frame':22} " \
            "relative to blob=on"
        for r in found["rows"]:
            yield f"{r['measured']:16} {r['kind']:6} {r['what']:20} {ratio(r['fps']):26} " \
                f"{ratio(r['cpu_ms']):22} " + (ratio(r["times_on"]) if "times_on" in r else "")
        yield "octets that QEMU copies for a frame: " + "; ".join(
            f"{kind} {octets:,}" for kind, octets in found["octets_copied"].items())
        for kind, times in found["dmabuf_us"].items():
            yield f"a dma-buf of {times['pages']} pages by {kind}, in us: " + ", ".join(
                f"{step} {us[0]:,}" for step, us in times.items() if isinstance(us, list))
            disk = times["disk"]
            yield "a disk's DMA of a page of it, relative to dom0's own pages: " + ", ".join(
                f"{way} {disk[f'guest_{way}'][0] / disk[f'own_{way}'][0]:.2f}"
                for way in ("write", "read"))


def goal_table(rows):
    yield "goals"
    for g in rows:
        bound = f"at least {g['least']}" if g["most"] is None else f"at most {g['most']}"
        yield f"  {'met    ' if g['met'] else 'NOT MET'} {g['what']}: {g['value']:g} ({bound})"


# Plots

def write_data(name, rows):
    with open(os.path.join(OUT, name), "w", encoding="ascii") as f:
        f.writelines(" ".join(str(v) for v in row) + "\n" for row in rows)


def plot(report):
    for side in ("granted", "kvm"):
        write_data(f"speed-{side}.dat",
                   [(s["bytes"], *(s[op][k] for op in OPERATIONS
                                   for k in ("median", "low", "high")))
                    for s in report["speed"][side]])
    for side in ("xen", "kvm"):
        write_data(f"latency-{side}.dat",
                   [(r["bytes"], r["ready_us"]["median"], c["cycle_us"])
                    for r, c in zip(report["latency"][side]["sizes"],
                                    report["latency"][side]["cycles"])])
        write_data(f"held-{side}.dat",
                   [(r["held"], r["ready_us"]["median"], r["cycle_us"])
                    for r in report["latency"][side]["held"]])
    names = [n for n in report["steps"][0]["map_us"] if n != "all"]
    write_data("steps.dat", [("blob", *names)] + [
        (size_text(r["bytes"]).replace(" ", ""),
         *(100 * r["map_us"][n] / sum(r["map_us"][m] for m in names) for n in names))
        for r in report["steps"]])
    subprocess.run(["gnuplot", os.path.join(HERE, "plots.gp")], cwd=OUT, check=True)


def main():
    report = make_report()
    with open(os.path.join(OUT, "report.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1)
    tables = (speed_table(report["speed"]), latency_table(report["latency"]),
              pvh_table(report["pvh"]),
              step_table(report["steps"]), frame_table(report["frames"]),
              shown_table(report["shown"]), call_table(report["calls"]),
              goal_table(report["goals"]))
    text = "\n".join("\n".join(table) + "\n" for table in tables)
    with open(os.path.join(OUT, "report.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    print("\n" + text)
    plot(report)
    print("==> the results are in build/bench/: report.json, report.txt, *.svg")


if __name__ == "__main__":
    sys.exit(main())
