# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays a case in the private host: boots its VMs, goes through its schedule, and brings back what
was answered and what the workers' traces say. Waits for events; a time is only a limit for what
hangs."""

import concurrent.futures
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["ROOT"]) / "tests/integration"))

import host  # noqa: E402  (the path comes first)
import shell  # noqa: E402
from kit.guest import Guest  # noqa: E402

import traces  # noqa: E402

FOLDER = shell.HOME / "system-traces"
HANGS = 180  # seconds without the awaited event, on a machine that does other things, too
NUMBERS = 1000000  # apart, the first numbers of the loads' requests


class StageError(Exception):
    pass


@dataclasses.dataclass
class Result:
    """What a load came to: `answers` are (first, count, code)."""

    name: str
    vm: str
    protocol: str
    requests: int
    until_stopped: bool
    first: int
    sent: int = 0
    answers: list = dataclasses.field(default_factory=list)

    @property
    def codes(self):
        found = {}
        for _, count, code in self.answers:
            found[code] = found.get(code, 0) + count
        return found

    def numbers(self, code):
        return [number for first, count, of in self.answers if of == code
                for number in range(first, first + count)]

    def read(self, output):
        for line in output.splitlines():
            if found := re.fullmatch(r"answers (\d+) (\d+) (-?\d+)", line):
                self.answers.append(tuple(map(int, found.groups())))
            elif found := re.fullmatch(r"sent (\d+)", line):
                self.sent = int(found.group(1))
                return
            else:
                raise StageError(f"{self.name}: the guest says {line!r}")
        raise StageError(f"{self.name}: the guest's program has not come to its end")


@dataclasses.dataclass
class Run:
    case: object
    loads: dict  # name: Result
    sessions: dict  # VM: what vgpuctl list says of it at the end
    marks: list  # (time, text): what the host did
    end: int
    traces: object


class Tail:
    """What the traces have had so far, by VM."""

    def __init__(self):
        self._read = {}
        self.counts = {}

    def look(self):
        for path in FOLDER.glob("*.trace"):
            vm = path.name.rsplit(".", 2)[0]
            if not vm:
                continue
            with path.open("rb") as file:
                file.seek(self._read.get(path.name, 0))
                whole, _, _ = file.read().rpartition(b"\n")
            if not whole:
                continue
            self._read[path.name] = self._read.get(path.name, 0) + len(whole) + 1
            for line in whole.split(b"\n"):
                key = vm, line.split()[1].decode()
                self.counts[key] = self.counts.get(key, 0) + 1

    def in_words(self):
        return ", ".join(f"{count} {event} of {vm}"
                         for (vm, event), count in sorted(self.counts.items()))

    def count(self, vm, event):
        return self.counts.get((vm, event), 0)


def element(vm):
    limits = " ".join(f'{key}="{value}"' for key, value in vm.limits.items())
    inner = f"<vgpu:limits {limits}/>" if limits else ""
    return (f'<vgpu:vgpu xmlns:vgpu="https://vgpud.org/xmlns/domain/1.0" pool="{vm.pool}" '
            f'priority="{vm.priority}">{inner}</vgpu:vgpu>')


def boot(vm):
    text = host.DOMAIN.format(name=vm.name, element=element(vm), machine="q35")
    guest = Guest(text, shell._SERVE)
    try:
        guest.define()
        if not guest.await_device(60):
            raise StageError(f"{vm.name}: no device")
        one = shell.Shell(guest)
        if one.run("vgpu-call --until-ok 120 nop", 180)[0] != 0:
            raise StageError(f"{vm.name} is not served")
        return one
    except BaseException:
        guest.remove()
        raise


class Stage:
    def __init__(self, case):
        self.case, self.shells, self.pids, self.running = case, {}, {}, {}
        self.loads, self.marks, self.tail = {}, [], Tail()
        self.pools, self.drained = dict(case.pools), set()

    def play(self):
        FOLDER.mkdir(exist_ok=True)
        for path in FOLDER.iterdir():
            path.unlink()
        texts = {name: pool.text().split("\n", 2)[2] for name, pool in self.pools.items()}
        shell.configure(texts, trace_dir=FOLDER,
                        **{key.replace("-", "_"): value
                           for key, value in self.case.settings.items()})
        try:
            self._boot()
            for number, step in enumerate(self.case.schedule):
                self._step(number, step)
            self._do_stop([name for name in self.running if self.case.loads[name].until_stopped])
            for name in list(self.running):
                self._collect(name)
            return self._run()
        finally:
            for one in self.shells.values():
                one.guest.remove()
            # vgpud remembers it, also for the next case.
            for member in self.drained:
                subprocess.run(["vgpuctl", "undrain", member], check=False, timeout=60)

    def _boot(self):
        """All at once: an emulated guest needs a CPU for seconds."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            booting = {name: pool.submit(boot, vm) for name, vm in self.case.vms.items()}
            for name, future in booting.items():
                try:
                    self.shells[name] = future.result()
                except Exception as error:
                    self.failed = error
        if len(self.shells) < len(self.case.vms):
            raise StageError(f"a VM does not boot: {self.failed}")

    def _run(self):
        sessions = {vm["name"]: vm for vm in host.vgpuctl("list")}
        found = traces.Traces(traces.read(FOLDER))
        return Run(self.case, self.loads, sessions, self.marks, time.monotonic_ns(), found)

    # Steps

    def _step(self, number, step):
        self.tail.look()
        since = dict(self.tail.counts)
        for kind, argument in step.after.items():
            if kind == "answered":
                for name in argument:
                    if name in self.running:
                        self._collect(name)
                continue
            condition = getattr(self, "_is_" + kind.replace("-", "_"))
            deadline = time.monotonic() + HANGS
            while not condition(argument, since):
                if time.monotonic() > deadline:
                    raise StageError(f"schedule[{number}]: after {kind} {_short(argument)}: in "
                                     f"vain; seen: {self.tail.in_words()}")
                time.sleep(0.02)
                self.tail.look()
        self._start([self.case.loads[name] for name in step.start])
        for kind, argument in step.do.items():
            self.marks.append((time.monotonic_ns(), f"{kind} {_short(argument)}"))
            getattr(self, "_do_" + kind.replace("-", "_"))(argument)

    def _is_wants(self, vms, _since):
        return all(self.tail.count(vm, "want") for vm in vms)

    def _is_granted(self, vms, _since):
        return all(self.tail.count(vm, "grant") for vm in vms)

    def _is_jobs(self, counts, _since):
        return all(self.tail.count(vm, "job") >= count for vm, count in counts.items())

    def _is_more_jobs(self, counts, since):
        return all(self.tail.count(vm, "job") - since.get((vm, "job"), 0) >= count
                   for vm, count in counts.items())

    def _is_member(self, members, _since):
        return all(shell.session(vm).get("member") == member for vm, member in members.items())

    def _is_state(self, states, _since):
        return all(shell.session(vm).get("state") == state for vm, state in states.items())

    # Loads

    def _start(self, loads):
        """All at once, as far as the guests get a CPU."""
        for load in loads:
            first = NUMBERS * (1 + len(self.loads))
            self.loads[load.name] = Result(load.name, load.vm, load.protocol, load.requests,
                                           load.until_stopped, first)
            more = f"{load.in_flight} {load.launches}" if load.protocol == "queue" else ""
            command = f"test-load {load.protocol} {first} {load.requests} {more}"
            self.shells[load.vm].send(f"{command} >/{load.name} 2>&1 & echo $!")
        for load in loads:
            status, output = self.shells[load.vm].answer(HANGS)
            if status != 0:
                raise StageError(f"{load.name}: {output}")
            self.running[load.name] = int(output)

    def _collect(self, name):
        """Waits for a load's end."""
        pid = self.running.pop(name)
        one = self.shells[self.case.loads[name].vm]
        self.loads[name].read(one.run(f"wait {pid}; cat /{name}", HANGS)[1])

    def _do_stop(self, names):
        names = [name for name in names if name in self.running]
        # What each has in flight is still to be answered.
        for name in names:
            self.shells[self.case.loads[name].vm].run(f"kill {self.running[name]}", HANGS)
        for name in names:
            self._collect(name)

    # The host

    def _worker(self, vm):
        """The pid of its worker, once it has one that serves."""
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline:
            session = shell.session(vm)
            if session.get("worker-pid") and session.get("state") == "serving":
                return session["worker-pid"]
            time.sleep(0.02)
        raise StageError(f"{vm} has no worker")

    def _do_kill_worker(self, vm):
        os.kill(self._worker(vm), signal.SIGKILL)

    def _do_stop_worker(self, vm):
        os.kill(self._worker(vm), signal.SIGSTOP)

    def _do_continue_worker(self, vm):
        os.kill(self._worker(vm), signal.SIGCONT)

    def _do_kill_worker_until_quarantined(self, vm):
        deadline = time.monotonic() + HANGS
        while shell.session(vm).get("state") != "quarantined":
            if time.monotonic() > deadline:
                raise StageError(f"{vm} is not quarantined")
            pid = shell.session(vm).get("worker-pid")
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # vgpud is about to notice
            time.sleep(0.02)

    def _do_drain(self, member):
        self.drained.add(member)
        host.vgpuctl("drain", member)

    def _do_undrain(self, member):
        host.vgpuctl("undrain", member)

    def _do_move(self, members):
        for vm, member in members.items():
            host.vgpuctl("move", "--force", vm, member)

    def _do_reload(self, changes):
        for name, settings in changes.items():
            pool = self.pools[name]
            self.pools[name] = dataclasses.replace(pool, settings={**pool.settings, **settings})
            (shell.POOLS / f"{name}.conf").write_text(self.pools[name].text())
        host.vgpuctl("reload")

    def _do_vgpud(self, way):
        host.vgpud(way)
        if way == "kill":
            host.vgpud("start")


def _short(argument):
    if isinstance(argument, dict):
        return " ".join(f"{key} {_short(value)}" for key, value in argument.items())
    return " ".join(argument) if isinstance(argument, list) else str(argument)


def play(case):
    try:
        return Stage(case).play()
    except (subprocess.SubprocessError, AssertionError, host.GuestError, OSError) as error:
        raise StageError(f"{type(error).__name__}: {error}") from error
