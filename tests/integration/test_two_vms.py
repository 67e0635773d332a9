# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two VMs at once, each in its pool; vgpuctl tells the same as the guests see."""

import re

import host
import shell
from host import vgpuctl

QUEUE_FULL = 0x07


def register(text, name):
    return int(re.search(rf"{name} +\w+ +(0x\w+)", text).group(1), 16)


class TwoVms(host.HostTest):
    @classmethod
    def setUpClass(cls):
        limits = {"requests_per_second": 100000, "burst": 1000}
        cls.pools = {
            "A": shell.pool("opencl"),
            "B": shell.pool("opencl", description="other one", **limits),
        }
        shell.configure(cls.pools)
        cls.one = shell.start(name="one", pool="A", priority="high")
        cls.addClassCleanup(cls.one.guest.remove)
        cls.two = shell.start(name="two", machine="pc", pool="B", priority="low")
        cls.addClassCleanup(cls.two.guest.remove)

    def setUp(self):
        for vm in (self.one, self.two):
            self.wait_for(lambda: vm.session().get("backend-state") == "ready", 60)

    def test_each_sees_its_own_place(self):
        one, two = (vm.run("vgpu-regs")[1] for vm in (self.one, self.two))
        self.assertEqual((register(one, "POOL_ID"), register(one, "PRIORITY")), (ord("A"), 2))
        self.assertEqual((register(two, "POOL_ID"), register(two, "PRIORITY")), (ord("B"), 0))
        numbers = [register(text, "VM_ID") for text in (one, two)]
        self.assertEqual(numbers, [vm.session()["vm-id"] for vm in (self.one, self.two)])
        self.assertEqual(len(set(numbers)), 2)

    def test_both_compute_at_once(self):
        for number, vm in enumerate((self.one, self.two)):
            vm.send(f"vgpu-call --repeat 300 add 1000 {number} | grep -c '^ok {1000 + number} '")
        for vm in (self.one, self.two):
            self.assertEqual(vm.answer(120), (0, "300\n"))
        # Each by a process and a user of its own.
        workers = [vm.session()["worker-pid"] for vm in (self.one, self.two)]
        users = set()
        for pid in workers:
            with open(f"/proc/{pid}/status") as file:
                users.add(re.search(r"^Uid:\s+(\d+)", file.read(), re.MULTILINE).group(1))
        self.assertEqual(len(users), 2)
        self.assertNotIn("0", users)

    def test_vgpuctl_counts_what_they_do(self):
        before = {vm.name: vgpuctl("show", vm.name) for vm in (self.one, self.two)}
        self.one.run("vgpu-call --repeat 7 add 20 22; vgpu-call nop; vgpu-call raw 0011;"
                     " vgpu-call raw 0011; vgpu-call raw --length 0")
        after = {vm.name: vgpuctl("show", vm.name) for vm in (self.one, self.two)}
        self.assertEqual(after["two"], before["two"])
        # What the device answers by itself is no request of the worker's.
        self.assertEqual(after["one"]["requests"], before["one"]["requests"] + 10)
        errors = dict(before["one"]["errors"])
        errors["invalid-request"] += 2
        self.assertEqual(after["one"]["errors"], errors)
        self.assertEqual(after["one"]["bytes-in"] - before["one"]["bytes-in"], 7 * 40 + 32 + 4)
        self.assertGreater(after["one"]["device-ns"], before["one"]["device-ns"])

    def test_vgpuctl_agrees_with_itself_and_the_guest(self):
        show = vgpuctl("show", "one")
        self.assertEqual(vgpuctl("show", show["uuid"]), show)
        self.assertEqual(vgpuctl("show", str(show["vm-id"])), show)
        vms = vgpuctl("list")
        self.assertEqual([vm["name"] for vm in vms], ["one", "two"])
        self.assertEqual(vms[0], show)
        for vm, pool, priority in zip(vms, "AB", ("high", "low")):
            self.assertEqual((vm["pool"], vm["priority"], vm["state"]), (pool, priority, "serving"))

        status = vgpuctl("status")
        self.assertEqual(status["vms"], vms)
        self.assertEqual(status["vm-count"], 2)
        self.assertEqual(status["pool-count"], 2)
        self.assertEqual(status["vms-by-state"]["serving"], 2)
        self.assertTrue(status["libvirt-connected"])

        pools = vgpuctl("pools")
        self.assertEqual([pool["name"] for pool in pools], ["A", "B"])
        self.assertEqual([pool["used"] for pool in pools], [1, 1])
        self.assertEqual(pools[1]["description"], "other one")
        self.assertEqual((pools[1]["requests-per-second"], pools[1]["burst"]), (100000, 1000))

        # The name of the OpenCL device is the same for guest, VM and pool.
        name = re.search('name="(.*?)"', self.one.call("info").text).group(1)
        self.assertNotEqual(name, "")
        self.assertTrue(show["device"].startswith(name), (name, show["device"]))
        self.assertEqual(pools[0]["members"][0]["device-names"], [show["device"]])

    def move(self, name, pool, priority="low"):
        """Gives a running VM another pool."""
        host.virsh("metadata", name, "--live", "--uri", "https://vgpud.org/xmlns/domain/1.0",
                   "--key", "vgpu", "--set", f'<vgpu pool="{pool}" priority="{priority}"/>')
        self.wait_for(lambda: [vgpuctl("show", name)[key] for key in ("pool", "priority")] ==
                      [pool, priority])

    def test_pool_that_became_too_small(self):
        # One slot each, and then both VMs want the same one.
        shell.configure({"A": shell.pool(slots=1), "B": shell.pool(slots=1)})
        self.addCleanup(shell.configure, self.pools)
        for vm in (self.one, self.two):
            self.wait_for(lambda: vm.session().get("state") == "serving", 30)
            self.assertEqual(vm.call("add 20 22").code, 0)

        self.move("two", "A")
        self.assertEqual(self.two.call("add 20 22").code, QUEUE_FULL)
        self.assertEqual(self.one.call("add 20 22").code, 0)

        # Also when vgpud finds them so; whom it finds first gets the place.
        host.vgpud("restart")
        self.wait_for(lambda: {vm.session().get("state") for vm in (self.one, self.two)} ==
                      {"serving", "linked"}, 30)
        codes = {vm.session()["state"]: vm.call("add 20 22").code for vm in (self.one, self.two)}
        self.assertEqual(codes, {"serving": 0, "linked": QUEUE_FULL})

        # Who leaves the pool makes room, whichever it is.
        for first, second in (("one", "two"), ("two", "one")):
            self.move(first, "B")
            self.move(second, "A")
            for vm in (self.one, self.two):
                self.assertEqual(vm.run("vgpu-call --until-ok 30 add 20 22")[0], 0)
            self.move(second, "B")
            self.assertEqual(vgpuctl("show", second)["member"], "")
            self.move(second, "A")
            self.move(first, "A")
            self.assertEqual(vgpuctl("show", first)["member"], "")
        self.move("two", "B")
        self.move("one", "A", "high")
        for vm in (self.one, self.two):
            self.assertEqual(vm.run("vgpu-call --until-ok 30 add 20 22")[0], 0)


if __name__ == "__main__":
    host.main()
