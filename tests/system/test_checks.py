# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each check finds a run that is wrong in what it looks for. No VM is needed."""

import copy
import types
import unittest

import case as cases
import checks
import expectations
import page
import plots
import summary
import traces
from test_case import GOOD

DEVICE = "fault:delay=1ms"


def run_of(text, **loads):
    """A run from lines "TIME VM EVENT"; each VM has one worker. @loads: {VM: answers}."""
    files = {}
    for number, vm in enumerate("abc"):
        lines = [f"0 device {DEVICE}"]
        for line in text.strip().splitlines():
            time, name, event = line.split(None, 2)
            if name == vm:
                lines.append(f"{time} {event}")
        files[vm, 100 + number] = "\n".join(lines) + "\n"
    return run_from(files, **loads)


def load_of(name, protocol="registers", answers=((1, 1, 0),), sent=None, requests=None):
    answers = list(answers)
    count = sum(n for _, n, _ in answers)
    codes = {}
    for _, n, code in answers:
        codes[code] = codes.get(code, 0) + n
    sent = count if sent is None else sent
    return types.SimpleNamespace(
        name=name, vm=name, protocol=protocol, answers=answers, codes=codes, first=1, sent=sent,
        requests=sent if requests is None else requests, until_stopped=False,
        numbers=lambda code: [i for f, n, c in answers if c == code for i in range(f, f + n)])


def run_from(files, **loads):
    value = copy.deepcopy(GOOD)
    return types.SimpleNamespace(
        case=cases.parse(value, "test.yaml"), loads=loads, sessions={}, marks=[],
        end=10**9, traces=traces.Traces(files))


def turn(vm, want, grant, end, jobs=1, first=1):
    """Lines of a turn by protocol 1.0."""
    lines = [f"{want} {vm} want", f"{grant} {vm} grant"]
    for i in range(jobs):
        lines += [f"{grant + i} {vm} job 1.0 {first + i} 0x01", f"{grant + i} {vm} ended"]
    return "\n".join([*lines, f"{end} {vm} return"]) + "\n"


class Reading(unittest.TestCase):
    def test_turns(self):
        run = run_of("1 a want\n2 a grant\n3 a job 1.0 7 0x01\n9 a ended\n10 a return\n10 a want\n"
                     "20 a grant\n21 a job 0 8 0x0112\n22 a recalled\n30 a return")
        first, second = run.traces.turns
        self.assertEqual((first.wanted, first.granted, first.ended), (1, 2, 10))
        self.assertEqual((first.jobs[0].begin, first.jobs[0].end, first.jobs[0].tag), (3, 9, 7))
        self.assertEqual((second.wanted, second.jobs[0].end, second.ended), (10, 30, 30))
        self.assertEqual(run.traces.errors, [])

    def test_taken_while_it_slept(self):
        run = run_of("1 a want\n2 a grant\n3 a job 1.0 7 0x01\n4 a ended\n50 a want\n60 a grant")
        self.assertEqual([turn.ended for turn in run.traces.turns], [4, 60])

    def test_unused_turn_keeps_its_place_once(self):
        run = run_of("1 a want\n5 a grant\n6 a return\n6 a want\n9 a grant\n10 a return\n10 a want")
        self.assertEqual([wait.begin for wait in run.traces.waits], [1, 1, 10])

    def test_broken_traces(self):
        for text in ("1 a dance", "5 a want\n4 a grant", "1 a job 1.0 1 0x01", "1 a grant"):
            with self.subTest(text):
                self.assertTrue(checks.traces_whole(run_of(text)))
        self.assertTrue(checks.traces_whole(run_from({("a", 1): "1 want\n"})))
        half = run_from({("a", 1): f"0 device {DEVICE}\n1 want\n2 gra"})
        self.assertEqual(checks.traces_whole(half), [])


