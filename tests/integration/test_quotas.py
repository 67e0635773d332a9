# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of a VM: what is beyond them fails or waits, what is held is counted to the last byte, and
changes take effect while the VM runs. And the accounts, as Prometheus reads them."""

import os
import re
import signal
import subprocess
import time

import host
import shell
from host import virsh

URI = "https://vgpud.org/xmlns/domain/1.0"
HELD = ["memory-used", "programs-used", "handles-used", "outstanding-used", "shared-memory-used"]
QUOTA = "a limit of this VM"
MIB = 1 << 20


def set_limits(name, **limits):
    """As an administrator does it."""
    text = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in limits.items())
    virsh("metadata", name, URI, "--live", "--key", "vgpu", "--set",
          f"<vgpu pool='A'><limits {text}/></vgpu>")


def metrics():
    """{series: value} of vgpuctl metrics, each line checked."""
    text = subprocess.run(["vgpuctl", "metrics"], check=True, capture_output=True,
                          text=True).stdout
    series = {}
    for line in text.splitlines():
        if re.fullmatch(r"# (HELP \w+ .*|TYPE \w+ (counter|gauge|histogram))", line):
            continue
        found = re.fullmatch(r'(\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})?) (\d+(?:\.\d+)?)', line)
        if not found or found.group(1) in series:
            raise AssertionError(f"not a line of metrics: {line!r}")
        series[found.group(1)] = float(found.group(2))
    return series


class Quotas(host.HostTest):
    @classmethod
    def setUpClass(cls):
        shell.configure({"A": shell.pool(memory_mib=64, default_memory_mib=32),
                         "B": shell.pool(requests_per_second=50, burst=1, over_quota="wait"),
                         "C": shell.pool("fault", "delay=30ms", default_device_time_percent=20)})
        cls.vm = shell.start(name="quotas", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)

    def setUp(self):
        self.limit(weight=100)
        self.addCleanup(self.end, "-TERM")

    def limit(self, **limits):
        set_limits("quotas", **limits)
        wanted = {key.replace("_", "-"): value for key, value in limits.items()}
        # What the pool gives to those who do not ask.
        wanted.setdefault("memory-mib", 32)
        wanted.setdefault("handles", 0)
        self.wait_for(lambda: wanted.items() <= self.vm.session().items())

    def held(self):
        session = self.vm.session()
        return {key: session[key] for key in HELD}

    def run_quotas(self, *arguments):
        status, output = self.vm.run("test-quotas " + " ".join(map(str, arguments)))
        self.assertEqual(status, 0, output)
        return output

    def stay(self, count, mib):
        self.vm.send(f"test-quotas {count} {mib} --stay & sleep 0")
        self.vm.await_text("# ready")
        self.vm.answer()

    def end(self, how):
        """Ends what stays."""
        self.vm.run(f"kill {how} $!; wait")

    def await_nothing_held(self):
        self.wait_for(lambda: set(self.held().values()) == {0}, 30)

    def test_memory(self):
        worker = self.vm.session()["worker-pid"]
        output = self.run_quotas(5, 10)
        self.assertEqual(re.findall("buffer: (.*)", output), ["ok"] * 3 + [QUOTA] * 2, output)
        self.await_nothing_held()
        # Without a new worker, up to what the pool allows.
        self.limit(memory_mib=50)
        self.assertEqual(self.run_quotas(6, 10).count("buffer: ok"), 5)
        set_limits("quotas", memory_mib=1000000)
        self.wait_for(lambda: self.vm.session()["memory-mib"] == 64)
        self.assertEqual(self.vm.session()["worker-pid"], worker)

    def test_handles(self):
        self.limit(handles=4)
        output = self.run_quotas(4, 1)
        self.assertIn(f"kernel: {QUOTA}", output)
        self.assertIn("kernel: ok", self.run_quotas(2, 1))
        self.await_nothing_held()

    def test_queues(self):
        size = self.slot_size()
        self.limit(shared_memory_mib=size // MIB)
        self.stay(1, 1)
        self.assertEqual(self.held()["shared-memory-used"], size)
        status, output = self.vm.run("test-quotas 1 1")
        self.assertEqual(status, 1, output)
        self.end("-TERM")
        self.await_nothing_held()
        self.assertIn("open: ok", self.run_quotas(1, 1))

    def slot_size(self):
        self.stay(0, 0)
        size = self.held()["shared-memory-used"]
        self.end("-TERM")
        self.await_nothing_held()
        self.assertGreaterEqual(size, MIB)
        return size

    def test_killed(self):
        self.stay(2, 8)
        held = self.held()
        self.assertEqual(held["memory-used"], 16 * MIB)
        self.assertEqual(held["handles-used"], 4)
        self.assertGreater(held["programs-used"], 0)
        self.end("-KILL")
        self.await_nothing_held()

    def test_worker_killed(self):
        before = self.vm.session()
        self.stay(1, 8)
        os.kill(before["worker-pid"], signal.SIGKILL)
        self.wait_for(lambda: self.vm.session()["worker-pid"] not in (0, before["worker-pid"]))
        self.await_nothing_held()
        self.end("-TERM")
        # The accounts go on.
        self.assertGreater(self.vm.session()["requests"], before["requests"])

    def test_rate_waits(self):
        vm = shell.start(name="waits", pool="B")
        self.addCleanup(vm.guest.remove)
        answers = vm.calls("nop", 8)
        self.assertEqual([answer.code for answer in answers], [0] * 8)
        session = vm.session()
        self.assertEqual(session["errors"]["rate-limited"], 0)
        status, output = vm.run("test-quotas 8 1")
        self.assertEqual(output.count("buffer: ok"), 8, output)
        self.assertGreater(sum(vm.session()["waits"]), 0)
        uuid = session["uuid"]
        self.assertGreater(metrics()[f'vgpud_vm_wait_seconds_count{{vm="waits",uuid="{uuid}"}}'], 0)
        # What it had stays with the pool.
        total = 'vgpud_pool_requests_total{pool="B"}'
        before = metrics()[total]
        self.assertGreaterEqual(before, 8)
        vm.guest.remove()
        self.wait_for(lambda: not vm.session())
        self.assertGreaterEqual(metrics()[total], before)

    def test_device_time(self):
        """A fifth of the device's time, though nobody else wants it."""
        vm = shell.start(name="share", pool="C")
        self.addCleanup(vm.guest.remove)
        self.assertEqual(vm.session()["device-time-percent"], 20)
        begin = time.monotonic()
        answers = vm.calls("add 40 2", 20)
        passed = time.monotonic() - begin
        self.assertEqual([answer.code for answer in answers], [0] * 20)
        # 600 ms on the device; it may be ahead by 100 ms and a request.
        self.assertGreaterEqual(passed, 5 * 0.57 - 0.1 - 0.15)
        self.assertGreater(sum(vm.session()["waits"]), 0)
        # Taken back while it runs, without a new worker.
        worker = vm.session()["worker-pid"]
        virsh("metadata", "share", URI, "--live", "--key", "vgpu", "--set",
              "<vgpu pool='C'><limits device-time-percent='100'/></vgpu>")
        self.wait_for(lambda: vm.session()["device-time-percent"] == 100)
        waits = sum(vm.session()["waits"])
        vm.calls("add 40 2", 20)
        self.assertEqual(vm.session()["worker-pid"], worker)
        # It keeps the device from now on: hardly one has to wait for it.
        self.assertLessEqual(sum(vm.session()["waits"]), waits + 2)

    def test_metrics(self):
        self.stay(1, 8)
        labels = f'{{vm="quotas",uuid="{self.vm.session()["uuid"]}"}}'
        series = metrics()
        self.assertEqual(series["vgpud_vm_memory_bytes" + labels], 8 * MIB)
        self.assertGreater(series["vgpud_vm_requests_total" + labels], 0)
        self.assertEqual(series["vgpud_vm_limit" + labels[:-1] + ',limit="memory-mib"}'], 32)
        self.limit(memory_mib=20)
        after = metrics()
        self.assertEqual(after["vgpud_vm_limit" + labels[:-1] + ',limit="memory-mib"}'], 20)
        for name, value in series.items():
            if name.split("{")[0].endswith(("_total", "_bucket", "_count", "_sum")):
                self.assertGreaterEqual(after[name], value, name)


if __name__ == "__main__":
    host.main()
