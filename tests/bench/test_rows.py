#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pure part of ./run bench: what is read, compared and shown."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import guests  # noqa: E402  (the path comes first)
import rows  # noqa: E402


def by_name(*found):
    return {one["name"]: one for one in found}


def row(name, median_us=None, calls_per_s=None, gib_per_s=None):
    return {"name": name, "median_us": median_us, "p99_us": median_us, "calls_per_s": calls_per_s,
            "gib_per_s": gib_per_s}


class Parse(unittest.TestCase):
    def test_an_object_in_a_line(self):
        line = '{"name": "tcp", "median_us": 2.5, "p99_us": 9, "calls_per_s": 4e5}'
        self.assertEqual(rows.parse(line), {"name": "tcp", "median_us": 2.5, "p99_us": 9,
                                            "calls_per_s": 4e5, "gib_per_s": None})

    def test_an_array_over_several_lines(self):
        lines = ['[{"name": "a", "median_us": 1},', ' {"name": "b", "median_us": 2}]']
        self.assertEqual([rows.parse(line)["median_us"] for line in lines], [1, 2])

    def test_what_is_no_row(self):
        for line in ("", "bench: no memory", "[]", "[", "12", '"tcp"', '{"median_us": 1}', "tsc"):
            self.assertIsNone(rows.parse(line), line)

    def test_a_missing_figure_is_not_taken(self):
        self.assertEqual(rows.parse('{"name": "tcp"}'), row("tcp"))

    def test_figures_that_are_none(self):
        for value in ('"1"', "-1", "NaN", "Infinity", "true", "[1]"):
            with self.assertRaises(ValueError, msg=value):
                rows.parse(f'{{"name": "tcp", "median_us": {value}}}')


class Middle(unittest.TestCase):
    def test_each_figure_by_itself(self):
        taken = [row("a", 1, 30), row("a", 9, 10), row("a", 2, 20)]
        self.assertEqual(rows.middle(taken), row("a", 2, 20))

    def test_it_is_one_that_was_taken(self):
        self.assertEqual(rows.middle([row("a", 1), row("a", 2)]), row("a", 1))
        self.assertEqual(rows.middle([row("a", 3)]), row("a", 3))

    def test_what_no_round_has_taken(self):
        self.assertEqual(rows.middle([row("a", None, 5), row("a", None, 7), row("a", 4)]),
                         row("a", 4, 5))


class Goals(unittest.TestCase):
    at_most = rows.Goal("text", "a", "median_us", "b", 1.3)
    at_least = rows.Goal("text", "a", "calls_per_s", "b", 0.5, at_least=True)

    def test_ratio(self):
        found = by_name(row("a", 26, 100), row("b", 20, 200))
        self.assertEqual(self.at_most.ratio(found), 1.3)
        self.assertEqual(self.at_least.ratio(found), 0.5)

    def test_the_bound_itself_is_reached(self):
        self.assertTrue(self.at_most.reached(1.3))
        self.assertFalse(self.at_most.reached(1.31))
        self.assertTrue(self.at_least.reached(0.5))
        self.assertFalse(self.at_least.reached(0.49))

    def test_no_ratio_without_both(self):
        self.assertIsNone(self.at_most.ratio(by_name(row("a", 1))))
        self.assertIsNone(self.at_most.ratio(by_name(row("b", 1))))
        self.assertIsNone(self.at_most.ratio(by_name(row("a", 1), row("b"))))
        self.assertIsNone(self.at_most.ratio(by_name(row("a", 1), row("b", 0))))

    def test_what_is_missed_is_counted(self):
        lines, missed = rows.goals(by_name(row("vgpu-registers", 200), row("virtio-serial", 100),
                                           row("files-legacy", 1e6)))
        self.assertEqual(missed, 1)
        self.assertEqual(sum("MISSED" in line for line in lines), 1)
        self.assertEqual(sum("reached" in line for line in lines), 1)
        self.assertEqual(sum("not measured" in line for line in lines), len(rows.GOALS) - 2)

    def test_each_goal_names_rows_of_the_table(self):
        names = {one.name for _, section in rows.SECTIONS for one in section}
        for goal in rows.GOALS:
            self.assertLessEqual({goal.row, goal.reference}, names)
        self.assertLessEqual(set(rows.VGPU_BENCH.values()), names)


