# SPDX-License-Identifier: LGPL-2.1-or-later
"""vgpuctl changes domains and running VMs, and tells what happens, over a real libvirtd."""

import json
import re
import select
import subprocess
import time
import uuid
from pathlib import Path

import host
import shell
from host import virsh

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  {metadata}
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <graphics type='vnc' port='-1' autoport='yes' passwd='secret'/>
  </devices>
</domain>
"""
NAMESPACE = "https://vgpud.org/xmlns/domain/1.0"
# With metadata of another: else libvirt itself leaves an empty <metadata/> behind.
FOREIGN = "<metadata><app:note xmlns:app='https://example.org/app'>rack 7</app:note></metadata>"


def run(*arguments, text=None):
    """vgpuctl's output; its words are the exception's."""
    result = subprocess.run(
        ["vgpuctl", *arguments], input=text, capture_output=True, text=True, timeout=60
    )
    if result.returncode != 0:
        raise AssertionError(f"vgpuctl {arguments}: {result.returncode}: {result.stderr}")
    return result.stdout


def dump(name):
    return virsh("dumpxml", "--inactive", "--security-info", name)


class Events:
    """vgpuctl events --follow, from here on."""

    def __init__(self, test):
        self.process = subprocess.Popen(
            ["vgpuctl", "--json", "events", "--follow"], stdout=subprocess.PIPE, bufsize=0
        )
        test.addCleanup(self.end)
        self.pending = b""
        self.seen = []

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def expect(self, name, kind, timeout=60):
        """The next event of this kind of the domain @name."""
        deadline = time.monotonic() + timeout
        while True:
            while b"\n" not in self.pending:
                left = max(0, deadline - time.monotonic())
                if not select.select([self.process.stdout], [], [], left)[0]:
                    raise AssertionError(f"no {kind} of {name} in {self.seen}")
                self.pending += self.process.stdout.read(65536)
            line, _, self.pending = self.pending.partition(b"\n")
            event = json.loads(line)
            if event["name"] == name:
                self.seen.append(event["kind"])
                if event["kind"] == kind:
                    return event


class Vgpuctl(host.HostTest):
    def define(self, name, machine="q35", metadata=FOREIGN):
        """Defines a domain that does not boot anything; returns how libvirt writes it."""
        file = Path(f"/run/vgpud-host/{name}.xml")
        file.write_text(
            DOMAIN.format(name=name, uuid=uuid.uuid4(), machine=machine, metadata=metadata)
        )
        self.addCleanup(virsh, "undefine", name, check=False)
        virsh("define", str(file))
        return dump(name)

    def await_device(self, name):
        self.wait_for(lambda: "vgpu-stub" in dump(name))

    def test_set_on_a_running_vm(self):
        vm = shell.start(name="set", pool="A", priority="low")
        self.addCleanup(vm.guest.remove)
        register = "vgpu-regs | grep -w PRIORITY"
        self.assertRegex(vm.run(register)[1], r"\blow\b")

        begin = time.monotonic()
        run("set", "set", "--priority", "high")
        self.wait_for(lambda: vm.session()["priority"] == "high", 1)
        _, after = vm.run(register)
        self.assertLess(time.monotonic() - begin, 1)
        self.assertRegex(after, r"\bhigh\b")

        # A limit: the burst passes, the rest gets 0x0A; taken back, all pass.
        run("set", "set", "--requests-per-second", "1", "--burst", "2")
        self.wait_for(lambda: vm.session()["requests-per-second"] == 1, 1)
        flood = "for i in 1 2 3 4 5 6 7 8; do vgpu-call nop; done 2>&1 | grep -c 0x0a"
        self.assertGreaterEqual(int(vm.run(flood)[1]), 3)
        self.assertIn("limits", virsh("metadata", "set", NAMESPACE, "--live"))
        # The same by libvirt alone.
        virsh("metadata", "set", NAMESPACE, "--live", "--key", "vgpu", "--set",
              "<vgpu pool='A' priority='high'><limits burst='7'/></vgpu>")
        self.wait_for(lambda: vm.session()["requests-per-second"] == 0, 1)
        self.assertEqual(vm.run(flood)[1].strip(), "0")

        worker = vm.session()["worker-pid"]
        run("set", "set", "--pool", "B")
        self.wait_for(lambda: vm.session()["pool"] == "B", 1)
        self.wait_for(lambda: vm.session()["worker-pid"] not in (0, worker))
        self.assertEqual(vm.session()["priority"], "high")
        self.assertIn("42", vm.run("vgpu-call add 20 22")[1])
        # The next start has it, too.
        self.assertRegex(dump("set"), r'pool=.B. priority=.high.')

    def test_detach_and_attach(self):
        for machine in "q35", "pc":
            with self.subTest(machine=machine):
                name = f"attach-{machine}"
                before = self.define(name, machine)
                run("attach", name, "--pool", "B", "--priority", "high")
                self.await_device(name)
                attached = dump(name)
                self.assertRegex(attached, r'pool=.B. priority=.high.')
                run("detach", name)
                self.wait_for(lambda name=name: "vgpu-stub" not in dump(name))
                self.assertEqual(dump(name), before)
                run("attach", name, "--pool", "B", "--priority", "high")
                self.await_device(name)
                self.assertEqual(dump(name), attached)

    def test_refusals(self):
        self.define("refused")
        for arguments, text in (
            (("attach", "nobody", "--pool", "A"), "nobody"),
            (("attach", "refused", "--pool", "Q"), "there is no pool \"Q\"; there are:"),
            (("detach", "nobody"), "nobody"),
            (("set", "refused", "--pool", "A"), "no running VM \"refused\""),
        ):
            with self.assertRaisesRegex(AssertionError, text):
                run(*arguments)

    def test_detach_all(self):
        names = ["all-1", "all-2", "all-3"]
        element = host.ELEMENT.format('pool="A"')
        metadata = FOREIGN.replace("</metadata>", element + "</metadata>")
        host.vgpud("stop")
        try:
            before = {
                name: self.define(name, machine, metadata)
                for name, machine in zip(names, ("q35", "pc", "q35"))
            }
        finally:
            host.vgpud("start")
        for name in names:
            self.await_device(name)
        attached = {name: dump(name) for name in names}

        run("detach", "--all")
        self.addCleanup(run, "attach", "--all")
        for name in names:
            self.assertEqual(dump(name), before[name])
        run("attach", "--all")
        for name in names:
            self.await_device(name)
            self.assertEqual(dump(name), attached[name])

    def test_events(self):
        events = Events(self)
        vm = shell.start(name="events", pool="A")
        self.addCleanup(vm.guest.remove)
        for kind in "started", "connected", "serving":
            event = events.expect("events", kind)
        self.assertEqual((event["pool"], event["state"]), ("A", "serving"))
        run("set", "events", "--priority", "low")
        self.assertEqual(events.expect("events", "changed")["priority"], "low")
        subprocess.run(["kill", "-9", str(vm.session()["worker-pid"])], check=True)
        events.expect("events", "worker-died")
        events.expect("events", "serving")
        vm.guest.stop()
        events.expect("events", "ended")
        # Who asks later hears of it, too.
        past = [json.loads(line) for line in run("--json", "events").splitlines()]
        kinds = [event["kind"] for event in past if event["name"] == "events"]
        self.assertEqual(kinds, events.seen)

    def test_inject_and_create(self):
        text = DOMAIN.format(
            name="injected",
            uuid=uuid.uuid4(),
            machine="q35",
            metadata="<metadata>" + host.ELEMENT.format('pool="A"') + "</metadata>",
        )
        text = re.sub("<graphics.*/>", "", text)  # QEMU as built here takes no VNC password
        injected = run("inject", text=text)
        self.assertEqual(run("inject", text=injected), injected)
        file = Path("/run/vgpud-host/injected.xml")
        file.write_text(injected)
        virsh("create", str(file))
        self.addCleanup(virsh, "destroy", "injected", check=False)
        self.wait_for(lambda: shell.session("injected").get("state") == "serving")
        number = int(re.search(r'"vm-id":(\d+)', injected.replace("&quot;", '"')).group(1))
        self.assertEqual(shell.session("injected")["vm-id"], number)

        with self.assertRaisesRegex(AssertionError, "uuidgen"):
            run("inject", text=re.sub("<uuid>.*</uuid>", "", text))
        with self.assertRaisesRegex(AssertionError, "element"):
            run("inject", text=text.replace("vgpud.org", "example.org"))

    def test_top(self):
        vm = shell.start(name="top", pool="A")
        self.addCleanup(vm.guest.remove)
        vm.send("vgpu-call --repeat 200000 nop >/dev/null")
        self.wait_for(lambda: vm.session()["requests"] > 100)
        line = json.loads(run("--json", "top", "--interval", "0.5"))
        row = next(row for row in line["vms"] if row["name"] == "top")
        self.assertGreater(row["requests-per-s"], 10)


if __name__ == "__main__":
    host.main()
