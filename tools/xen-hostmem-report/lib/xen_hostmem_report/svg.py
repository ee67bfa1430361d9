# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture as SVG: text, lines, and charts of horizontal bars. Nothing is needed but a browser."""

import math
from xml.sax.saxutils import escape, quoteattr

COLOURS = ("#2f6db5", "#e08a1e", "#3f9a4f", "#a3479c")
LINE = 18               # pixels of a line of text
BAR = 13
LABEL, VALUE = 215, 85  # width of what is left and right of bars


class Picture:
    def __init__(self, width):
        self.width, self.height = width, 0
        self.parts = []

    def text(self, x, y, what, size=12, colour="#1b2733", bold=False, anchor="start"):
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}"{weight}>{escape(what)}</text>')
        self.height = max(self.height, y + 10)

    def rectangle(self, x, y, width, height, colour, title=""):
        inside = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" fill={quoteattr(colour)}>{inside}</rect>')
        self.height = max(self.height, y + height + 10)

    def line(self, x1, y1, x2, y2, colour="#9aa7b3", dashed=False):
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}"{dash}/>')

    def svg(self, title):
        size = f"0 0 {self.width} {math.ceil(self.height)}"
        return "\n".join((
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" '
            f'role="img">', f"<title>{escape(title)}</title>",
            f'<rect width="{self.width}" height="{math.ceil(self.height)}" fill="#ffffff"/>',
            *self.parts, "</svg>\n"))


def number(value):
    """Three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


class Scale:
    """From a value to a part of the width, linear or logarithmic."""

    def __init__(self, values, logarithmic):
        self.logarithmic = logarithmic
        self.most = max(values, default=1) or 1
        positive = [v for v in values if v > 0]
        # A decade below the least, so that it has a bar, too.
        self.least = min(positive, default=1) / 10

    def part(self, value):
        if value <= 0:
            return 0.0
        if not self.logarithmic:
            return min(value / self.most, 1.0)
        return math.log(value / self.least) / math.log(self.most / self.least)


def bars(picture, x, y, width, chart):
    """Draw a chart; returns the y below it."""
    picture.text(x, y, chart.title, 14, bold=True)
    y += LINE
    at = x
    for n, name in enumerate(chart.series):
        picture.rectangle(at, y - 10, 10, 10, COLOURS[n % len(COLOURS)])
        picture.text(at + 14, y - 1, name, 11)
        at += 26 + 7 * len(name)
    y += 6
    scale = Scale([v for _label, values in chart.rows for v in values if v is not None],
                  chart.logarithmic)
    room = width - LABEL - VALUE
    top = y
    for label, values in chart.rows:
        picture.text(x + LABEL - 6, y + 10, label, 11, anchor="end")
        for n, value in enumerate(values):
            if value is None:
                continue
            length = room * scale.part(value)
            picture.rectangle(x + LABEL, y, max(length, 1), BAR - 2, COLOURS[n % len(COLOURS)],
                              f"{label}, {chart.series[n]}: {number(value)} {chart.unit}")
            picture.text(x + LABEL + length + 4, y + 9, f"{number(value)} {chart.unit}", 10)
            y += BAR
        y += 5
    if chart.mark is not None:
        at = x + LABEL + room * scale.part(chart.mark)
        picture.line(at, top - 2, at, y, "#444444", dashed=True)
    return y + 14


class Chart:
    """rows: (label, a value or None for each of the series). mark: a value with a line."""

    def __init__(self, title, unit, series, rows, logarithmic=False, mark=None):
        self.title, self.unit, self.series, self.rows = title, unit, series, rows
        self.logarithmic, self.mark = logarithmic, mark