class Checks(unittest.TestCase):
    """Each check passes a right trace and fails a wrong one."""

    def good(self, wrong):
        self.assertEqual(wrong, [])

    def bad(self, wrong, text):
        self.assertTrue(any(text in line for line in wrong), f"{text!r} not in {wrong}")

    def test_two_holders(self):
        self.good(checks.one_holder(run_of(turn("a", 1, 2, 10) + turn("b", 3, 10, 20))))
        self.bad(checks.one_holder(run_of(turn("a", 1, 2, 10) + turn("b", 3, 9, 20))), "while a")
        # A long turn around two short ones.
        self.bad(checks.one_holder(run_of(turn("a", 1, 2, 100) + turn("b", 3, 101, 102)
                                          + turn("c", 3, 50, 51))), "c got")

    def test_no_place_for_two_jobs(self):
        """One that computes on without the device, as its trace has it: after its return."""
        run = run_of(turn("a", 1, 2, 10) + "12 a job 1.0 9 0x01")
        self.bad(checks.traces_whole(run), "without the device")

    def test_job_twice(self):
        text = turn("a", 1, 2, 10, jobs=2)
        load = load_of("a", answers=[(1, 2, 0)])
        self.good(checks.once(run_of(text, a=load)))
        again = text + turn("a", 11, 12, 13, first=2)
        self.bad(checks.once(run_of(again, a=load)), "a: begun more than once: 2")

    def test_job_twice_in_two_workers(self):
        one = f"0 device {DEVICE}\n1 want\n2 grant\n3 job 1.0 1 0x01\n"
        run = run_from({("a", 1): one, ("a", 2): one.replace("0 d", "9 d").replace("1 w", "10 w")
                        .replace("2 g", "11 g").replace("3 j", "12 j")}, a=load_of("a"))
        self.bad(checks.once(run), "more than once")

    def test_queue_job_twice(self):
        jobs = "1 b want\n2 b grant\n3 b job 0 4096 0x0112\n4 b job 0 {} 0x0112\n5 b return"
        load = load_of("b", "queue", [(1, 2, 0)])
        self.good(checks.once(run_of(jobs.format(8193), b=load)))
        self.bad(checks.once(run_of(jobs.format(4096), b=load)), "more than once")

    def test_answered_without_a_job(self):
        run = run_of(turn("a", 1, 2, 10), a=load_of("a", answers=[(1, 2, 0)]))
        self.bad(checks.once(run), "answered and never begun: [2]")
        run = run_of(turn("a", 1, 2, 10, jobs=2), a=load_of("a", answers=[(1, 1, 0), (2, 1, 5)]))
        self.good(checks.once(run))  # begun, and then its worker died

    def test_not_answered(self):
        self.good(checks.answered(run_of("", a=load_of("a"))))
        self.bad(checks.answered(run_of("", a=load_of("a", sent=2))), "2 requests, 1 answers")
        self.bad(checks.answered(run_of("", a=load_of("a", requests=5))), "1 of 5 requests sent")
        self.bad(checks.answered(run_of("", a=load_of("a", answers=[(1, 1, -110)]))), "-110")
        self.bad(checks.answered(run_of("", a=load_of("a", answers=[(1, 1, 9999)]))), "9999")

    def test_errors(self):
        run = run_of("", a=load_of("a", answers=[(1, 1, 0), (2, 3, 5)]))
        self.bad(checks.errors(run, {}), "a: 3 errors 0x05")
        self.good(checks.errors(run, {"a": {"may": [5], "must": []}}))
        self.bad(checks.errors(run, {"a": {"may": [5], "must": [11]}}), "a: no error 0x0b")

    def test_inverted_priority(self):
        right = turn("b", 1, 2, 10) + turn("a", 5, 10, 20) + turn("b", 10, 20, 30)
        self.good(checks.order(run_of(right), "strict-priority"))
        # High waits since 5, and medium gets two turns all the same.
        wrong = turn("b", 1, 2, 10) + turn("b", 10, 11, 20) + turn("c", 10, 20, 30)
        self.bad(checks.order(run_of(wrong + turn("a", 5, 30, 40)), "strict-priority"),
                 "a waits")
        # Always one turn too many: each may be a hand-over, not all of them.
        text = "".join(turn("a", 100 * i, 100 * i + 50, 100 * i + 60)
                       + turn("b", 100 * i + 5, 100 * i + 10, 100 * i + 40) for i in range(1, 21))
        self.bad(checks.order(run_of(text), "strict-priority"), "broken in 20 of")
        # Granted at the end of a turn that ended before high wanted.
        seen_late = turn("b", 1, 2, 10) + turn("c", 1, 13, 20) + turn("a", 12, 20, 30)
        self.good(checks.strict_priority(run_of(seen_late * 1)))

    def test_broken_fifo(self):
        right = turn("b", 1, 2, 10) + turn("c", 2, 10, 20) + turn("b", 10, 20, 30)
        self.good(checks.order(run_of(right), "fifo"))
        wrong = (turn("b", 1, 2, 10) + turn("b", 10, 11, 20) + turn("b", 20, 21, 30)
                 + turn("c", 3, 30, 40))
        self.bad(checks.order(run_of(wrong), "fifo"), "c waits")
        # Another priority is not in this order.
        other = wrong.replace(" c ", " a ")
        self.good(checks.order(run_of(other), "fifo"))

    def test_first_grants(self):
        run = run_of(turn("a", 1, 2, 3) + turn("c", 1, 4, 5) + turn("b", 1, 6, 7))
        self.good(checks.first_grants(run, ["a", "c", "b"]))
        self.bad(checks.first_grants(run, ["a", "b", "c"]), "a, c, b")
        self.bad(checks.first_grants(run_of(turn("a", 1, 2, 3)), ["a", "b"]), "a")

    def test_waits(self):
        run = run_of(turn("b", 1, 2, 30, jobs=9) + turn("a", 4, 31, 40))
        self.good(checks.waits(run, {"a": {"p99": 6, "most": 6}}))
        self.bad(checks.waits(run, {"a": {"p99": 5}}), "a waited for 6 jobs")
        self.bad(checks.waits(run, {"a": {"most": 5}}), "(most)")
        self.bad(checks.waits(run, {"a": {"p99": 9, "at-least": 2}}), "not enough")
        self.bad(checks.waits(run, {"c": {"p99": 9}}), "c waited 0 times")
        # One that never gets it waits to the end.
        starves = run_of("1 a want\n" + turn("b", 1, 2, 30, jobs=9))
        self.bad(checks.waits(starves, {"a": {"p99": 5}}), "9 jobs")

    def shared(self, of_b, of_c):
        """100 turns of both, of these lengths."""
        text, now = "", 10
        for _ in range(100):
            for vm, length in (("b", of_b), ("c", of_c)):
                text += turn(vm, now - 1, now, now + length)
                now += length
        return run_of(text)

    def test_shares(self):
        asked = {"vms": ["b", "c"], "within-percent": 2, "turns": 50}
        self.good(checks.shares(self.shared(100, 200), asked))  # c's weight is 200
        self.bad(checks.shares(self.shared(100, 100), asked), "off its share")
        self.bad(checks.shares(self.shared(100, 210), asked), "off its share")
        self.bad(checks.shares(self.shared(100, 200), {**asked, "turns": 101}), "too few")
        self.bad(checks.shares(run_of(turn("b", 1, 2, 3)), asked), "c had 0 turns")
        self.assertIn("b 33.3", checks.parts(self.shared(100, 200), ["b", "c"]))

    def test_device_time(self):
        run = self.shared(100, 300)
        self.good(checks.device_time(run, {"b": {"at-least": 24, "at-most": 26}, "c": {}}))
        self.bad(checks.device_time(run, {"b": {"at-least": 30}, "c": {}}), "b had 25")
        self.bad(checks.device_time(run, {"b": {"at-most": 20}, "c": {}}), "b had 25")

    def isolated(self, calm, calm_device="fault:other", calm_workers=1):
        """a's worker begins its last job at 10, and the next one is born at 100."""
        files = {("a", 1): f"0 device {DEVICE}\n1 want\n2 grant\n10 job 1.0 1 0x01\n",
                 ("a", 2): f"100 device {DEVICE}\n"}
        for i in range(calm_workers):
            files["b", 10 + i] = f"{i} device {calm_device}\n2 want\n3 grant\n{calm}\n"
        return checks.isolated(run_from(files), {"vms": ["b"], "from": ["a"]})

    def test_isolated(self):
        busy = "50 job 1.0 1 0x01"
        self.good(self.isolated(busy))
        self.bad(self.isolated("5 job 1.0 1 0x01"), "b began no job")
        self.bad(self.isolated("150 job 1.0 1 0x01"), "b began no job")
        self.bad(self.isolated(busy, calm_device=DEVICE), "b is on")
        self.bad(self.isolated(busy, calm_workers=2), "b had 2 workers")
        nothing = run_of(turn("a", 1, 2, 3) + turn("b", 1, 4, 5))
        self.bad(checks.isolated(nothing, {"vms": ["b"], "from": ["a"]}), "nothing is shown")

    def test_workers_and_the_end(self):
        run = run_of(turn("a", 1, 2, 3))
        self.good(checks.workers(run, {"a": {"at-most": 1}}))
        self.bad(checks.workers(run, {"a": {"at-least": 2}}), "a had 1 workers")
        run.sessions = {"a": {"member": "x", "state": "serving"}}
        self.good(checks.at_the_end(run, {"a": {"member": "x"}}))
        self.bad(checks.at_the_end(run, {"a": {"state": "quarantined"}}), "'serving'")
        self.bad(checks.at_the_end(run, {"b": {"member": "x"}}), "b: member")

    def test_recovered(self):
        run = run_of("", a=load_of("a", answers=[(1, 1, 5), (2, 1, 0)]))
        self.good(checks.recovered(run, ["a"]))
        run = run_of("", a=load_of("a", answers=[(1, 1, 0), (2, 1, 5)]))
        self.bad(checks.recovered(run, ["a"]), "its last answer is 0x05")

    def test_percentile(self):
        self.assertEqual(checks.percentile([], 99), 0)
        self.assertEqual(checks.percentile(range(1, 101), 99), 99)
        self.assertEqual(checks.percentile([1, 2], 50), 1)


