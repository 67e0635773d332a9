# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook program as libvirt calls it: beside others, by other users, and when vgpud is away."""

import os
import signal
import subprocess
from pathlib import Path

import host
import shell
from host import virsh
from libvirtd import Libvirtd

HOOKS = Path("/etc/libvirt/hooks/qemu.d")
NOBODY = 65534
LIBVIRTD = Libvirtd()


class Hooks(host.HostTest):
    def define(self, name, **attributes):
        file = shell.HOME / f"{name}.xml"
        file.write_text(host.domain_xml(name, **attributes))
        self.addCleanup(virsh, "undefine", name, check=False)
        self.addCleanup(virsh, "destroy", name, check=False)
        virsh("define", str(file))
        if attributes:
            self.wait_for(lambda: "vgpu-stub" in virsh("dumpxml", "--inactive", name))

    def add_hook(self, name, text):
        """libvirtd takes notice of a new one when it is told to."""
        hook = HOOKS / name
        hook.write_text("#!/bin/sh\n" + text)
        hook.chmod(0o755)
        self.addCleanup(hook.unlink)

    def reload_libvirtd(self):
        os.kill(LIBVIRTD.pid(), signal.SIGHUP)

    def test_one_of_several(self):
        log = shell.HOME / "hooks.log"
        for name in "00-before", "zz-after":
            self.add_hook(name, f'echo "{name} $1 $2" >>{log}\ncat >/dev/null\n')
        self.reload_libvirtd()
        self.define("several", pool="A")
        virsh("start", "several")
        self.wait_for(lambda: shell.session("several").get("state") == "serving")
        virsh("destroy", "several")
        self.wait_for(lambda: not shell.session("several"))
        lines = log.read_text().splitlines()
        for operation in "prepare", "start", "started", "stopped", "release":
            for name in "00-before", "zz-after":
                self.assertIn(f"{name} several {operation}", lines)

        # Another's refusal: what vgpud has reserved is free again.
        self.add_hook("zz-refuses", '[ "$2" != start ]\n')
        self.reload_libvirtd()
        with self.assertRaises(host.GuestError):
            virsh("start", "several")
        self.wait_for(lambda: not shell.session("several"))
        self.assertEqual([pool["used"] for pool in host.vgpuctl("pools")], [0, 0])

    def test_reconnect_without_vgpud(self):
        """A hook that fails at `reconnect` would kill the running VM."""
        self.define("runs", pool="A")
        virsh("start", "runs")
        pid = Path("/run/libvirt/qemu/runs.pid").read_text()
        host.vgpud("stop")
        self.addCleanup(host.vgpud, "start")
        LIBVIRTD.stop()
        LIBVIRTD.start()
        self.wait_for(lambda: "running" in virsh("domstate", "runs", check=False), 30)
        self.assertEqual(Path("/run/libvirt/qemu/runs.pid").read_text(), pid)
        host.vgpud("start")
        self.wait_for(lambda: shell.session("runs").get("state") == "serving")
        # And it ends without vgpud, too.
        host.vgpud("stop")
        virsh("destroy", "runs")

    def test_session_libvirtd(self):
        home = shell.HOME / "nobody"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        file = home / "session.xml"
        # Where the machine has no QEMU of its own, libvirt finds ours.
        environment = {"PATH": f"{os.environ['PATH']}:{shell.HOME}/fallback",
                       "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}

        def create(**attributes):
            file.write_text(host.domain_xml("session", **attributes))
            return subprocess.run(
                ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                 "virsh", "-q", "-c", "qemu:///session", "create", str(file)],
                env=environment, capture_output=True, text=True, timeout=60,
            )

        refused = create(pool="A")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("qemu:///session", refused.stderr)
        self.assertIn("qemu:///system", refused.stderr)
        self.assertEqual(refused.stderr.count("vgpud: domain 'session'"), 1)
        plain = create()
        self.assertEqual(plain.returncode, 0, plain.stderr)


if __name__ == "__main__":
    host.main()
