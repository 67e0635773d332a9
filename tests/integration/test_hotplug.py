# SPDX-License-Identifier: LGPL-2.1-or-later
"""The device comes into a VM that runs, and goes out of it: transient domains, and the element that
appears in and leaves the live metadata."""

import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import host
import shell
from host import virsh
from libvirtd import Libvirtd
from shell import Log

URI = "https://vgpud.org/xmlns/domain/1.0"
EMULATOR = os.environ["VGPU_EMULATOR"]
HOME = Path("/run/vgpud-host")
# The same program by another name, so that vgpud takes it for a foreign one.
OTHER_EMULATOR = EMULATOR.replace("/bin/", "/bin/../bin/")
PORT = "<controller type='pci' index='{0}' model='pcie-root-port'/>"
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    PORT.format(index) for index in range(1, 8)
)
NETWORK = "<interface type='user'><model type='virtio'/></interface>"

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{element}</metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features>{features}</features>
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
  </devices>
  {extra}
</domain>
"""
GLOBAL = """<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>
    <arg value='-global'/>
    <arg value='{}'/>
  </commandline>"""


def metadata(name, *arguments):
    virsh("metadata", name, "--uri", URI, "--key", "vgpu", *arguments)


def monitor(name, command, **arguments):
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(virsh("qemu-monitor-command", name, text))


def device(name):
    """The parent bus of the device in the running QEMU; None: it has none."""
    answer = monitor(
        name, "qom-get", path="/machine/peripheral/vgpu0", property="parent_bus"
    )
    return answer.get("return", "").rsplit("/", 1)[-1] or None


def connections():
    """How many sockets vgpud has: each hot-plug under way has one of its own to libvirtd."""
    pid = subprocess.run(["host-vgpud", "pid"], capture_output=True, text=True).stdout.strip()
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(fd))
        except FileNotFoundError:  # closed meanwhile
            pass
    return sum(link.startswith("socket:") for link in links)


LIBVIRTD = Libvirtd()


class Hotplug(host.HostTest):
    """With domains that run no system: the device's QEMU connects all the same."""

    def create(self, name, machine="q35", element='pool="A"', features="<acpi/>", devices=PORTS,
               emulator=EMULATOR, how="create", extra=""):
        file = HOME / f"{name}.xml"
        text = host.ELEMENT.format(element) if element else ""
        if machine == "pc" and devices == PORTS:
            devices = ""
        file.write_text(DOMAIN.format(name=name, uuid=uuid.uuid4(), machine=machine, element=text,
                                      features=features, devices=devices, emulator=emulator,
                                      extra=extra))
        self.addCleanup(virsh, "undefine", name, check=False)
        self.addCleanup(virsh, "destroy", name, check=False)
        virsh(how, str(file))

    def serves(self, name, **expected):
        """Until vgpud serves the VM with what is expected."""
        expected["state"] = "serving"
        self.wait_for(
            lambda: expected.items() <= shell.session(name).items(), timeout=30
        )

    def refusal(self, *arguments, **options):
        with self.assertRaises(host.GuestError) as refused:
            self.create(*arguments, **options)
        return str(refused.exception)

    def test_transient(self):
        for machine, bus in ("q35", "pci.7"), ("pc", "pci.0"):
            with self.subTest(machine):
                name = f"transient-{machine}"
                self.create(name, machine, 'pool="A" priority="high"')
                self.serves(name, pool="A", priority="high")
                self.assertEqual(device(name), bus)
                # Behind a port the queues' memory has to fit into the port's window.
                size = monitor(name, "qom-get", path="/machine/peripheral/vgpu0",
                               property="shm-size")["return"]
                self.assertEqual(size, 2 << 20 if machine == "q35" else 64 << 20)
                # libvirt does not know of it, and its own devices find room all the same.
                network = HOME / "network.xml"
                network.write_text(NETWORK)
                for _ in range(3):
                    virsh("attach-device", name, str(network), "--live")
                # A restore could not bring it back, so there is no save.
                with self.assertRaisesRegex(host.GuestError, "neither saved nor migrated"):
                    virsh("save", name, str(HOME / "save"))
                # What changes changes at once.
                metadata(name, "--live", "--set", '<vgpu pool="A" priority="low"/>')
                self.serves(name, priority="low")
                virsh("destroy", name)
                self.wait_for(lambda: not shell.session(name))

    def test_wider_ports(self):
        """An administrator has told the ports to keep more room than the firmware would."""
        for reserve, expected in ("64M", 64 << 20), ("24M", 16 << 20), ("1G", 64 << 20):
            with self.subTest(reserve):
                self.create("wide", extra=GLOBAL.format(f"pcie-root-port.pref64-reserve={reserve}"))
                self.serves("wide")
                size = monitor("wide", "qom-get", path="/machine/peripheral/vgpu0",
                               property="shm-size")["return"]
                self.assertEqual(size, expected)
                virsh("destroy", "wide")
                self.wait_for(lambda: not shell.session("wide"))

    def test_last_port(self):
        self.create("last-port", devices="")
        self.serves("last-port")
        network = HOME / "network.xml"
        network.write_text(NETWORK)
        with self.assertRaisesRegex(host.GuestError, "vgpu"):
            virsh("attach-device", "last-port", str(network), "--live")

    def test_transient_refused(self):
        way_out = "start the domain again; .*vgpuctl inject"
        text = self.refusal("foreign", emulator=OTHER_EMULATOR)
        self.assertRegex(text, way_out)
        self.assertIn("its emulator is", text)
        text = self.refusal("no-acpi", features="")
        self.assertRegex(text, way_out)
        self.assertIn("acpi", text)
        full = PORTS.replace("model='pcie-root-port'/>",
                             "model='pcie-root-port'><target hotplug='off'/></controller>")
        text = self.refusal("no-port", devices=full + "<memballoon model='none'/>")
        self.assertRegex(text, way_out)
        self.assertIn("free pcie-root-port", text)
        self.assertFalse(shell.session("foreign"))

    def test_injected_transient(self):
        """The way out that a refusal names."""
        self.refusal("injected", features="")
        file = HOME / "injected.xml"
        text = subprocess.run(["vgpu-xml", "inject", "--emulator", EMULATOR, "--vm-id", "7",
                               "--run-dir", "/run/vgpud", str(file)],
                              check=True, capture_output=True, text=True).stdout
        file.write_text(text)
        virsh("create", str(file))
        self.serves("injected")

    def test_element_appears(self):
        self.create("appears", element=None)
        self.assertIsNone(device("appears"))
        metadata("appears", "--live", "--set", '<vgpu pool="A" priority="high"/>')
        self.serves("appears", priority="high")
        # It survives vgpud, which finds its number and pool again even when the element is spoilt.
        number = shell.session("appears")["vm-id"]
        metadata("appears", "--live", "--set", '<vgpu pool="nonsense"/>')
        host.vgpud("kill")
        host.vgpud("start")
        self.serves("appears", pool="A", priority="high", **{"vm-id": number})
        self.create("second")
        self.serves("second")
        self.assertNotEqual(shell.session("second")["vm-id"], number)

    def test_element_appears_without_our_emulator(self):
        log = Log()
        self.create("other", element=None, emulator=OTHER_EMULATOR, how="define")
        virsh("start", "other")
        metadata("other", "--live", "--config", "--set", '<vgpu pool="A"/>')
        self.wait_for(lambda: log.lines("'other', as it runs: .*at its next start, not now"))
        self.assertIsNone(device("other"))
        self.assertFalse(shell.session("other"))
        virsh("destroy", "other")
        self.wait_for(lambda: "vgpu-stub" in virsh("dumpxml", "--inactive", "other"))
        virsh("start", "other")
        self.serves("other")

    def test_persistent_in_one_breath(self):
        """Our emulator already, but no arguments yet: it starts, and has it; later at boot."""
        self.create("breath", element=None, how="define")
        host.vgpud("stop")
        metadata("breath", "--config", "--set", '<vgpu pool="A"/>')
        with self.assertRaisesRegex(host.GuestError, "vgpud"):
            virsh("start", "breath")
        host.vgpud("start")
        self.wait_for(lambda: "vgpu-stub" in virsh("dumpxml", "--inactive", "breath"))
        virsh("start", "breath")
        self.serves("breath")

    def test_guest_keeps_it(self):
        """Nothing runs in it that could give the device back: the service ends all the same."""
        self.create("keeps")
        self.serves("keeps")
        log = Log()
        metadata("keeps", "--live", "--remove")
        self.wait_for(lambda: log.lines("'keeps', as it runs: .*cannot be taken out"), 30)
        self.wait_for(lambda: not shell.session("keeps"))
        metadata("keeps", "--live", "--set", '<vgpu pool="A" priority="low"/>')
        self.serves("keeps", priority="low")

    def test_qemu_refuses(self):
        """The error of QMP comes with status 0."""
        self.create("refuses", element=None)
        monitor("refuses", "device_add", driver="virtio-rng-pci", id="vgpu-foe", bus="pci.7",
                addr="0x0")
        log = Log()
        metadata("refuses", "--live", "--set", '<vgpu pool="A"/>')
        self.wait_for(lambda: log.lines("'refuses', as it runs: .*QEMU says: .*"))
        self.wait_for(lambda: not shell.session("refuses"))
        self.assertEqual(
            [c["label"] for c in monitor("refuses", "query-chardev")["return"]
             if c["label"] == "vgpuchr0"], [])

    def test_libvirtd_ends_meanwhile(self):
        """The answer to a hot-plug is lost with libvirtd: what came of it is asked of the next."""
        self.create("meanwhile", element=None)
        pid = int(Path("/run/libvirt/qemu/meanwhile.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        before = connections()
        try:
            metadata("meanwhile", "--live", "--set", '<vgpu pool="A"/>')
            self.wait_for(lambda: connections() > before)
            LIBVIRTD.stop(signal.SIGKILL)
        finally:
            os.kill(pid, signal.SIGCONT)
        LIBVIRTD.start()
        self.serves("meanwhile")

    def test_stuck_monitor(self):
        """A QEMU that is stopped answers nobody; the others do not wait for it."""
        self.create("stuck", element=None)
        pid = int(Path("/run/libvirt/qemu/stuck.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            log = Log()
            metadata("stuck", "--live", "--set", '<vgpu pool="A"/>')
            # An order for it waits in libvirtd, too.
            order = subprocess.Popen(
                ["vgpuctl", "attach", "stuck", "--pool", "A", "--priority", "high"]
            )
            self.create("goes-on")
            self.serves("goes-on")
            self.wait_for(lambda: log.lines("'stuck': its QEMU has not answered"), timeout=20)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(order.wait(40), 0)
        self.serves("stuck", priority="high")


class Guests(host.HostTest):
    """With a system that hears of it."""

    def exercise(self, machine):
        vm = shell.start(name=f"guest-{machine}", machine=machine, pool="A")
        self.addCleanup(vm.guest.remove)
        self.assertEqual(vm.call("add 20 22").text, "42")
        log = Log()
        metadata(vm.name, "--live", "--remove")
        self.wait_for(lambda: log.lines("taken out of the running domain"), timeout=40)
        self.assertFalse(vm.session())
        self.assertIsNone(device(vm.name))
        self.assertIn("0\n", vm.run("grep -c 0x11111af4 /proc/bus/pci/devices; "
                                    "cat /sys/bus/pci/devices/*/device | grep -c 0x1111")[1])

        metadata(vm.name, "--live", "--set", '<vgpu pool="A" priority="high"/>')
        self.wait_for(lambda: vm.session().get("state") == "serving", 30)
        self.assertEqual(vm.run("vgpu-call --until-ok 30 nop")[0], 0)
        self.assertEqual(vm.call("add 20 22").text, "42")

    def test_q35(self):
        self.exercise("q35")

    def test_pc(self):
        self.exercise("pc")


if __name__ == "__main__":
    host.main()
