# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong on the host reaches the guest as the error code that tells it, at once or when
the time is up, and the guest's next request is served. One guest sees it all: vgpud starts again with
another configuration for each."""

import os
import signal
import statistics
import time
from pathlib import Path

import host
import shell
from shell import Log, configure, pool

UNAVAILABLE, TIMEOUT, EXECUTION_FAILED, INVALID_POOL = 0x03, 0x04, 0x05, 0x06
RATE_LIMITED, QUARANTINED = 0x0A, 0x0B
SYS_PAUSE = "34"  # where a worker is that the fault backend hangs


class Faults(host.HostTest):
    @classmethod
    def setUpClass(cls):
        configure({"A": pool()})
        cls.vm = shell.start(name="faults", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)

    def serve(self, text, **settings):
        """vgpud with this pool A, and a worker that serves the VM."""
        configure({"A": text}, **settings)
        self.wait_for(self.vm.session, 30)
        host.vgpuctl("release", self.vm.name)  # what an earlier test has left of faults
        self.wait_for(lambda: self.vm.session().get("state") == "serving", 30)
        self.log = Log()

    def worker(self):
        return self.vm.session()["worker-pid"]

    def hang(self):
        """Sends a request and waits until its worker hangs in it."""
        self.vm.send_call("add 20 22")
        call = Path(f"/proc/{self.worker()}/syscall")
        self.wait_for(lambda: call.read_text().split()[0] == SYS_PAUSE, 30)

    def assert_code(self, answer, code):
        self.assertEqual(answer.code, code, f"{answer}\n" + "\n".join(self.log.lines("")))

    def assert_works(self):
        """The very next request."""
        answer = self.vm.call("add 20 22")
        self.assert_code(answer, 0)
        self.assertEqual(answer.text, "42")

    def comes_back(self):
        self.assertEqual(self.vm.run("vgpu-call --until-ok 30 nop")[0], 0)
        self.assert_works()

    # vgpud

    def test_no_mediator(self):
        self.serve(pool())
        self.assert_works()
        host.vgpud("stop")
        for request in ("nop", "add 1 2", "info"):
            answers = self.vm.calls(request, 7)
            for answer in answers:
                self.assert_code(answer, UNAVAILABLE)
            # The guest may lose its CPU in any one of them.
            self.assertLess(statistics.median(answer.ms for answer in answers), 100)
        host.vgpud("start")
        self.comes_back()

    def test_vgpud_killed_with_a_request_in_flight(self):
        self.serve(pool("fault", "hang,after=1"), request_timeout_ms=60000)
        self.assert_works()
        worker = self.worker()
        self.hang()
        host.vgpud("kill")
        # Its worker goes with it: which of the two ends the device sees first is open.
        self.assertIn(self.vm.answers(timeout=10)[0].code, (UNAVAILABLE, EXECUTION_FAILED))
        self.wait_for(lambda: not Path(f"/proc/{worker}").exists())
        self.assert_code(self.vm.call("nop"), UNAVAILABLE)
        host.vgpud("start")
        self.comes_back()

    # Its worker

    def test_worker_killed_with_a_request_in_flight(self):
        self.serve(pool("fault", "hang,after=1"), request_timeout_ms=60000)
        self.assert_works()
        worker = self.worker()
        self.hang()
        os.kill(worker, signal.SIGKILL)
        # Long before the deadline.
        self.assert_code(self.vm.answers(timeout=10)[0], EXECUTION_FAILED)
        self.assert_works()
        self.assertNotEqual(self.worker(), worker)

    def test_stopped_worker(self):
        self.serve(pool(), request_timeout_ms=500)
        self.assert_works()
        worker = self.worker()
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(self.kill, worker)
        for answer in self.vm.calls("add 20 22", 2):
            self.assert_code(answer, TIMEOUT)
            self.assertGreater(answer.ms, 450)
        self.kill(worker)
        self.wait_for(lambda: self.vm.session()["worker-pid"] not in (0, worker))
        self.assert_works()

    def kill(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_deadline(self):
        self.serve(pool("fault", "hang,after=1"), request_timeout_ms=500)
        self.assert_works()
        answer = self.vm.call("add 20 22")
        self.assert_code(answer, TIMEOUT)
        self.assertGreater(answer.ms, 450)
        self.assert_works()
        # By the worker, not by the net under it.
        self.assertEqual(len(self.log.lines("has not ended within 500 ms")), 1)

    def test_quarantine(self):
        self.serve(pool("fault", "crash"), fault_budget=2, fault_window_s=60, quarantine_s=4)
        answers = self.vm.calls("add 20 22", 5)
        codes = [answer.code for answer in answers]
        self.assertEqual(codes, 3 * [EXECUTION_FAILED] + 2 * [QUARANTINED])
        self.assertEqual(self.vm.session()["state"], "quarantined")
        self.assert_code(self.vm.call("nop"), QUARANTINED)
        self.assertEqual(self.vm.run("vgpu-call --until-ok 30 nop")[0], 0)
        self.assertEqual(self.vm.session()["state"], "serving")
        self.assertEqual(len(self.log.lines("quarantined for 4 s")), 1)
        self.assertEqual(len(self.log.lines("released from quarantine")), 1)
        # And the count begins anew.
        self.assert_code(self.vm.call("add 20 22"), EXECUTION_FAILED)
        self.assert_code(self.vm.call("nop"), 0)

    def wall_clock_jumps(self, direction):
        """Whatever waits or counts goes by the time that passes."""
        environment = {
            "LD_PRELOAD": f"{os.environ['BUILD']}/tests/fake/libjumping-clock.so",
            "JUMPING_CLOCK": direction,
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }
        self.addCleanup(self.serve, pool())
        self.addCleanup(lambda: [os.environ.pop(name) for name in environment])
        os.environ.update(environment)

        self.serve(pool("fault", "hang,after=1"), request_timeout_ms=500, fault_budget=1,
                   fault_window_s=60, quarantine_s=3)
        for pid in self.worker(), int((shell.HOME / "vgpud.pid").read_text()):
            self.assertIn("jumping-clock", Path(f"/proc/{pid}/maps").read_text())
        for _ in range(2):
            self.assert_works()
            answer = self.vm.call("add 20 22")
            self.assert_code(answer, TIMEOUT)
            self.assertTrue(450 < answer.ms < 3000, answer)
        begin = time.monotonic()
        self.wait_for(lambda: self.vm.session()["state"] == "quarantined")
        self.wait_for(lambda: self.vm.session()["state"] == "serving")
        self.assertGreater(time.monotonic() - begin, 2)
        self.assert_code(self.vm.call("nop"), 0)

        self.serve(pool(requests_per_second=1, burst=4))
        codes = [answer.code for answer in self.vm.calls("nop", 12)]
        self.assertEqual(codes[:4], 4 * [0])
        self.assertGreaterEqual(codes.count(RATE_LIMITED), 4)
        self.assertEqual(self.vm.run("vgpu-call --until-ok 30 nop")[0], 0)

    def test_wall_clock_jumps_forward(self):
        self.wall_clock_jumps("forward")

    def test_wall_clock_jumps_back(self):
        self.wall_clock_jumps("back")

    # Its device

    def test_device_fails(self):
        self.serve(pool("fault", "fail,after=1"))
        self.assert_works()
        worker = self.worker()
        for answer in self.vm.calls("add 20 22", 3):
            self.assert_code(answer, EXECUTION_FAILED)
        self.assert_code(self.vm.call("nop"), 0)
        self.assertEqual(self.worker(), worker)
        self.assertEqual(self.vm.session()["errors"]["execution-failed"], 3)

    def test_no_device(self):
        self.serve(pool("opencl", "no such thing/at all"))
        self.assert_code(self.vm.call("nop"), 0)
        self.assert_code(self.vm.call("add 20 22"), EXECUTION_FAILED)
        self.assert_code(self.vm.call("info"), EXECUTION_FAILED)
        self.assert_code(self.vm.call("nop"), 0)
        self.assertEqual(self.vm.session()["backend-state"], "failed")
        self.assertIn("no such thing", self.vm.session()["failure"])

    # Its pool

    def test_rate_limit(self):
        self.serve(pool(requests_per_second=1, burst=4))
        codes = [answer.code for answer in self.vm.calls("nop", 12)]
        self.assertEqual(codes[:4], 4 * [0])
        self.assertLessEqual(set(codes), {0, RATE_LIMITED})
        limited = codes.count(RATE_LIMITED)
        self.assertGreaterEqual(limited, 4)
        self.assertEqual(self.vm.session()["errors"]["rate-limited"], limited)
        self.assertEqual(self.vm.session()["requests"], 12)
        self.assertEqual(self.vm.run("vgpu-call --until-ok 30 nop")[0], 0)

    def test_pool_is_gone(self):
        configure({"B": pool()})
        self.log = Log()
        self.wait_for(lambda: self.vm.session().get("state") == "linked", 30)
        for request in ("nop", "add 20 22"):
            self.assert_code(self.vm.call(request), INVALID_POOL)
        self.assertEqual(self.vm.session()["worker-pid"], 0)
        # A request that is wrong in itself is told so even then.
        self.assert_code(self.vm.call("raw --length 0"), 0x09)
        self.serve(pool())
        self.assert_works()


if __name__ == "__main__":
    host.main()
