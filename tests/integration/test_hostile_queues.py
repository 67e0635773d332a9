# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that misuses its queues in every way (test-hostile-queues) gets errors and can begin anew;
a second VM computes in the same pool all the time and notices nothing."""

import os
import re
from pathlib import Path

import host
import shell

SEED = int(os.environ.get("VGPU_TEST_SEED", "1"))
TROUBLE = r"BUG:|WARNING:|Oops|Call Trace|general protection"
EPOLL_WAIT = ("232", "281")  # epoll_wait, epoll_pwait
# What a worker may keep of what came and went: the allocator's and the sanitizer's stock.
GROWTH_KIB = 256 << 10


def memory(pid):
    """KiB that a process has for itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+)", status, re.MULTILINE).group(1))


def owner(pid):
    """The user whose process it is; None: it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return None if "State:\tZ" in status else int(re.search(r"Uid:\s+(\d+)", status).group(1))


def processes(user):
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if owner(path.name) == user]


def sleeps(pid):
    """Whether its main thread waits for events, and for nothing else."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in EPOLL_WAIT


def prepare(name):
    """The guest may reboot, and its root may map what the driver has."""
    xml = host.virsh("dumpxml", "--inactive", name)
    xml = re.sub("<on_reboot>.*?<", "<on_reboot>restart<", xml)
    file = Path(f"/run/vgpud-host/vm/{name}.hostile.xml")
    file.write_text(xml.replace("</cmdline>", " iomem=relaxed</cmdline>"))
    host.virsh("define", str(file))


class HostileQueues(host.HostTest):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}")
        # What it does is to come to something, not to a quarantine.
        shell.configure({"A": shell.pool("opencl")}, request_timeout_ms=4000, fault_budget=64,
                        error_budget=0, backend_fault_budget=0)
        cls.vm = shell.start(prepare=prepare, name="hostile", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)
        cls.other = shell.start(name="witness", pool="A")
        cls.addClassCleanup(cls.other.guest.remove)
        for vm in cls.vm, cls.other:  # and the device is open
            status, output = vm.run("test-hostile-queues prove", 120)
            if status != 0:
                raise AssertionError(output)

    def setUp(self):
        self.neighbour = self.other.session()
        self.before = memory(self.worker())
        self.other.run("test-hostile-queues witness >/witness 2>&1 & echo $! >/pid")

    def tearDown(self):
        """The VM computes; the other one has computed all the time, by the same worker."""
        self.assertEqual(self.vm.run(f"dmesg | grep -E '{TROUBLE}'"), (1, ""))
        self.check("prove")
        status, output = self.other.run("kill $(cat /pid); wait $(cat /pid); cat /witness", 120)
        self.assert_tap(output)
        print(f"witness: {output.splitlines()[1]}", flush=True)
        after = self.other.session()
        for key in "worker-pid", "state", "errors", "faults":
            self.assertEqual(after.get(key), self.neighbour.get(key), key)
        grown = memory(self.worker()) - self.before
        print(f"worker: {grown} KiB more", flush=True)
        self.assertLess(grown, GROWTH_KIB)
        self.wait_for(lambda: sleeps(self.worker()))

    def worker(self):
        return self.vm.session()["worker-pid"]

    def check(self, scenario, timeout=120):
        status, output = self.vm.run(f"test-hostile-queues --seed {SEED} {scenario}", timeout)
        self.assertEqual(status, 0, output)
        self.assert_tap(output)

    def unharmed(self, scenario):
        """The worker lives on."""
        worker = self.worker()
        self.check(scenario)
        self.assertEqual(self.worker(), worker)

    def test_indices(self):
        self.unharmed("indices")

    def test_lengths_handles_programs(self):
        self.unharmed("commands")

    def test_rewritten_while_read(self):
        self.unharmed("rewritten")

    def test_scribbled(self):
        self.unharmed("scribbled")

    def test_root(self):
        worker = self.worker()
        self.busy()
        self.check("root")
        self.rest()
        self.assertEqual(self.worker(), worker)

    def test_doorbell_storm(self):
        self.unharmed("storm")

    def test_endless_kernel(self):
        worker = self.worker()
        log = shell.Log()
        self.check("endless")
        self.assertNotEqual(self.worker(), worker)
        self.assertTrue(log.lines("has not ended within 4000 ms"))

    def test_forks(self):
        worker = self.worker()
        user = owner(worker)
        self.check("forks")
        self.assertNotEqual(self.worker(), worker)
        self.wait_for(lambda: processes(user) == [self.worker()])

    def test_never_drained(self):
        worker = self.worker()
        self.vm.send("test-hostile-queues undrained & echo $! >/pid")
        self.vm.await_text("# held")
        status, output = self.vm.answer()
        self.assertNotIn("not ok", output)
        self.wait_for(lambda: sleeps(worker))
        status, output = self.vm.run("kill -9 $(cat /pid); wait $(cat /pid)")
        self.assertEqual(self.worker(), worker)

    def busy(self):
        """Something of everything, until the guest goes."""
        for number, scenario in enumerate(("rewritten", "scribbled", "indices", "witness")):
            self.vm.run(f"test-hostile-queues --seed {SEED + number} --rounds 100000 {scenario}"
                        " >/dev/null 2>&1 &")

    def rest(self):
        self.vm.run("killall -9 test-hostile-queues; wait")

    def test_device_reset(self):
        self.busy()
        status, output = self.vm.run("for i in 1 2 3 4 5; do echo 1 >"
                                     " /sys/class/vgpu/vgpu0/device/reset || break; done")
        self.assertEqual((status, output), (0, ""))
        self.rest()

    def test_reboot(self):
        for how in "guest", "host":
            self.busy()
            if how == "guest":
                self.vm.send("reboot -f")
            else:
                host.virsh("reset", "hostile")
            self.vm.answer(120)
            self.check("prove")


if __name__ == "__main__":
    host.main()
