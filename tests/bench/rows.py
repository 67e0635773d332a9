# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of ./run bench, what they are compared with, and the table. Pure: no clock."""

import json
import math
import statistics
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
        Row("vgpu-queue-adaptive", "vgpu queue, as libvgpu waits by default"),
        Row("vgpu-queue-many", "vgpu queue, many in flight"),
        Row("vgpu-queue-unanswered", "vgpu queue, commands without an answer"),
        Row("vgpu-queue-large", "vgpu queue, 16 MiB there and back"),
        Row("ivshmem-poll", "ivshmem, both sides poll"),
        Row("ivshmem-doorbell", "ivshmem, doorbell wakes the host"),
        Row("ivshmem-msix", "ivshmem, both sides sleep: MSI-X"),
        Row("virtio-serial", "virtio-serial"),
        Row("tcp", "TCP, virtio-net, user-mode network"),
        Row("files-1ms", "files on 9p, both look each 1 ms"),
        Row("files-legacy", "files on 9p, host 1 s, guest 100 ms"),
    )),
    ("OpenCL", (
        Row("opencl-host-write", "host: blocking write of 4 bytes"),
        Row("opencl-guest-write", "guest: blocking write of 4 bytes"),
        Row("opencl-host-add", "host: a sum of two numbers"),
        Row("opencl-registers-add", "guest, protocol 1.0: the same"),
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


# Shown in the last column, too, with no goal: (field, reference).
COMPARED = {
    "opencl-guest-write": ("median_us", "opencl-host-write"),
    "opencl-registers-add": ("median_us", "opencl-host-add"),
    "opencl-guest-kernel": ("median_us", "opencl-host-kernel"),
}

# What the guest's vgpu-bench calls them.
VGPU_BENCH = {
    "call, polling": "vgpu-queue-poll",
    "call, adaptive": "vgpu-queue-adaptive",
    "call, doorbell": "vgpu-queue-doorbell",
    "call, sleeping": "vgpu-queue-sleep",
    "calls in flight": "vgpu-queue-many",
    "commands, unanswered": "vgpu-queue-unanswered",
    "kernels in flight": "opencl-guest-kernels",
}
VGPU_BENCH_COPIES = {
    "vgpu-queue-poll": ("copy in, 1 MiB", "copy out, 1 MiB"),
    "vgpu-queue-large": ("copy in, 16 MiB", "copy out, 16 MiB"),
}


def _titles():
    return {row.name: row.title for _, section in SECTIONS for row in section}


def parse(line):
    """The row in a line of a program's output: a JSON object as --json writes it, which may be one
    of an array with an object in each line. None for a line that is something else. ValueError for
    a row with a figure that is none."""
    try:
        row = json.loads(line.strip().removeprefix("[").rstrip("],"))
    except ValueError:
        return None
    if not isinstance(row, dict) or "name" not in row:
        return None
    figures = {field: row.get(field) for field in FIELDS}
    for field, value in figures.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and math.isfinite(value) and value >= 0):
            raise ValueError(f"{row['name']}: {field} is {value!r}")
    return {"name": str(row["name"]), **figures}


def middle(taken):
    """One row of the rows of a name that several rounds have taken: the median of each figure."""
    figures = {}
    for field in FIELDS:
        values = [row[field] for row in taken if row[field] is not None]
        figures[field] = statistics.median_low(values) if values else None
    return {"name": taken[0]["name"], **figures}


def renamed(rows):
    """@rows, {name: row}, with vgpu-bench's rows by our names. Those that we have no name for are
    left out; its copies there and its copies back become one figure, as the transports' is."""
    ours = {name: row for name, row in rows.items() if name in _titles()}
    for theirs, name in VGPU_BENCH.items():
        if theirs in rows:
            ours[name] = {**rows[theirs], "name": name}
    for name, copies in VGPU_BENCH_COPIES.items():
        rates = [rows[copy]["gib_per_s"] for copy in copies if copy in rows]
        if len(rates) == len(copies) and all(rates):
            ours.setdefault(name, {"name": name, **dict.fromkeys(FIELDS)})
            ours[name]["gib_per_s"] = statistics.harmonic_mean(rates)
    return ours


def in_order(rows):
    """@rows, {name: row}, as the table has them."""
    return [rows[name] for name in _titles() if name in rows]


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
    field, reference = COMPARED.get(name, ("", ""))
    base = rows.get(reference, {}).get(field)
    value = rows[name].get(field)
    return f"{ratio_text(value / base)} x {reference}" if base and value is not None else ""


def table(rows):
    """The lines of the table for @rows, {name: row}."""
    lines = []
    for text, section in SECTIONS:
        present = [row for row in section if row.name in rows]
        if not present:
            continue
        heads = ("median us", "p99 us", "calls/s", "GiB/s")
        lines += ["", f"{text:<62}" + "".join(f"{head:>10}" for head in heads) + "  ratio"]
        for row in present:
            title = f"  {row.name:<22} {row.title}"
            figures = "".join(f"{figure(rows[row.name][field]):>10}" for field in FIELDS)
            lines.append(f"{title:<62}{figures}  {_first_ratio(row.name, rows)}".rstrip())
    return lines[1:]


def goals(rows):
    """(lines about each goal, how many of them are missed)."""
    lines, missed = [], 0
    for goal in GOALS:
        ratio = goal.ratio(rows)
        bound = f"{goal.bound()} x {goal.reference}'s"
        if ratio is None:
            verdict, what = "not measured", bound
        else:
            missed += not goal.reached(ratio)
            verdict = "reached" if goal.reached(ratio) else "MISSED"
            what = f"{ratio_text(ratio)}, {bound}"
        lines.append(f"  {verdict:<13} {goal.text}: {what}")
    return lines, missed


def ratio_text(ratio):
    return f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}"
