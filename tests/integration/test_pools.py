# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools change while VMs run: a new configuration, draining, moving, and VMs that wait for a place."""

import os
import signal
import subprocess

import host
import shell
from host import vgpuctl

QUEUE_FULL = 0x07


def member(name, backend="null", device="", slots=0):
    return f"[member {name}]\nbackend={backend}\ndevice={device}\nslots={slots}\n"


def write(pools):
    """The files of @pools, {letter: text}, for vgpud's next look."""
    for file in shell.POOLS.iterdir():
        file.unlink()
    for letter, text in pools.items():
        (shell.POOLS / f"{letter}.conf").write_text(f"[pool]\nname={letter}\n{text}")


def reload(pools):
    write(pools)
    vgpuctl("reload")


def refused(*arguments):
    """What vgpuctl says to something that does not work."""
    result = subprocess.run(["vgpuctl", *arguments], capture_output=True, text=True, timeout=30)
    if result.returncode != 1:
        raise AssertionError(f"vgpuctl {arguments}: {result}")
    return result.stderr


def pool(letter):
    return next((pool for pool in vgpuctl("pools") if pool["name"] == letter), None)


def members(letter):
    return {member["name"]: member for member in pool(letter)["members"]}


class Pools(host.HostTest):
    def serve(self, pools):
        shell.configure(pools)

    def start(self, name, **domain):
        vm = shell.start(name=name, pool="A", **domain)
        self.addCleanup(vm.guest.remove)
        return vm

    def await_member(self, vm, name):
        self.wait_for(lambda: vm.session()["member"] == name, 20)
        self.wait_for(lambda: vm.session()["backend-state"] == "ready", 60)

    def test_reload(self):
        """What there was stays, what is new is there, what is wrong changes nothing."""
        self.serve({"A": member("x")})
        vm = self.start("reload")
        self.assertEqual(vm.call("add 20 22").text, "42")
        before = vm.session()

        reload({"A": "requests-per-second=1000000\nplacement=pack\n" + member("x", slots=3)
                + member("y"), "B": member("z")})
        self.assertEqual(members("A")["x"]["slots"], 3)
        self.assertEqual(pool("A")["placement"], "pack")
        self.assertIsNotNone(pool("B"))
        self.assertEqual(vm.call("add 20 23").text, "43")
        after = vm.session()
        self.assertEqual(after["requests-per-second"], 1000000)
        for key in ("worker-pid", "qemu-pid", "member", "state"):
            self.assertEqual(after[key], before[key])

        write({"A": "window=0\n" + member("x"), "C": member("z")})
        self.assertIn("A.conf: [pool] window: '0' is not a whole number", refused("reload"))
        write({"A": member("x"), "B": "policy=fair\n" + member("z")})
        self.assertIn("share the device", refused("reload"))
        self.assertEqual(members("A")["x"]["slots"], 3)
        self.assertIsNone(pool("C"))

        # By the signal, too: the pool of the VM goes, and the VM stays.
        write({"B": member("z")})
        os.kill(int((shell.HOME / "vgpud.pid").read_text()), signal.SIGHUP)
        self.wait_for(lambda: pool("A")["removed"])
        self.assertEqual(vm.call("add 20 24").text, "44")
        self.assertEqual(vm.session()["worker-pid"], before["worker-pid"])
        vgpuctl("set", vm.name, "--pool", "B")
        self.wait_for(lambda: pool("A") is None)
        self.assertEqual(vm.call("add 20 25").text, "45")

    def test_drain_and_move(self):
        self.serve({"A": member("x", device="") + member("y", "opencl", ":1of2")})
        vm = self.start("drain")
        self.await_member(vm, "x")
        self.assertEqual(vm.call("add 1 2").text, "3")

        vgpuctl("drain", "A/x")
        self.await_member(vm, "y")
        self.assertEqual(vm.call("add 1 3").text, "4")
        self.assertTrue(members("A")["x"]["draining"])
        self.assertEqual(members("A")["x"]["used"], 0)
        self.assertIn("part 1 of 2", vm.session()["device"])

        # Also for the next vgpud.
        host.vgpud("kill")
        host.vgpud("start")
        self.wait_for(lambda: vm.session().get("state") == "serving", 60)
        self.assertTrue(members("A")["x"]["draining"])
        self.await_member(vm, "y")

        # Nowhere to go: it is served where it is.
        vgpuctl("drain", "A/y")
        self.assertEqual(vm.call("add 1 4").text, "5")
        self.assertIn("free slot", refused("move", "--force", vm.name))
        vgpuctl("undrain", "A/x")
        self.await_member(vm, "x")

        vgpuctl("undrain", "A/y")
        # While a worker computes, it is busy.
        vm.send("vgpu-call --repeat 1000000000 add 20 22 >/calls & echo $!")
        pid = vm.answer()[1].strip()
        vm.run("until [ -s /calls ]; do usleep 1000; done")
        self.assertIn("is busy", refused("move", vm.name, "y"))
        vgpuctl("drain", "A/x")
        vgpuctl("move", "--force", vm.name, "y")
        self.await_member(vm, "y")
        vm.run(f"kill {pid}; wait")
        vgpuctl("undrain", "A/x")
        self.wait_for(lambda: self.moved(vm, "x"))
        self.assertEqual(vm.call("add 1 5").text, "6")
        self.assertIn("no member", refused("drain", "A/q"))

    def moved(self, vm, name):
        result = subprocess.run(["vgpuctl", "move", vm.name, name], capture_output=True, text=True)
        if result.returncode != 0 and "is busy" not in result.stderr:
            raise AssertionError(result.stderr)
        return result.returncode == 0

    def test_admission(self):
        self.serve({"A": member("x", slots=1)})
        first = self.start("first")
        with self.assertRaisesRegex(host.GuestError, "pool A is full: all its slots are taken"):
            self.start("refused")

        reload({"A": "admission=wait\n" + member("x", slots=1)})
        low = self.start("low", priority="low")
        high = self.start("high", priority="high")
        for vm in (low, high):
            self.assertEqual(vm.session()["member"], "")
            self.assertTrue(vm.session()["waiting"])
            self.assertEqual(vm.call("add 1 2").code, QUEUE_FULL)
        self.assertEqual(pool("A")["waiting"], 2)
        text = subprocess.run(["vgpuctl", "status"], capture_output=True, text=True).stdout
        self.assertRegex(text, r"(?m)^low .* waiting ")

        first.guest.remove()
        self.await_member(high, "x")
        self.assertEqual(high.call("add 1 2").text, "3")
        self.assertTrue(low.session()["waiting"])
        reload({"A": member("x", slots=2)})
        self.await_member(low, "x")
        self.assertEqual(low.call("add 1 2").text, "3")

    def test_two_halves_of_the_cpu(self):
        self.serve({"A": member("one", "opencl", ":1of2"), "B": member("two", "opencl", ":2of2")})
        one = self.start("one")
        two = shell.start(name="two", pool="B")
        self.addCleanup(two.guest.remove)
        for vm, part in ((one, "part 1 of 2"), (two, "part 2 of 2")):
            self.wait_for(lambda vm=vm: vm.session()["backend-state"] == "ready", 60)
            self.assertIn(part, vm.session()["device"])
            self.assertEqual(vm.call("add 20 22").text, "42")
        self.assertNotEqual(members("A")["one"]["device-key"], members("B")["two"]["device-key"])


if __name__ == "__main__":
    host.main()
