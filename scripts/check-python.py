#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check-python.py FILE...: fail unless Python 3.11, which Debian 12 has, can parse each file.

The parser of a newer Python refuses most newer syntax when it is told to, but not what 3.12
allows in f-strings (PEP 701). The tokenizer shows that."""

import ast
import io
import re
import sys
import tokenize

OLDEST = (3, 11)
# What 3.11 takes for the whole of a string, so for an f-string, too.
WHOLE = re.compile(r"[A-Za-z]+(?:'''(?:\\.|(?!''').)*'''|\"\"\"(?:\\.|(?!\"\"\").)*\"\"\"|"
                   r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")", re.S)


def f_strings(text):
    """(line, source, [(kind, depth, text) of its tokens]) of each f-string, nested or not."""
    lines, open_ones = text.splitlines(keepends=True), []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        for _first, inside in open_ones:
            inside.append((kind, len(open_ones), token.string))
        if kind == "FSTRING_START":
            open_ones.append((token, []))
        elif kind == "FSTRING_END":
            first, inside = open_ones.pop()
            yield first.start[0], between(lines, first.start, token.end), inside


def between(lines, start, end):
    """The source from one (line, column) to another."""
    part = lines[start[0] - 1:end[0]]
    part[-1] = part[-1][:end[1]]
    part[0] = part[0][start[1]:]
    return "".join(part)


def fault(text):
    """The first thing that is too new, as "LINE: what", or None."""
    try:
        ast.parse(text, feature_version=OLDEST)
    except SyntaxError as why:
        return f"{why.lineno}: {why.msg}"
    for line, source, tokens in f_strings(text):
        if not WHOLE.fullmatch(source):
            return f"{line}: the f-string's own quotes or a new line inside its braces"
        if any(kind == "COMMENT" or "\\" in token and (kind == "STRING" or depth > 1)
               for kind, depth, token in tokens):
            return f"{line}: a backslash or a comment inside the braces of an f-string"
    return None


def main():
    bad = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as f:
            found = fault(f.read())
        if found:
            bad += 1
            print(f"{path}:{found} (Python {OLDEST[0]}.{OLDEST[1]} cannot parse this)")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