class Renamed(unittest.TestCase):
    def test_rows_of_vgpu_bench(self):
        found = rows.renamed(by_name(row("call, polling", 0.5), row("2 processes"), row("tcp", 300),
                                     row("copy in, 1 MiB", gib_per_s=1),
                                     row("copy out, 1 MiB", gib_per_s=3)))
        self.assertEqual(set(found), {"vgpu-queue-poll", "tcp"})
        self.assertEqual(found["vgpu-queue-poll"]["median_us"], 0.5)
        self.assertEqual(found["vgpu-queue-poll"]["gib_per_s"], 1.5)

    def test_large_copies_are_a_row_of_their_own(self):
        found = rows.renamed(by_name(row("call, polling", 0.5),
                                     row("copy in, 16 MiB", gib_per_s=1),
                                     row("copy out, 16 MiB", gib_per_s=3)))
        self.assertIsNone(found["vgpu-queue-poll"]["gib_per_s"])
        self.assertEqual(found["vgpu-queue-large"]["gib_per_s"], 1.5)
        self.assertIsNone(found["vgpu-queue-large"]["calls_per_s"])

    def test_one_direction_is_no_figure(self):
        found = rows.renamed(by_name(row("call, polling"), row("copy in, 1 MiB", gib_per_s=1)))
        self.assertIsNone(found["vgpu-queue-poll"]["gib_per_s"])


class Shown(unittest.TestCase):
    found = by_name(row("tcp", 362, 2700, 0.036), row("vgpu-registers", 28, 34000),
                    row("virtio-serial", 237, 4000))

    def test_json(self):
        value = json.loads(rows.as_json(self.found))
        self.assertEqual([one["name"] for one in value], ["vgpu-registers", "virtio-serial", "tcp"])
        for one in value:
            self.assertEqual(list(one), ["name", *rows.FIELDS])
        self.assertIsNone(value[0]["gib_per_s"])

    def test_table(self):
        lines = rows.table(self.found)
        self.assertEqual(len(lines), 1 + len(self.found))
        self.assertIn("0.12 x virtio-serial", lines[1])
        self.assertEqual(len({line.index("median us") for line in lines[:1]}), 1)
        self.assertRegex(lines[3], r"362 +362 +2700 +0\.036$")

    def test_a_guest_beside_its_host(self):
        lines = rows.table(by_name(row("opencl-host-write", 5), row("opencl-guest-write", 40)))
        self.assertTrue(lines[2].endswith("  8.00 x opencl-host-write"))
        self.assertEqual(len(rows.table(by_name(row("opencl-guest-write", 40)))), 2)

    def test_figures(self):
        for value, text in ((None, "-"), (0, "0.000"), (0.036, "0.036"), (0.39, "0.39"),
                            (6.8, "6.80"), (62.1, "62.1"), (237, "237"), (9023, "9023"),
                            (34000, "34.0 k"), (940000, "940 k"), (1.9e6, "1.90 M")):
            self.assertEqual(rows.figure(value), text)


class Modules(unittest.TestCase):
    def test_dependencies_come_first_and_once(self):
        depends = {"ring": "", "virtio": "ring", "virtio_pci": "ring,virtio,built_in",
                   "vfio-pci": "vfio_pci_core", "vfio-pci-core": ""}
        with tempfile.TemporaryDirectory() as folder:
            for name, others in depends.items():
                data = b"ELF\0license=GPL\0depends=" + others.encode() + b"\0retpoline=Y\0"
                (Path(folder) / f"{name}.ko").write_bytes(data)
            wanted = ["virtio_pci", "virtio", "vfio_pci", "9p"]
            order = guests.with_dependencies(Path(folder), wanted)
        self.assertEqual([file.stem for file in order],
                         ["ring", "virtio", "virtio_pci", "vfio-pci-core", "vfio-pci"])


if __name__ == "__main__":
    unittest.main()
