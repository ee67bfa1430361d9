# SPDX-License-Identifier: GPL-2.0-or-later
"""One executable file of a Python program; the same from the same source."""

import os
import sys
import zipfile

WHEN = (1980, 1, 1, 0, 0, 0)    # the earliest that the format has


def add(archive, name, data):
    entry = zipfile.ZipInfo(name, WHEN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def build(out, package, folders):
    """Write the file `out`, which starts package.main.run(). folders: {package: the folder
    that it is in}, for each package that the program uses."""
    with open(out + ".tmp", "wb") as f:
        f.write(b"#!/usr/bin/python3\n")
        with zipfile.ZipFile(f, "a") as archive:
            add(archive, "__main__.py", f"from {package}.main import run\n\nrun()\n")
            for name, folder in folders.items():
                folder = os.path.join(folder, name)
                for part in sorted(n for n in os.listdir(folder) if n.endswith(".py")):
                    with open(os.path.join(folder, part), "rb") as code:
                        add(archive, f"{name}/{part}", code.read())
    os.chmod(out + ".tmp", 0o755)
    os.replace(out + ".tmp", out)


def main(doc, package, folders):
    """The command line of a build.py, whose docstring is `doc`."""
    if len(sys.argv) != 2:
        sys.exit(doc)
    build(sys.argv[1], package, folders)
