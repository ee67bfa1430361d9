# SPDX-License-Identifier: GPL-2.0-or-later
"""A compositor in the guest, and vkcube, which draws there."""

import re

import dom0


def start_weston(guest):
    """Start it on the guest's screen, with the pixman renderer, which needs no GPU."""
    guest.run("in-system sh -c 'chmod 700 /run; seatd >/tmp/seatd.log 2>&1 & "
              "sleep 1; LIBSEAT_BACKEND=seatd weston --backend=drm --renderer=pixman "
              "--continue-without-input --shell=kiosk --no-config --idle-time=0 "
              "--log=/tmp/weston.log >/dev/null 2>&1 &' </dev/null >/dev/null 2>&1")
    dom0.wait_for("weston runs", lambda: guest.status("test -S /system/run/wayland-1")[0] == 0, 60)


def program_ends(guest, name, seconds):
    """Wait until a spawned program has succeeded; return its output."""
    status, output = guest.status(f"ask -e {name} {seconds}", seconds + 5)
    if "has not ended" in output:
        raise dom0.Failed(f"{name} did not end within {seconds} s: {dom0.brief(output)}")
    said = guest.run(f"cd /tmp/spawn; cat {name}.out {name}.err")
    if status:
        raise dom0.Failed(f"{name}: exit {status}: {dom0.brief(said)}")
    return said


def vkcube(frames):
    """The command. Without a GPU, Venus passes frames to the compositor in shared memory."""
    return "env WAYLAND_DISPLAY=wayland-1 MESA_VK_WSI_DEBUG=sw " \
        f"vkcube --wsi wayland --c {frames}"


def vkcube_seconds(guest, frames, seconds):
    """How long that many frames take in a running weston, from start to end."""
    guest.spawn_quiet("vkcube", f"in-system sh -c 'cat /proc/uptime; {vkcube(frames)} && "
                      "cat /proc/uptime'")
    said = program_ends(guest, "vkcube", seconds)
    times = [float(t) for t in re.findall(r"^([\d.]+) [\d.]+$", said, re.M)]
    return times[1] - times[0]


def vkcube_in_weston(guest, frames):
    """Draw that many frames; return a picture of the screen, also saved as vkcube.ppm."""
    start_weston(guest)
    guest.spawn_quiet("vkcube", f"in-system {vkcube(frames)}")
    picture = dom0.wait_for("a cube on the screen", lambda: cube(guest), 150, 2)
    with open(f"{dom0.OUT}/vkcube.ppm", "wb") as f:
        f.write(picture.ppm())
    program_ends(guest, "vkcube", 150)
    return picture


def cube(guest):
    """The screen, once the cube is on it: the logo on the cube is teal. Otherwise None."""
    picture = guest.picture()
    rgb = picture.rgb()
    teal = sum(b > r + 30 and g > r + 30
               for r, g, b in zip(rgb[::93], rgb[1::93], rgb[2::93]))
    return picture if teal > 50 else None
