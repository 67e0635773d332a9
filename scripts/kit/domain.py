# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domain XML for a test guest: the user's, with what it takes to run a program in it."""

import fcntl
import grp
import io
import os
import subprocess
import uuid
import xml.etree.ElementTree as ElementTree

VGPU_NAMESPACE = "https://vgpud.org/xmlns/domain/1.0"
VGPU_ELEMENT = f"metadata/{{{VGPU_NAMESPACE}}}vgpu"

# What an emulated boot need not spend its time on. A panic must end the guest, not hang it.
KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr cryptomgr.notests no_timer_check audit=0"
)

_KVM_CREATE_VM = 0xAE01


def kvm_works():
    """Whether QEMU, in libvirt's unprivileged user, can make a VM with KVM."""
    user = {"user": "libvirt-qemu", "group": "libvirt-qemu", "extra_groups": []}
    if any(group.gr_name == "kvm" for group in grp.getgrall()):
        user["group"] = "kvm"
    try:
        if subprocess.run(["test", "-w", "/dev/kvm"], **user).returncode != 0:
            return False
        with open("/dev/kvm", "rb") as device:
            os.close(fcntl.ioctl(device, _KVM_CREATE_VM, 0))
        return True
    except OSError:
        return False


class Domain:
    def __init__(self, text):
        """@text: domain XML; ValueError when it is none. Its prefixes are kept: libvirt does not
        care, but people read them."""
        try:
            for _, (prefix, uri) in ElementTree.iterparse(io.StringIO(text), ["start-ns"]):
                if prefix:
                    ElementTree.register_namespace(prefix, uri)
            self.root = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise ValueError(f"not well-formed XML: {error}") from None
        if self.root.tag != "domain":
            raise ValueError(f"<{self.root.tag}> is not a <domain>")

    def text(self):
        return ElementTree.tostring(self.root, encoding="unicode")

    @property
    def name(self):
        return self.root.findtext("name", "guest").strip()

    def wants_vgpu(self):
        return self.root.find(VGPU_ELEMENT) is not None

    def rename(self, name):
        _child(self.root, "name").text = name
        for element in self.root.findall("uuid"):
            self.root.remove(element)

    def identify(self):
        """Gives it a UUID if it has none, so that it can be defined again."""
        if self.root.find("uuid") is None:
            _child(self.root, "uuid").text = str(uuid.uuid4())

    def without_kvm(self):
        """Makes an emulated machine out of one for KVM. True if there was something to do."""
        if self.root.get("type") != "kvm":
            return False
        self.root.set("type", "qemu")
        for cpu in self.root.findall("cpu"):
            if cpu.get("mode") in ("host-passthrough", "host-model"):
                self.root.remove(cpu)
        return True

    def boot(self, kernel, initrd, arguments=""):
        """Boots @kernel; the end of the guest, however it comes, ends the domain."""
        os_element = _child(self.root, "os")
        for tag, value in (
            ("kernel", kernel),
            ("initrd", initrd),
            ("cmdline", f"{KERNEL_ARGUMENTS} {arguments}".strip()),
        ):
            _child(os_element, tag).text = str(value)
        for tag in ("on_poweroff", "on_reboot", "on_crash"):
            _child(self.root, tag).text = "destroy"
        features = _child(self.root, "features")
        _child(features, "acpi")  # without it there is no power-off

    def serial_ports(self, console_log=None, sockets=()):
        """Replaces all serial ports: first the console's, a log file, then one for each of
        @sockets, that QEMU connects to."""
        devices = _child(self.root, "devices")
        for tag in ("serial", "console"):
            for element in devices.findall(tag):
                devices.remove(element)
        ports = [] if console_log is None else [("file", {"path": str(console_log)})]
        ports += [("unix", {"mode": "connect", "path": str(path)}) for path in sockets]
        for number, (kind, source) in enumerate(ports):
            serial = ElementTree.SubElement(devices, "serial", type=kind)
            ElementTree.SubElement(serial, "source", source)
            target = ElementTree.SubElement(serial, "target", type="isa-serial", port=str(number))
            ElementTree.SubElement(target, "model", name="isa-serial")


def _child(element, tag):
    found = element.find(tag)
    return ElementTree.SubElement(element, tag) if found is None else found
