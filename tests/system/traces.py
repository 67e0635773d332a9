# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the workers' traces say (trace-dir in vgpud.conf(5)): who waited for which device, had it,
and began which job there. By one clock; all times are nanoseconds."""

import bisect
import dataclasses


@dataclasses.dataclass
class Job:
    begin: int
    end: int  # at least begin; begin itself where the trace does not say it
    source: str  # "1.0", or the queue's number
    tag: int
    opcode: int


@dataclasses.dataclass
class Turn:
    """A worker had the device. `ended`: the last that it said of that, where it did not give the
    device back: it was killed, or slept, and vgpud took it."""

    vm: str
    device: str
    worker: int
    wanted: int
    granted: int
    ended: int = 0
    jobs: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Wait:
    """From the wish to the grant."""

    vm: str
    device: str
    worker: int
    begin: int
    end: int  # None: there was none


@dataclasses.dataclass
class Worker:
    vm: str
    pid: int
    device: str
    born: int
    last: int  # its last line
    lost: int = 0  # when it began the job that it did not end; 0: there is none


class Traces:
    """@files: {(VM, pid): text}. The lists are in order of time."""

    def __init__(self, files):
        self.turns, self.waits, self.workers, self.errors = [], [], [], []
        for (vm, pid), text in files.items():
            self._read(vm, pid, text)
        self.turns.sort(key=lambda turn: turn.granted)
        self.waits.sort(key=lambda wait: wait.begin)
        self.workers.sort(key=lambda worker: worker.born)
        # What times are told from, to people.
        self.zero = min((wait.begin for wait in self.waits), default=0)
        self._index()

    def _index(self):
        """For between() and the like: there may be many thousands."""
        self._turns, self._granted, self._ends, self._begins = {}, {}, {}, {}
        for turn in self.turns:
            self._turns.setdefault(turn.device, []).append(turn)
            self._granted.setdefault(turn.device, []).append(turn.granted)
            self._ends.setdefault(turn.device, []).append(turn.ended)
            for key in (turn.device, turn.worker):
                self._begins.setdefault(key, []).extend(job.begin for job in turn.jobs)
        for times in [*self._ends.values(), *self._begins.values()]:
            times.sort()

    def turns_between(self, device, begin, end):
        """Those that were granted after @begin and before @end."""
        granted = self._granted.get(device, [])
        return self._turns.get(device, [])[
            bisect.bisect_right(granted, begin) : bisect.bisect_left(granted, end)]

    def free_since(self, device, time):
        """When the last turn before @time ended; 0: there was none."""
        ends = self._ends.get(device, [])
        at = bisect.bisect_right(ends, time)
        return ends[at - 1] if at else 0

    def jobs_between(self, key, begin, end):
        """How many began. @key: a device, or a worker's pid."""
        begins = self._begins.get(key, [])
        return max(0, bisect.bisect_left(begins, end) - bisect.bisect_right(begins, begin))

    def _read(self, vm, pid, text):
        # The last line may be half written.
        lines = [line.split() for line in text.split("\n")[:-1]]
        if not lines or lines[0][1:2] != ["device"]:
            self.errors.append(f"the trace of {vm}.{pid} does not begin with its device")
            return
        device = " ".join(lines[0][2:])
        worker = Worker(vm, pid, device, int(lines[0][0]), int(lines[-1][0]))
        self.workers.append(worker)
        _Reader(self, worker).read(lines[1:])

    def jobs(self, vm=None):
        return [job for turn in self.turns if vm in (None, turn.vm) for job in turn.jobs]

    def devices(self):
        return list(dict.fromkeys(worker.device for worker in self.workers))


class _Reader:
    def __init__(self, traces, worker):
        self.traces, self.worker = traces, worker
        self.turn = self.wait = None
        self.kept = self.keeps = False  # the place of a turn that could not be used
        self.time = worker.born

    def read(self, lines):
        for words in lines:
            time, event = int(words[0]), words[1]
            handler = getattr(self, f"_on_{event}", None)
            if handler is None or time < self.time:
                self.traces.errors.append(f"{self.worker.vm}.{self.worker.pid}: {' '.join(words)}")
                return
            handler(time, words[2:])
            self.time = time
        job = self.turn.jobs[-1] if self.turn and self.turn.jobs else None
        if job and job.end is None:
            self.worker.lost = job.begin
        self._end_turn(self.time)

    def _end_turn(self, time):
        if self.turn:
            self.turn.ended = max(time, self.turn.granted)
            self._end_job(time)
        self.turn = None

    def _end_job(self, time):
        job = self.turn.jobs[-1] if self.turn and self.turn.jobs else None
        if job and job.end is None:
            job.end = time

    def _on_want(self, time, _words):
        self._end_turn(self.time)  # taken while it slept: it has said nothing since
        begin = time
        if self.keeps and self.wait:
            begin = self.wait.begin
        self.kept, self.keeps = self.keeps, False
        self.wait = Wait(self.worker.vm, self.worker.device, self.worker.pid, begin, None)
        self.traces.waits.append(self.wait)

    def _on_grant(self, time, _words):
        wanted = self.wait.begin if self.wait else time
        if self.wait:
            self.wait.end = time
        else:
            self.traces.errors.append(f"{self.worker.vm}: granted what it did not want")
        self.turn = Turn(self.worker.vm, self.worker.device, self.worker.pid, wanted, time)
        self.traces.turns.append(self.turn)

    def _on_job(self, time, words):
        self._end_job(time)
        source, tag, opcode = words
        if self.turn is None:
            self.traces.errors.append(f"{self.worker.vm}: a job at {time} without the device")
            return
        self.turn.jobs.append(Job(time, None, source, int(tag), int(opcode, 16)))

    def _on_ended(self, time, _words):
        self._end_job(time)

    def _on_recalled(self, time, _words):
        pass

    def _on_return(self, time, _words):
        # Asked back before it could begin anything: it keeps its place, once.
        self.keeps = bool(self.turn) and not self.turn.jobs and not self.kept
        self._end_turn(time)


def read(folder):
    """{(VM, pid): text} of the files in @folder."""
    files = {}
    for path in folder.glob("*.trace"):
        vm, pid, _ = path.name.rsplit(".", 2)
        if vm and pid.isdigit():
            files[vm, int(pid)] = path.read_text()
    return files
