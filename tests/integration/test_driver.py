# SPDX-License-Identifier: LGPL-2.1-or-later
"""vgpu.ko in a guest of its own QEMU, against a mediator that is slow, silent or gone when the test
wants that (tests/fake/fake-mediator.c). No libvirt, no vgpud."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["ROOT"]) / "scripts"))

from kit.cpio import Archive  # noqa: E402  (the path comes first)

BUILD = Path(os.environ["BUILD"])
PROGRAM = BUILD / "guest-driver/test-driver"
TROUBLE = r"BUG:|WARNING:|Oops|Call Trace|general protection"
KERNEL_LOG = f"dmesg | grep -E 'vgpu|{TROUBLE}'"
PLUG = {"driver": "vgpu-stub", "id": "vgpu", "bus": "pci.0", "chardev": "link"}


class Monitor:
    """QEMU's QMP socket, to which it connects."""

    def __init__(self, listener):
        self._socket, _ = listener.accept()
        self._lines = self._socket.makefile()
        self._next()
        self.order("qmp_capabilities")

    def _next(self):
        return json.loads(self._lines.readline())

    def order(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(message).encode())
        while True:
            answer = self._next()
            assert "error" not in answer, answer
            if "return" in answer:
                return

    def close(self):
        self._lines.close()
        self._socket.close()

    def await_event(self, name):
        while self._next().get("event") != name:
            pass


