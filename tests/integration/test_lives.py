# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way in which a domain can live: how it comes, changes, moves and goes, and that its device
follows. Most of the domains run no system: their QEMU connects all the same."""

import os
import re
import signal
import subprocess
import unittest
import uuid
from pathlib import Path

import host
import shell
from host import virsh
from libvirtd import Libvirtd

URI = "https://vgpud.org/xmlns/domain/1.0"
HOME = Path("/run/vgpud-host")

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{element}</metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>
  <features><acpi/></features>
  <on_reboot>{on_reboot}</on_reboot>
  <on_crash>{on_crash}</on_crash>
  <devices><memballoon model='none'/><panic model='isa'/></devices>
</domain>
"""


def definition(name):
    return virsh("dumpxml", "--inactive", name)


def qemu_pid(name):
    return int(Path(f"/run/libvirt/qemu/{name}.pid").read_text())


class Lives(host.HostTest):
    def write(self, name, machine="q35", os="", on_reboot="restart",
              on_crash="destroy", id=None, **attributes):
        attributes = attributes or {"pool": "A"}
        element = host.ELEMENT.format(" ".join(f'{k}="{v}"' for k, v in attributes.items()))
        file = HOME / f"{name}.xml"
        file.write_text(DOMAIN.format(name=name, uuid=id or uuid.uuid4(), machine=machine, os=os,
                                      element=element, on_reboot=on_reboot,
                                      on_crash=on_crash))
        self.forget_later(name)
        return str(file)

    def forget_later(self, name):
        self.addCleanup(virsh, "undefine", name, "--snapshots-metadata", check=False)
        self.addCleanup(virsh, "destroy", name, check=False)

    def define(self, name, **options):
        virsh("define", self.write(name, **options))
        self.await_device(name, **{k: v for k, v in options.items() if k in ("pool", "priority")})

    def await_device(self, name, pool="A", priority="medium"):
        """Until its definition has the device as it should be, with the domain's own socket."""
        id = virsh("domuuid", name).strip()
        wanted = [f"/run/vgpud/vm/{id}.sock", f'"pool":"{pool}","priority":"{priority}"']

        def is_right():
            text = definition(name).replace("&quot;", '"')
            return text.count('"vgpu-stub"') == 1 and all(part in text for part in wanted)

        self.wait_for(is_right)

    def start(self, name, **expected):
        virsh("start", name)
        return self.await_service(name, **expected)

    def await_service(self, name, **expected):
        expected["state"] = "serving"
        self.wait_for(lambda: expected.items() <= shell.session(name).items(), 30)
        return shell.session(name)

    def await_end(self, name, worker=None):
        self.wait_for(lambda: not shell.session(name))
        if worker:
            self.wait_for(lambda: not Path(f"/proc/{worker}").exists())

    # Definitions.

    def test_redefine(self):
        id = str(uuid.uuid4())
        self.define("redefine", id=id)
        number = self.start("redefine")["vm-id"]
        virsh("destroy", "redefine")
        # From the administrator's file, which knows nothing of the device.
        self.define("redefine", id=id, pool="B", priority="high")
        session = self.start("redefine", pool="B", priority="high")
        self.assertEqual(session["vm-id"], number)
        # And again, while it runs: the definition is for the next start, the VM goes on.
        self.define("redefine", id=id, pool="A", priority="low")
        self.await_service("redefine", pool="B", **{"qemu-pid": session["qemu-pid"]})

    def test_edit(self):
        self.define("edit")
        environment = dict(os.environ, EDITOR="sed -i s/pool=.A./pool=\\'B\\'/")
        subprocess.run(["virsh", "-q", "edit", "edit"], env=environment, check=True,
                       capture_output=True)
        self.await_device("edit", pool="B")
        self.start("edit", pool="B")

    def test_rename(self):
        self.define("rename-before")
        number = re.search(r"vm-id&quot;:(\d+)|vm-id\":(\d+)", definition("rename-before")).group(0)
        virsh("domrename", "rename-before", "rename-after")
        self.forget_later("rename-after")
        self.await_device("rename-after")
        self.assertIn(number, definition("rename-after"))
        self.start("rename-after")

    def test_clone(self):
        self.define("origin")
        self.start("origin")
        text = definition("origin").replace("<name>origin<", "<name>clone<")
        file = HOME / "clone.xml"
        file.write_text(re.sub("<uuid>.*</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", text))
        self.forget_later("clone")
        virsh("define", str(file))
        self.await_device("clone")
        first, second = self.await_service("origin"), self.start("clone")
        self.assertNotEqual(first["vm-id"], second["vm-id"])
        self.assertNotEqual(first["worker-pid"], second["worker-pid"])

    def test_undefine(self):
        self.define("undefine")
        virsh("undefine", "undefine")
        self.define("undefine")
        session = self.start("undefine")
        virsh("undefine", "undefine")
        # It is transient now, and goes on; vgpud's restart does not matter.
        host.vgpud("restart")
        self.await_service("undefine", **{"vm-id": session["vm-id"]})
        virsh("destroy", "undefine")
        self.await_end("undefine")

    def test_snapshot(self):
        self.define("snapshot", pool="B")
        # Of the time before vgpud: what is reverted to has neither emulator nor arguments.
        old = re.sub("<uuid>.*</uuid>", f"<uuid>{virsh('domuuid', 'snapshot').strip()}</uuid>",
                     Path(self.write("snapshot", pool="A")).read_text())
        file = HOME / "snapshot-metadata.xml"
        file.write_text("<domainsnapshot><name>old</name><state>shutoff</state>"
                        f"<creationTime>1</creationTime>{old}</domainsnapshot>")
        virsh("snapshot-create", "snapshot", str(file), "--redefine")
        virsh("snapshot-revert", "snapshot", "old")
        self.await_device("snapshot", pool="A")
        self.start("snapshot", pool="A")

    # What the device cannot do is refused, and the VM goes on.

    def test_save_and_migration(self):
        for machine in "q35", "pc":
            name = f"save-{machine}"
            self.define(name, machine=machine)
            session = self.start(name)
            orders = [
                ("managedsave", name),
                ("save", name, str(HOME / "save")),
                ("migrate", "--live", name, "qemu+unix:///system?mode=legacy"),
            ]
            for order in orders:
                with self.subTest(order), self.assertRaises(host.GuestError) as refused:
                    virsh(*order)
                self.assertRegex(str(refused.exception), "vgpu-stub.*neither saved nor migrated")
                self.assertEqual(virsh("domstate", name).strip(), "running")
            self.assertEqual(shell.session(name)["worker-pid"], session["worker-pid"])
            self.assertNotIn("managed", virsh("list", "--all", "--with-managed-save"))
            virsh("destroy", name)
            self.start(name)

    # Ends and new beginnings.

    def test_reset(self):
        self.define("reset")
        session = self.start("reset")
        for _ in range(3):
            virsh("reset", "reset")
        virsh("dommemstat", "reset")  # its monitor has answered since
        now = self.await_service("reset")
        self.assertEqual(now["qemu-pid"], session["qemu-pid"])

    def test_on_reboot(self):
        """The BIOS finds nothing to boot, and reboots at once."""
        bios = "<bios rebootTimeout='0'/>"
        self.define("reboots", os=bios)
        session = self.start("reboots")
        self.await_service("reboots", **{"qemu-pid": session["qemu-pid"]})
        self.define("reboot-is-end", os=bios, on_reboot="destroy")
        virsh("start", "reboot-is-end")
        self.wait_for(lambda: virsh("domstate", "reboot-is-end").strip() == "shut off", 30)
        self.await_end("reboot-is-end")
        self.await_service("reboots", **{"qemu-pid": session["qemu-pid"]})

    def test_on_crash(self):
        """What a guest's kernel does when it panics: it tells a port."""
        states = {"destroy": "shut off", "restart": "running", "preserve": "crashed"}
        for policy, state in states.items():
            with self.subTest(policy):
                name = f"crash-{policy}"
                self.define(name, on_crash=policy)
                session = self.start(name)
                virsh("qemu-monitor-command", name, "--hmp", "o /b 0x505 1")
                self.wait_for(lambda: virsh("domstate", name).strip() == state, 30)
                if policy == "destroy":
                    self.await_end(name, session["worker-pid"])
                else:
                    self.await_service(name, **{"qemu-pid": session["qemu-pid"]})
                    virsh("destroy", name)
                self.await_end(name)
                self.start(name)

    def test_crash(self):
        self.define("crash")
        session = self.start("crash")
        os.kill(qemu_pid("crash"), signal.SIGKILL)
        self.await_end("crash", session["worker-pid"])
        self.wait_for(lambda: virsh("domstate", "crash").strip() == "shut off")
        self.start("crash")

    def test_destroy_and_start_in_one_breath(self):
        """The former run's end comes late, when the next one has begun."""
        self.define("breathless")
        virsh("start", "breathless")
        for _ in range(10):
            virsh("destroy breathless; start breathless")
        self.await_service("breathless", **{"qemu-pid": qemu_pid("breathless")})

    def test_detached(self):
        """Who runs goes on; who starts is told why not; a define in between changes nothing."""
        self.define("detached-runs")
        session = self.start("detached-runs")
        self.define("detached")
        subprocess.run(["vgpuctl", "detach", "--all"], check=True)
        self.addCleanup(subprocess.run, ["vgpuctl", "attach", "--all"], check=True)
        self.assertNotIn("vgpu-stub", definition("detached"))
        virsh("define", str(HOME / "detached.xml"))
        with self.assertRaisesRegex(host.GuestError, "detached from all domains.*attach --all"):
            virsh("start", "detached")
        self.await_service("detached-runs", **{"worker-pid": session["worker-pid"]})
        subprocess.run(["vgpuctl", "attach", "--all"], check=True)
        self.await_device("detached")
        self.await_device("detached-runs")
        self.start("detached")

    def test_failed_start(self):
        """QEMU itself refuses: place and socket are free again, and the next start is not held up."""
        self.define("fails")
        text = definition("fails").replace(
            "</qemu:commandline>",
            "<qemu:arg value='-device'/><qemu:arg value='no-such-device'/></qemu:commandline>")
        file = HOME / "fails-broken.xml"
        file.write_text(text)
        virsh("define", str(file))
        with self.assertRaisesRegex(host.GuestError, "no-such-device"):
            virsh("start", "fails")
        self.await_end("fails")
        virsh("define", str(HOME / "fails.xml"))
        self.await_device("fails")
        self.start("fails")


LIBVIRTD = Libvirtd()


class Autostart(Lives):
    def restart_libvirtd(self):
        LIBVIRTD.stop()
        Path("/run/libvirt/qemu/autostarted").unlink(missing_ok=True)  # as after a boot
        LIBVIRTD.start()

    def test_autostart(self):
        self.define("autostart")
        virsh("autostart", "autostart")
        self.addCleanup(virsh, "autostart", "autostart", "--disable", check=False)
        self.restart_libvirtd()
        self.await_service("autostart")
        virsh("destroy", "autostart")
        # vgpud works with the new libvirtd: a define is answered, a start is not held up.
        self.define("after-autostart")
        self.start("after-autostart")

        # Without vgpud it does not start, and does once vgpud is back.
        host.vgpud("stop")
        self.restart_libvirtd()
        self.wait_for(lambda: "autostart" in virsh("list", "--all", "--name", check=False), 30)
        self.assertEqual(virsh("domstate", "autostart").strip(), "shut off")
        host.vgpud("start")
        self.start("autostart")


def load_tests(loader, _tests, _pattern):
    """Autostart has Lives' helpers, not its tests."""
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(Lives))
    suite.addTest(Autostart("test_autostart"))
    return suite


if __name__ == "__main__":
    host.main()
