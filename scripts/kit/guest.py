# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program in a VM of the private host and brings back its output and exit status. Used by
./run guest, ./run shell, ./run demo and the integration tests; to be called in ./run host."""

import os
import secrets
import select
import shlex
import socket
import subprocess
import time
from pathlib import Path

from .cpio import Archive
from .domain import Domain, kvm_works

FOLDER = Path("/run/vgpud-host/vm")
TIMED_OUT = 124  # as timeout(1) has it
NO_STATUS = 125  # the guest ended before its program


class GuestError(Exception):
    pass


def virsh(*arguments, check=True):
    """Runs virsh; returns its output. GuestError with virsh's own words when it fails."""
    result = subprocess.run(["virsh", "-q", *arguments], capture_output=True, text=True)
    if check and result.returncode != 0:
        raise GuestError(result.stderr.strip().removeprefix("error: ") or "virsh failed")
    return result.stdout


def command_for(arguments):
    return " ".join(shlex.quote(argument) for argument in arguments)


class Guest:
    """One VM that runs one command.

    @xml: domain XML. @command: shell text for the guest; None: an interactive shell on the first
    serial port, which is then what `connection` is about. @files: {path in the guest: bytes}.
    """

    def __init__(self, xml, command, files=None, name=None):
        self.domain = Domain(xml)
        if name:
            self.domain.rename(name)
        self.domain.identify()
        self.name = self.domain.name
        self.notes = []
        if not kvm_works() and self.domain.without_kvm():
            self.notes.append("no KVM here: the domain is emulated")
        self.interactive = command is None
        self.status = None
        self.connection = None
        self.console_log = Path(os.environ["VGPU_LOG_DIR"]) / f"{self.name}.console.log"
        self._token = secrets.token_hex(16).encode()
        self._write_initrd(command, files or {})
        self._add_ports()

    def _write_initrd(self, command, files):
        FOLDER.mkdir(parents=True, exist_ok=True)
        archive = Archive()
        for path, data in files.items():
            archive.file(path, data)
        if command is not None:
            archive.file("vgpu/command", command.encode() + b"\n", 0o644)
        self.initrd = FOLDER / f"{self.name}.initrd"
        base = Path(os.environ["VGPU_GUEST_INITRD"]).read_bytes()
        self.initrd.write_bytes(base + archive.bytes())

    def _add_ports(self):
        path = FOLDER / f"{self.name}.sock"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)  # QEMU is another user
        self._listener.listen(1)
        arguments = ""
        if not self.interactive:
            arguments = f"vgpu.output=ttyS1 vgpu.token={self._token.decode()}"
        self.domain.boot(os.environ["VGPU_GUEST_KERNEL"], self.initrd, arguments)
        self.domain.serial_ports(None if self.interactive else self.console_log, [path])

    # Life

    def write_xml(self):
        file = FOLDER / f"{self.name}.xml"
        file.write_text(self.domain.text())
        return file

    def define(self):
        virsh("define", str(self.write_xml()))

    def await_device(self, timeout=5):
        """Waits until vgpud has put the device into the defined domain: it hears of a define by an
        event, and a start that overtakes it is refused. Returns whether the device is there; the
        reason why not is what the start will say."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if "vgpuchr0" in virsh("dumpxml", "--inactive", self.name):
                return True
            time.sleep(0.05)
        return False

    def start(self):
        virsh("start", self.name)
        self.connect()

    def connect(self):
        """The second half of start(), for a domain that came up in another way."""
        if not select.select([self._listener], [], [], 30)[0]:
            raise GuestError(f"{self.name}: QEMU did not connect its serial port")
        self.connection, _ = self._listener.accept()

    def output(self, timeout):
        """Yields what the program writes, until it ends; then `status` is its exit status."""
        deadline = time.monotonic() + timeout
        marker = b"\0" + self._token + b" "
        pending = b""
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.connection], [], [], left)[0]:
                self.status = TIMED_OUT
                break
            data = self.connection.recv(65536)
            pending += data
            text, found, rest = pending.partition(marker)
            if found and rest.endswith(b"\n"):
                self.status = int(rest)
                pending = text
                break
            if not data:
                self.status = NO_STATUS
                break
            # What may be the beginning of the marker waits for the rest of it.
            keep = len(pending) if not found else len(text)
            start = pending.rfind(b"\0", 0, keep)
            if not found and start >= 0 and marker.startswith(pending[start : start + len(marker)]):
                keep = start
            if keep:
                yield pending[:keep]
            pending = pending[keep:]
        if pending:
            yield pending

    def stop(self):
        """Ends the VM. After its program ended it is about to power itself off."""
        if self.connection and self.status not in (None, TIMED_OUT):
            self.connection.settimeout(5)
            try:
                while self.connection.recv(4096):
                    pass
            except TimeoutError:
                pass
        if self.connection:
            self.connection.close()
            self.connection = None
        self._listener.close()
        virsh("destroy", self.name, check=False)

    def remove(self):
        self.stop()
        virsh("undefine", self.name, check=False)

    def console_tail(self, lines=15):
        try:
            return self.console_log.read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def run(self, timeout=120):
        """Defines, starts and runs; returns (exit status, output as bytes). For tests."""
        self.define()
        if self.domain.wants_vgpu():
            self.await_device()
        self.start()
        output = b"".join(self.output(timeout))
        self.stop()
        return self.status, output
