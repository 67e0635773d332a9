# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the integration tests share. They run in a private host (run-in-host) and may do there as
they like: it is theirs alone."""

import json
import os
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(os.environ["ROOT"])
VGPUD_LOG = Path(os.environ["VGPU_LOG_DIR"]) / "vgpud.log"  # its workers write there, too
LOG_BEGIN = VGPUD_LOG.stat().st_size if VGPUD_LOG.exists() else 0  # of an earlier run
sys.path.insert(0, str(ROOT / "scripts"))

from kit.guest import Guest, GuestError, virsh  # noqa: E402  (the path comes first)

__all__ = ["Guest", "GuestError", "HostTest", "domain_xml", "main", "vgpuctl", "vgpud", "virsh"]

ELEMENT = '<vgpu:vgpu xmlns:vgpu="https://vgpud.org/xmlns/domain/1.0" {}/>'
DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <metadata>{element}</metadata>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices/>
</domain>
"""


def domain_xml(name, machine="q35", **attributes):
    """A small domain; @attributes are those of the vgpu element, none: no element."""
    text = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    element = ELEMENT.format(text) if attributes else ""
    return DOMAIN.format(name=name, element=element, machine=machine)


def vgpuctl(*arguments):
    """vgpuctl's answer, from JSON."""
    result = subprocess.run(
        ["vgpuctl", "--json", *arguments], check=True, capture_output=True, text=True, timeout=30
    )
    return json.loads(result.stdout)


def vgpud(action):
    """start, stop, kill or restart the private host's vgpud; returns when it is done."""
    subprocess.run(["host-vgpud", action], check=True, timeout=60)


class HostTest(unittest.TestCase):
    def guest(self, command, files=None, **domain):
        """A Guest that is gone when the test ends. @domain: as for domain_xml()."""
        domain.setdefault("name", re.sub(r"\W", "-", self.id().rsplit(".", 1)[-1]))
        guest = Guest(domain_xml(**domain), command, files)
        self.addCleanup(guest.remove)
        return guest

    def run_guest(self, command, timeout=120, **domain):
        """Runs shell text in a guest; returns its output. The status must be 0."""
        guest = self.guest(command, **domain)
        status, output = guest.run(timeout)
        output = output.decode(errors="replace")
        tail = "\n".join(guest.console_tail())
        self.assertEqual(status, 0, f"{command}\n{output}\n{tail}")
        return output

    def assert_tap(self, output):
        """All tests of a TAP report passed, and none is missing."""
        plan = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
        self.assertIsNotNone(plan, f"no plan in:\n{output}")
        self.assertNotRegex(output, re.compile(r"^not ok", re.MULTILINE))
        passed = re.findall(r"^ok \d+", output, re.MULTILINE)
        self.assertEqual(len(passed), int(plan.group(1)), output)

    def wait_for(self, condition, timeout=10):
        """Until @condition() is true. For what no event tells us of."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"timed out: {condition}")
            time.sleep(0.05)


def sanitizer_report():
    """The log from the first report of a sanitizer on, 60 lines at most; "" if there is none."""
    text = VGPUD_LOG.read_bytes()[LOG_BEGIN:] if VGPUD_LOG.exists() else b""
    lines = text.decode(errors="replace").splitlines()
    pattern = re.compile(r"ERROR: \w+Sanitizer|runtime error:")
    first = next((i for i, line in enumerate(lines) if pattern.search(line)), len(lines))
    return "\n".join(lines[first : first + 60])


def main():
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    vgpud("stop")  # what has leaked is reported at its end
    report = sanitizer_report()
    if report:
        print(f"error: {VGPUD_LOG}:\n{report}", file=sys.stderr)
    sys.exit(not result.wasSuccessful() or bool(report))
