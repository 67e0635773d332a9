# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures of a run as SVG: who had which device when, and how long VMs waited."""

import html
import math

# Apart for those who do not tell red from green, too (Okabe and Ito), on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
WIDTH, LEFT, RIGHT = 960, 120, 20
ROW, BAR = 22, 14
MARK_ROW = 14  # a line of the host's actions above the rows


def colour(index):
    return COLOURS[index % len(COLOURS)]


def steps(low, high, count=8):
    """Round numbers for an axis, about @count of them."""
    raw = max(high - low, 1e-9) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step)
    return [(first + i) * step for i in range(int((high - first * step) / step + 1e-6) + 1)]


def number(value):
    return f"{value:.10g}"


class Svg:
    def __init__(self, height, label):
        self.height, self.parts = height, [
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(label)}">']

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
                          f'y2="{y2:.1f}"/>')

    def bar(self, x, y, width, height, fill, title="", more=""):
        told = f"<title>{html.escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, 0.4):.2f}" '
                          f'height="{height}" fill="{fill}" {more}>{told}</rect>')

    def text(self, x, y, text, anchor="start", kind=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">'
                          f"{html.escape(text)}</text>")

    def path(self, points, stroke, kind):
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" stroke="{stroke}" points="{joined}"/>')

    def end(self):
        return "\n".join([*self.parts, "</svg>"])


def timeline(pictures, begin, end):
    """Who had which device from @begin to @end, in milliseconds: a row for each VM, in each device
    that it was on; thin, light bars are waits, frames are jobs that never ended."""
    rows = sorted({(device, vm) for vm, device, *_ in pictures["turns"]})
    marks = [(at, text) for at, text in pictures["marks"] if begin <= at <= end]
    unit, label = (1000, "s") if end - begin >= 2000 else (1, "ms")
    levels = _levels(marks, begin, end)
    top = 8 + MARK_ROW * (max(levels, default=-1) + 1)
    tops, y = {}, top
    for i, row in enumerate(rows):
        if i == 0 or rows[i - 1][0] != row[0]:
            y += 20
        tops[row] = y
        y += ROW
    svg = Svg(y + 42, "who had the device when")

    def x(ms):
        return LEFT + (min(max(ms, begin), end) - begin) * (WIDTH - LEFT - RIGHT) / (end - begin)

    for value in steps(begin / unit, end / unit):
        svg.line(x(value * unit), top, x(value * unit), y, "grid")
        svg.text(x(value * unit), y + 16, number(value), "middle")
    svg.text((LEFT + WIDTH - RIGHT) / 2, y + 34, f"{label} since the first wish", "middle")
    for i, row in enumerate(rows):
        if i == 0 or rows[i - 1][0] != row[0]:
            svg.text(4, tops[row] - 5, pictures["devices"][row[0]], kind="device")
        svg.text(LEFT - 8, tops[row] + BAR - 2, pictures["vms"][row[1]], "end")
        _bars(svg, pictures, row, tops[row], x, (begin, end))
    for vm, device, left, right in pictures["lost"]:
        if (device, vm) in tops and left < end and right > begin:
            svg.bar(x(left), tops[device, vm] + 0.5, x(right) - x(left), BAR - 1, "none",
                    f"{pictures['vms'][vm]}: a job that did not end", 'class="lost"')
    for (at, _), level in zip(marks, levels):
        svg.line(x(at), 4 + MARK_ROW * level, x(at), y, "mark")
    for (at, text), level in zip(marks, levels):  # on top of all lines
        right = x(at) > WIDTH - 200
        svg.text(x(at) + (-4 if right else 4), 12 + MARK_ROW * level, text,
                 "end" if right else "start", "mark")
    return svg.end()


def _levels(marks, begin, end):
    """A line for each mark's text, so that none covers another."""
    ends, levels = [], []
    for at, text in marks:
        x = (at - begin) * (WIDTH - LEFT - RIGHT) / (end - begin) + LEFT
        width = 7 * len(text) + 12
        left, right = (x - width, x + 4) if x > WIDTH - 200 else (x - 4, x + width)
        level = next((i for i, taken in enumerate(ends) if taken <= left), len(ends))
        ends[level:level + 1] = [right]
        levels.append(level)
    return levels


def _bars(svg, pictures, row, y, x, window):
    """Turns that are less than half a pixel apart are one bar."""
    name, fill = pictures["vms"][row[1]], colour(row[1])
    kinds = {"wait": [], "turn": []}
    before = 0
    for vm, device, wanted, granted, ended, jobs in pictures["turns"]:
        if (device, vm) == row and ended >= window[0] and wanted <= window[1]:
            # One that kept its place waits since before the turn that it could not use.
            kinds["wait"].append([min(max(wanted, before), granted), granted, 0, 1])
            before = ended
            kinds["turn"].append([granted, ended, jobs, 1])
    for kind, spans in kinds.items():
        merged = []
        for span in spans:
            if merged and x(span[0]) - x(merged[-1][1]) < 0.5 and \
                    x(span[1]) - x(merged[-1][0]) < 4:
                merged[-1] = [merged[-1][0], max(span[1], merged[-1][1]),
                              merged[-1][2] + span[2], merged[-1][3] + span[3]]
            else:
                merged.append(list(span))
        for left, right, jobs, count in merged:
            if right < window[0] or left > window[1]:
                continue
            if kind == "wait":
                svg.bar(x(left), y + BAR / 2 - 2, x(right) - x(left), 4, fill,
                        more='opacity="0.3"')
            else:
                svg.bar(x(left), y, x(right) - x(left), BAR, fill,
                        f"{name}: {left:.1f} to {right:.1f} ms, {jobs} jobs, {count} turns")


def waits(pictures):
    """Which part of a VM's waits was at most how long."""
    known = {name: values for name, values in pictures["waits"].items() if values}
    if not known:
        return ""
    plot, top, bottom = 200, 12, 12 + 200
    svg = Svg(plot + 60, "how long VMs waited for their turn")
    low = max(0.01, min(values[0] for values in known.values()))
    high = max(max(values[-1] for values in known.values()), low * 10)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    right = WIDTH - 160

    def x(ms):
        part = (math.log10(max(ms, 10**first)) - first) / (last - first)
        return LEFT + part * (right - LEFT)

    def y(part):
        return bottom - part * plot

    for power in range(first, last + 1):
        svg.line(x(10**power), top, x(10**power), bottom, "grid")
        ms = 10**power
        svg.text(x(ms), bottom + 16, f"{number(ms)} ms" if ms < 1000 else f"{number(ms / 1000)} s",
                 "middle")
    for percent in (0, 25, 50, 75, 100):
        svg.line(LEFT, y(percent / 100), right, y(percent / 100), "grid")
        svg.text(LEFT - 8, y(percent / 100) + 4, f"{percent} %", "end")
    svg.text((LEFT + right) / 2, bottom + 36, "waited at most so long for a turn", "middle")
    for i, (name, values) in enumerate(known.items()):
        index = pictures["vms"].index(name)
        points = [(x(values[0]), y(0))]
        for n, value in enumerate(values, 1):
            points += [(x(value), points[-1][1]), (x(value), y(n / len(values)))]
        points.append((right, points[-1][1]))
        svg.path(points, colour(index), "cdf" + ("" if index % 2 == 0 else " dashed"))
        svg.path([(right + 12, top + 8 + 20 * i), (right + 36, top + 8 + 20 * i)], colour(index),
                 "cdf" + ("" if index % 2 == 0 else " dashed"))
        svg.text(right + 42, top + 12 + 20 * i, name)
    return svg.end()
