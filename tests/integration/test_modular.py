# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which libvirt vgpud works with: --connect, and the modular daemon. Debian 12 builds virtqemud but
does not package it: VGPU_VIRTQEMUD names one then."""

import os
import shutil
import signal
import subprocess
import unittest
from pathlib import Path

import host
import shell
from host import virsh
from libvirtd import Libvirtd
from shell import Log

LIBVIRTD = Libvirtd()
SOCKETS = Path("/run/libvirt")
VIRTQEMUD = os.environ.get("VGPU_VIRTQEMUD") or shutil.which(
    "virtqemud", path=os.environ["PATH"] + ":/usr/sbin:/sbin")


class Modular(host.HostTest):
    def start_vgpud(self, *options):
        """As host-vgpud does it, but with options."""
        host.vgpud("stop")
        with host.VGPUD_LOG.open("ab") as log:
            process = subprocess.Popen(
                [Path(os.environ["BUILD"]) / "vgpud/vgpud", "--config", shell.CONFIG, *options],
                stdout=log, stderr=log)
        self.addCleanup(host.vgpud, "start")
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)

    def serves(self, name):
        guest = self.guest("vgpu-call add 20 22; read -r _ </dev/ttyS1", name=name, pool="A")
        guest.define()
        self.assertTrue(guest.await_device())
        guest.start()
        with guest.connection.makefile() as output:
            self.assertRegex(output.readline(), "^ok 42 ")
        return guest

    def test_connect_option(self):
        """It has the last word, and the socket that only the modular daemon has is found."""
        shell.configure({"A": shell.pool()}, connect="test:///default")
        self.addCleanup(shell.configure, {"A": shell.pool()})
        log = Log()
        socket = SOCKETS / "virtqemud-sock"
        socket.symlink_to(SOCKETS / "libvirt-sock")
        self.addCleanup(socket.unlink)
        self.start_vgpud("--connect", "qemu:///system?mode=direct")
        self.wait_for(lambda: log.lines(r"connected to libvirt: qemu:///system\?mode=direct, lib"))
        self.serves("direct")

    def test_no_such_libvirt(self):
        """One line says what is wrong, and it does not end: it is tried again."""
        log = Log()
        self.start_vgpud("--connect", "qemu:///system?mode=direct")
        self.wait_for(lambda: log.lines("no connection to libvirt: .*virtqemud-sock"))
        self.assertEqual(len(log.lines("no connection")), 1)
        socket = SOCKETS / "virtqemud-sock"
        socket.symlink_to(SOCKETS / "libvirt-sock")
        self.addCleanup(socket.unlink)
        self.wait_for(lambda: log.lines("connected to libvirt: "), 20)

    @unittest.skipUnless(VIRTQEMUD, "there is no virtqemud: VGPU_VIRTQEMUD may name one")
    def test_virtqemud(self):
        LIBVIRTD.stop()
        self.addCleanup(LIBVIRTD.start)
        for socket in SOCKETS.glob("libvirt-sock*"):
            socket.unlink()
        Path("/etc/libvirt/virtqemud.conf").write_text('auth_unix_ro = "none"\n'
                                                       'auth_unix_rw = "none"\n')
        log = Log()
        virtqemud = self.start_virtqemud()
        self.wait_for(lambda: log.lines("connected to libvirt: qemu:///system, "), 30)
        guest = self.serves("modular")
        before = shell.session("modular")
        self.assertEqual(before["state"], "serving")

        # It goes and comes back, and finds the VM running.
        log = Log()
        virtqemud.send_signal(signal.SIGKILL)
        virtqemud.wait()
        self.wait_for(lambda: log.lines("no connection to libvirt"))
        self.assertEqual(shell.session("modular"), before)
        virtqemud = self.start_virtqemud()
        self.wait_for(lambda: log.lines("all domains looked at"), 40)
        self.assertEqual(shell.session("modular"), before)
        element = '<vgpu pool="A" priority="high"/>'
        virsh("metadata", "modular", "--uri", "https://vgpud.org/xmlns/domain/1.0", "--key", "vgpu",
              "--live", "--set", element)
        self.wait_for(lambda: shell.session("modular")["priority"] == "high")
        guest.remove()
        self.wait_for(lambda: not shell.session("modular"))

    def start_virtqemud(self):
        """The one that runs when the test ends is gone before libvirtd starts."""
        path = os.environ["PATH"] + f":{shell.HOME}/fallback"
        with open(Path(os.environ["VGPU_LOG_DIR"]) / "virtqemud.log", "ab") as log:
            process = subprocess.Popen([VIRTQEMUD], env=dict(os.environ, PATH=path), stdout=log,
                                       stderr=log)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        return process


if __name__ == "__main__":
    host.main()
