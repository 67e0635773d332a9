# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loader of cases: what is wrong is an error that says where."""

import copy
import tempfile
import unittest
from pathlib import Path

import case as cases

HERE = Path(__file__).parent
GOOD = {
    "title": "Three VMs",
    "description": "For these tests.",
    "pools": {"A": {"policy": "fifo",
                    "members": {"x": {"backend": "fault", "device": "delay=1ms"}}}},
    "vms": {"a": {"pool": "A", "priority": "high"}, "b": {"pool": "A"},
            "c": {"pool": "A", "limits": {"weight": 200}}},
    "loads": {"a": {"protocol": "registers", "requests": 3},
              "b": {"protocol": "queue", "requests": 3, "in-flight": 2},
              "c": {"protocol": "registers", "until": "stopped"}},
    "schedule": [{"start": ["a", "b", "c"]},
                 {"after": {"answered": "a", "jobs": {"b": 2}}, "do": {"stop": "c"}}],
    "expect": {"order": "strict-priority"},
}


def changed(path, value):
    """GOOD with another @value at the place @path, "a.b.0"; None: without it."""
    result = copy.deepcopy(GOOD)
    place = result
    *before, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in before:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


class Loader(unittest.TestCase):
    def refused(self, value, *texts):
        with self.assertRaises(cases.CaseError) as caught:
            cases.parse(value, "wrong.yaml")
        for text in ("wrong.yaml", *texts):
            self.assertIn(text, str(caught.exception))

    def test_good(self):
        case = cases.parse(GOOD, "good.yaml")
        self.assertEqual(case.name, "good")
        self.assertEqual(case.loads["c"].vm, "c")
        self.assertTrue(case.loads["c"].until_stopped)
        self.assertEqual(case.vms["c"].weight, 200)
        self.assertEqual(case.expect, {"order": ["strict-priority"], "errors": {}})
        self.assertIn("[member x]\nbackend=fault\ndevice=delay=1ms\nslots=0",
                      case.pools["A"].text())

    def test_all_cases(self):
        found = sorted((HERE / "cases").glob("*.yaml"))
        self.assertGreaterEqual(len(found), 10)
        registered = (HERE / "meson.build").read_text()
        for path in found:
            cases.load(path)
            self.assertIn(f"'{path.stem}'", registered)

    def test_unknown_keys(self):
        for path in ("colour", "pools.A.colour", "pools.A.members.x.colour", "vms.a.colour",
                     "vms.c.limits.colour", "loads.a.colour", "schedule.0.colour",
                     "schedule.1.after.colour", "schedule.1.do.colour", "expect.colour"):
            with self.subTest(path):
                self.refused(changed(path, 1), "unknown key 'colour'",
                             path.rsplit(".", 1)[0].replace(".0", "[0]").replace(".1", "[1]")
                             if "." in path else "the case")

    def test_missing_keys(self):
        for path in ("title", "pools", "vms", "schedule", "expect", "pools.A.members",
                     "pools.A.members.x.backend", "vms.a.pool", "loads.a.protocol"):
            with self.subTest(path):
                self.refused(changed(path, None), f"'{path.rsplit('.', 1)[-1]}' is missing")

    def test_names_that_are_not_there(self):
        for path, value, text in (
                ("vms.a.pool", "B", "vms.a.pool: no such pool: 'B'"),
                ("loads.a.vm", "z", "loads.a.vm: no such VM: 'z'"),
                ("loads.z", {"protocol": "registers", "requests": 1}, "loads.z: no VM 'z'"),
                ("schedule.0.start", ["a", "z"], "schedule[0].start[1]: no such load: 'z'"),
                ("schedule.1.after", {"wants": "z"}, "schedule[1].after.wants: no such VM"),
                ("schedule.1.after", {"jobs": {"z": 1}}, "schedule[1].after.jobs: unknown key 'z'"),
                ("schedule.1.do", {"kill-worker": "z"}, "schedule[1].do.kill-worker"),
                ("schedule.1.do", {"drain": "A/z"}, "schedule[1].do.drain: no member 'A/z'"),
                ("schedule.1.do", {"move": {"a": "z"}}, "schedule[1].do.move.a: no such member"),
                ("expect", {"waits": {"z": {"p99": 1}}}, "expect.waits: unknown key 'z'"),
                ("expect", {"isolated": {"vms": "a", "from": "z"}}, "expect.isolated.from"),
                ("expect", {"order": "lifo"}, "expect.order: no such order: 'lifo'")):
            with self.subTest(text):
                self.refused(changed(path, value), text)

    def test_values(self):
        for path, value, text in (
                ("title", 7, "title: 7 is not text"),
                ("vms", [1], "vms: [1] is not a mapping"),
                ("vms.b", None, "vms: 2 VMs"),
                ("pools.A.window", 0, "pools.A.window: 0 is not a whole number from 1 to 1024"),
                ("pools.A.window", True, "pools.A.window: True is not a whole number"),
                ("pools.A.policy", "lottery", "pools.A.policy: no such value: 'lottery'"),
                ("pools.A.members", {}, "pools.A: a pool without members"),
                ("loads.a.requests", 1.5, "loads.a.requests: 1.5 is not a whole number"),
                ("loads.a.until", "stopped", "either requests or"),
                ("loads.a.in-flight", 2, "for the protocol queue"),
                ("vms.a.priority", "urgent", "vms.a.priority: no such priority: 'urgent'"),
                ("schedule.1", {}, "schedule[1]: a step that does nothing"),
                ("schedule.1.do", {"vgpud": "tickle"}, "schedule[1].do.vgpud"),
                ("expect.waits", {"a": {"at-least": 1}}, "expect.waits.a: give p99, most or both"),
                ("expect.errors", {"a": {"may": ["0x05"]}}, "expect.errors.a.may[0]")):
            with self.subTest(text):
                self.refused(changed(path, value), text)

    def test_schedule(self):
        self.refused(changed("schedule.0.start", ["a", "b"]), "'c' has not been started")
        self.refused(changed("schedule", [{"start": ["a", "b"]}]), "never started: c")
        self.refused(changed("schedule.1.start", ["a"]), "'a' is started twice")
        self.refused(changed("schedule.1.after", {"answered": "c"}), "does not end before")

    def test_files(self):
        with self.assertRaisesRegex(cases.CaseError, "no-such.yaml"):
            cases.load(HERE / "no-such.yaml")
        for text in ("a: [", "a: 1\na: 2", "!!python/object:os.system {}"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "bad.yaml")
                path.write_text(text)
                with self.assertRaisesRegex(cases.CaseError, "bad.yaml"):
                    cases.load(path)


if __name__ == "__main__":
    unittest.main()
