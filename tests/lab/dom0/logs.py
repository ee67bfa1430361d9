# SPDX-License-Identifier: GPL-2.0-or-later
"""What Xen, dom0, QEMU and the guests have logged since the last call."""

import glob
import os

import dom0
import patterns


class Logs:
    def __init__(self, xen=True):
        self.seen, self.xen = {}, xen
        self.collect()

    def _file(self, path):
        """The new text in a file. If it got shorter, it is a new file."""
        try:
            with open(path, "rb") as f:
                seen = self.seen.get(path, 0)
                f.seek(seen if os.fstat(f.fileno()).st_size >= seen else 0)
                text = f.read()
                self.seen[path] = f.tell()
        except FileNotFoundError:
            return ""
        return text.decode(errors="replace")

    def _kept(self, path):
        """As _file(), with a copy in the share."""
        text = self._file(path)
        with open(f"{dom0.OUT}/xen/{os.path.basename(path)}", "a", encoding="utf-8") as f:
            f.write(text)
        return text

    def _command(self, name, command):
        text = dom0.sh(command, check=False)
        with open(f"{dom0.OUT}/{name}.log", "a", encoding="utf-8") as f:
            f.write(text)
        return text

    def collect(self):
        """The new text of each log, by name. Clears dmesg and xl dmesg."""
        new = {"xen": self._command("xen", "xl dmesg -c") if self.xen else "",
               "dom0": self._command("dom0", "dmesg -c")}
        for path in glob.glob("/var/log/xen/qemu-dm-*.log") + \
                glob.glob("/var/log/xen/console/guest-*.log"):
            new[os.path.basename(path)] = self._file(path)
        for path in glob.glob(f"{dom0.RUN}/*.trace"):
            new[os.path.basename(path)] = self._kept(path)
        return new


def broken(new, expected=()):
    """The first line in the result of collect() that shows a failure, or None."""
    for name, text in new.items():
        hit = patterns.find(text, expected)
        if hit:
            return f"{hit[0]} in {name}: {hit[1]}"
    return None
