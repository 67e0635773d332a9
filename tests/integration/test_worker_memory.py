# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups of workers, in a kernel that has cgroup v2 to itself: a guest's."""

import os
from pathlib import Path

import host

PROGRAM = Path(os.environ["BUILD"]) / "vgpud/link/guest-worker-cgroup"


class WorkerMemory(host.HostTest):
    def test_groups(self):
        guest = self.guest("test-program", {"usr/bin/test-program": PROGRAM.read_bytes()})
        status, output = guest.run(120)
        output = output.decode(errors="replace")
        self.assertEqual(status, 0, output)
        self.assert_tap(output)


if __name__ == "__main__":
    host.main()
