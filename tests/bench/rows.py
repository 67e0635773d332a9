# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of ./run bench, what they are compared with, and the table. Pure: no process, no clock."""

import json
import math
from dataclasses import dataclass

FIELDS = ("median_us", "p99_us", "calls_per_s", "gib_per_s")


@dataclass(frozen=True)
class Row:
    name: str  # in the JSON
    title: str  # for a person


@dataclass(frozen=True)
class Goal:
    """@row's @field is at most (or at least) @factor times @reference's."""

    text: str
    row: str
    field: str
    reference: str
    factor: float
    at_least: bool = False
    reference_field: str = ""  # where it is another one

    def bound(self):
        return f"{'at least' if self.at_least else 'at most'} {self.factor:g}"

    def ratio(self, rows):
        """None where one of the two was not measured."""
        value = rows.get(self.row, {}).get(self.field)
        base = rows.get(self.reference, {}).get(self.reference_field or self.field)
        return value / base if value is not None and base else None

    def reached(self, ratio):
        return ratio >= self.factor if self.at_least else ratio <= self.factor


# The table, in its order: sections of rows. A row that no program printed is left out.
SECTIONS = (
    ("64 bytes there and back, guest program to host process", (
        Row("vgpu-registers", "vgpu protocol 1.0: registers"),
        Row("vgpu-queue-poll", "vgpu queue, both sides poll"),
        Row("vgpu-queue-doorbell", "vgpu queue, doorbell wakes the worker"),
        Row("vgpu-queue-sleep", "vgpu queue, both sides sleep"),
        Row("vgpu-queue-many", "vgpu queue, many in flight"),
        Row("ivshmem-poll", "ivshmem, both sides poll"),
        Row("ivshmem-doorbell", "ivshmem, doorbell wakes the host"),
        Row("ivshmem-msix", "ivshmem, doorbell and MSI-X, both sleep"),
        Row("virtio-serial", "virtio-serial"),
        Row("tcp", "TCP, virtio-net, user-mode network"),
        Row("files-1ms", "files on 9p, both look each 1 ms"),
        Row("files-legacy", "files on 9p, host 1 s, guest 100 ms"),
    )),
    ("OpenCL", (
        Row("opencl-host-write", "host: blocking write of 4 bytes"),
        Row("opencl-guest-write", "guest: blocking write of 4 bytes"),
        Row("opencl-host-kernel", "host: empty kernel and finish"),
        Row("opencl-guest-kernel", "guest: empty kernel and finish"),
        Row("opencl-host-kernels", "host: empty kernels, many in flight"),
        Row("opencl-guest-kernels", "guest: empty kernels, many in flight"),
    )),
)

# The first goal of a row is the one in the table's last column.
GOALS = (
    Goal("empty call, both sides polling", "vgpu-queue-poll", "median_us", "ivshmem-poll", 2),
    Goal("empty call, doorbell wakes the worker", "vgpu-queue-doorbell", "median_us",
         "ivshmem-doorbell", 1.3),
    Goal("empty call, both sides asleep", "vgpu-queue-sleep", "median_us", "ivshmem-msix", 1.3),
    Goal("calls/s, many in flight", "vgpu-queue-many", "calls_per_s", "ivshmem-poll", 1,
         at_least=True),
    Goal("bulk copy into a buffer and out of it", "vgpu-queue-poll", "gib_per_s", "ivshmem-poll",
         0.9, at_least=True),
    Goal("protocol 1.0 round trip", "vgpu-registers", "median_us", "virtio-serial", 1),
    Goal("protocol 1.0 round trip", "vgpu-registers", "median_us", "files-legacy", 1 / 1000),
    Goal("kernels/s from a guest, empty kernel", "opencl-guest-kernels", "calls_per_s",
         "opencl-host-kernels", 0.5, at_least=True),
)


def parse(line):
    """The rows in one line of a program's output: an object or an array of objects, with the keys
    of the JSON that --json writes; [] for a line that is something else. ValueError for a row that
    has figures which are none."""
    try:
        value = json.loads(line)
    except ValueError:
        return []
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) and "name" in row for row in found):
        return []
    return [_checked(row) for row in found]


def _checked(row):
    figures = {field: row.get(field) for field in FIELDS}
    for field, value in figures.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value) and value >= 0):
            raise ValueError(f"{row['name']}: {field} is {value!r}")
    return {"name": str(row["name"]), **figures}


def in_order(rows):
    """@rows, {name: row}, as the table has them; those that it does not know come last."""
    known = [row.name for _, section in SECTIONS for row in section]
    return [rows[name] for name in known if name in rows] + [
        row for name, row in rows.items() if name not in known
    ]


def as_json(rows):
    return json.dumps(in_order(rows), indent=2) + "\n"


def figure(value):
    """Three digits that count: 0.39, 6.8, 5040, 1.92 M."""
    if value is None:
        return "-"
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if value >= 10 * factor or (unit == " M" and value >= factor):
            return figure(value / factor) + unit
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.095 else 3
    return f"{value:.{digits}f}"


def _first_ratio(name, rows):
    for goal in GOALS:
        ratio = goal.ratio(rows) if goal.row == name else None
        if ratio is not None:
            return f"{ratio_text(ratio)} x {goal.reference}"
    return ""


def table(rows):
    """The lines of the table for @rows, {name: row}."""
    lines = []
    titles = {row.name: row.title for _, section in SECTIONS for row in section}
    sections = [(text, [row.name for row in section]) for text, section in SECTIONS]
    sections.append(("others", [name for name in rows if name not in titles]))
    for text, names in sections:
        names = [name for name in names if name in rows]
        if not names:
            continue
        heads = ("median us", "p99 us", "calls/s", "GiB/s")
        lines += ["", f"{text:<58}" + "".join(f"{head:>11}" for head in heads) + "  ratio"]
        for name in names:
            title = f"  {name:<21}{titles.get(name, '')}"
            figures = "".join(f"{figure(rows[name][field]):>11}" for field in FIELDS)
            lines.append(f"{title:<58}{figures}  {_first_ratio(name, rows)}".rstrip())
    return lines[1:]


def goals(rows):
    """(lines about each goal, how many of them are missed)."""
    lines, missed = [], 0
    for goal in GOALS:
        ratio = goal.ratio(rows)
        if ratio is None:
            verdict, what = "not measured", f"(of {goal.reference}'s {goal.bound()})"
        else:
            missed += not goal.reached(ratio)
            verdict = "reached" if goal.reached(ratio) else "MISSED"
            what = f"{ratio_text(ratio)} x {goal.reference}'s ({goal.bound()})"
        lines.append(f"  {verdict:<13} {goal.text}: {what}")
    return lines, missed


def ratio_text(ratio):
    return f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}"
