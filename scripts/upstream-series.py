#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""upstream-series.py [--build] TREE...: write patch series that can be mailed.

Each TREE is a plain source tree of QEMU, Xen, Linux or libvirt. Each manifest upstream/*.toml
for such a tree becomes build/upstream/NAME/00NN-*.patch, with a cover letter.
upstream/README.rst describes manifests and what is checked."""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from fnmatch import fnmatch

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(TOP, "build", "upstream")
# A file that tells which project a tree is of
MARKS = {"qemu": "qapi/qapi-schema.json", "xen": "xen/include/public/xen.h",
         "linux": "include/linux/kernel.h", "libvirt": "src/libvirt_public.syms"}
# What scripts/qemu.sh copies over QEMU's tree
OVERLAY = ("hw/", "include/", "qapi/", "tests/qtest/", "tests/unit/", "util/")
# Each file here has to be in a manifest.
CLAIMED = {"qemu": OVERLAY + ("docs/",), "xen": (), "libvirt": (),
           "linux": ("dom0/linux/", "dom0/guest-dmabuf/", "guest/linux/")}


class Error(Exception):
    """What the user is told"""


def run(*command, cwd=TOP, check=True, **more):
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    if check and done.returncode:
        raise Error(f"{' '.join(command[:5])} failed:\n{done.stdout}")
    return done.stdout if check else done


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# Branches that a version decides

def decide(condition, known):
    """The value of a #if, None if it asks for anything but what is known."""
    condition = re.sub(r'__has_include\s*\(["<](.*?)[">]\)',
                       lambda found: str(int(known["has_include"](found[1]))), condition)
    if not set(re.findall(r"\b[A-Za-z_]\w*", condition)) <= set(known) | {"defined"}:
        return None
    condition = re.sub(r"\bdefined\s*\(?\s*(\w+)\s*\)?", r"(\1 is not None)", condition)
    condition = re.sub(r"!(?!=)", " not ", condition)
    condition = condition.replace("&&", " and ").replace("||", " or ")
    return bool(eval(condition, {"__builtins__": {}}, known))


def resolve(text, known):
    """A text with only those branches that the tree's version chooses"""
    lines, stack = [], []       # of [a branch was chosen (None: not ours), this is it]
    for line in text.splitlines(keepends=True):
        found = re.match(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b\s*(.*?)\s*(/\*.*)?$", line)
        word, condition = found.groups()[:2] if found else (None, None)
        keep = all(here for _, here in stack)
        if word in ("if", "ifdef", "ifndef"):
            value = decide({"if": condition, "ifdef": f"defined({condition})",
                            "ifndef": f"!defined({condition})"}[word], known)
            stack.append([value, value is not False])
            keep = keep and value is None
        elif word and stack[-1][0] is not None:
            keep = False
            stack[-1][1] = not stack[-1][0] and (word == "else" or
                                                 bool(decide(condition or "0", known)))
            stack[-1][0] = stack[-1][0] or stack[-1][1]
        if word == "endif":
            stack.pop()
        if keep:
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "".join(lines)) if known else text


def make_static(text, name):
    """A text in which a function is static, if that is where it is defined"""
    def shifted(found):
        first, *rest = ("static " + found[0]).split("\n")
        rest = [" " * (7 + len(line.expandtabs()) - len(line.lstrip())) + line.lstrip()
                for line in rest]
        return "\n".join([first] + [re.sub(r"^( {8})+", lambda spaces: "\t" * (
            len(spaces[0]) // 8), line) for line in rest])
    return re.sub(rf"^\w[\w *]*\b{name}\([^;{{}}]*\)(?=\n{{)", shifted, text, flags=re.M)


def use_compat(text, header, users, known):
    """A text that does not include a header of such branches, but what it chooses

    users: regular expressions of what needs one of its includes, by the include's name"""
    chosen = resolve(re.sub(r"/\*.*?\*/", "", read(TOP, header), flags=re.S), known)
    chosen = re.sub(r"[ \t]*\\\n", "\r", chosen)
    found = {"names": [], "functions": [], "calls": []}

    def note(kind, pattern, entry):
        def take(match):
            value = entry(match)
            if value:
                found[kind].append(value)
            return "" if value else match[0]
        return re.sub(pattern, take, chosen, flags=re.M)

    chosen = note("names", r"^#define (\w+)[ \t\r]+(\S.*)$",
                  lambda match: (match[1], match[2].replace("\r", "\n")))
    chosen = note("names", r"^typedef (.*?) (\w+);$", lambda match: (match[2], match[1]))
    # A function that only passes its parameters on is another name.
    chosen = note("names", r"^static inline [^(]*?\b(\w+)\(([^)]*)\)\n{\n\s*"
                           r"return (\w+)\(([^)]*)\);\n}", lambda match: (match[1], match[3])
                  if re.findall(r"(\w+)(?:,|$)", match[2]) == match[4].split(", ") else None)
    chosen = note("calls", r"^#define (\w+)\(([\w, ]+)\) (\w+)\(([\w, ]+)\)$",
                  lambda match: (match[1], match[2].split(", "), match[3], match[4].split(", ")))
    chosen = note("functions", r"^\w[^;{}#]*?\b(\w+)\([^;{}]*\);$", lambda match: match[1])
    includes = [line for line in re.findall(r"^#include .*\n", chosen, re.M) if line not in text and
                re.search(users.get(os.path.basename(line.strip()[10:-1]), ""), text)]
    rest = re.sub(r"^#(include .*|ifndef \w+_H|define \w+_H|endif *)$", "", chosen, flags=re.M)
    if rest.strip():
        raise Error(f"{header}, for this tree, holds more than other names: {rest.strip()}")
    text = re.sub(rf'^#include "(.*/)?{os.path.basename(header)}"\n', "".join(includes), text,
                  flags=re.M)
    for name, what in found["names"]:
        text = re.sub(rf"\b{name}\b", what, text)
    for name, parameters, called, passed in found["calls"]:
        call = ", ".join([r"([^,()]+)"] * len(parameters))
        what = ", ".join(f"\\{parameters.index(p) + 1}" for p in passed)
        text = re.sub(rf"\b{name}\({call}\)", f"{called}({what})", text)
    for name in found["functions"]:
        text = make_static(text, name)
    return text


