#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vgpud costs the host: ./run bench --host. Runs in a private host; prints one table. Each
figure stands beside one that the same run took without vgpud, or a bound: docs/performance.md."""

import os
import random
import re
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(os.environ["ROOT"])
sys.path.insert(0, str(ROOT / "tests/integration"))

import host  # noqa: E402  (the path comes first)
from api import Api  # noqa: E402
from libvirtd import Libvirtd  # noqa: E402
from shell import Log  # noqa: E402

URI = "qemu:///system"
HOOK = Path("/etc/libvirt/hooks/qemu.d/vgpud")
LIBVIRTD_CONF = Path("/etc/libvirt/libvirtd.conf")
TIMEOUT = 60
DEFINED, MANY = 200, 500
DEFINES = 200
STARTS = int(os.environ.get("VGPU_BENCH_STARTS", "25"))
SETTLE_S = 0.2  # after a VM's end: its worker and its QEMU take a moment to be gone
IDLE_S = int(os.environ.get("VGPU_BENCH_IDLE_S", "60"))

# The emulator is ours in all of them, so that a start differs by nothing else.
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{element}</metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>{emulator}</emulator>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def domain(name, with_element=True):
    element = host.ELEMENT.format('pool="A"') if with_element else ""
    return DOMAIN.format(name=name, uuid=uuid.uuid4(), element=element,
                         emulator=os.environ["VGPU_EMULATOR"])


def ms(begin):
    return (time.monotonic() - begin) * 1000


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Table:
    def __init__(self):
        self.missed = 0

    def section(self, text):
        print(f"\n{text}", flush=True)

    def row(self, text, value, unit, bound=None, beside=None):
        """@beside: the same without vgpud; @bound: what value must stay under or, if 0, be."""
        line = f"  {text:<52}{value:>9.1f} {unit:<7}"
        line += f" {value / beside:>6.2f} x" if beside else 9 * " "
        if bound is not None:
            kept = value < bound or value == bound == 0
            self.missed += not kept
            line += f"  {'ok' if kept else 'MISSED'}: {'<' if bound else '='} {bound:g} {unit}"
        print(line.rstrip(), flush=True)


def await_device(api, handle):
    deadline = time.monotonic() + TIMEOUT
    while b"vgpu-stub" not in api.definition(handle):
        if time.monotonic() > deadline:
            raise SystemExit("bench: vgpud does not put the device into a definition")
        time.sleep(0.0005)


def define_many(api, first, end):
    for number in range(first, end):
        handle = api.define(domain(f"bench-{number}"))
    await_device(api, handle)  # vgpud does one after the other: the last one is last


def bench_defines(api, table):
    plain, device = [], []
    for _ in range(DEFINES):
        begin = time.monotonic()
        handle = api.define(domain("define-plain", with_element=False))
        plain.append(ms(begin))
        api.undefine(handle)
        begin = time.monotonic()
        handle = api.define(domain("define-device"))
        await_device(api, handle)
        device.append(ms(begin))
        api.undefine(handle)
    table.section(f"define, with {DEFINED} domains defined (n = {DEFINES})")
    base = statistics.median(plain)
    table.row("a domain without the element, median", base, "ms")
    table.row("99th percentile", percentile(plain, 0.99), "ms")
    table.row("until the arguments are in place, median", statistics.median(device), "ms",
              beside=base)
    table.row("99th percentile", percentile(device, 0.99), "ms", bound=100,
              beside=percentile(plain, 0.99))


def bench_starts(api, table):
    plain = api.define(domain("start-plain", with_element=False))
    device = api.define(domain("start-device"))
    await_device(api, device)
    away = Path("/etc/libvirt/vgpud-hook")
    times = {"bare": [], "hook": [], "device": []}

    def start(kind):
        handle = device if kind == "device" else plain
        if kind == "bare":
            HOOK.rename(away)
        begin = time.monotonic()
        api.start(handle)
        times[kind].append(ms(begin))
        api.destroy(handle)
        if kind == "bare":
            away.rename(HOOK)
        time.sleep(SETTLE_S)

    for _ in range(STARTS):
        for kind in random.sample(list(times), k=len(times)):
            start(kind)
    api.undefine(plain)
    api.undefine(device)

    medians = {kind: statistics.median(values) for kind, values in times.items()}
    base = medians["bare"]
    table.section(f"start, median of {STARTS}, in random order")
    table.row("without the element, no hook program", base, "ms")
    table.row("without the element, with vgpud's hook", medians["hook"], "ms", beside=base)
    table.row("with the element", medians["device"], "ms", beside=base)
    table.row("what the element costs more than no vgpud", medians["device"] - base, "ms", bound=50)


def restart_libvirtd(libvirtd):
    """Returns when vgpud has looked at all domains again: seconds that it took."""
    log = Log()
    libvirtd.stop()
    libvirtd.start()
    return await_scan(log)


def await_scan(log):
    deadline = time.monotonic() + TIMEOUT
    while not (lines := log.lines(r"all domains looked at in")):
        if time.monotonic() > deadline:
            raise SystemExit("bench: vgpud does not look at all domains")
        time.sleep(0.05)
    return float(re.search(r"looked at in ([\d.]+) s", lines[-1]).group(1))


def vgpud_pid():
    return int(Path("/run/vgpud-host/vgpud.pid").read_text())


def resident_mib():
    status = Path(f"/proc/{vgpud_pid()}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def wake_ups(seconds):
    """Times that a thread of vgpud returned from waiting."""
    trace = Path("/run/vgpud-host/strace")
    command = ["strace", "-f", "-q", "-o", trace, "-p", str(vgpud_pid())]
    with subprocess.Popen(command) as strace:
        time.sleep(seconds)
        strace.terminate()
    lines = trace.read_text().splitlines()
    if not any("resuming interrupted" in line or "unfinished" in line for line in lines):
        raise SystemExit(f"bench: strace shows no thread of vgpud that waits: {lines[:5]}")
    return sum(bool(re.search(r"(poll|futex|restart_syscall).*\) += ", line)) for line in lines)


def bench_idle(libvirtd, table):
    table.section(f"idle, with {DEFINED} domains defined, over {IDLE_S} s")
    await_quiet()
    table.row("wake-ups, libvirtd without keepalive", wake_ups(IDLE_S), "", bound=0)
    table.row("resident memory", resident_mib(), "MiB", bound=30)
    # The private host's has none, as vgpud(8) recommends; the distribution's has.
    text = LIBVIRTD_CONF.read_text()
    LIBVIRTD_CONF.write_text(text.replace("keepalive_interval = -1\n", ""))
    restart_libvirtd(libvirtd)
    table.row("wake-ups, libvirtd as it is by default", wake_ups(IDLE_S), "")
    LIBVIRTD_CONF.write_text(text)


def await_quiet():
    """Until no thread of vgpud runs for 20 s: GLib's own end when they were idle for 15 s."""
    def switches():
        tasks = Path(f"/proc/{vgpud_pid()}/task").iterdir()
        return [(task / "status").read_text().split("ctxt_switches:")[1] for task in tasks]

    before = None
    while (now := switches()) != before:
        before = now
        time.sleep(20)


def bench_rescan(api, libvirtd, table):
    define_many(api, DEFINED, MANY)
    handles = [api.look_up(f"bench-{number}") for number in range(MANY)]
    begin = time.monotonic()
    for handle in handles:
        api.definition(handle)
    read = ms(begin)
    api.close()
    scan = statistics.median(restart_libvirtd(libvirtd) * 1000 for _ in range(3))
    table.section(f"libvirtd restarted, {MANY} domains defined")
    table.row("reading all definitions once, without vgpud", read, "ms")
    table.row("connected to all looked at, median of 3", scan, "ms", bound=2000, beside=read)
    table.row("resident memory", resident_mib(), "MiB")


def main():
    table, libvirtd, api = Table(), Libvirtd(), Api(URI)
    define_many(api, 0, DEFINED)
    bench_defines(api, table)
    bench_starts(api, table)
    api.close()
    bench_idle(libvirtd, table)
    bench_rescan(Api(URI), libvirtd, table)
    sys.exit(1 if table.missed else 0)


if __name__ == "__main__":
    main()