class Report(unittest.TestCase):
    def test_all_of_it(self):
        right = turn("b", 1, 2, 1000) + turn("a", 5, 1000, 2000) + turn("b", 1000, 2000, 3000)
        run = run_of(right, a=load_of("a"))
        self.assertEqual(expectations.in_words({"a": {"may": [3, 0x100], "must": []}}),
                         "a (may: 0x03, 0x100)")
        run.marks = [(1500, "kill-worker <a>"), (1600, "vgpud kill")]
        found = summary.of_run(run)
        self.assertIn("priority", summary.text(found))
        failed = summary.of_failure(run.case, "it <hangs>")
        self.assertFalse(summary.passed(failed))
        text = page.page([found, failed])
        self.assertIn("kill-worker &lt;a&gt;", text)
        self.assertIn("it &lt;hangs&gt;", text)
        self.assertNotIn("<script", text)
        self.assertNotIn("http", text.replace("http-equiv", ""))

    def test_every_check_is_asked(self):
        found = expectations.outcomes(run_of(turn("a", 1, 9, 10) + turn("b", 2, 3, 20)))
        wrong = {outcome.name for outcome in found if outcome.wrong}
        self.assertEqual(wrong, {"one holder at a time"})

    def test_lost_job(self):
        one = f"0 device {DEVICE}\n1 want\n2 grant\n30 job 1.0 1 0x01\n"
        run = run_from({("a", 1): one, ("a", 2): f"900 device {DEVICE}\n"}, a=load_of("a"))
        pictures = summary.of_run(run)["pictures"]
        self.assertEqual(pictures["lost"], [[0, 0, 0, 0.001]])
        self.assertIn("did not end", plots.timeline(pictures, 0, 1))

    def test_steps(self):
        self.assertEqual(plots.steps(0, 8), [0, 1, 2, 3, 4, 5, 6, 7, 8])
        self.assertEqual([plots.number(value) for value in plots.steps(0.25, 0.5, 3)],
                         ["0.3", "0.4", "0.5"])


if __name__ == "__main__":
    unittest.main()
