# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's own test programs pass in a guest, on both machine types."""

import host
import shell

PROGRAMS = (
    "test-registers",
    "test-buffers",
    "test-doorbell",
    "test-errors",
    "test-requests",
    "test-stress",
)


class GuestPrograms(host.HostTest):
    @classmethod
    def setUpClass(cls):
        # Thousands of wrong requests, on purpose.
        shell.configure({"B": shell.pool("opencl")}, error_budget=0)

    def run_all(self, machine):
        # One boot for all; each prints a TAP report of its own.
        script = "\n".join(f"echo '# {name}'; {name} || exit" for name in PROGRAMS)
        output = self.run_guest(script, timeout=300, machine=machine, pool="B", priority="low")
        reports = output.split("# test-")[1:]
        self.assertEqual(len(reports), len(PROGRAMS), output)
        for report in reports:
            with self.subTest(program="test-" + report.partition("\n")[0]):
                self.assert_tap(report)

    def test_q35(self):
        self.run_all("q35")

    def test_pc(self):
        self.run_all("pc")

    def test_pool_and_priority_reach_the_guest(self):
        output = self.run_guest("vgpu-regs", pool="B", priority="low")
        self.assertRegex(output, r"POOL_ID +ro +0x00000042")
        self.assertRegex(output, r"PRIORITY +ro +0x00000000")


if __name__ == "__main__":
    host.main()
