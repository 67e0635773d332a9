# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd stops, is killed, hangs and comes back under VMs that compute: their requests go on, what
happened meanwhile is found out, and no connection stays behind."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import host
import shell
from host import virsh
from libvirtd import Libvirtd
from shell import Log

URI = "https://vgpud.org/xmlns/domain/1.0"
LIBVIRTD = Libvirtd()
AT_ONCE = 2  # seconds
KEEPALIVE = 40  # longer than it takes to give a libvirtd up that hangs in a call


def definition(name):
    return virsh("dumpxml", "--inactive", name).replace("&quot;", '"')


def qemu_pid(name):
    return int(Path(f"/run/libvirt/qemu/{name}.pid").read_text())


def vgpud_sockets():
    pid = int((shell.HOME / "vgpud.pid").read_text())
    count = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += os.readlink(file).startswith("socket:")
    return count


class LibvirtdFaults(host.HostTest):
    @classmethod
    def setUpClass(cls):
        shell.configure({"A": shell.pool()})
        cls.vm = shell.start(name="computes", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)

    @contextlib.contextmanager
    def while_it_computes(self):
        """Requests go on during the block, all succeed, on the same worker."""
        before = self.vm.session()
        _, pid = self.vm.run("vgpu-call --repeat 1000000000 add 20 22 >/calls & echo $!")
        self.vm.run("until [ -s /calls ]; do usleep 1000; done")
        try:
            yield
        except BaseException:
            self.vm.run(f"kill {pid.strip()}; wait")
            raise
        self.vm.run("a=$(wc -l </calls); until [ $(wc -l </calls) -gt $a ]; do usleep 1000; done")
        _, bad = self.vm.run(f"kill {pid.strip()}; wait; grep -vc '^ok 42 ' /calls")
        self.assertEqual(bad, "0\n")
        after = self.vm.session()
        for key in ("qemu-pid", "worker-pid", "worker-faults", "state"):
            self.assertEqual(after[key], before[key], key)

    def domain(self, name):
        """With a device, and no system: its QEMU connects all the same."""
        file = shell.HOME / f"{name}.xml"
        file.write_text(host.domain_xml(name, pool="A"))
        self.addCleanup(virsh, "undefine", name, check=False)
        self.addCleanup(virsh, "destroy", name, check=False)
        virsh("define", str(file))
        self.await_device(name)

    def await_device(self, name, **expected):
        wanted = ['"vgpu-stub"', *(f'"{key}":"{value}"' for key, value in expected.items())]
        self.wait_for(lambda: all(text in definition(name) for text in wanted))

    def start(self, name):
        virsh("start", name)
        self.wait_for(lambda: shell.session(name).get("state") == "serving", 30)
        return shell.session(name)

    def is_connected(self):
        return host.vgpuctl("status")["libvirt-connected"]

    def await_scan(self, log):
        self.wait_for(lambda: log.lines("all domains looked at"), 60)

    def gone_and_back(self, number):
        """While libvirtd is away one VM dies, and one definition is changed behind its back."""
        self.domain("dies")
        self.domain("changes")
        worker = self.start("dies")["worker-pid"]
        sockets = vgpud_sockets() - 2  # of this VM: QEMU's and the worker's
        log = Log()
        with self.while_it_computes():
            LIBVIRTD.stop(number)
            self.wait_for(lambda: not self.is_connected(), AT_ONCE)
            os.kill(qemu_pid("dies"), signal.SIGKILL)
            self.wait_for(lambda: not shell.session("dies"), AT_ONCE)
            self.assertFalse(Path(f"/proc/{worker}").exists())
            file = Path("/etc/libvirt/qemu/changes.xml")
            file.write_text(file.read_text().replace("<vgpu:vgpu ", '<vgpu:vgpu priority="high" '))
            LIBVIRTD.start()
            self.await_scan(log)
            self.await_device("changes", priority="high")
            self.start("dies")
            virsh("destroy", "dies")
            self.wait_for(lambda: not shell.session("dies"))
        self.assertEqual(len(log.lines("no connection to libvirt")), 1 + len(log.lines(
            "no connection to libvirt: .*(Failed to connect socket|Connection refused)")))
        self.wait_for(lambda: vgpud_sockets() <= sockets)

    def test_stopped(self):
        self.gone_and_back(signal.SIGTERM)

    def test_killed(self):
        self.gone_and_back(signal.SIGKILL)

    def test_hangs(self):
        """It is given up when a call has had no answer for 20 s; nobody else waits for that."""
        self.domain("dies")
        self.domain("asked")
        self.start("dies")
        sockets = vgpud_sockets() - 2
        pid = LIBVIRTD.pid()
        log = Log()
        with self.while_it_computes():
            os.kill(pid, signal.SIGSTOP)
            try:
                asking = subprocess.Popen(["vgpuctl", "detach", "--all"],
                                          stderr=subprocess.PIPE, text=True)
                os.kill(qemu_pid("dies"), signal.SIGKILL)
                self.wait_for(lambda: not shell.session("dies"), AT_ONCE)
                begin = time.monotonic()
                host.vgpuctl("list")
                self.assertLess(time.monotonic() - begin, AT_ONCE)
                self.wait_for(lambda: log.lines("no connection to libvirt"), KEEPALIVE)
                error = asking.communicate(timeout=10)[1]
                self.assertNotEqual(asking.returncode, 0)
                self.assertRegex(error, "libvirt")
            finally:
                os.kill(pid, signal.SIGCONT)
            self.await_scan(log)
            subprocess.run(["vgpuctl", "attach", "--all"], check=True)
            self.await_device("asked")
            subprocess.run(["vgpuctl", "detach", "asked"], check=True)
            self.wait_for(lambda: "vgpu-stub" not in definition("asked"))
        self.wait_for(lambda: vgpud_sockets() <= sockets)

    def test_hangs_while_idle(self):
        """Nothing is lost: the events wait in the socket."""
        self.domain("changes")
        log = Log()
        pid = LIBVIRTD.pid()
        with self.while_it_computes():
            os.kill(pid, signal.SIGSTOP)
            changing = subprocess.Popen(["virsh", "-q", "metadata", "changes", "--config", "--uri",
                                         URI, "--key", "vgpu", "--set",
                                         '<vgpu pool="A" priority="low"/>'])
            self.assertEqual(self.vm.session()["state"], "serving")
            os.kill(pid, signal.SIGCONT)
            self.assertEqual(changing.wait(60), 0)
            self.await_device("changes", priority="low")
        self.assertEqual(log.lines("no connection"), [])


if __name__ == "__main__":
    host.main()
