#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run bench: what a call costs by each way between guest and host, in one table of one run.
Runs in a private host; docs/performance.md tells how it is measured."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(os.environ["ROOT"])
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/integration")]

import guests  # noqa: E402  (the path comes first)
import rows  # noqa: E402
from guests import BenchError, TransportGuest  # noqa: E402
from host import domain_xml  # noqa: E402
from kit.domain import kvm_works  # noqa: E402
from kit.guest import Guest, GuestError  # noqa: E402

RUN = "/run"  # the private host's: gone with it, however it ends
SECONDS, QUICK_SECONDS = 5, 1
STOLEN = 0.01  # of the time that was wanted: what is told of
# Of what is polled, copied, and given to OpenCL: neither a machine nor an emulated process is always
# of the same speed, so both sides of a ratio are taken several times, in turn.
ROUNDS, QUICK_ROUNDS = 5, 3
IDLE_S, QUICK_IDLE_S = 20, 5
BENCH = Path(os.environ["BUILD"]) / "tests/bench"

# What the guest with our device runs; each program prints rows as rows.parse() takes them. Without
# the driver there are no queues.
VGPU_SCRIPT = """set -e
clock() {{ cat /sys/devices/system/clocksource/clocksource0/current_clocksource; }}
if [ -n "{again}" ]; then
    vgpu-bench --json {quick}
    clock
    exit
fi
bench-guest {seconds} registers
if [ -e /dev/vgpu0 ]; then
    vgpu-bench --json {quick}
    bench-guest {seconds} queue
else
    echo 'no /dev/vgpu0: no queues'
fi
clock
echo idle; sleep {idle_s}; echo idle-end
"""


class Progress:
    """On stderr, since the table is on stdout: what is being done, and each row as it comes."""

    def __init__(self):
        self.begin = time.monotonic()

    def step(self, text):
        print(f"· {time.monotonic() - self.begin:4.0f} s  {text}", file=sys.stderr, flush=True)

    def row(self, row):
        figures = (f"{row['median_us']:.2f} us" if row["median_us"] is not None else "",
                   f"{rows.figure(row['calls_per_s'])} calls/s" if row["calls_per_s"] else "")
        self.step(f"  {row['name']}: {', '.join(filter(None, figures))}")