# The trees and the queue

def split_patch(text):
    """A patch of the queue: its description, and {file: (header, hunks)}"""
    description, *parts = re.split(r"^(?=diff --git )", text, flags=re.M)
    files = {}
    for part in parts:
        header, *hunks = re.split(r"^(?=@@ )", part, flags=re.M)
        files[re.search(r"^\+\+\+ b/(.*)$", header, re.M)[1]] = (header, hunks)
    return description, files


def message_of(description):
    """What DEP-3 says of a patch, as a commit's subject and body"""
    found = re.search(r"^Description: (.*)\n((?: .*\n)*)", description, re.M)
    links = re.findall(r"^Bug: (\S+)", description, re.M)
    return found[1], (re.sub("^ ", "", found[2], flags=re.M) +
                      "".join(f"\nLink: {link}" for link in links))


def wrapped(text):
    """Paragraphs in lines that can be mailed; what is indented stays as it is"""
    return "\n\n".join(part if part.startswith(" ") else
                       textwrap.fill(part, 72, break_long_words=False, break_on_hyphens=False)
                       for part in text.strip("\n").split("\n\n"))


class Tree:
    """A plain tree, and a repository of what the series change in it"""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.kind = next((kind for kind, mark in MARKS.items() if os.path.exists(
            os.path.join(self.path, mark))), None)
        if not self.kind:
            raise Error(f"{path} is not a source tree of QEMU, Xen, Linux or libvirt")
        self.known, self.queue, self.words = {}, {}, {}
        getattr(self, "learn_" + self.kind)()
        self.known["has_include"] = lambda name: os.path.exists(
            os.path.join(self.path, "include", name))
        self.work = os.path.join(OUT, "work-" + self.kind)
        self.other = set()      # files that neither overlay nor queue have

    def learn_qemu(self):
        self.version = read(self.path, "VERSION").strip()
        major, minor = map(int, self.version.split(".")[:2])
        self.known |= {"QEMU_VERSION_MAJOR": major, "QEMU_VERSION_MINOR": minor}
        # Releases are X.0, X.1, X.2.
        self.words["{next}"] = f"{major + 1}.0" if minor >= 2 else f"{major}.{minor + 1}"
        for name in ("qemu", f"qemu-{major}"):
            folder = os.path.join(TOP, "patches", name)
            if os.path.exists(folder):
                self.queue |= {patch: split_patch(read(folder, patch))
                               for patch in read(folder, "series").split()}

    def learn_xen(self):
        self.version = ".".join(re.findall(r"^export XEN_(?:SUB)?VERSION *= (\d+)",
                                           read(self.path, "xen/Makefile"), re.M))

    def learn_linux(self):
        numbers = re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)",
                             read(self.path, "Makefile"), re.M)
        self.version = ".".join(numbers)
        self.known |= {"LINUX_VERSION_CODE": tuple(map(int, numbers)),
                       "KERNEL_VERSION": lambda *version: version}
        # What Kbuild looks for in the tree's headers
        for kbuild in (folder + "Kbuild" for folder in CLAIMED["linux"]):
            for header, regex, name in re.findall(
                    r"^ccflags-\$\(call have,(.*?),(.*)\)\s*\\?\s*\+= -D(\w+)", read(TOP, kbuild), re.M):
                self.known[name] = re.search(regex, read(self.path, "include", header)) and 1

    def learn_libvirt(self):
        self.version = re.search(r"^  version: '([\d.]+)'", read(self.path, "meson.build"), re.M)[1]
        major, minor = self.version.split(".")[:2]
        self.words["{next}"] = f"{major}.{int(minor) + 1}.0"

    def git(self, *command):
        return run("git", *command, cwd=self.work).strip()

    def start(self, names):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.git("init", "-q", "-b", "plain")
        for name in names:
            if not os.path.exists(os.path.join(self.path, name)):
                raise Error(f"{self.path} has no {name}")
            write(os.path.join(self.work, name), read(self.path, name))
        self.git("add", "-Af")
        self.git("commit", "-q", "-m", "plain tree")
        self.words["{sender}"] = self.git("var", "GIT_AUTHOR_IDENT").rsplit(" ", 2)[0]

    def fill(self, text):
        for word, what in self.words.items():
            text = text.replace(word, what)
        return text

    def hunks(self, spec):
        """What "PATCH", "PATCH:FILE" or "PATCH:FILE#N" names, as (patch, file, index)"""
        start, name, number = re.fullmatch(r"([^:]*):?([^#]*)#?(\d*)", spec).groups()
        found = [(patch, file, i) for patch, (_, files) in self.queue.items()
                 for file, (_, hunks) in files.items() for i in range(len(hunks))
                 if patch.startswith(start) and (name in ("", file) or file.startswith(name + "/")) and
                 number in ("", str(i + 1))]
        if not found:
            raise Error(f"the queue has no {spec}")
        return found

    def apply(self, wanted):
        """Some hunks of the queue"""
        for patch, file in dict.fromkeys(hunk[:2] for hunk in wanted):
            header, hunks = self.queue[patch][1][file]
            run("patch", "-p1", "-F0", "-s", "--no-backup-if-mismatch", cwd=self.work,
                input=header + "".join(hunks[i] for p, f, i in wanted if (p, f) == (patch, file)))

    def prune(self, name):
        """Leave out of a build file what a later commit brings."""
        def there(found):
            path = os.path.join(os.path.dirname(name), found[1])
            return found[0] if any(os.path.exists(os.path.join(top, path))
                                   for top in (self.work, self.path)) else "@"
        text = re.sub(r"'([\w./-]+\.c)'", there, read(self.work, name))
        text = re.sub(r"^\s*@,?\n", "", text, flags=re.M)
        write(os.path.join(self.work, name), re.sub(r"@, *|(, *)?@", "", text))

    def insert(self, file, text, after=None, before=None):
        """A text after or before the line that matches, or as a file of its own"""
        self.other.add(file)
        text = self.fill(text)
        if after or before:
            old = read(self.work, file)
            found = list(re.finditer(f"^{after or before}$", old, re.M))
            if len(found) != 1:
                raise Error(f"{file} has {len(found)} lines like {after or before!r}")
            at = found[0].end() + 1 if after else found[0].start()
            text = old[:at] + text + old[at:]
        write(os.path.join(self.work, file), text)