class Driver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def kill(self, process):
        process.kill()
        process.communicate()

    def start_mediator(self):
        link = self.folder / "link"
        link.unlink(missing_ok=True)
        mediator = subprocess.Popen([BUILD / "tests/fake/fake-mediator", link],
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.kill, mediator)
        self.assertEqual(mediator.stdout.readline(), "listening\n")

    def start(self, command, *options, machine="q35", cpus=1, parameters="",
              reboot="shutdown"):
        """QEMU whose guest runs shell text, its output on stdout."""
        archive = Archive()
        archive.file("vgpu/command", command.encode() + b"\n", 0o644)
        archive.file("usr/bin/test-driver", PROGRAM.read_bytes())
        initrd = self.folder / "initrd"
        initrd.write_bytes(Path(os.environ["VGPU_GUEST_INITRD"]).read_bytes() + archive.bytes())
        # Emulated, whether there is KVM or not: what is tested is the driver, and a CPU that is
        # stopped at any instruction shows more of it.
        qemu = subprocess.Popen(
            [os.environ["VGPU_EMULATOR"], "-machine", machine, "-accel", "tcg", "-m", "512",
             "-smp", str(cpus), "-nodefaults", "-display", "none", "-serial", "stdio",
             "-action", f"reboot={reboot}", "-kernel", os.environ["VGPU_GUEST_KERNEL"], "-initrd", str(initrd),
             "-append", f"console=ttyS0 quiet panic=-1 {parameters}", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
        )
        self.addCleanup(self.kill, qemu)
        return qemu

    def link(self, options=""):
        path = self.folder / "link"
        return ("-chardev", f"socket,id=link,path={path}",
                "-device", f"vgpu-stub,id=vgpu,chardev=link{options}")

    def run_guest(self, command, *options, **machine):
        return self.start(command, *options, **machine).communicate(timeout=300)[0]

    def check_tap(self, output):
        plan = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
        self.assertIsNotNone(plan, output)
        self.assertNotRegex(output, re.compile(r"^not ok", re.MULTILINE))
        self.assertEqual(len(re.findall(r"^ok \d+", output, re.MULTILINE)), int(plan.group(1)))
        self.check_kernel(output)

    def check_kernel(self, output):
        self.assertNotRegex(output, TROUBLE)

    def test_q35(self):
        self.start_mediator()
        self.check_tap(self.run_guest(f"test-driver; {KERNEL_LOG}", *self.link()))

    def test_pc_with_two_cpus(self):
        self.start_mediator()
        options = self.link(",queues=3,shm-size=1M")
        self.check_tap(self.run_guest(f"test-driver; {KERNEL_LOG}", *options, machine="pc", cpus=2))

    def monitored(self, command):
        path = self.folder / "monitor"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            self.start_mediator()
            qemu = self.start(command, *self.link(), "-qmp", f"unix:{path}", machine="pc")
            monitor = Monitor(listener)
        self.addCleanup(monitor.close)
        return qemu, monitor

    def test_unplugged(self):
        """The device is taken out of a running machine while a program computes on it."""
        qemu, monitor = self.monitored(f"test-driver plugged; {KERNEL_LOG}")
        output = ""
        for line in qemu.stdout:
            output += line
            if line == "# please: unplug\n":
                monitor.order("device_del", id="vgpu")
                monitor.await_event("DEVICE_DELETED")
            elif line == "# please: plug\n":
                monitor.order("chardev-remove", id="link")
                self.start_mediator()
                address = {"type": "unix", "data": {"path": str(self.folder / "link")}}
                monitor.order("chardev-add", id="link", backend={
                    "type": "socket", "data": {"addr": address, "server": False}})
                monitor.order("device_add", **PLUG)
        self.check_tap(output)

    def test_suspended(self):
        qemu, monitor = self.monitored(f"test-driver suspended; {KERNEL_LOG}")
        output = ""
        for line in qemu.stdout:
            output += line
            if line == "# please: wake up\n":
                monitor.await_event("SUSPEND")
                monitor.order("system_wakeup")
        self.check_tap(output)

    def test_rebooted(self):
        self.start_mediator()
        output = self.run_guest(f"test-driver rebooted; {KERNEL_LOG}", *self.link(",queues=4"),
                                reboot="reset")
        self.check_tap(output)

    def test_slots_of_gigabytes(self):
        self.start_mediator()
        qemu = self.start(f"test-driver large; {KERNEL_LOG}", *self.link(",queues=2,shm-size=16G"))
        output = qemu.stdout.readline()
        [memory] = [file for file in Path(f"/proc/{qemu.pid}/fd").iterdir()
                    if os.readlink(file).startswith("/memfd:vgpu-stub")]
        with open(memory, "rb") as file:
            output += qemu.communicate(timeout=300)[0]
            status = os.stat(file.fileno())
        self.check_tap(output)
        self.assertEqual(status.st_size, 16 << 30)
        self.assertLess(status.st_blocks * 512, 32 << 20)

    def test_protocol_1_only(self):
        output = self.run_guest(f"ls /dev/vgpu*; {KERNEL_LOG}", "-device",
                                "vgpu-stub,queues=0")
        self.assertIn("/dev/vgpu*: No such file", output)
        self.assertRegex(output, r"vgpu 0000:\S+ the host offers protocol 1.0 only")
        self.check_kernel(output)

    def test_no_interrupts(self):
        """Without MSI-X, or with less than it would take: what can be, said clearly."""
        output = self.run_guest(f"ls /dev/vgpu*; {KERNEL_LOG}", "-device", "vgpu-stub",
                                parameters="pci=nomsi")
        self.assertIn("/dev/vgpu*: No such file", output)
        self.assertRegex(output, r"vgpu 0000:\S+ error \S+ no two MSI-X vectors")
        self.check_kernel(output)

    def test_few_interrupts(self):
        # An x86 CPU has about 200 vectors for devices.
        devices = ["-device", "vgpu-stub,queues=45"] * 5
        command = f"cat /sys/class/vgpu/vgpu*/queues; {KERNEL_LOG}"
        output = self.run_guest(command, *devices)
        queues = [int(number) for number in re.findall(r"^\d+$", output, re.MULTILINE)]
        self.assertEqual(queues[:4], [45] * 4)
        self.assertLess(queues[4], 45)
        self.assertGreater(queues[4], 0)
        self.assertRegex(output, rf"vgpu 0000:\S+ {queues[4]} of 45 queues: the machine has no more")
        self.check_kernel(output)

    def test_module(self):
        """It cannot be taken away from those who use it, and comes and goes otherwise."""
        self.start_mediator()
        output = self.run_guest(
            "exec 9<>/dev/vgpu0; rmmod vgpu && echo removed in use; exec 9>&-;"
            "for i in 1 2 3; do rmmod vgpu || exit; insmod /lib/modules/vgpu.ko || exit; done;"
            f"echo well; {KERNEL_LOG}",
            *self.link(),
        )
        self.assertNotIn("removed in use", output)
        self.assertRegex(output, re.compile("^well", re.MULTILINE))
        self.check_kernel(output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