class Bench:
    def __init__(self, quick):
        self.quick = quick
        self.seconds = QUICK_SECONDS if quick else SECONDS
        self.rounds = QUICK_ROUNDS if quick else ROUNDS
        self.idle_s = QUICK_IDLE_S if quick else IDLE_S
        self.timeout = 60 + 30 * self.seconds + self.idle_s  # of a guest; far more than it takes
        self.accelerator = "kvm" if kvm_works() else "tcg"
        self.progress = Progress()
        self.taken = {}  # by name: the rows of each round
        self.device = ""
        self.idle_switches = None
        self.notes = []
        if (load := os.getloadavg()[0]) > 1:
            self.notes.append(f"note: others were busy on this machine (load {load:.1f}): the"
                              " ratios may be off")
        self.cpu_begin = cpu_times()

    def take(self, source, lines):
        """Rows out of a program's lines; the rest of them is for the error when none came."""
        said, count = [], 0
        try:
            for line in lines:
                row = rows.parse(line)
                if row is None:
                    said.append(line)
                    continue
                count += 1
                self.taken.setdefault(row["name"], []).append(row)
                self.progress.row(row)
        except BenchError as error:
            raise BenchError("\n".join([str(error), *said])) from None
        if not count:
            raise BenchError("\n".join([f"{source}: no figures", *said]))
        return said

    def note_clock(self, said):
        """A guest whose clock is a device takes microseconds to read it."""
        self.notes += [f"note: {line}" for line in said if line.startswith("no /dev/")]
        if not any(line in ("tsc", "tsc-early", "kvm-clock") for line in said):
            self.notes.append("note: a guest has given up the TSC as its clock: its small figures"
                              " are too high")

    def note_stolen(self):
        """What a virtual machine's host gives to others slows down whatever runs just then."""
        busy, stolen = (end - begin for end, begin in zip(cpu_times(), self.cpu_begin))
        if stolen > STOLEN * busy:
            self.notes.append(f"note: this machine's own host kept it from {stolen / busy:.0%} of"
                              " its time: the ratios may be off")

    def native(self):
        self.progress.step("OpenCL on the host")
        with tempfile.TemporaryDirectory(prefix="bench-pocl.", dir=RUN) as cache:
            program = subprocess.run([BENCH / "bench-opencl", str(self.seconds / self.rounds)],
                                     env=dict(os.environ, POCL_CACHE_DIR=cache),
                                     capture_output=True, text=True)
        if program.returncode != 0:
            raise BenchError(program.stderr.strip())
        self.device = program.stderr.partition("device: ")[2].strip()
        self.take("bench-opencl", program.stdout.splitlines())

    def transports(self, again):
        """@again: only what is taken in each round."""
        self.progress.step("a guest with ivshmem" + ("" if again else
                                                     ", virtio-serial and virtio-net"))
        with tempfile.TemporaryDirectory(prefix="bench.", dir=RUN) as folder:
            guest = TransportGuest("transports",
                                   guests.shared_memory(folder) if again
                                   else guests.transports(folder),
                                   os.environ["BENCH_KERNEL_CLOUD"], guests.TRANSPORT_MODULES,
                                   "" if again else guests.network_up(), self.seconds,
                                   self.accelerator)
            self.note_clock(self.take("the guest", guest.lines(self.timeout)))

    def files(self):
        self.progress.step("a guest with 9p: some of its calls take a second each")
        with tempfile.TemporaryDirectory(prefix="bench.", dir=RUN) as folder:
            guest = TransportGuest("files", guests.file_transports(Path(folder)),
                                   os.environ["BENCH_KERNEL_GENERIC"], guests.FILES_MODULES,
                                   guests.mount_files(), self.seconds, self.accelerator)
            self.note_clock(self.take("the guest", guest.lines(self.timeout)))

    def vgpu(self, again):
        """The same. Without the driver there is nothing to take again."""
        if again and "call, polling" not in self.taken:
            return
        self.progress.step("a guest with a vgpu")
        script = VGPU_SCRIPT.format(seconds=self.seconds, idle_s=self.idle_s,
                                    again="again" if again else "",
                                    quick="--quick" if self.quick else "")
        program = (BENCH / "bench-guest").read_bytes()
        guest = Guest(domain_xml("bench", pool="A").replace(
            "type='qemu'", f"type='{'kvm' if self.accelerator == 'kvm' else 'qemu'}'"),
            script, {"usr/bin/bench-guest": program})
        try:
            guest.define()
            guest.await_device()
            guest.start()
            self.note_clock(self.take("the guest", self.watch_idle(guest, self.timeout)))
        except GuestError as error:
            raise BenchError(str(error)) from None
        finally:
            guest.remove()

    def watch_idle(self, guest, timeout):
        """The lines of @guest; between idle and idle-end its worker is watched."""
        pending, before = b"", 0
        for chunk in guest.output(timeout):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if line == b"idle":
                    self.progress.step(f"  the VM idle for {self.idle_s} s")
                    time.sleep(0.5)
                    before = worker_switches()
                elif line == b"idle-end":
                    self.idle_switches = worker_switches() - before
                else:
                    yield line.decode(errors="replace")
        if guest.status != 0:
            raise BenchError(f"the guest ended with status {guest.status}")


def cpu_times():
    """All CPUs' time, in ticks: wanted, and of that stolen by the host; as proc(5) has them."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return user + nice + system + irq + softirq + steal, steal


def worker_switches():
    """How often a thread of a worker has run: context switches of all of them."""
    total, found = 0, False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != "vgpu-worker":
                continue
            found = True
            for status in process.glob("task/*/status"):
                for line in status.read_text().splitlines():
                    if "ctxt_switches" in line:
                        total += int(line.split()[1])
        except OSError:
            continue
    if not found:
        raise BenchError("no worker runs for the guest")
    return total


def report(bench, found):
    system = "KVM" if bench.accelerator == "kvm" else "TCG (QEMU emulates), one vCPU"
    print(f"guests: {system}; OpenCL device: {bench.device}; {bench.seconds:g} s for each row\n")
    print(*rows.table(found), sep="\n")
    lines, missed = rows.goals(found)
    idle = bench.idle_switches
    missed += bool(idle)
    lines.append(f"  {'MISSED' if idle else 'reached':<13} an idle VM's worker: {idle} wake-ups in "
                 f"{bench.idle_s:g} s (0)")
    print("\ngoals, as ratios of medians unless they are rates", *lines, sep="\n")
    if bench.notes:
        print("", *dict.fromkeys(bench.notes), sep="\n")
    return missed


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Measures calls from a guest to the host by our ways and by others, and prints"
        " one table of one run. Exits with 1 when a goal is missed.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the rows there, too")
    parser.add_argument("--quick", action="store_true", help="less exact, in less than two minutes")
    parser.add_argument("--host", action="store_true",
                        help="measures what vgpud costs the host instead, in four minutes")
    return parser.parse_args()


def main():
    options = parse_arguments()
    bench = Bench(options.quick)
    try:
        for again in range(bench.rounds):
            bench.native()
            bench.transports(again)
            bench.vgpu(again)
        bench.files()
    except (BenchError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    bench.note_stolen()
    found = rows.renamed({name: rows.middle(taken) for name, taken in bench.taken.items()})
    if options.json:
        options.json.write_text(rows.as_json(found))
    return 1 if report(bench, found) else 0


if __name__ == "__main__":
    sys.exit(main())
