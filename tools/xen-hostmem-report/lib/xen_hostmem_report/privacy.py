# SPDX-License-Identifier: GPL-2.0-or-later
"""What is personal is removed from a report before it is written, and then looked for again.

Two kinds: names of this machine and its people, which are looked up (collect()), and what has a
form of its own, such as an address (PATTERNS)."""

import ipaddress
import re
from collections import Counter

# Serial numbers and the like, as the firmware and the kernel tell them.
SERIALS = ("/sys/class/dmi/id/*serial", "/sys/class/dmi/id/product_uuid",
           "/sys/class/dmi/id/*asset_tag", "/etc/machine-id", "/var/lib/dbus/machine-id",
           "/sys/hypervisor/uuid", "/sys/block/*/device/serial", "/sys/block/*/device/wwid",
           "/sys/block/*/wwid", "/sys/block/*/serial")
ADDRESSES = "/sys/class/net/*/address"
# They name no machine and nobody; several are words of the report itself.
COMMON = {"xen", "dom0", "domain-0", "guest", "host", "lab", "debian", "ubuntu", "fedora", "qubes",
          "linux", "localhost", "localdomain", "root", "user", "users", "admin", "nobody", "home",
          "desktop", "laptop", "server", "test", "demo", "vm", "qemu", "gpu", "amd", "intel",
          "nvidia", "domu", "hvm", "none", "(none)", "default", "unknown", "lan", "local",
          "lost+found"}
# What a firmware says in place of a serial number.
EMPTY = re.compile(r"(to be filled.*|default string|system serial.*|not (specified|applicable).*|"
                   r"none|n/a|unknown|empty|[0x\s.-]+|0?123456789.*|x+)$", re.I)
LEAST = 3       # characters of a name; 'a' would be found everywhere
FORMS = {
    "MAC address": re.compile(r"(?<![0-9a-fA-F:])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}"
                              r"(?![0-9a-fA-F:])"),
    "UUID": re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
    "mail address": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "home folder": re.compile(r"(?<=/home/)[^/\s\"'<>]+"),
    # Four numbers can also be a version. It is no loss.
    "IP address": re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)|"
                             r"(?<![\w.:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,8}(?!\w)"),
}
HIDDEN = re.compile(r"<(?:host name|user name|guest name|serial number|"
                    + "|".join(FORMS) + r")>")


def is_address(text):
    """What is short, such as ::1 or a::b, tells nothing."""
    text = text if text.endswith("::") else text.rstrip(":")
    groups = text.split(":")
    if len(groups) > 1 and len(groups) < 5 and max(map(len, groups)) < 3:
        return False
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def form_fits(kind, text):
    """Whether a match is really one of its kind."""
    if HIDDEN.fullmatch(text):
        return False
    return kind != "IP address" or is_address(text)


def add(names, kind, text):
    text = (text or "").strip()
    if len(text) >= LEAST and text.lower() not in COMMON and not EMPTY.match(text):
        names.setdefault(text.lower(), kind)


def host_names(machine, names):
    for text in (machine.word("/proc/sys/kernel/hostname"), machine.word("/etc/hostname"),
                 machine.word("/proc/sys/kernel/domainname"), machine.word("/etc/mailname")):
        add(names, "host name", text)
        for part in (text or "").split(".")[:-1]:
            add(names, "host name", part)
        domain = (text or "").partition(".")[2]
        if "." in domain:
            add(names, "host name", domain)
    for line in (machine.read("/etc/hosts") or "").splitlines():
        for word in line.partition("#")[0].split()[1:]:
            if not word.startswith(("ip6-", "localhost")):
                add(names, "host name", word)
    for line in (machine.read("/etc/resolv.conf") or "").splitlines():
        if line.startswith(("search", "domain")):
            for word in line.split()[1:]:
                add(names, "host name", word)


def user_names(machine, names):
    """Who has a home folder, with the parts of their full names, and who called sudo."""
    for line in (machine.read("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and (fields[5].startswith("/home/") or
                                 fields[2].isdigit() and 1000 <= int(fields[2]) < 60000):
            add(names, "user name", fields[0])
            for part in re.split(r"[\s,]+", fields[4]):
                add(names, "user name", part)
    for variable in ("SUDO_USER", "LOGNAME", "USER", "DOAS_USER"):
        add(names, "user name", machine.environ.get(variable))
    for path in machine.glob("/home/*"):
        add(names, "user name", path.rpartition("/")[2])


def serials(machine, names):
    for pattern in SERIALS:
        for path in machine.glob(pattern):
            text = machine.word(path)
            add(names, "serial number", " ".join((text or "").split()))
            # A wwid has the serial number as its last word.
            add(names, "serial number", ((text or "").split() or [""])[-1])
    for path in machine.glob(ADDRESSES):
        add(names, "MAC address", machine.word(path))


def collect(machine, guests=()):
    """{lower-case name: kind} of what may not be in a report of this machine."""
    names = {}
    for guest in guests:
        add(names, "guest name", guest)
    host_names(machine, names)
    user_names(machine, names)
    serials(machine, names)
    return names


def pattern(names):
    """Finds any of the names, the longest first; None if there is none. A letter or digit beside
    it makes it another word."""
    if not names:
        return None
    longest = sorted(names, key=len, reverse=True)
    return re.compile("(?<![a-z0-9])(?:" + "|".join(map(re.escape, longest)) + ")(?![a-z0-9])",
                      re.I)


def clean_text(text, names, found):
    """The text without what is personal; what was removed is counted."""
    def named(match):
        kind = names[match[0].lower()]
        found[kind] += 1
        return f"<{kind}>"

    def formed(kind):
        def replace(match):
            if not form_fits(kind, match[0]):
                return match[0]
            found[kind] += 1
            return f"<{kind}>"
        return replace
    search = pattern(names)
    # As a whole, before a name in it is removed: then it would no longer look like one.
    text = FORMS["mail address"].sub(formed("mail address"), text)
    if search:
        text = search.sub(named, text)
    for kind, form in FORMS.items():
        text = form.sub(formed(kind), text)
    return text


def clean(value, names, found):
    """The same of a tree of objects, lists and texts. Keys are the report's own, unless they are
    what was found somewhere, so they are cleaned, too."""
    if isinstance(value, str):
        return clean_text(value, names, found)
    if isinstance(value, list):
        return [clean(v, names, found) for v in value]
    if isinstance(value, dict):
        return {clean_text(k, names, found): clean(v, names, found) for k, v in value.items()}
    return value


def remove(report, names):
    """(the report without what is personal, how often each kind was removed)"""
    found = Counter()
    return clean(report, names, found), dict(found)


def leaks(text, names):
    """What is personal in a finished text, in which nothing should be."""
    search = pattern(names)
    found = [m[0] for m in search.finditer(text)] if search else []
    return found + [m[0] for kind, form in FORMS.items() for m in form.finditer(text)
                    if form_fits(kind, m[0])]
