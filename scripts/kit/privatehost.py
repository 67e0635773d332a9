# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a private host consists of: folders, accounts, configuration and daemons. To be used inside
of namespaces that were made for it: it mounts over /run, /etc/libvirt and /var/*/libvirt."""

import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import namespaces
from .domain import kvm_works

HOME = Path("/run/vgpud-host")  # all of ours in here; /run itself is private
BIN = HOME / "bin"
NEEDED = {"virtlogd": "libvirt-daemon", "libvirtd": "libvirt-daemon", "dbus-daemon": "dbus-daemon"}


class HostError(Exception):
    """What went wrong, for a person; `log` is the file whose end says more, or None."""

    def __init__(self, message, log=None):
        super().__init__(message)
        self.log = log


class PrivateHost:
    def __init__(self, root, build, cache, logs, emulator):
        self.root, self.build, self.cache, self.logs = root, build, cache, logs
        self.emulator_source = Path(emulator)
        self.emulator = None
        self.daemons = {}  # name -> Popen

    # What is there before any daemon runs.

    def lay_out(self):
        namespaces.make_private()
        namespaces.mount("proc", "/proc", "proc")
        namespaces.empty_folder("/run")
        for folder in ("/run/lock", "/run/dbus", HOME, BIN):
            Path(folder).mkdir(exist_ok=True)
        for folder in ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt"):
            namespaces.empty_folder(folder)
        # Else libvirtd would make control groups beside those of the machine's own VMs.
        if os.path.ismount("/sys/fs/cgroup"):
            namespaces.unmount("/sys/fs/cgroup")
        (self.logs / "libvirt").mkdir(exist_ok=True)
        namespaces.bind(self.logs / "libvirt", "/var/log/libvirt")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

        group = self._add_accounts()
        self._hide_useless_kvm()
        self._place_programs()
        self._configure_libvirt(group)
        self._configure_vgpud()

    def _add_accounts(self):
        """libvirt-daemon-system would make these; here they exist in the private host alone.
        Returns the group that QEMU runs in: who owns /dev/kvm, if there is such a group."""
        passwd = Path("/etc/passwd").read_text()
        group = Path("/etc/group").read_text()
        names = {line.split(":")[0] for line in group.splitlines()}
        if "\nlibvirt-qemu:" not in passwd:
            passwd += "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"
            (HOME / "passwd").write_text(passwd)
            namespaces.bind(HOME / "passwd", "/etc/passwd")
        if "libvirt-qemu" not in names:
            (HOME / "group").write_text(group + "libvirt-qemu:x:64055:\n")
            namespaces.bind(HOME / "group", "/etc/group")
        return "kvm" if "kvm" in names else "libvirt-qemu"

    def _hide_useless_kvm(self):
        """A /dev/kvm that works for root alone makes libvirtd ask an emulator about itself again and
        again: the answer, given to root, contradicts what QEMU's user may do. (A mount over it is
        no way out: libvirt carries the mounts below /dev into QEMU's own, and fails with files.)"""
        if os.path.exists("/dev/kvm") and not kvm_works():
            namespaces.copy_devices(without={"kvm"})

    def _place_programs(self):
        """Everything that QEMU's or a worker's user must reach, since the checkout and the cache may
        lie in a folder that is closed to them. Bind mounts keep the ctime, by which libvirt knows
        an emulator again."""
        tree = self.emulator_source.parent.parent
        namespaces.bind(tree, HOME / "qemu")
        self.emulator = HOME / "qemu" / self.emulator_source.relative_to(tree)

        # libvirtd looks for a default emulator in its PATH. Where the machine has none, ours is it.
        # Its firmware it finds in ../share.
        (HOME / "fallback").mkdir()
        namespaces.bind(tree / "share", HOME / "share")
        namespaces.bind(self.emulator_source, HOME / "fallback/qemu-system-x86_64")
        # Reverting to a snapshot wants to find it, also for a domain without disks.
        (HOME / "fallback/qemu-img").symlink_to("/bin/true")

        # By these paths the machine's AppArmor profiles do not know them.
        for name in ("libvirtd", "virtlogd"):
            namespaces.bind(find_program(name), HOME / "sbin" / name)

        for name in ("vgpuctl/vgpuctl", "xml/vgpu-xml"):
            if (self.build / name).exists():
                shutil.copy(self.build / name, BIN)
        if (self.build / "vgpud/worker/vgpu-worker").exists():
            (HOME / "libexec").mkdir()
            shutil.copy(self.build / "vgpud/worker/vgpu-worker", HOME / "libexec")
        (BIN / "host-vgpud").symlink_to(self.root / "scripts/host-vgpud")

    def _configure_libvirt(self, group):
        etc = Path("/etc/libvirt")
        # As vgpud(8) recommends: clients on the same host need no asking whether they live.
        (etc / "libvirtd.conf").write_text(
            "keepalive_interval = -1\n"
            'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
            f'log_level = 2\nlog_outputs = "2:file:{self.logs}/libvirtd.log"\n'
        )
        (etc / "virtlogd.conf").write_text(f'log_outputs = "2:file:{self.logs}/virtlogd.log"\n')
        (etc / "qemu.conf").write_text(
            f'user = "libvirt-qemu"\ngroup = "{group}"\nsecurity_driver = "none"\n'
        )
        hook = self.build / "virt-hooks/vgpud-hook"
        if hook.exists():
            (etc / "hooks/qemu.d").mkdir(parents=True)
            shutil.copy(hook, etc / "hooks/qemu.d/vgpud")

        # What libvirt found out about an emulator, so that it is asked once and not in every run.
        known = self.cache / "capabilities"
        if known.is_dir():
            shutil.copytree(known, "/var/cache/libvirt/qemu/capabilities")

    def keep_capabilities(self):
        known = self.cache / "capabilities"
        known.mkdir(exist_ok=True)
        for file in Path("/var/cache/libvirt/qemu/capabilities").glob("*.xml"):
            if not (known / file.name).exists() or file.stat().st_mtime > self.begin:
                temporary = known / f"{file.name}.{os.stat('/proc/self/ns/pid').st_ino}"
                shutil.copy(file, temporary)
                temporary.rename(known / file.name)

    def _configure_vgpud(self):
        pools = os.environ.get("VGPU_HOST_POOLS") or HOME / "pools.d"
        (HOME / "pools.d").mkdir()
        (HOME / "vgpud.conf").write_text(
            f"[vgpud]\nconnect=qemu:///system\nbus=system\nrun-dir=/run/vgpud\n"
            f"cache-dir={HOME}/cache\nemulator={self.emulator}\n"
            f"worker={HOME}/libexec/vgpu-worker\npools-dir={Path(pools).resolve()}\n"
        )
        extra = os.environ.get("VGPU_HOST_CONF")
        if extra:
            with (HOME / "vgpud.conf").open("a") as file:
                file.write("\n" + Path(extra).read_text())

    # The daemons.

    def start_daemons(self, vgpud=True):
        self.begin = time.time()
        self._start("dbus", ["dbus-daemon", "--nofork", "--nopidfile", "--print-address=1",
                             f"--config-file={self._bus_config()}"], ready="line")
        self._start("virtlogd", [HOME / "sbin/virtlogd"], ready="notify")
        path = os.environ["PATH"] + f":{HOME}/fallback"
        self._start("libvirtd", [HOME / "sbin/libvirtd"], ready="notify", PATH=path)
        if vgpud:
            result = subprocess.run([BIN / "host-vgpud", "start"], stderr=subprocess.PIPE, text=True)
            if result.returncode != 0:
                raise HostError(result.stderr.strip(), self.logs / "vgpud.log")

    def _bus_config(self):
        policy = self.root / "data/org.vgpud1.conf"
        file = HOME / "bus.conf"
        file.write_text(
            '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"\n'
            ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
            "<busconfig>\n  <type>system</type>\n"
            "  <listen>unix:path=/run/dbus/system_bus_socket</listen>\n  <auth>EXTERNAL</auth>\n"
            '  <policy context="default">\n'
            '    <allow user="*"/>\n    <deny own="*"/>\n    <deny send_type="method_call"/>\n'
            '    <allow send_type="signal"/>\n    <allow send_requested_reply="true"/>\n'
            '    <allow receive_type="method_call"/>\n    <allow receive_type="method_return"/>\n'
            '    <allow receive_type="error"/>\n    <allow receive_type="signal"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"/>\n  </policy>\n'
            f"  <include>{policy}</include>\n</busconfig>\n"
        )
        return file

    def _start(self, name, command, ready, timeout=60, **environment):
        log = self.logs / f"{name}.log"
        address = HOME / f"{name}.notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, log.open("ab") as output:
            if ready == "notify":
                notify.bind(str(address))
                environment["NOTIFY_SOCKET"] = str(address)
            daemon = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if ready == "line" else output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the user's command
                env=dict(os.environ, **environment),
            )
            self.daemons[name] = daemon
            watched = daemon.stdout if ready == "line" else notify
            end = os.pidfd_open(daemon.pid)
            readable, _, _ = select.select([watched, end], [], [], timeout)
            os.close(end)
        if watched not in readable:
            what = "ended at once" if readable else f"was not ready within {timeout} s"
            raise HostError(f"{name} {what}", log)

    def vgpud_pid(self):
        try:
            return int((HOME / "vgpud.pid").read_text())
        except (OSError, ValueError):
            return None

    def stop_vgpud(self, timeout=20):
        """vgpud's exit status, or None if it was not running. The other daemons have nothing to
        lose: they end with the namespace."""
        pid = self.vgpud_pid()
        try:
            os.kill(pid, signal.SIGTERM) if pid else None
        except ProcessLookupError:
            pid = None
        deadline = time.monotonic() + timeout
        while pid and time.monotonic() < deadline:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == pid:
                return os.waitstatus_to_exitcode(status)
            if not ended:
                time.sleep(0.01)
        return None if not pid else -signal.SIGKILL


def find_program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise HostError(f"{name} is not installed (package {NEEDED[name]}): run scripts/deps")
    return path
