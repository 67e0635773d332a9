# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parts of the host die, hang and come back while a guest computes by both protocols: each request
has an answer or an error, works again afterwards without a reboot, and ran once at most. The guest
gives every request a number of its own, and the workers' traces say how often each was begun."""

import collections
import ctypes
import os
import re
import signal
import socket

import host
import shell
from host import virsh
from shell import pool
from test_queues import restart_on_reset

TRACES = shell.HOME / "recovery-traces"
NUMBERS = 1000000  # that one test may use
SLOW = "delay=20ms"
SYS_PIDFD_GETFD = 438  # all architectures


def begun():
    """How often each request was begun on a device: {("1.0" or "queue", number): count}."""
    count = collections.Counter()
    for path in TRACES.glob("*.trace"):
        # The last line may be half written.
        for line in path.read_text().split("\n")[:-1]:
            found = re.fullmatch(r"\d+ job (\S+) (\d+) 0x\w+", line)
            if found:
                count["1.0" if found[1] == "1.0" else "queue", int(found[2])] += 1
    return count


def sockets_of(pid, peer):
    """Copies of the sockets that @pid has to the process @peer."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
        if fd < 0:
            continue
        try:
            copy = socket.socket(fileno=fd)
        except OSError:  # anything else
            os.close(fd)
            continue
        credentials = copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if copy.type == socket.SOCK_STREAM and int.from_bytes(credentials[:4], "little") == peer:
            found.append(copy)
        else:
            copy.close()
    os.close(process)
    return found


class Recovery(host.HostTest):
    last_number = 0

    @classmethod
    def setUpClass(cls):
        TRACES.mkdir(exist_ok=True)
        shell.configure({"A": pool()})
        cls.vm = shell.start(name="recovery", pool="A", prepare=restart_on_reset)
        cls.addClassCleanup(cls.vm.guest.remove)

    def setUp(self):
        Recovery.last_number += 1
        self.number = Recovery.last_number
        self.first = self.number * NUMBERS

    def serve(self, device=SLOW, backend="fault", **settings):
        settings = {"fault_budget": 64, "request_timeout_ms": 1000, **settings}
        shell.configure({"A": pool(backend, device)}, trace_dir=TRACES, **settings)
        self.wait_for(lambda: self.vm.session().get("state") == "serving", 30)
        self.log = shell.Log()

    def vgpud(self):
        return int((shell.HOME / "vgpud.pid").read_text())

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.vgpud()}/fd"))

    def worker(self):
        return self.vm.session()["worker-pid"]

    def next_worker(self, last):
        self.wait_for(lambda: self.vm.session().get("worker-pid", 0) not in (0, last), 30)
        return self.worker()

    # The load

    def begin(self):
        self.addCleanup(self.vm.run, "touch /stop; kill $(cat /pid) 2>/dev/null; wait")
        self.vm.run("rm -f /stop")
        self.vm.run(f"test-recovery --first {self.first} >/out 2>&1 & echo $! >/pid")
        self.await_load()

    def begun(self):
        """How often this test's requests were begun."""
        return {key: count for key, count in begun().items() if key[1] // NUMBERS == self.number}

    def jobs(self):
        """How many have been: (of protocol 1.0, of queues)."""
        mine = [which for which, _ in self.begun()]
        return mine.count("1.0"), mine.count("queue")

    def await_load(self, more=5):
        """Both protocols have so many more jobs begun."""
        before = self.jobs()
        self.wait_for(lambda: all(now >= then + more for now, then in zip(self.jobs(), before)), 60)

    def end(self, failures=1):
        """Lets the load end, which it does once both protocols work, and looks at all of it: the
        codes by protocol. At least @failures requests must have failed."""
        self.vm.run("touch /stop; wait", timeout=120)
        _, output = self.vm.run("cat /out")
        results = {}
        for line in output.splitlines():
            found = re.fullmatch(r"(1\.0|queue) (\d+) (lost|[0-9a-f]+)", line)
            self.assertIsNotNone(found, line)
            self.assertNotIn((found[1], int(found[2])), results)
            results[found[1], int(found[2])] = found[3]
        self.check_once(results)
        bad = [code for code in results.values() if code != "0"]
        self.assertGreaterEqual(len(bad), failures, output)
        self.assert_works()
        codes = {which: [code for key, code in results.items() if key[0] == which]
                 for which in ("1.0", "queue")}
        self.assertEqual((codes["1.0"][-1], codes["queue"][-1]), ("0", "0"), output)
        return codes

    def check_once(self, results):
        """No request ran twice; what was answered as done ran once, and nothing else did."""
        mine = self.begun()
        self.assertEqual({key: count for key, count in mine.items() if count > 1}, {})
        done = {key for key, code in results.items() if code == "0"}
        self.assertEqual(done - set(mine), set())
        self.assertEqual(set(mine) - set(results), set())

    def assert_works(self):
        answer = self.vm.call("add 20 22")
        self.assertEqual((answer.code, answer.text), (0, "42"), "\n".join(self.log.lines("")))

    # Its worker

    def test_worker_killed(self):
        """As the kernel does when the host, or the worker's control group, has no memory left."""
        self.serve()
        before = self.descriptors()
        self.begin()
        for which in (signal.SIGKILL, signal.SIGABRT, signal.SIGKILL):
            worker = self.worker()
            os.kill(worker, which)
            self.next_worker(worker)
            self.await_load()
        codes = self.end(failures=3)
        self.assertLessEqual(set(codes["1.0"]), {"0", "5"})
        self.assertLessEqual(set(codes["queue"]), {"0", "lost"})
        self.wait_for(lambda: self.descriptors() == before)

    def test_worker_crashes(self):
        self.serve("crash,after=40,delay=20ms")
        self.begin()
        worker = self.worker()
        for _ in range(3):
            worker = self.next_worker(worker)
        self.serve()  # that ends, too
        codes = self.end(failures=3)
        self.assertIn("lost", codes["queue"])

    def test_driver_hangs(self):
        self.serve("hang,after=40,delay=1ms")
        self.begin()
        worker = self.worker()
        for _ in range(3):
            worker = self.next_worker(worker)
        self.serve()
        codes = self.end(failures=3)
        # Which of the two hung is open, but both hear of it.
        self.assertLessEqual(set(codes["1.0"]), {"0", "3", "4", "5"})
        self.assertIn("lost", codes["queue"])

    def test_endless_kernel(self):
        """On a real driver; protocol 1.0 gets an answer, or an error, beside it."""
        self.serve("", backend="opencl", request_timeout_ms=3000)
        self.wait_for(lambda: self.vm.session().get("backend-state") == "ready", 60)
        worker = self.worker()
        self.vm.send("test-recovery --endless & until vgpu-call --timeout 60000 nop; do :; done; "
                     "wait $!")
        status, output = self.vm.answer(180)
        report = "\n".join(line for line in output.splitlines() if " ms)" not in line)
        self.assertEqual(status, 0, output)
        self.assert_tap(report)
        self.assertIn("took longer than", report)
        self.assertNotEqual(self.worker(), worker)
        self.assert_works()

    # Its device

    def test_device_lost(self):
        """The process that had it is of no use any more: the next one opens it anew."""
        self.serve("lost,after=40,delay=20ms")
        self.begin()
        worker = self.worker()
        for _ in range(3):
            worker = self.next_worker(worker)
        self.serve()
        codes = self.end(failures=3)
        self.assertIn("5", codes["1.0"] + codes["queue"])
        self.assertIn("lost", codes["queue"])

    def test_device_gone_and_back(self):
        """It was there, then no worker can open it, then it is there again."""
        self.serve("gone=gone,delay=20ms")
        self.begin()
        (folder,) = (shell.HOME / "cache").glob(self.vm.session()["uuid"] + "-*")
        worker = self.worker()
        (folder / "gone").touch()
        self.wait_for(lambda: self.vm.session().get("backend-state") == "failed", 30)
        self.assertNotEqual(self.worker(), worker)
        self.assertIn("the device is gone", self.vm.session()["failure"])
        (folder / "gone").unlink()
        # Not at once: a device that is really gone is not to be opened without end.
        self.wait_for(lambda: self.vm.session().get("backend-state") == "ready", 60)
        codes = self.end(failures=3)
        self.assertIn("5", codes["1.0"])
        self.assertIn("3", codes["queue"])  # no device

    # vgpud, and its link

    def test_vgpud_killed(self):
        self.serve()
        self.begin()
        for action in ("kill", "kill", "stop"):
            host.vgpud(action)
            host.vgpud("start")
            self.wait_for(lambda: self.vm.session().get("state") == "serving", 30)
            self.await_load()
        codes = self.end(failures=3)
        self.assertLessEqual(set(codes["1.0"]), {"0", "3", "5"})
        self.assertIn("3", codes["1.0"])
        self.assertLessEqual(set(codes["queue"]), {"0", "lost"})

    def test_link_drops(self):
        self.serve()
        before = self.descriptors()
        self.begin()
        for _ in range(2):
            worker = self.worker()
            (link,) = sockets_of(self.vgpud(), self.vm.session()["qemu-pid"])
            link.shutdown(socket.SHUT_RDWR)
            link.close()
            self.next_worker(worker)
            self.await_load()
        codes = self.end(failures=2)
        self.assertLessEqual(set(codes["1.0"]), {"0", "3", "5"})
        self.assertLessEqual(set(codes["queue"]), {"0", "lost"})
        self.wait_for(lambda: self.descriptors() == before)

    # The guest

    def test_guest_reset(self):
        self.serve()
        worker = self.worker()
        self.begin()
        virsh("reset", "recovery")
        self.vm.boots_again()
        self.assertEqual({key: count for key, count in self.begun().items() if count > 1}, {})
        # The next guest's are others.
        self.setUp()
        self.begin()
        self.end(failures=0)
        self.assertEqual(self.worker(), worker)


if __name__ == "__main__":
    host.main()
