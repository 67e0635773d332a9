# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong on the host around libvirt and vgpud: each fault gets an answer that names its
cause, and other domains do not notice. test_hotplug.py has QEMU's monitor, test_peers.py the
sockets, test_libvirtd_faults.py libvirtd."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import host
import shell
from host import virsh
from shell import Log

URI = "https://vgpud.org/xmlns/domain/1.0"
RUN_DIR = Path("/run/vgpud")
VGPUD = Path(os.environ["BUILD"]) / "vgpud/vgpud"
HOOK_TIMEOUT_S = 10  # virt-hooks/hook.h
MIB = 1 << 20

DOMAIN = """{prologue}<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{element}{more}</metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices><memballoon model='none'/></devices>
</domain>
"""
ELEMENT = host.ELEMENT.format('pool="A"')


def domain(name, element=ELEMENT, more="", prologue=""):
    return DOMAIN.format(name=name, uuid=uuid.uuid4(), element=element, more=more,
                         prologue=prologue)


def vgpud_pid():
    return int((shell.HOME / "vgpud.pid").read_text())


def resident_bytes():
    status = Path(f"/proc/{vgpud_pid()}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


def ask_hook(operation, xml):
    """The hook socket's answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(30)
        peer.connect(str(RUN_DIR / "hook.sock"))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(f"vgpu-hook 1 {operation} begin\n{xml}".encode())
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while data := peer.recv(4096):
                answer += data
        return answer.decode()


class HostFaults(host.HostTest):
    @classmethod
    def setUpClass(cls):
        shell.configure({"A": shell.pool()})

    def define(self, name, *arguments, **options):
        file = shell.HOME / f"{name}.xml"
        file.write_text(domain(name, *arguments, **options))
        self.addCleanup(virsh, "undefine", name, check=False)
        self.addCleanup(virsh, "destroy", name, check=False)
        virsh("define", str(file))

    def define_with_device(self, name, **options):
        self.define(name, **options)
        self.await_device(name)

    def await_device(self, name, timeout=10):
        self.wait_for(lambda: "vgpu-stub" in virsh("dumpxml", "--inactive", name), timeout)

    def serves(self, name, **expected):
        expected["state"] = "serving"
        self.wait_for(lambda: expected.items() <= shell.session(name).items(), 30)

    def refusal(self, name):
        """The one line that virsh shows for a start which is refused."""
        with self.assertRaises(host.GuestError) as refused:
            virsh("start", name)
        _, found, line = str(refused.exception).rpartition(f"vgpud: domain '{name}': ")
        self.assertTrue(found, refused.exception)
        self.assertNotIn("\n", line.strip())
        return line.strip()

    def starts_at_once(self, name):
        """A domain without our element."""
        begin = time.monotonic()
        virsh("start", name)
        self.assertLess(time.monotonic() - begin, 5)
        virsh("destroy", name)

    # vgpud answers late

    def test_late_answer(self):
        self.define_with_device("late")
        self.define("other", element="")
        pid = vgpud_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            starting = subprocess.Popen(["virsh", "-q", "start", "late"], stderr=subprocess.PIPE,
                                        text=True)
            self.wait_for(lambda: subprocess.run(["pgrep", "-f", "^.*qemu.d/vgpud late prepare"],
                                                 stdout=subprocess.DEVNULL).returncode == 0)
            self.starts_at_once("other")
            error = starting.communicate(timeout=60)[1]
            took = time.monotonic() - begin
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(starting.returncode, 1)
        self.assertRegex(error, f"vgpud has not answered within {HOOK_TIMEOUT_S} s at .*; start the "
                                "domain again once vgpud runs well")
        self.assertEqual(len(error.strip().splitlines()), 2, error)  # virsh's own, and ours
        self.assertGreater(took, HOOK_TIMEOUT_S - 1)
        self.assertLess(took, HOOK_TIMEOUT_S + 5)  # and the one of release

        # What nobody waits for any longer leaves nothing: no session, and no domain left alone.
        self.assertEqual(ask_hook("started", domain("barrier")), "ok\n")
        self.assertFalse(shell.session("late"))
        virsh("metadata", "late", "--config", "--uri", URI, "--key", "vgpu", "--set",
              '<vgpu pool="A" priority="low"/>')
        self.wait_for(lambda: '"priority":"low"' in virsh("dumpxml", "--inactive", "late")
                      .replace("&quot;", '"'))
        virsh("start", "late")
        self.serves("late")

    # Its folder

    def test_long_run_dir(self):
        """Of a socket in it."""
        config = shell.HOME / "long.conf"
        config.write_text(shell.CONFIG.read_text().replace(
            f"run-dir={RUN_DIR}", f"run-dir={RUN_DIR / ('x' * 70)}"))
        for option in "--check-config", "--connect=test:///default":
            result = subprocess.run([VGPUD, "--config", config, option], capture_output=True,
                                    text=True, timeout=30)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, r"\[vgpud\] run-dir: '.*x' is longer than 62 bytes, and "
                                            ".*socket")
            self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_full_run_dir(self):
        host.vgpud("stop")
        self.addCleanup(host.vgpud, "restart")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "tmpfs", RUN_DIR],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", RUN_DIR], check=True)
        host.vgpud("start")
        self.define_with_device("runs")
        self.define_with_device("waits")
        self.define("other", element="")
        virsh("start", "runs")
        self.serves("runs")
        before = shell.session("runs")

        fill = RUN_DIR / "fill"
        fill.mkdir()
        with contextlib.suppress(OSError), (fill / "blocks").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with self.assertRaisesRegex(OSError, "No space left"):
            for number in range(64):
                (fill / str(number)).touch()

        self.assertRegex(self.refusal("waits"), r"cannot listen on /run/vgpud/vm/.*\.sock: "
                                                "No space left on device")
        self.starts_at_once("other")
        self.define_with_device("defined-meanwhile")
        self.assertEqual(shell.session("runs"), before)

        for file in fill.iterdir():
            file.unlink()
        virsh("start", "waits")
        self.serves("waits")
        for name in "runs", "waits":
            virsh("destroy", name)
            self.wait_for(lambda: not shell.session(name))

    # XML

    def test_large_xml(self):
        note = "<app:note xmlns:app='https://example.org/app'>{}</app:note>"
        text = "<app:b>{}</app:b>".format("x" * 1000)
        # libvirt itself takes no more than 4 MiB in one call.
        large = note.format(text * (3 * MIB // len(text)))
        self.define_with_device("large", more=large)
        self.assertIn(large.partition(">")[2].partition("</")[0],
                      virsh("dumpxml", "--inactive", "large"))
        virsh("start", "large")
        self.serves("large")

        # Out of libvirt's own reach, by the hook's socket.
        for size, answer in ((7 * MIB, r"\Arefuse its vgpu device is not in place yet: .*\n\Z"),
                             (10 * MIB, r"\Arefuse the XML has \d+ bytes; at most \d+ are read\n"),
                             (17 * MIB, r"\Arefuse the domain XML is too long\n\Z")):
            xml = domain("larger", more=note.format(text * (size // len(text))))
            begin = time.monotonic()
            self.assertRegex(ask_hook("prepare", xml), answer)
            self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(shell.session("large")["state"], "serving")

    def test_entities(self):
        fifo = shell.HOME / "outside"
        os.mkfifo(fifo)  # who opens it waits for ever
        bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 100}">' for i in range(1, 10))
        declarations = (
            f'<!DOCTYPE domain [<!ENTITY e0 "x">{bomb}]>',
            f'<!DOCTYPE domain [<!ENTITY e9 SYSTEM "file://{fifo}">]>',
            f'<!DOCTYPE domain [<!ENTITY % e SYSTEM "file://{fifo}"> %e;]>',
            f'<!DOCTYPE domain SYSTEM "file://{fifo}">',
            '<!DOCTYPE domain SYSTEM "http://127.0.0.1:1/x.dtd">',
        )
        for declaration in declarations:
            use = "<app:a xmlns:app='urn:a'>&e9;</app:a>" if " e9 " in declaration else ""
            text = domain("entities", more=use, prologue=declaration)
            for command in "inject", "remove", "validate":
                with self.subTest(declaration=declaration[:60], command=command):
                    result = subprocess.run(["vgpu-xml", command], input=text, text=True,
                                            capture_output=True, timeout=5)
                    self.assertEqual(result.returncode, 1, result.stdout)
                    self.assertRegex(result.stderr, "^stdin:1: .*(document type|DOCTYPE)")
                    self.assertEqual(result.stdout, "")
            with self.subTest(declaration=declaration[:60]):
                begin = time.monotonic()
                self.assertRegex(ask_hook("prepare", text),
                                 r"\Arefuse line 1: .*(document type|DOCTYPE).*\n\Z")
                self.assertLess(time.monotonic() - begin, 2)

    # Changes

    def test_fifty_changes_a_second(self):
        # Freed memory counts at once, also with AddressSanitizer.
        os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        self.addCleanup(os.environ.pop, "ASAN_OPTIONS")
        host.vgpud("restart")
        self.define_with_device("busy")
        self.define_with_device("calm")
        virsh("start", "busy")
        self.serves("busy")
        log = Log()
        with subprocess.Popen(["virsh", "-q"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              text=True) as shell_:
            self.change(shell_, 200)  # what it keeps after the first ones it needs
            before, begin = resident_bytes(), time.monotonic()
            self.change(shell_, 200)
            self.assertGreater(200 / (time.monotonic() - begin), 45)
            shell_.stdin.close()
        self.serves("busy", priority="high")
        self.wait_for(lambda: '"priority":"high"' in virsh("dumpxml", "--inactive", "busy")
                      .replace("&quot;", '"'))
        # One document that is read and kept takes some 100 KiB; the allocator's own share varies.
        self.assertLess(resident_bytes() - before, 8 * MIB)
        self.assertLessEqual(len(log.lines("'busy': vgpu-stub brought up to date")), 401)
        self.assertEqual(log.lines("warning|'calm'"), [])

    def change(self, virsh_, count):
        """The last one is `high`."""
        begin = time.monotonic()
        for number in range(count):
            priority = ("high", "low", "medium")[(count - 1 - number) % 3]
            virsh_.stdin.write(f"metadata busy --live --config --uri {URI} --key vgpu --set "
                               f"\"<vgpu pool='A' priority='{priority}'/>\"\n")
            virsh_.stdin.flush()
            time.sleep(max(0, begin + (number + 1) / 50 - time.monotonic()))

    # Two daemons

    def test_daemons_started_at_once(self):
        host.vgpud("stop")
        self.addCleanup(host.vgpud, "start")
        daemons = [subprocess.Popen([VGPUD, "--config", shell.CONFIG], stderr=subprocess.PIPE,
                                    text=True) for _ in range(4)]
        try:
            self.wait_for(lambda: sum(daemon.poll() is None for daemon in daemons) <= 1, 20)
            losers = [daemon for daemon in daemons if daemon.poll() is not None]
            self.assertEqual([daemon.returncode for daemon in losers], 3 * [1])
            for daemon in losers:
                self.assertRegex(daemon.stderr.read(),
                                 rf"(?m)^vgpud: another vgpud is running on {RUN_DIR}: .*run-dir$")
            self.wait_for(lambda: (RUN_DIR / "hook.sock").is_socket())
            self.assertEqual(ask_hook("started", domain("any")), "ok\n")
        finally:
            for daemon in daemons:
                daemon.terminate()
                daemon.communicate(timeout=30)


if __name__ == "__main__":
    host.main()
