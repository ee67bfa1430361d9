#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""build.py OUT: make one executable file of xen-hostmem-report, with the parts of
xen-hostmem-check that it uses; the same from the same source."""

import os
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = {"xen_hostmem_report": os.path.join(HERE, "lib"),
            "xen_hostmem_check": os.path.join(HERE, "..", "xen-hostmem-check", "lib")}
START = "from xen_hostmem_report.main import run\n\nrun()\n"
WHEN = (1980, 1, 1, 0, 0, 0)    # the earliest that the format has


def add(archive, name, data):
    entry = zipfile.ZipInfo(name, WHEN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def build(out):
    with open(out + ".tmp", "wb") as f:
        f.write(b"#!/usr/bin/python3\n")
        with zipfile.ZipFile(f, "a") as archive:
            add(archive, "__main__.py", START)
            for package, folder in PACKAGES.items():
                folder = os.path.join(folder, package)
                for name in sorted(n for n in os.listdir(folder) if n.endswith(".py")):
                    with open(os.path.join(folder, name), "rb") as code:
                        add(archive, f"{package}/{name}", code.read())
    os.chmod(out + ".tmp", 0o755)
    os.replace(out + ".tmp", out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build(sys.argv[1])
