# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two VMs on one device: one computes at a time, high before low, and one that does not give the
device back is ended. The order is read from the workers' traces, by one clock; no time is measured."""

import os
import signal

import host
import shell

TRACES = shell.HOME / "test-traces"
LEGACY = shell.HOME / "test-legacy"


def events():
    """[(nanoseconds, VM, event)] of all workers so far, in order."""
    found = []
    for path in TRACES.glob("*.trace"):
        vm = path.name.split(".")[0]
        # The last line may be half written.
        for line in path.read_text().split("\n")[:-1]:
            time, _, event = line.partition(" ")
            found.append((int(time), vm, event))
    return sorted(found)


class Sharing(host.HostTest):
    @classmethod
    def setUpClass(cls):
        TRACES.mkdir(exist_ok=True)
        cls.legacy = LEGACY / "old"
        cls.legacy.mkdir(parents=True, exist_ok=True)
        shell.configure({"A": shell.pool(backend="fault", device="delay=100ms", recall_ms=2500),
                         "B": shell.pool(backend="fault", device="delay=100ms", recall_ms=2500)},
                        more=f"[legacy]\ndirectory={LEGACY}\n",
                        request_timeout_ms=1500, trace_dir=TRACES)
        # Two pools, one device.
        cls.high = shell.start(name="high", pool="A", priority="high")
        cls.addClassCleanup(cls.high.guest.remove)
        cls.low = shell.start(name="low", pool="B", priority="low")
        cls.addClassCleanup(cls.low.guest.remove)
        for vm in (cls.high, cls.low):
            assert vm.run("vgpu-call --until-ok 30 nop")[0] == 0

    def setUp(self):
        self.begin = len(events())

    def events(self):
        return events()[self.begin :]

    def compute(self, high, low):
        """Lets both have so many requests answered, at the same time."""
        for vm, count in ((self.high, high), (self.low, low)):
            vm.send(f"for i in $(seq {count}); do vgpu-call --timeout 60000 add 20 22; done")
        for vm, count in ((self.high, high), (self.low, low)):
            answers = vm.answers(120)
            self.assertEqual([(a.code, a.text) for a in answers], [(0, answers[0].text)] * count)

    def check_turns(self):
        """One VM has the device at a time."""
        holder, computes = None, False
        for _, vm, event in self.events():
            if event == "grant":
                # From a worker that sleeps without work vgpud takes the device without a word.
                self.assertFalse(computes, f"{vm} has the device while {holder} computes")
                holder = vm
            elif event.startswith("job"):
                self.assertIn(holder, (vm, None))  # None: kept since before
                holder, computes = vm, True
            elif event == "ended":
                computes = False
            elif event == "return":
                holder = None

    def test_a_guest_with_files(self):
        """One that writes request.txt takes turns with those that have the device."""
        self.low.send("for i in $(seq 15); do vgpu-call --timeout 60000 add 20 22; done")
        request, response = self.legacy / "request.txt", self.legacy / "response.txt"
        for _ in range(5):
            request.write_text("A:2:1:20:22\n")
            self.wait_for(response.exists, timeout=30)
            self.assertEqual(response.read_text(), "42\n")
            response.unlink()
        self.assertEqual([answer.code for answer in self.low.answers(120)], [0] * 15)
        self.check_turns()
        jobs = [vm for _, vm, event in self.events() if event.startswith("job")]
        self.assertEqual((len(jobs), jobs.count("low")), (20, 15))

    def test_one_at_a_time(self):
        self.compute(15, 15)
        self.check_turns()
        jobs = [vm for _, vm, event in self.events() if event.startswith("job")]
        self.assertEqual((jobs.count("high"), jobs.count("low")), (15, 15))

    def test_high_is_next(self):
        """Whoever has the device when high comes to want it, low does not get it before high."""
        self.compute(15, 15)
        wants = False
        for _, vm, event in self.events():
            if vm == "high" and event in ("want", "grant"):
                wants = event == "want"
            elif vm == "low" and event.startswith("job") and wants:
                # One that was granted before, at most.
                wants = None
            elif vm == "low" and event.startswith("job"):
                self.assertIsNot(wants, None, "low was served twice while high waited")

    def test_waits_are_accounted(self):
        before = sum(self.low.session()["waits"])
        self.compute(5, 5)
        self.assertGreater(sum(self.low.session()["waits"]), before)

    def test_fenced(self):
        """A worker that stops with the device: the other one's request is answered all the same."""
        log = shell.Log()
        worker = self.low.session()["worker-pid"]
        self.low.send_call("add 20 22")
        self.wait_for(lambda: any(vm == "low" and event.startswith("job")
                                  for _, vm, event in self.events()))
        os.kill(worker, signal.SIGSTOP)
        answer = self.high.call("add 20 22")
        self.assertEqual(answer.code, 0)
        # By the end of its channel, or by its device's own deadline.
        self.assertIn(self.low.answers()[0].code, (0, 4, 5))
        self.wait_for(lambda: self.low.session()["worker-pid"] not in (0, worker))
        self.assertEqual(len(log.lines("did not give its device back")), 1)
        self.assertEqual(self.low.run("vgpu-call --until-ok 30 nop")[0], 0)
        self.assertEqual(self.low.call("add 20 22").code, 0)


if __name__ == "__main__":
    host.main()
