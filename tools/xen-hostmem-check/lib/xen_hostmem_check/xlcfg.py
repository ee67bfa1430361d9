# SPDX-License-Identifier: GPL-2.0-or-later
"""The syntax of xl.cfg: KEY = VALUE, where a value is a string, a number or a list of values
(xl.cfg(5), and libxl's lexer tools/libs/util/libxlu_cfg_l.l)."""

import re

TOKEN = re.compile(r"""(?P<space>[ \t\r]+|\#[^\n]*)
                     |(?P<end>[\n;])
                     |(?P<name>[A-Za-z][._0-9A-Za-z]*)
                     |(?P<number>-?[0-9][0-9A-Fa-fx]*)
                     |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
                     |(?P<mark>\+=|[=,\[\]])""", re.X)
DEEPEST = 20        # nested lists; xl.cfg needs two


class Invalid(Exception):
    """The text is no xl.cfg; the message names the line."""


def tokens(text):
    """(kind, text, line) of each token."""
    at, line = 0, 1
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise Invalid(f"line {line}: what xl does not understand: {text[at:at + 20]!r}")
        if m.lastgroup != "space":
            yield m.lastgroup, m[0], line
        line += m[0].count("\n")
        at = m.end()
    yield "end", "", line


def number(text):
    try:
        return int(text, 16 if text.lower().startswith("0x") else 8 if text.startswith("0") else 10)
    except ValueError:
        raise Invalid(f"not a number: {text}") from None


class Parser:
    def __init__(self, text):
        self.rest = tokens(text)
        self.kind, self.text, self.line = "end", "", 1
        self.done = False
        self.next()

    def next(self):
        try:
            self.kind, self.text, self.line = next(self.rest)
        except StopIteration:
            self.done = True

    def skip_lines(self):
        while self.kind == "end" and not self.done:
            self.next()

    def value(self, depth=0):
        kind, text = self.kind, self.text
        if text == "[" and depth < DEEPEST:
            self.next()
            return self.list(depth + 1)
        if kind == "string":
            self.next()
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            self.next()
            return number(text)
        raise Invalid(f"line {self.line}: a value is missing")

    def list(self, depth):
        found = []
        while True:
            self.skip_lines()
            if self.text == "]":
                self.next()
                return found
            found.append(self.value(depth))
            self.skip_lines()
            if self.text == ",":
                self.next()
            elif self.text != "]":
                raise Invalid(f"line {self.line}: a comma or ] is missing in a list")

    def setting(self):
        if self.kind != "name":
            raise Invalid(f"line {self.line}: KEY = VALUE is expected")
        key = self.text
        self.next()
        if self.text not in ("=", "+="):
            raise Invalid(f"line {self.line}: no = after {key}")
        add = self.text == "+="
        self.next()
        value = self.value()
        if self.kind != "end":
            raise Invalid(f"line {self.line}: more than a value after {key} =")
        return key, add, value


def parse(text):
    """The settings of an xl.cfg. Raises Invalid."""
    parser, found = Parser(text), {}
    parser.skip_lines()
    while not parser.done:
        key, add, value = parser.setting()
        old = found.get(key)
        if add and type(old) is type(value) and not isinstance(value, int):
            value = old + value
        found[key] = value
        parser.skip_lines()
    return found
