# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that was written from the contract's text alone (tests/contract) finds it kept."""

import os
import re
from pathlib import Path

import host
import shell
from host import virsh

PROGRAM = Path(os.environ["BUILD"]) / "tests/contract/contract"


class Contract(host.HostTest):
    @classmethod
    def setUpClass(cls):
        # Thousands of wrong requests, on purpose.
        pools = {"A": shell.pool("opencl"), "B": shell.pool("opencl")}
        shell.configure(pools, error_budget=0)

    def check(self, machine, pool, priority, seed):
        guest = self.guest(
            f"contract --count 5000 --seed {seed} {pool} {priority}",
            files={"bin/contract": PROGRAM.read_bytes()},
            machine=machine,
            pool=pool,
            priority=priority,
        )
        status, output = guest.run(timeout=300)
        output = output.decode(errors="replace")
        self.assertEqual(status, 0, output)
        self.assert_tap(output)
        # Not what vgpud told the device, but what the definition says.
        number = re.search(r'vm-id(?:"|&quot;):(\d+)', virsh("dumpxml", "--inactive", guest.name))
        self.assertIn(f"VM_ID, got {number.group(1)}\n", output)

    def test_q35(self):
        self.check("q35", "A", "high", seed=1)
        # Thousands of errors are a few lines of log.
        lines = host.VGPUD_LOG.read_text(errors="replace").splitlines()
        self.assertLess(sum("answered with" in line for line in lines), 50)

    def test_pc(self):
        self.check("pc", "B", "low", seed=2)


if __name__ == "__main__":
    host.main()
