#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""demo.py IMAGE: map host memory into a guest once and show the results: a table for
people, build/demo/report.json for programs, and pictures of the guests' screens."""

import json
import os
import struct
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "dom0")]
import boot  # noqa: E402
from main import say  # noqa: E402

OUT = os.path.join(boot.BUILD, "demo")
CASES = ("demo", "demo-vulkan")


def write_png(ppm_path, png_path):
    """Convert dom0's picture: PPM (P6, 8 bits) is simple, PNG is the same compressed."""
    with open(ppm_path, "rb") as f:
        data = f.read()
    width, height, pixels = parse_ppm(data)
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + \
            struct.pack(">I", zlib.crc32(kind + body))
    with open(png_path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" +
                chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def parse_ppm(data):
    """Width, height and pixels of a binary PPM without comments."""
    magic, width, height, depth = data.split(maxsplit=4)[:4]
    if (magic, depth) != (b"P6", b"255"):
        raise ValueError(f"unexpected picture format: {magic!r} {depth!r}")
    width, height = int(width), int(height)
    return width, height, data[-width * height * 3:]


def size_text(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def speed_text(mb_s):
    return f"{mb_s:.0f} MB/s" if mb_s >= 10 else f"{mb_s * 1000:.1f} kB/s"


def ratio_text(r):
    if r["median"] < 0.01:
        times = float(f"{1 / r['median']:.1g}")
        return f"1/{times:,.0f}"
    return f"{r['median']:.3f} [{r['low']:.3f}, {r['high']:.3f}]"


def table(report):
    print(f"\nXen {report['xen']}, {report['accel']}, the guest's mapping is "
          f"{report['memory_type']}\n")
    print(f"{'blob':>8} {'path':8} {'wrong':>5} {'map':>9} {'unmap':>9} "
          f"{'write':>10} {'read':>10}   {'write / own RAM':20}  read / own RAM")
    for b in report["blobs"]:
        ratios = "  ".join(f"{ratio_text(b[k]):20}" for k in ("write_ratio", "read_ratio"))
        print(f"{size_text(b['bytes']):>8} {b['path']:8} {b['mismatches']:5} "
              f"{b['map_us'] / 1000:6.1f} ms {b['unmap_us'] / 1000:6.1f} ms "
              f"{speed_text(b['guest_write_mb_s']):>10} "
              f"{speed_text(b['guest_read_mb_s']):>10}   {ratios}")
    live = report["live_switch"]
    counts = sorted(b["timed_maps"] for b in report["blobs"])
    first = report["blobs"][0]
    print("\nmap: from the request for a blob until all its pages have been touched; "
          "unmap: until\n     its part of the window is free again; "
          f"medians of {counts[0]} to {counts[-1]}")
    print(f"     The first map in a program took {first['first_map_us'] / 1000:.0f} ms "
          f"({size_text(first['bytes'])}): "
          "the renderer in dom0 starts\n     a process for the program.")
    print("ratios: medians of interleaved pairs [95 % confidence]")
    print(f"live: {live['words']} stores during {live['switches']} switches between "
          f"trapped and granted, {live['mismatches']} lost")
    cube = report["vkcube"]
    print(f"vkcube: {cube['frames']} frames by Venus, {cube['blobs']} blobs granted, "
          "no access trapped\n")


def main():
    machine = boot.Boot("demo", sys.argv[1], CASES, say)
    print(f"==> lab: booting Xen on {boot.accel()}; about 5 minutes …", flush=True)
    results = machine.run()
    for result in results:
        if result["result"] != "pass":
            print(f"error: the demo failed: {result['reason']}", file=sys.stderr)
            if boot.software():
                print("If this machine is slow or busy, give the emulated one more time: "
                      f"PATIENCE={boot.PATIENCE * 2} make demo", file=sys.stderr)
            return 1
    report = {"xen": machine.info["xen"], "accel": machine.info["accel"],
              "ratios": "median of interleaved pairs, low and high with 95 % confidence",
              **results[0]["data"], "vkcube": results[1]["data"]}
    os.makedirs(OUT, exist_ok=True)
    with open(f"{OUT}/report.json", "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1)
    table(report)
    for picture in ("screen", "vkcube"):
        write_png(f"{machine.out}/{picture}.ppm", f"{OUT}/{picture}.png")
    print(f"==> the results are in {os.path.relpath(OUT, boot.TOP)}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
