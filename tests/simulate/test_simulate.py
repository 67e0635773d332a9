#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The simulator as a user calls it: test_simulate.py PROGRAM. Small pools; what the large one shows is
told in docs/scheduling.md."""

import json
import subprocess
import sys
import unittest

PROGRAM = None


def run(*options):
    return subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=60)


def results(*options):
    done = run("--vms", "100", "--gpus", "10", "--seconds", "0.5", "--json", "-", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Simulate(unittest.TestCase):
    def test_the_same_seed_the_same_result(self):
        first, again = results(), results()
        self.assertEqual(first, again)
        self.assertNotEqual(first, results("--seed", "2"))
        self.assertEqual({(r["trace"], r["policy"]) for r in first},
                         {(t, p) for t in ("equal", "flood", "bursts", "diurnal")
                          for p in ("fifo", "fair")})

    def test_fair_divides_time(self):
        fifo, fair = results("--trace", "equal")
        self.assertGreater(fair["priorities"]["medium"]["jain"], 0.99)
        self.assertLess(fifo["priorities"]["medium"]["jain"], 0.9)
        self.assertGreater(fair["busy"], 0.99)

    def test_a_floor_is_kept(self):
        def low(floor):
            result, = results("--trace", "flood", "--policy", "fifo", "--floor", str(floor))
            total_s = result["gpus"] * result["length-ns"] / 1e9
            return result["priorities"]["low"]["served-s"] / total_s

        self.assertLess(low(0), 0.05)
        self.assertGreater(low(20), 0.15)

    def test_high_waits_least(self):
        for result in results("--trace", "bursts"):
            waits = [result["priorities"][p]["turn-wait-ns"]["p99"]
                     for p in ("high", "medium", "low")]
            self.assertEqual(waits, sorted(waits))

    def test_pack_leaves_devices_empty(self):
        options = ("--trace", "bursts", "--policy", "fifo", "--floor", "0", "--placement")
        spread, = results(*options, "spread")
        packed, = results(*options, "pack")
        self.assertEqual(spread["unused-gpus"], 0)
        self.assertEqual(packed["unused-gpus"], 5)  # half of the slots are used

    def test_what_does_not_fit_is_refused(self):
        result, = results("--trace", "bursts", "--policy", "fifo", "--floor", "0", "--slots", "9")
        self.assertEqual(result["refused"], 10)

    def test_the_table_names_its_seed(self):
        done = run("--vms", "20", "--gpus", "2", "--seconds", "0.1", "--seed", "77")
        self.assertEqual(done.returncode, 0)
        self.assertIn("seed 77", done.stdout.splitlines()[0])
        self.assertIn("high", done.stdout)

    def test_wrong_options(self):
        for options in (["--trace", "x"], ["--policy", "x"], ["--placement", "x"], ["--vms", "0"],
                        ["--gpus", "-1"], ["--window", "0"], ["--floor", "91"], ["--slots", "-1"],
                        ["--seconds", "nan"], ["--slice-ms", "0"], ["x"]):
            with self.subTest(options=options):
                done = run(*options)
                self.assertEqual(done.returncode, 2)
                self.assertIn("error: ", done.stderr)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
