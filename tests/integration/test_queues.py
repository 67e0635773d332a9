# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sessions on the queues, when what they run on goes away and comes back."""

import subprocess

import host
import shell
from host import virsh

HOLD = "while vgpu-bench --quick --only call >/dev/null; do echo held; done"
SUM = 0, "40 + 2 = 42\n"


def restart_on_reset(name):
    """A guest of the tests is made to end when it boots again."""
    text = virsh("dumpxml", "--inactive", name)
    changed = text.replace("<on_reboot>destroy</on_reboot>", "<on_reboot>restart</on_reboot>")
    subprocess.run(["virsh", "define", "/dev/stdin"], input=changed, text=True, check=True,
                   capture_output=True)


class Queues(host.HostTest):
    def start(self, name, **options):
        vm = shell.start(name=name, pool="A", **options)
        self.addCleanup(vm.guest.remove)
        return vm

    def test_reset(self):
        """In the middle of a session: the worker drops it, and stays."""
        vm = self.start("queues-reset", prepare=restart_on_reset)
        worker = vm.session()["worker-pid"]
        for _ in range(2):
            vm.send(HOLD)
            vm.await_text("held")
            virsh("reset", "queues-reset")
            vm.boots_again()
            self.assertEqual(vm.run("example-nop"), SUM)
            self.assertEqual(vm.session()["worker-pid"], worker)

    def test_vgpud_restarts(self):
        """The same memory and eventfds come with QEMU's next greeting."""
        vm = self.start("queues-restart")
        self.assertEqual(vm.run("example-nop"), SUM)
        for _ in range(3):
            host.vgpud("restart")
            self.wait_for(lambda: vm.session().get("state") == "serving", timeout=30)
            self.wait_for(lambda: vm.run("example-nop") == SUM, timeout=30)


if __name__ == "__main__":
    host.main()
