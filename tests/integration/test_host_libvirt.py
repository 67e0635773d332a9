#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vgpud/host over a real libvirtd, without the rest of vgpud: host-probe is in its place.

    tests/integration/run-in-host --no-vgpud tests/integration/test_host_libvirt.py [TEST...]

Nothing is waited for by the clock: a line of the probe tells when it has done something, and a
domain that is defined afterwards ("barrier") tells that it has done nothing."""

import os
import queue
import re
import select
import signal
import subprocess
import threading
import time
import unittest
import uuid
from pathlib import Path
from xml.etree import ElementTree

from libvirtd import HOME, TIMEOUT, Libvirtd

PROBE = Path(os.environ["BUILD"]) / "vgpud/host/host-probe"
EMULATOR = os.environ["VGPU_EMULATOR"]
ORIGINAL_EMULATOR = HOME / "fallback/qemu-system-x86_64"  # the same program by another name
NAMESPACE = "https://vgpud.org/xmlns/domain/1.0"
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"

ELEMENT = '<metadata><vgpu:vgpu xmlns:vgpu="%s" pool="{}" priority="{}"/></metadata>' % NAMESPACE

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  {metadata}
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
  </devices>
</domain>
"""


def virsh(*arguments, check=True):
    result = subprocess.run(
        ["virsh", "-q", *arguments], capture_output=True, text=True, timeout=TIMEOUT
    )
    if check and result.returncode != 0:
        raise AssertionError(f"virsh {' '.join(arguments)}: {result.stderr}")
    return result.stdout


