# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that was logged since the last look: Xen, dom0, QEMU, guests."""

import glob

import dom0
import patterns


class Logs:
    def __init__(self):
        self.seen = {}
        self.collect()

    def _file(self, path):
        try:
            with open(path, "rb") as f:
                f.seek(self.seen.get(path, 0))
                text = f.read()
        except FileNotFoundError:
            return ""
        self.seen[path] = self.seen.get(path, 0) + len(text)
        return text.decode(errors="replace")

    def _command(self, name, command):
        text = dom0.sh(command, check=False)
        with open(f"{dom0.OUT}/{name}.log", "a", encoding="utf-8") as f:
            f.write(text)
        return text

    def collect(self):
        """New text of each log, by name. dmesg and xl dmesg are emptied."""
        new = {"xen": self._command("xen", "xl dmesg -c"),
               "dom0": self._command("dom0", "dmesg -c")}
        for path in glob.glob("/var/log/xen/qemu-dm-*.log") + \
                glob.glob("/var/log/xen/console/guest-*.log"):
            new[path.rsplit("/", 1)[1]] = self._file(path)
        return new


def broken(new, expected=()):
    """The first broken line in what collect() gave, as text, or None."""
    for name, text in new.items():
        hit = patterns.find(text, expected)
        if hit:
            return f"{hit[0]} in {name}: {hit[1]}"
    return None
