# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vgpud does to a definition, seen with virsh dumpxml: it adds its device, takes it out again,
and all else stays byte for byte. And what it says of domains that it does not let start."""

import re
import subprocess
import uuid

import host
import shell
from host import virsh

URI = "https://vgpud.org/xmlns/domain/1.0"

# As a person would have it, with what is easily lost.
RICH = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <title>Zoë's &lt;machine&gt; &amp; more</title>
  {metadata}
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <graphics type='vnc' port='-1' autoport='yes' passwd='secret'/>
    <video><model type='vga'/></video>
    <interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-fw_cfg'/>
    <qemu:arg value='name=opt/org.example/a,string=a&amp;b &quot;c&quot;'/>
    <qemu:env name='FOREIGN' value='1'/>
  </qemu:commandline>
</domain>
"""
FOREIGN = (
    '<metadata><app:note xmlns:app="https://example.org/app">'
    'rack <app:b>7</app:b></app:note></metadata>'
)


def dump(name):
    return virsh("dumpxml", "--inactive", "--security-info", name)


class Definitions(host.HostTest):
    def define(self, text, name):
        file = shell.HOME / f"{name}.xml"
        file.write_text(text)
        self.addCleanup(virsh, "undefine", name, check=False)
        virsh("define", str(file))

    def metadata(self, name, *arguments):
        virsh("metadata", name, "--config", "--uri", URI, *arguments)

    def add_and_remove(self, name, machine, metadata):
        self.define(RICH.format(name=name, uuid=uuid.uuid4(), machine=machine, metadata=metadata),
                    name)
        before = dump(name)
        self.assertIn("passwd='secret'", before)

        self.metadata(name, "--key", "vgpu", "--set", '<vgpu pool="B" priority="high"/>')
        self.wait_for(lambda: "vgpu-stub" in dump(name))
        with_device = dump(name)
        self.assertEqual(with_device.count("vgpu-stub"), 1)
        kept = [line for line in before.splitlines() if "<emulator>" not in line]
        lines = with_device.splitlines()
        for line in kept:
            self.assertIn(line, lines)

        # A second look at it changes nothing.
        host.vgpud("restart")
        self.barrier(f"{name}-barrier")
        self.assertEqual(dump(name), with_device)

        self.metadata(name, "--remove")
        self.wait_for(lambda: "vgpu-stub" not in dump(name))
        # virsh itself leaves a <metadata/> that it had to make; nothing else is left.
        after = dump(name).replace("  <metadata/>\n", "")
        self.assertEqual(after, before)

    def barrier(self, name):
        """vgpud works one domain after the other: what came before this one has been done."""
        guest = self.guest("true", name=name, pool="A")
        guest.define()
        self.assertTrue(guest.await_device())

    def test_add_and_remove_q35(self):
        self.add_and_remove("rich-q35", "q35", FOREIGN)

    def test_add_and_remove_pc(self):
        self.add_and_remove("rich-pc", "pc", FOREIGN)

    def test_add_and_remove_without_other_metadata(self):
        self.add_and_remove("rich-bare", "q35", "")

    # Starts

    def refusal(self, name, **attributes):
        """The one line that virsh shows for a start which is refused."""
        guest = self.guest("true", name=name, **attributes)
        guest.define()
        if attributes.get("pool") == "Q":  # all right for the definition, but for no host's pools
            self.assertTrue(guest.await_device())
        return self.one_line(virsh_error("start", name))

    def one_line(self, error):
        lines = error.strip().splitlines()
        self.assertEqual(len(lines), 2, error)
        self.assertRegex(lines[0], "^error: Failed to ")  # virsh's own
        _, found, ours = lines[1].partition("unexpected exit status 1: ")
        self.assertTrue(found, error)
        return ours

    def test_refusals_are_one_line_that_names_the_place(self):
        place = r"^vgpud: domain '{}': line \d+: <vgpu:vgpu>"
        line = self.refusal("bad-pool", pool="7", priority="high")
        self.assertRegex(line, place.format("bad-pool") + " attribute 'pool' is '7'; .*A to Z")
        line = self.refusal("bad-priority", pool="A", priority="urgent")
        self.assertRegex(line, place.format("bad-priority") +
                         " attribute 'priority' is 'urgent'; .*low.*medium.*high")
        # One line even for a value of two.
        line = self.refusal("two-lines", pool="A", priority="high&#10;vgpud: all is well&#10;")
        self.assertRegex(line, place.format("two-lines") + " attribute 'priority' is 'high.vgpud")
        line = self.refusal("other-attribute", pool="A", colour="red")
        self.assertRegex(line, place.format("other-attribute") + ".*'colour'")
        line = self.refusal("no-pool", priority="low")
        self.assertRegex(line, place.format("no-pool") + ".*'pool'")
        line = self.refusal("no-such-pool", pool="Q")
        self.assertRegex(line, "^vgpud: domain 'no-such-pool': .*pool Q.*A, B")

    def test_transient_domain(self):
        guest = self.guest("vgpu-call add 20 22", name="transient", pool="A", priority="high")
        file = shell.HOME / "transient.xml"
        file.write_text(guest.domain.text())
        line = self.one_line(virsh_error("create", str(file)))
        self.assertRegex(line, "'(vgpuctl|vgpu-xml) inject'")

        # The way out that it names: both do the same.
        injected = subprocess.run(["vgpu-xml", "inject", str(file)], check=True,
                                  capture_output=True, text=True).stdout
        file.write_text(injected)
        virsh("create", str(file))
        guest.connect()
        output = b"".join(guest.output(60)).decode()
        self.assertRegex(output, r"^ok 42 ")
        self.assertEqual(guest.status, 0)


def virsh_error(*arguments):
    result = subprocess.run(["virsh", "-q", *arguments], capture_output=True, text=True)
    if result.returncode == 0:
        raise AssertionError(f"virsh {' '.join(arguments)} went through")
    return result.stderr


if __name__ == "__main__":
    host.main()
