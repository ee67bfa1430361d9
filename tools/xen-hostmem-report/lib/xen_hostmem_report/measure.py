# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be measured on either side, and how the measurements of a side are run."""

import re
import sys

from .programs import NotMeasured

# vkmark's scenes, from much drawing to none; each runs for a moment first, for its shaders.
SCENES = ("shading:shading=phong", "desktop", "vertex:device-local=false",
          "texture:anisotropy=0", "cube", "clear")
WARM_UP, SECONDS = 2, 5
# vkmemory: bytes, samples, rounds of the coherency test
MEMORY = (4 << 20, 15, 200)
QUICK_SCENES, QUICK_MEMORY = SCENES[-2:], (256 << 10, 3, 20)


def run(parts):
    """The results of these (name, function): what a function returns, or why it could not."""
    results = {}
    for name, function in parts:
        print(f"measuring: {name.replace('_', ' ')}", file=sys.stderr, flush=True)
        try:
            results[name] = function()
        except NotMeasured as why:
            print(f"  not measured: {why}", file=sys.stderr, flush=True)
            results[name] = {"not_measured": str(why)}
    return results


def vulkan(programs, quick, types=lambda: []):
    """Each host visible memory type: speed and coherency. types() says which memory types the
    kernel's mappings of a window have at this moment."""
    size, samples, rounds = QUICK_MEMORY if quick else MEMORY
    found = []
    with programs.converse(["vkmemory", str(size), str(samples), str(rounds)], 900) as helper:
        helper.hear()
        # Vulkan's own mappings, such as a ring
        before = types()
        helper.say("go on")
        while True:
            said = helper.hear()
            if "types" in said:
                break
            new = list(types())
            for old in before:
                if old in new:
                    new.remove(old)
            helper.say("go on")
            # What is smaller than the buffers is Vulkan's own.
            kinds = {kind for _at, length, kind in new if length >= size}
            found.append({**helper.hear(), "guest_types": sorted(kinds)})
    return {"device": said["device"], "driver": said["driver"], "version": said["version"],
            "memory": found}


def scenes_in(text):
    """(scene, frames a second) in vkmark's output. A warning of a driver may come in between."""
    return re.findall(r"\[(\w+)\](?:(?!\[\w+\]).)*?FPS:\s*(\d+)", text, re.DOTALL)


def frames(programs, quick):
    """Frames per second of vkmark's scenes, without a window."""
    scenes = QUICK_SCENES if quick else SCENES
    command = ["vkmark", "--winsys", "headless", "-s", "800x600"]
    for seconds in (WARM_UP, SECONDS):
        for scene in scenes:
            command += ["-b", f"{scene}:duration={seconds}"]
    try:
        text = programs.output(command, 60 + 12 * (WARM_UP + SECONDS) * len(scenes))
    except NotMeasured as why:
        raise NotMeasured(f"{why} (Debian: apt install vkmark)" if "missing" in str(why)
                          else str(why)) from None
    found = scenes_in(text)[len(scenes):]
    if [name for name, _fps in found] != [s.partition(":")[0] for s in scenes]:
        last = ([line for line in text.splitlines() if re.search(r"\w", line)] or ["no output"])[-1]
        raise NotMeasured(f"vkmark did not run to its end: {last}")
    return [{"scene": scene, "fps": int(fps)} for scene, (_name, fps) in zip(scenes, found)]