class Series:
    def __init__(self, name, tree):
        self.name, self.tree = name, tree
        with open(os.path.join(TOP, "upstream", name + ".toml"), "rb") as file:
            self.data = tomllib.load(file)
        self.known = tree.known | {name: None for name in self.get("undefined")}
        self.files = {}         # source: what the commit at hand leaves out of it

    def get(self, name):
        return self.data.get(name, [])

    def hunks(self):
        return [hunk for commit in self.data["commit"] for spec in commit.get("hunks", [])
                for hunk in self.tree.hunks(spec)]

    def inserts(self, new):
        """Files that come from the manifest: new ones, or such as the plain tree has"""
        return {rule["file"] for commit in self.data["commit"]
                for rule in commit.get("insert", []) if new != bool({"after", "before"} & set(rule))}

    def changed(self):
        """Files of the plain tree"""
        return ({file for _, file, _ in self.hunks()} | self.inserts(new=False) |
                ({"MAINTAINERS"} if "maintainers" in self.data else set()) | self.patched())

    def patched(self):
        """Those that patches change; not what an earlier one has brought"""
        files = [(name, "--- /dev/null" in header)
                 for commit in self.data["commit"] if "patch" in commit
                 for name, (header, _) in split_patch(read(TOP, commit["patch"]))[1].items()]
        return {name for name, _ in files} - {name for name, new in files if new}

    def destination(self, source):
        for old, new in self.data.get("move", {}).items():
            if source.startswith(old):
                return new + source[len(old):]
        return source

    def text(self, source, drop=()):
        """A file of ours as this tree gets it"""
        text = read(TOP, source)
        rules = [(rule["from"] + r"[\s\S]*?" + (f"(?=^{rule['to']})" if "to" in rule else r"\Z"),
                  "", rule["file"]) for rule in [*self.get("drop"), *drop]]
        rules += [(rule["from"], self.tree.fill(rule["to"]), rule["file"]) for rule in self.get("replace")]
        for old, new, file in rules:
            if fnmatch(source, file):
                text, count = re.subn(f"^{old}", new, text, flags=re.M)
                if not count:
                    raise Error(f"{source} has nothing like {old!r}")
        if source in self.get("spaces"):
            text = text.expandtabs(8)
        if source in self.get("tabs"):
            # Four columns of indentation are a tab there, what is aligned stays so.
            text = re.sub(r"^    (?=\w)", "\t", text, flags=re.M)
            text = re.sub(r"^(?: {8})+", lambda found: "\t" * (len(found[0]) // 8), text,
                          flags=re.M)
        # Ours reads a build file of QEMU's, too.
        text = re.sub(r"^if is_variable\('\w+'\)\n((?:  .*\n|\n)*)endif\n",
                      lambda found: textwrap.dedent(found[1]), text, flags=re.M)
        text = resolve(text, self.known)
        for header, users in self.data.get("compat", {}).items():
            text = use_compat(text, header, users, self.known)
        return text

    def put(self, sources):
        for source in sources:
            write(os.path.join(self.tree.work, self.destination(source)),
                  self.text(source, self.files.get(source, ())))

    def sources(self, commit):
        found = {pattern: [file for file in tracked() if fnmatch(file, pattern) and
                           file not in self.get("compat")]
                 for pattern in commit.get("files", [])}
        for pattern, files in found.items():
            if not files:
                raise Error(f"{self.name}: there is no {pattern}")
        return [file for files in found.values() for file in files]

    def put_maintainers(self):
        """A section that names what is there: a folder when it is complete"""
        section, lines, folders = self.data["maintainers"], set(), {}
        for name in self.inserts(new=True).union(*(map(self.destination, self.sources(commit))
                                                   for commit in self.data["commit"])):
            folders.setdefault(os.path.dirname(name), set()).add(name)
        for folder, names in folders.items():
            here = {name for name in names if os.path.exists(os.path.join(self.tree.work, name))}
            if here == names and not os.path.exists(os.path.join(self.tree.path, folder)):
                lines.add(folder + "/")
                continue
            pairs = {name[:-1] for name in here if {name[:-1] + "c", name[:-1] + "h"} <= here}
            lines |= {name[:-1] + "*" if name[:-1] in pairs else name for name in here}
        write(os.path.join(self.tree.work, "MAINTAINERS"), read(self.tree.path, "MAINTAINERS"))
        self.tree.insert("MAINTAINERS", section["text"] + "".join(
            section["entry"] + line + "\n" for line in sorted(lines)) + section.get("end", ""),
            section.get("after"), section.get("before"))

    def commit(self, commit):
        self.files |= dict.fromkeys(self.sources(commit), commit.get("drop", []))
        self.put(self.files)
        for name in map(self.destination, self.files):
            if os.path.basename(name) == "meson.build":
                self.tree.prune(name)
        for spec in commit.get("hunks", []):
            self.tree.apply(self.tree.hunks(spec))
        for rule in commit.get("insert", []):
            self.tree.insert(**rule)
        if "maintainers" in self.data:
            self.put_maintainers()
        if "patch" in commit:
            run("git", "apply", cwd=self.tree.work,
                input=self.tree.fill(read(TOP, commit["patch"])))
        subject, body = commit.get("subject"), commit.get("body", "")
        if not subject:
            subject, body = message_of(self.tree.queue[self.tree.hunks(commit["hunks"][0])[0][0]][0])
        self.tree.git("add", "-Af")
        self.tree.git("commit", "-q", "-m", subject, "-m", wrapped(body))

    def export(self):
        git, out = self.tree.git, os.path.join(OUT, self.name)
        git("checkout", "-q", "-b", self.name, "plain")
        for commit in self.data["commit"]:
            self.commit(commit)
        shutil.rmtree(out, ignore_errors=True)
        git("config", f"branch.{self.name}.description",
            self.data["title"] + "\n\n" + wrapped(self.data["cover"]))
        git("format-patch", "-q", "--no-signature", "--cover-letter", "-o", out,
            "--cover-from-description=subject", "--subject-prefix",
            self.data.get("prefix", "PATCH"), "plain")
        patches = sorted(os.listdir(out))[1:]
        for patch, commit in zip(patches if "checkpatch" in self.data else [],
                                 self.data["commit"]):
            done = run(*self.data["checkpatch"], os.path.join(out, patch), cwd=self.tree.path,
                       check=False)
            found = re.findall(r"^(?:ERROR|WARNING|CHECK): ?(.*)$", done.stdout, re.M)
            if done.returncode and not (
                    found and all(any(text.startswith(known) for known in commit.get("known", []))
                                  for text in found)):
                raise Error(f"{self.name}/{patch}:\n{done.stdout}")
        print(f"{self.name}: {len(patches)} patches", flush=True)


# What all series of a tree have to be together

def tracked():
    if not hasattr(tracked, "files"):
        tracked.files = run("git", "ls-files").splitlines()
    return tracked.files


def check_claims(tree, series):
    """No file and no hunk is forgotten."""
    files = {file for s in series for file in s.files}
    outside = [pattern for s in series for pattern in [*s.get("out_of_tree"), *s.get("compat")]]
    for file in tracked():
        if file.startswith(CLAIMED[tree.kind]) and file not in files and \
                not any(fnmatch(file, pattern) for pattern in outside):
            raise Error(f"{file} is in no manifest of upstream/, nor out_of_tree there")
    hunks = {hunk for s in series for hunk in s.hunks()}
    for patch, file, i in tree.hunks("") if tree.queue else []:
        if (patch, file, i) not in hunks:
            raise Error(f"hunk {i + 1} of {file} in {patch} is in no manifest of upstream/")


def check_equal(tree, series):
    """All series of QEMU together make what overlay and queue make."""
    tree.git("checkout", "-q", "-b", "all", series[0].name)
    for s in series[1:]:
        tree.git("cherry-pick", "plain.." + s.name)
    tree.git("checkout", "-q", "-b", "expected", "plain")
    for s in series:
        s.files = dict.fromkeys(s.files, ())
        s.put(file for file in s.files if file.startswith(OVERLAY))
    tree.apply(tree.hunks(""))
    tree.git("add", "-Af")
    tree.git("commit", "-q", "-m", "overlay and queue")
    allowed = {s.destination(file) for s in series for file in s.files
               if not file.startswith(OVERLAY)} | tree.other
    differ = set(tree.git("diff", "--name-only", "expected", "all").split()) - allowed
    if differ:
        raise Error("the series together are not overlay and queue:\n" +
                    tree.git("diff", "expected", "all", "--", *sorted(differ)))
    print("all series together equal overlay and queue")


def mirror(source, target):
    """Make target equal to source. What differs gets a new time, which ninja sees; what is
    equal keeps its own, so that ninja builds no more than it has to."""
    wanted = set()
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in names + links:
            path = os.path.relpath(os.path.join(folder, name), source)
            old, new = os.path.join(source, path), os.path.join(target, path)
            wanted.add(path)
            if os.path.islink(old):
                same = os.path.islink(new) and os.readlink(new) == os.readlink(old)
            else:
                same = os.path.isfile(new) and filecmp.cmp(old, new)
            if not same:
                os.makedirs(os.path.dirname(new), exist_ok=True)
                if os.path.lexists(new):
                    os.remove(new)
                shutil.copy(old, new, follow_symlinks=False)
    for folder, _, names in os.walk(target):
        for name in names:
            if os.path.relpath(os.path.join(folder, name), target) not in wanted:
                os.remove(os.path.join(folder, name))


# The folders have the names that they have in make build, whose compiler cache helps.
BUILD_SCRIPT = """
mkdir -p /tmp/upstream "build/upstream/build"
mount --bind build/upstream /tmp/upstream
mount -t tmpfs build build
mkdir build/qemu build/qemu-src
mount --bind /tmp/upstream/build build/qemu
mount --bind /tmp/upstream/build-src build/qemu-src
cd build/qemu
[ -e build.ninja ] || /src/build/qemu-src/configure $1
exec ninja $2
"""


def compile_commit(options, targets, changed):
    """Run ninja in the build base, once configured; a warning in what changed is an error."""
    done = run("scripts/in-base.sh", "sh", "-ec", BUILD_SCRIPT, "sh", " ".join(options),
               " ".join(targets), check=False)
    write(os.path.join(OUT, "build.log"), done.stdout)
    if done.returncode:
        failed = re.search(r"^FAILED: [\s\S]*", done.stdout, re.M)
        raise Error((failed[0] if failed else done.stdout[-3000:])[:3000])
    for line in done.stdout.splitlines():
        found = re.match(r"(?:\.\./qemu-src/)?([^:]+):\d+:.*warning:", line)
        if found and found[1] in changed:
            raise Error(line)


def build(tree, series):
    """Compile each commit, with the options of scripts/qemu.sh, in the build base.

    One folder serves all commits, and later runs for the same version: only what differs
    from the commit before is compiled."""
    options = re.search(r'^options="([^"]*)"', read(TOP, "scripts/qemu.sh"), re.M)[1].split()
    source, out = os.path.join(OUT, "build-src"), os.path.join(OUT, "build")
    key, last = f"{tree.version} {' '.join(options)}", "plain"
    if not os.path.exists(os.path.join(out, ".key")) or read(out, ".key") != key:
        shutil.rmtree(out, ignore_errors=True)
        write(os.path.join(out, ".key"), key)
    mirror(tree.path, source)
    # The longest last: most of it would have to be compiled twice otherwise.
    for s in sorted(series, key=lambda s: len(s.data["commit"])):
        commits = tree.git("rev-list", "--reverse", "plain.." + s.name).split()
        for commit, entry in zip(commits, s.data["commit"]):
            subject = tree.git("log", "-1", "--format=%s", commit)
            for name in tree.git("diff", "--name-only", "--no-renames", last, commit).split():
                if tree.git("ls-tree", commit, name):
                    write(os.path.join(source, name),
                          run("git", "show", f"{commit}:{name}", cwd=tree.work))
                else:
                    os.remove(os.path.join(source, name))
            last = commit
            try:
                compile_commit(options, s.get("targets") + entry.get("targets", []),
                               tree.git("diff", "--name-only", "plain", commit).split())
            except Error as why:
                raise Error(f"{s.name}, {subject!r} does not compile:\n{why}") from None
            print(f"built: {s.name}: {subject}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tree", nargs="+")
    parser.add_argument("--build", action="store_true", help="compile each commit for QEMU")
    args = parser.parse_args()
    for tree in map(Tree, args.tree):
        print(f"{tree.kind} {tree.version}:")
        names = sorted(file[:-len(".toml")] for file in os.listdir(os.path.join(TOP, "upstream"))
                       if file.startswith(tree.kind) and file.endswith(".toml"))
        series = [s for s in (Series(name, tree) for name in names)
                  if tree.version.startswith(s.data.get("version", ""))]
        if not series:
            raise Error(f"no series of upstream/ is for {tree.kind} {tree.version}")
        tree.start(sorted(set().union(*(s.changed() for s in series))))
        for s in series:
            s.export()
        check_claims(tree, series)
        if tree.kind == "qemu":
            check_equal(tree, series)
        if args.build and tree.kind == "qemu":
            build(tree, series)


if __name__ == "__main__":
    try:
        main()
    except Error as error:
        sys.exit(f"error: {error}")