class Probe:
    def __init__(self):
        self.lines = queue.Queue()
        self.process = subprocess.Popen(
            [PROBE, "qemu:///system", EMULATOR, "/run/vgpud"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def tell(self, command):
        self.process.stdin.write(command + "\n")

    def expect(self, pattern, timeout=TIMEOUT):
        """The first line from here on that matches; those before it are in `passed`."""
        end = time.monotonic() + timeout
        self.passed = []
        while True:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} after {self.passed}") from None
            if line is None:
                status = self.process.wait(TIMEOUT)
                raise AssertionError(f"no {pattern!r}, the probe ended with {status}") from None
            if re.search(pattern, line):
                return line
            self.passed.append(line)

    def end(self):
        begin = time.monotonic()
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(TIMEOUT)
            self.reader.join()
            self.process.stdout.close()
        return time.monotonic() - begin

    def sockets(self):
        folder = Path(f"/proc/{self.process.pid}/fd")
        return sum(os.readlink(fd).startswith("socket:") for fd in folder.iterdir())


class HostTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.libvirtd = Libvirtd()

    def setUp(self):
        self.domains = []
        self.barriers = 0
        self.start_probe()

    def tearDown(self):
        self.probe.end()
        for domain in self.domains:
            virsh("destroy", domain, check=False)
            virsh("undefine", domain, check=False)

    def start_probe(self):
        self.probe = Probe()
        self.probe.expect("^connected 1 qemu:///system, libvirt .*QEMU")
        self.probe.expect("^scanned$")

    def domain(self, name, pool=None, priority="medium", machine="q35", id=None, devices=""):
        """The XML of a domain that tearDown() takes away."""
        self.domains.append(name)
        return DOMAIN.format(
            name=name,
            uuid=id or uuid.uuid4(),
            machine=machine,
            devices=devices,
            emulator=ORIGINAL_EMULATOR,
            metadata=ELEMENT.format(pool, priority) if pool else "",
        )

    def define(self, xml):
        file = Path("/run/define.xml")
        file.write_text(xml)
        virsh("define", str(file))

    def barrier(self):
        """All that came before has been done with when a new domain has its device."""
        self.barriers += 1
        name = f"barrier{self.barriers}"
        self.define(self.domain(name, "Z"))
        self.probe.expect(f"^log domain '{name}': vgpu-stub put into")
        passed = [line for line in self.probe.passed if "barrier" not in line]
        virsh("undefine", name)
        self.domains.remove(name)
        return passed

    def dump(self, name):
        return virsh("dumpxml", name, "--inactive", "--security-info")

    def device(self, name):
        """The properties of our device in the definition; None without one."""
        found = re.findall(r'"driver":"vgpu-stub".*?\}', self.dump(name).replace("&quot;", '"'))
        self.assertLessEqual(len(found), 1, "the device is there more than once")
        return dict(re.findall(r'"([a-z-]+)":"?([^",}]+)', found[0])) if found else None

    def arguments(self, name):
        root = ElementTree.fromstring(self.dump(name))
        return [arg.get("value") for arg in root.iter(f"{QEMU}arg")]

    def set_element(self, name, pool, *flags, priority="medium"):
        element = f"<vgpu pool='{pool}' priority='{priority}'/>"
        virsh("metadata", name, NAMESPACE, "--key", "vgpu", "--set", element, *flags)

    # Definitions.

    def test_define_redefine_change_remove(self):
        # With metadata of another: else libvirt itself leaves an empty <metadata/> behind.
        xml = self.domain("one", devices="<graphics type='vnc' passwd='secret'/>")
        self.define(xml.replace("<memory", "<metadata><x:y xmlns:x='urn:x'/></metadata><memory"))
        plain = self.dump("one")
        self.assertEqual(self.barrier(), [])
        self.assertEqual(self.dump("one"), plain)

        self.set_element("one", "A", "--config", priority="high")
        self.probe.expect(
            r"^log domain 'one': vgpu-stub put into its definition \(pool A, priority high, "
            r"vm-id \d+\)$"
        )
        device = self.device("one")
        self.assertEqual((device["pool"], device["priority"]), ("A", "high"))
        self.assertEqual(self.barrier(), [], "one definition is written, not more")
        with_device = self.dump("one")
        self.assertIn("passwd='secret'", with_device)
        self.assertIn(f"<emulator>{EMULATOR}</emulator>", with_device)

        # As dumped: right already. From the administrator's old file: the same again.
        self.define(with_device)
        self.assertEqual(self.barrier(), [])
        self.assertEqual(self.dump("one"), with_device)
        self.define(with_device.split("<qemu:commandline>")[0] + "</domain>")
        self.probe.expect("^log domain 'one': ")
        self.assertEqual(self.device("one"), device)

        self.set_element("one", "B", "--config")
        self.probe.expect("^log domain 'one': vgpu-stub brought up to date")
        changed = self.device("one")
        self.assertEqual((changed["pool"], changed["vm-id"]), ("B", device["vm-id"]))

        virsh("metadata", "one", NAMESPACE, "--remove", "--config")
        self.probe.expect("^log domain 'one': vgpu-stub taken out of its definition$")
        self.assertEqual(self.dump("one"), plain)
        self.assertEqual(self.barrier(), [])

    def test_numbers_of_two_and_a_clone(self):
        for name in "one", "two":
            self.define(self.domain(name, "A", machine="pc"))
            self.probe.expect(f"^log domain '{name}': vgpu-stub put into")
        clone = re.sub("<uuid>.*</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", self.dump("one"))
        self.define(clone.replace("<name>one<", "<name>three<"))
        self.domains.append("three")
        self.probe.expect("^log domain 'three': vgpu-stub brought up to date")

        numbers = [self.device(name)["vm-id"] for name in ("one", "two", "three")]
        self.assertEqual(numbers, ["1", "2", "3"])
        own = virsh("domuuid", "three").strip()
        self.assertEqual(sum(f"/{own}.sock" in arg for arg in self.arguments("three")), 1)
        self.assertEqual(sum(".sock" in arg for arg in self.arguments("three")), 1)

        # A number that is free is given again; one that is in use stays over a restart of vgpud.
        virsh("undefine", "one")
        self.define(self.domain("four", "A"))
        self.probe.expect("^log domain 'four': .*vm-id 1")
        self.probe.end()
        for number in range(10):
            self.define(self.domain(f"new{number}", "A"))
        self.start_probe()
        self.barrier()
        numbers = [self.device(name)["vm-id"] for name in self.domains if name != "one"]
        self.assertEqual(numbers[:3], ["2", "3", "1"])
        self.assertEqual(sorted(map(int, numbers)), list(range(1, len(numbers) + 1)))

    def test_bad_element_is_left_alone(self):
        self.define(self.domain("bad", "A", priority="urgent"))
        line = self.probe.expect("^log domain 'bad': ")
        for word in "line ", "'priority'", "'urgent'", "low", "medium", "high":
            self.assertIn(word, line)
        self.define(self.dump("bad"))
        self.assertEqual(self.barrier(), [], "one warning for one mistake")
        self.assertIsNone(self.device("bad"))

    def test_many_changes(self):
        self.define(self.domain("busy", "A"))
        self.probe.expect("^log domain 'busy': ")
        for pool in 5 * "BCDEFGHIJK":
            self.set_element("busy", pool, "--config")
        self.barrier()
        self.assertEqual(self.device("busy")["pool"], "K")

    def test_hold(self):
        self.define(self.domain("held", "A"))
        self.probe.expect("^log domain 'held': ")
        id = virsh("domuuid", "held").strip()
        self.probe.tell(f"hold {id}")
        self.probe.tell("ping")
        self.probe.expect("^pong")
        self.set_element("held", "B", "--config")
        self.assertEqual(self.barrier(), [])
        self.assertEqual(self.device("held")["pool"], "A")
        self.probe.tell(f"resume {id}")
        self.probe.expect("^log domain 'held': vgpu-stub brought up to date")
        self.assertEqual(self.device("held")["pool"], "B")

    # Running domains.

    def test_running(self):
        id = str(uuid.uuid4())
        self.define(self.domain("runs", "A", id=id))
        self.probe.expect("^log domain 'runs': ")
        self.probe.tell(f"hold {id}")  # as at prepare; STARTED ends it
        virsh("start", "runs")
        self.probe.expect(f"^running {id} runs vm-id 1 pool A priority medium$")

        self.set_element("runs", "B", "--live", priority="high")
        self.probe.expect(f"^running {id} runs vm-id 1 pool B priority high$")
        self.assertEqual(self.device("runs")["pool"], "A")
        self.set_element("runs", "nonsense", "--live")
        self.probe.expect("^log domain 'runs', as it runs: .*'pool' is 'nonsense'.*goes on as before")
        self.probe.expect(f"^running {id} runs vm-id 1 pool - priority -$")

        # vgpud again: it hears of the VM before the scan is over.
        self.probe.end()
        self.probe = Probe()
        self.probe.expect(f"^running {id} ")
        self.probe.expect("^scanned")

        # Undefined while it runs, it keeps its number.
        virsh("undefine", "runs")
        self.define(self.domain("next", "A"))
        self.probe.expect("^log domain 'next': .*vm-id 2")
        virsh("destroy", "runs")
        self.probe.expect(f"^stopped {id}$")
        self.define(self.domain("last", "A"))
        self.probe.expect("^log domain 'last': .*vm-id 1")

    def test_start_while_its_hook_runs(self):
        """libvirt locks the domain then: who calls about it waits, and a define freezes all."""
        id = str(uuid.uuid4())
        self.define(self.domain("starts", "A", id=id))
        self.probe.expect("^log domain 'starts': ")
        hook = Path("/etc/libvirt/hooks/qemu.d/gate")
        hook.parent.mkdir(parents=True, exist_ok=True)
        for fifo in "/run/hook-runs", "/run/hook-ends":
            os.mkfifo(fifo)
        hook.write_text(
            '#!/bin/sh\n[ "$2" = prepare ] || exit 0\n'
            ": >/run/hook-runs\n: </run/hook-ends\n"
        )
        hook.chmod(0o755)
        self.libvirtd.stop()
        self.probe.expect("^connected 0 ")
        self.libvirtd.start()
        self.probe.expect("^scanned$")

        starting = subprocess.Popen(["virsh", "-q", "start", "starts"])
        Path("/run/hook-runs").read_text()
        self.probe.tell(f"hold {id}")
        self.define(self.domain("other", "B"))
        self.probe.expect("^log domain 'other': vgpu-stub put into", timeout=1)
        Path("/run/hook-ends").write_text("")
        self.assertEqual(starting.wait(TIMEOUT), 0)
        self.probe.expect(f"^running {id} ")
        hook.unlink()

    # libvirtd comes and goes.

    def await_connections(self):
        """One for events, and one for calls, which is renewed after each piece of work."""
        end = time.monotonic() + 10
        while self.probe.sockets() != 2:
            self.assertLess(time.monotonic(), end, f"{self.probe.sockets()} sockets, not 2")
            time.sleep(0.01)

    def test_libvirtd_restarts(self):
        runs = str(uuid.uuid4())
        for name, id in ("gone", None), ("stays", None), ("runs", runs):
            self.define(self.domain(name, "A", id=id))
            self.probe.expect(f"^log domain '{name}': ")
        virsh("start", "runs")
        self.probe.expect("^running")
        numbers = {self.device(name)["vm-id"]: name for name in ("gone", "stays", "runs")}
        self.assertEqual(len(numbers), 3)
        gone = self.device("gone")["vm-id"]

        for number in signal.SIGTERM, signal.SIGKILL:
            self.libvirtd.stop(number)
            self.probe.expect("^connected 0 ")
            self.probe.tell("ping")
            self.probe.expect("^pong qemu:///system: ")
            self.libvirtd.start()
            self.probe.expect("^connected 1 ")
            self.probe.expect(f"^running {runs} ")
            self.probe.expect("^scanned$")
            self.await_connections()

        # What changed while nobody could tell.
        self.libvirtd.stop()
        self.probe.expect("^connected 0 ")
        Path("/etc/libvirt/qemu/gone.xml").unlink()
        Path("/etc/libvirt/qemu/new.xml").write_text(self.domain("new", "B"))
        os.kill(int(Path("/run/libvirt/qemu/runs.pid").read_text()), signal.SIGKILL)
        self.libvirtd.start()
        self.probe.expect("^connected 1 ")
        self.probe.expect(f"^stopped {runs}$")
        self.probe.expect(f"^log domain 'new': .*vm-id {gone}")
        self.assertEqual(self.device("new")["pool"], "B")

    def test_writes_to_a_libvirtd_that_has_gone(self):
        """Whether a call or the leave-taking meets a closed socket is a matter of microseconds;
        the signal that libvirt's write raises then is sent by hand."""
        os.kill(self.probe.process.pid, signal.SIGPIPE)
        self.define(self.domain("one", "A"))
        self.probe.expect("^log domain 'one': ")

    def test_libvirtd_hangs(self):
        self.define(self.domain("one", "A"))
        self.probe.expect("^log domain 'one': ")
        pid = self.libvirtd.pid()

        # Idle: it goes on where it was, nothing is lost.
        os.kill(pid, signal.SIGSTOP)
        self.probe.tell("ping")
        self.probe.expect("^pong", timeout=1)
        os.kill(pid, signal.SIGCONT)
        self.set_element("one", "B", "--config")
        self.probe.expect("^log domain 'one': ")

    def test_libvirtd_hangs_in_a_call(self):
        self.probe.end()
        for number in range(30):
            self.define(self.domain(f"new{number}", "A"))
        pid = self.libvirtd.pid()

        # The keepalive notices, and the main loop answers all the time.
        self.probe = Probe()
        self.probe.expect("^connected 1 ")
        os.kill(pid, signal.SIGSTOP)
        try:
            self.probe.tell("ping")
            self.probe.expect("^pong", timeout=1)
            self.probe.expect("^connected 0 ", timeout=30)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.probe.expect("^connected 1 ")
        self.probe.expect("^scanned$")
        self.probe.end()

        # The end does not wait for it.
        self.probe = Probe()
        self.probe.expect("^connected 1 ")
        os.kill(pid, signal.SIGSTOP)
        try:
            self.assertLess(self.probe.end(), 4)
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_connects_while_libvirtd_hangs(self):
        pid = self.libvirtd.pid()
        self.probe.end()
        os.kill(pid, signal.SIGSTOP)
        try:
            self.probe = Probe()
            self.probe.tell("ping")
            self.probe.expect("^pong qemu:///system: not connected yet", timeout=5)
            self.assertLess(self.probe.end(), 4)
            self.probe = Probe()
        finally:
            os.kill(pid, signal.SIGCONT)
        self.probe.expect("^scanned")


def without_our_hook():
    """The hook program would ask vgpud, which is not there, and refuse starts."""
    hook = Path("/etc/libvirt/hooks/qemu.d/vgpud")
    if hook.exists():
        hook.unlink()
    os.environ.setdefault("LIBVIRT_DEFAULT_URI", "qemu:///system")


if __name__ == "__main__":
    without_our_hook()
    unittest.main(verbosity=2)
