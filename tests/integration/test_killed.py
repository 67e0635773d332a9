# SPDX-License-Identifier: LGPL-2.1-or-later
"""vgpud is killed again and again, at any moment, while guests compute: no request hangs, and what
vgpud knows is what libvirt knows within 5 s of its start."""

import random
import time

import host
import shell
from host import virsh

KILLS = 8
# What a request may take: the worker's deadline, and the device's second on top.
LONGEST_MS = 6500


def running():
    return sorted(virsh("list", "--name").split())


def served():
    return sorted(vm["name"] for vm in host.vgpuctl("list") if vm["state"] == "serving")


class Killed(host.HostTest):
    def start(self, name, pool):
        vm = shell.start(name=name, pool=pool)
        self.addCleanup(vm.guest.remove)
        return vm

    def test_at_any_moment(self):
        moment = random.Random(1)
        vms = [self.start("one", "A"), self.start("two", "B")]
        for vm in vms:
            vm.send("n=0; until [ -e /stop ]; do vgpu-call --timeout 20000 add 20 22; n=$((n+1)); "
                    "read -r -t 0 line </dev/ttyS1 && break; done; read -r line </dev/ttyS1")
        for number in range(KILLS):
            time.sleep(moment.uniform(0, 0.5))  # any moment is meant
            host.vgpud("kill")
            if number == KILLS // 2:
                virsh("destroy", "two")  # nobody tells vgpud
            begin = time.monotonic()
            host.vgpud("start")
            self.wait_for(lambda: served() == running(), 5)
            self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(running(), ["one"])

        vms[0].send("stop")
        _, output = vms[0].answer()
        answers = [shell.Answer(line) for line in output.splitlines()]
        self.assertGreater(len(answers), KILLS)
        self.assertLess(max(answer.ms for answer in answers), LONGEST_MS)
        # Right, or an error that says that nobody computed: 0x03, and 0x05 for one under way.
        self.assertLessEqual({answer.code for answer in answers}, {0, 0x03, 0x05})
        self.assertEqual({answer.text for answer in answers if answer.code == 0}, {"42"})
        self.assertEqual(vms[0].call("add 20 22").text, "42")


if __name__ == "__main__":
    host.main()
