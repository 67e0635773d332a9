# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that does what a test tells it, one shell command after the other: a boot costs far more
than what is done in it. And the configuration of the private host's vgpud."""

import re
import select
import time
from pathlib import Path

import host

HOME = Path("/run/vgpud-host")
CONFIG = HOME / "vgpud.conf"
POOLS = HOME / "test-pools"

# Each answer ends with \001STATUS\n.
_SERVE = r"""
printf '\0010\n'
while read -r line; do
    eval "$line" </dev/null
    printf '\001%d\n' $?
done </dev/ttyS1
"""


class Answer:
    """What one vgpu-call came to: `code` is the error code, 0: ok; `text` what is behind "ok"."""

    def __init__(self, line):
        found = re.fullmatch(r"(?:ok ?(.*?)|error 0x(\w\w) \S+) ?\(([\d.]+) ms\)", line)
        if not found:
            raise AssertionError(f"not vgpu-call's line: {line!r}")
        self.text = found.group(1)
        self.code = int(found.group(2) or "0", 16)
        self.ms = float(found.group(3))

    def __repr__(self):
        return f"<code 0x{self.code:02x} {self.text} {self.ms} ms>"


class Shell:
    def __init__(self, guest):
        """Boots @guest, which was made by start()."""
        self.guest = guest
        self.name = guest.name
        self._pending = b""
        guest.start()
        self.answer()

    def send(self, command):
        self.guest.connection.sendall(command.encode() + b"\n")

    def await_text(self, text, timeout=60):
        """Waits for @text in the output of what was sent and has not ended."""
        deadline = time.monotonic() + timeout
        while text.encode() not in self._pending:
            left = max(0, deadline - time.monotonic())
            if not select.select([self.guest.connection], [], [], left)[0]:
                raise AssertionError(f"{self.name} does not say {text!r}: {self._pending!r}")
            data = self.guest.connection.recv(65536)
            if not data:
                raise AssertionError(f"{self.name} has ended: {self._pending!r}")
            self._pending += data

    def answer(self, timeout=60):
        """(status, output) of what was sent."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(rb"\001(\d+)\n", self._pending)):
            left = max(0, deadline - time.monotonic())
            if not select.select([self.guest.connection], [], [], left)[0]:
                raise AssertionError(f"{self.name} does not answer: {self._pending!r}")
            data = self.guest.connection.recv(65536)
            if not data:
                tail = "\n".join(self.guest.console_tail())
                raise AssertionError(f"{self.name} has ended:\n{self._pending!r}\n{tail}")
            self._pending += data
        output = self._pending[: found.start()].decode(errors="replace")
        self._pending = self._pending[found.end() :]
        return int(found.group(1)), output

    def run(self, command, timeout=60):
        self.send(command)
        return self.answer(timeout)

    def answers(self, timeout=60):
        """Of the vgpu-calls that were sent."""
        lines = self.answer(timeout)[1].splitlines()
        return [Answer(line) for line in lines if not line.startswith("after ")]

    def calls(self, request, count):
        self.send(f"for i in $(seq {count}); do vgpu-call --timeout 60000 {request}; done")
        return self.answers(60 + count)

    def call(self, request):
        (answer,) = self.calls(request, 1)
        return answer

    def boots_again(self, timeout=60):
        """After a reset: forgets what the guest has said and waits until it takes commands."""
        self._pending = b""
        self.answer(timeout)

    def send_call(self, request):
        """As call(), but the answer is fetched by answers()."""
        self.send(f"vgpu-call --timeout 60000 {request}")

    def session(self):
        return session(self.name)


def start(files=None, prepare=None, **domain):
    """A Shell in a new domain, as domain_xml() makes it; @prepare(name) may change what is defined
    before the start. The caller removes its `guest`."""
    guest = host.Guest(host.domain_xml(**domain), _SERVE, files)
    try:
        guest.define()
        if guest.domain.wants_vgpu() and not guest.await_device():
            raise AssertionError(f"{guest.name}: no device")
        if prepare:
            prepare(guest.name)
        return Shell(guest)
    except BaseException:
        guest.remove()
        raise


def session(name):
    """What vgpud knows of the VM; {} if there is none."""
    return next((vm for vm in host.vgpuctl("list") if vm["name"] == name), {})


_original = CONFIG.read_text()


def pool(backend="null", device="", slots=0, **limits):
    """The text of a pool's file, but for its name."""
    lines = [f"{key.replace('_', '-')}={value}" for key, value in limits.items()]
    member = f"[member test]\nbackend={backend}\ndevice={device}\nslots={slots}\n"
    return "\n".join(lines) + "\n" + member


def configure(pools, more="", **settings):
    """Gives vgpud these @pools, {letter: pool()}, @settings and @more groups, and starts it again."""
    host.vgpud("stop")
    POOLS.mkdir(exist_ok=True)
    for file in POOLS.iterdir():
        file.unlink()
    for letter, text in pools.items():
        (POOLS / f"{letter}.conf").write_text(f"[pool]\nname={letter}\n{text}")
    lines = [f"{key.replace('_', '-')}={value}" for key, value in settings.items()]
    CONFIG.write_text("\n".join([_original, "[vgpud]", f"pools-dir={POOLS}", *lines, more, ""]))
    host.vgpud("start")


class Log:
    """What vgpud and its workers log from here on."""

    def __init__(self):
        self._begin = host.VGPUD_LOG.stat().st_size

    def lines(self, pattern):
        with host.VGPUD_LOG.open(errors="replace") as file:
            file.seek(self._begin)
            return [line.rstrip("\n") for line in file if re.search(pattern, line)]
