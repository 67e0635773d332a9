# SPDX-License-Identifier: LGPL-2.1-or-later
"""Define and start in one breath: vgpud hears of the define by an event, and the start may overtake
it. Each start has the device, or is refused with the line that says what to do, and the second
start always has it from the beginning."""

import ctypes
import os
import uuid
from pathlib import Path

import host
import shell
from host import virsh

COUNT = int(os.environ.get("VGPU_RACE_COUNT", "100"))
HOME = Path("/run/vgpud-host")
RETRY = r"its vgpu device is not in place yet: .*start the domain again"
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{element}</metadata>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>{emulator}</devices>
</domain>
"""


class Api:
    """As little of libvirt's C API as it takes: nothing lies between the two calls."""

    # Instead of libvirt's own, which prints to stderr.
    quiet = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda _data, _error: None)

    def __init__(self):
        self.lib = ctypes.CDLL("libvirt.so.0")
        for name in "virConnectOpen", "virDomainDefineXML":
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.lib.virGetLastErrorMessage.restype = ctypes.c_char_p
        self.lib.virConnectOpen.argtypes = [ctypes.c_char_p]
        self.lib.virDomainDefineXML.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self.lib.virDomainCreate.argtypes = [ctypes.c_void_p]
        self.lib.virDomainFree.argtypes = [ctypes.c_void_p]
        self.lib.virSetErrorFunc(None, self.quiet)
        self.connection = self.lib.virConnectOpen(b"qemu:///system")

    def define_and_start(self, _name, file):
        """NULL, or the reason why it does not run."""
        domain = self.lib.virDomainDefineXML(self.connection, file.read_bytes())
        if not domain:
            return self.lib.virGetLastErrorMessage().decode()
        failed = self.lib.virDomainCreate(domain) < 0
        reason = self.lib.virGetLastErrorMessage().decode() if failed else None
        self.lib.virDomainFree(domain)
        return reason


def virsh_define_and_start(name, file):
    try:
        virsh(f"define {file}; start {name}")
    except host.GuestError as error:
        return str(error)
    return None


class StartRace(host.HostTest):
    def race(self, define_and_start, emulator=""):
        """Returns how many first starts were refused."""
        refused = 0
        for number in range(COUNT):
            name, machine = f"race-{number}", ("q35", "pc")[number % 2]
            file = HOME / "race.xml"
            file.write_text(DOMAIN.format(name=name, uuid=uuid.uuid4(), machine=machine,
                                          element=host.ELEMENT.format('pool="A"'),
                                          emulator=emulator))
            reason = define_and_start(name, file)
            try:
                self.check(name, reason)
                refused += reason is not None
            finally:
                virsh("destroy", name, check=False)
                virsh("undefine", name, check=False)
        return refused

    def check(self, name, reason):
        if reason is not None:
            self.assertRegex(reason, RETRY)
            self.wait_for(lambda: "vgpu-stub" in virsh("dumpxml", "--inactive", name))
            virsh("start", name)
            # From the beginning: it stands in the XML of the running domain.
            self.assertIn("vgpu-stub", virsh("dumpxml", name))
        self.wait_for(lambda: shell.session(name).get("state") == "serving", 30)

    def test_virsh(self):
        print(f"{self.race(virsh_define_and_start)} of {COUNT} first starts refused", end=" ... ")

    def test_api(self):
        refused = self.race(Api().define_and_start)
        print(f"{refused} of {COUNT} first starts refused", end=" ... ")

    def test_hotplug(self):
        """With our emulator in the file none is refused: what comes late is plugged in."""
        emulator = f"<emulator>{os.environ['VGPU_EMULATOR']}</emulator>"
        self.assertEqual(self.race(virsh_define_and_start, emulator), 0)


if __name__ == "__main__":
    host.main()
