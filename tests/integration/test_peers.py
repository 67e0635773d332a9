# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is not the domain's QEMU, or talks garbage, is sent away and named in the log; the VM that
computes meanwhile does not notice."""

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import host
import shell
from shell import Log

RUN_DIR = Path("/run/vgpud")
HOOK = RUN_DIR / "hook.sock"
MINE = os.getpid()
WITHOUT_ELEMENT = b"""<domain type='kvm'><name>other</name>
<uuid>11111111-2222-3333-4444-555555555555</uuid></domain>"""


def connect(path):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(str(path))  # waits for its turn
    peer.settimeout(20)
    return peer


def read_to_end(peer):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := peer.recv(4096):
            data += chunk
    return data


def ask_hook(request):
    with connect(HOOK) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(request)
            peer.shutdown(socket.SHUT_WR)
        return read_to_end(peer)


def vgpud_pid():
    return int((shell.HOME / "vgpud.pid").read_text())


class Peers(host.HostTest):
    @classmethod
    def setUpClass(cls):
        shell.configure({"A": shell.pool()})
        cls.vm = shell.start(name="peers", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)
        cls.path = RUN_DIR / f"vm/{cls.vm.session()['uuid']}.sock"

    def setUp(self):
        self.log = Log()
        self.before = self.vm.session()

    @contextlib.contextmanager
    def while_it_computes(self):
        """Requests of the VM go on during the block and all succeed, on the same connection."""
        # Not the file of the test before, which the job in the background has yet to empty.
        self.vm.run("rm -f /calls")
        _, pid = self.vm.run("vgpu-call --repeat 1000000000 add 20 22 >/calls & echo $!")
        self.vm.run("until [ -s /calls ]; do usleep 1000; done")
        yield
        _, calls = self.vm.run(f"kill {pid.strip()}; wait; grep -c '^ok 42 ' /calls;"
                               " grep -v '^ok 42 ' /calls")
        self.assertRegex(calls, r"\A\d+\n\Z")
        self.assertGreater(int(calls), 1)
        after = self.vm.session()
        for key in ("qemu-pid", "worker-pid", "worker-faults", "state"):
            self.assertEqual(after[key], self.before[key], key)
        self.assertEqual(self.log.lines(r"'peers': QEMU \d+ connected"), [])

    def open_files(self):
        return len(os.listdir(f"/proc/{vgpud_pid()}/fd"))

    def test_socket_is_closed_to_others(self):
        info = self.path.stat()
        self.assertEqual(info.st_mode & 0o777, 0o660)
        self.assertEqual(info.st_uid, 0)
        self.assertEqual(HOOK.stat().st_mode & 0o777, 0o600)
        attempt = ["python3", "-c", "import socket, sys; socket.socket(1).connect(sys.argv[1])"]
        for path in (self.path, HOOK):
            result = subprocess.run([*attempt, str(path)], user=65534, group=65534,
                                    extra_groups=[], capture_output=True, text=True)
            self.assertIn("PermissionError", result.stderr)

    def test_stranger_on_the_socket(self):
        with self.while_it_computes():
            with connect(self.path) as peer:
                self.assertEqual(read_to_end(peer), b"")
        lines = self.log.lines(rf"process {MINE}\b")
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f"libvirt says that its QEMU is process {self.before['qemu-pid']}", lines[0])

    def test_stranger_who_talks_like_a_device(self):
        hello = bytes.fromhex("56474c4b 01000000 20000000 00000000 01000000 00000100 03000000"
                              "41000000 02000000 01000000 00000000 00000000")
        self.assertEqual(len(hello), 48)
        with self.while_it_computes():
            for message in (hello, hello[:20], os.urandom(4096)):
                with connect(self.path) as peer:
                    with contextlib.suppress(BrokenPipeError):
                        peer.sendall(message)
                    self.assertEqual(read_to_end(peer), b"")

    def test_thousand_connections(self):
        files = self.open_files()
        with self.while_it_computes():
            with contextlib.ExitStack() as stack:
                peers = [stack.enter_context(connect(self.path)) for _ in range(1000)]
                for peer in peers:
                    self.assertEqual(read_to_end(peer), b"")
        self.wait_for(lambda: self.open_files() <= files)
        self.assertLess(len(self.log.lines("")), 20)

    def test_garbage_on_the_hook_socket(self):
        garbage = (
            b"",
            b"\n",
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(100000),
            b"vgpu-hook 2 prepare begin\n" + WITHOUT_ELEMENT,
            b"vgpu-hook 1 prepare\n" + WITHOUT_ELEMENT,
            b"vgpu-hook 1 prepare begin again\n" + WITHOUT_ELEMENT,
            b"vgpu-hook 1 " + b"x" * 5000,
            b"vgpu-hook 1 prepare begin\n",
            b"vgpu-hook 1 prepare begin\nnot XML",
            b"vgpu-hook 1 prepare begin\n" + WITHOUT_ELEMENT[:-5],
            b"vgpu-hook 1 prepare begin\n<domain/>",
            b"vgpu-hook 1 prepare begin\n" + WITHOUT_ELEMENT.replace(b"other", b"\0"),
            b"vgpu-hook 1 prepare begin\n" + b"<a>" * 100000,
            b"vgpu-hook 1 prepare begin\n" + b" " * (17 << 20),
            b"vgpu-hook 1 release end\n" + os.urandom(3000),
        )
        with self.while_it_computes():
            for request in garbage:
                with self.subTest(request=request[:50]):
                    answer = ask_hook(request)
                    self.assertRegex(answer, rb"\Arefuse [^\n]{10,}\n\Z")
        self.assertTrue(self.log.lines(rf"hook socket: refused process {MINE}\b"))
        self.assertLess(len(self.log.lines("")), 2 * len(garbage))
        self.assertEqual(ask_hook(b"vgpu-hook 1 prepare begin\n" + WITHOUT_ELEMENT), b"ok\n")

    def test_second_vgpud(self):
        with self.while_it_computes():
            second = subprocess.run(
                [Path(os.environ["BUILD"]) / "vgpud/vgpud", "--config", shell.CONFIG],
                capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertRegex(second.stderr, re.compile(
            rf"^vgpud: another vgpud is running on {RUN_DIR}: .*run-dir$", re.MULTILINE))
        self.assertNotIn("Sanitizer", second.stderr)
        self.assertTrue(self.path.is_socket() and HOOK.is_socket())
        self.assertEqual(ask_hook(b"vgpu-hook 1 prepare begin\n" + WITHOUT_ELEMENT), b"ok\n")
        self.assertEqual(self.vm.session()["state"], "serving")


if __name__ == "__main__":
    host.main()
