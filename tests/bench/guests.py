# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of the transports' rows: QEMU without libvirt, and the host programs beside it."""

import contextlib
import os
import re
import secrets
import subprocess
import threading
from pathlib import Path

from kit.cpio import Archive
from kit.domain import KERNEL_ARGUMENTS

TCP_PORT = 7000  # in the private host's own network
HOST_ADDRESS = "10.0.2.2"  # as QEMU's user-mode network has it
GUEST_ADDRESS = "10.0.2.15/24"

TRANSPORT_MODULES = ("virtio_pci", "virtio_console", "virtio_net", "vfio_iommu_type1", "vfio-pci")
FILES_MODULES = ("virtio_pci", "9pnet_virtio", "9p")
# An IOMMU is what vfio takes. It need not remap interrupts for what this guest does.
MODULE_PARAMETERS = {"vfio_iommu_type1": "allow_unsafe_interrupts=1"}


class BenchError(Exception):
    pass


def with_dependencies(folder, modules):
    """The files in @folder for @modules in the order to load them. What is no file there is taken
    for built into the kernel: which of them are differs from one to the next."""
    files = {file.stem.replace("-", "_"): file for file in folder.glob("*.ko")}
    order = []

    def add(name):
        file = files.get(name.replace("-", "_"))
        if not file or file in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", file.read_bytes())
        for other in depends.group(1).decode().split(",") if depends else ():
            add(other)
        order.append(file)

    for name in modules:
        add(name)
    return order


class Transport:
    """One way between guest and host: the devices in between, the host's program, and what the
    guest measures, by a process each."""

    def __init__(self, devices=(), host=(), guest=()):
        self.devices, self.host, self.guest = list(devices), list(host), list(guest)


def shared_memory(folder, guest=("ivshmem-poll",)):
    """Of one guest, what it measures by ivshmem. @folder: for sockets."""
    return [
        Transport(
            ["-device", "intel-iommu,intremap=off",
             "-chardev", f"socket,id=ivshmem,path={folder}/ivshmem",
             "-device", "ivshmem-doorbell,chardev=ivshmem,vectors=1"],
            ["ivshmem", f"{folder}/ivshmem"],
            guest,
        ),
    ]


def transports(folder):
    """All that one guest can have at the same time."""
    return [
        *shared_memory(folder, ("ivshmem-poll", "ivshmem-doorbell", "ivshmem-msix")),
        Transport(
            ["-chardev", f"socket,id=port,path={folder}/port", "-device", "virtio-serial-pci",
             "-device", "virtserialport,chardev=port"],
            ["serial", f"{folder}/port"],
            ["serial /dev/vport0p1"],
        ),
        Transport(
            ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
            ["tcp", str(TCP_PORT)],
            [f"tcp {HOST_ADDRESS} {TCP_PORT}"],
        ),
    ]


def file_transports(folder):
    """Two shared folders: both sides look each millisecond; as they do with the files of old."""
    found = []
    for name, host_us, guest_us in (("files-1ms", 1000, 1000), ("files-legacy", 1000000, 100000)):
        shared = folder / name
        shared.mkdir()
        found.append(Transport(
            ["-fsdev", f"local,id={name},path={shared},security_model=none",
             "-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"],
            ["files", str(shared), str(host_us)],
            [f"files {name} /mnt/{name} {guest_us}"],
        ))
    return found


def network_up():
    return f"ip link set eth0 up; ip addr add {GUEST_ADDRESS} dev eth0\n"


def mount_files():
    return "".join(
        f"mkdir -p /mnt/{tag}; mount -t 9p -o trans=virtio,version=9p2000.L {tag} /mnt/{tag}\n"
        for tag in ("files-1ms", "files-legacy")
    )


class TransportGuest:
    """One guest that measures @transports. @kernel: a folder of scripts/bench-kernel."""

    def __init__(self, name, transports, kernel, modules, prepare, seconds, accelerator):
        self.name, self.transports, self.kernel = name, transports, Path(kernel)
        self.accelerator = accelerator
        self.logs = Path(os.environ["VGPU_LOG_DIR"])
        self.token = secrets.token_hex(16)
        self.bench = Path(os.environ["BUILD"]) / "tests/bench"
        self.initrd = Path(f"/run/bench-{name}.initrd")
        self._write_initrd(modules, prepare, seconds)

    def _write_initrd(self, modules, prepare, seconds):
        archive = Archive()
        archive.file("usr/bin/bench-guest", (self.bench / "bench-guest").read_bytes())
        script = f"set -e\nbench() {{ bench-guest {seconds} \"$@\"; }}\n"
        for module in with_dependencies(self.kernel, modules):
            archive.file(f"vgpu/{module.name}", module.read_bytes(), 0o644)
            script += f"insmod /vgpu/{module.name} {MODULE_PARAMETERS.get(module.stem, '')}\n"
        script += prepare + "".join(f"bench {command}\n" for item in self.transports
                                    for command in item.guest)
        script += "cat /sys/devices/system/clocksource/clocksource0/current_clocksource\n"
        archive.file("vgpu/command", script.encode(), 0o644)
        base = Path(os.environ["VGPU_GUEST_INITRD"]).read_bytes()
        self.initrd.write_bytes(base + archive.bytes())

    def _command(self):
        devices = [word for transport in self.transports for word in transport.devices]
        return [
            os.environ["VGPU_EMULATOR"], "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35", "-accel", self.accelerator, "-smp", "1", "-m", "512", "-no-reboot",
            "-kernel", str(self.kernel / "vmlinuz"), "-initrd", str(self.initrd),
            "-append", f"{KERNEL_ARGUMENTS} vgpu.output=ttyS1 vgpu.token={self.token}",
            "-serial", f"file:{self.logs}/bench-{self.name}.console.log", "-serial", "stdio",
            *devices,
        ]

    def lines(self, timeout):
        """Yields what the guest prints. BenchError when it does not come to a good end."""
        with contextlib.ExitStack() as stack:
            programs = [
                stack.enter_context(host_program(self.bench / "bench-host", transport.host))
                for transport in self.transports
            ]
            yield from self._run(stack, programs, timeout)

    def _run(self, stack, programs, timeout):
        log = self.logs / f"bench-{self.name}.qemu.log"
        qemu = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=log.open("wb"), text=True, errors="replace")
        stack.callback(qemu.wait)
        stack.callback(qemu.kill)
        timer = threading.Timer(timeout, qemu.kill)
        stack.callback(timer.cancel)
        timer.start()
        # A guest would wait for ever for a host's side that has failed.
        for program in programs:
            def end_with(one=program):
                if one.wait() != 0:
                    qemu.kill()

            threading.Thread(target=end_with, daemon=True).start()
        status = None
        for line in qemu.stdout:
            text, found, rest = line.rstrip("\n").partition(f"\0{self.token} ")
            if text:
                yield text
            if found:
                status = int(rest)
                break
        if status != 0:
            said = log.read_text(errors="replace").strip()
            raise BenchError(f"the guest {self.name} ended with status {status} {said}".rstrip())


@contextlib.contextmanager
def host_program(program, arguments):
    """Runs the host's side of a transport; returns when a guest may come."""
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline() != "ready\n":
                raise BenchError(f"{' '.join(arguments)}: the host's side does not start")
            yield process
        finally:
            process.kill()
