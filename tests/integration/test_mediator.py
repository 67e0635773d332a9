# SPDX-License-Identifier: LGPL-2.1-or-later
"""vgpud and its workers come and go under a running guest."""

import os
import select
import signal
import subprocess

import host

# Answers each line from the host with one request's outcome.
SERVE = """
echo ready
while read -r line; do
    vgpu-call add 20 22 2>&1 | tail -n1
done </dev/ttyS1
"""


class Conversation:
    """A guest that does one request whenever it is asked to."""

    def __init__(self, test):
        self.guest = test.guest(SERVE, pool="A")
        self.guest.define()
        test.assertTrue(self.guest.await_device())
        self.guest.start()
        self.pending = b""
        test.assertEqual(self.line(), "ready")

    def line(self, timeout=60):
        while b"\n" not in self.pending:
            readable, _, _ = select.select([self.guest.connection], [], [], timeout)
            data = self.guest.connection.recv(4096) if readable else b""
            if not data:
                raise AssertionError("the guest does not answer")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode()

    def request(self):
        self.guest.connection.sendall(b"\n")
        return self.line()


class Mediator(host.HostTest):
    def test_vgpud_restart(self):
        conversation = Conversation(self)
        self.assertIn("42", conversation.request())
        host.vgpud("restart")
        self.wait_for(lambda: "42" in conversation.request())

    def test_worker_killed(self):
        conversation = Conversation(self)
        self.assertIn("42", conversation.request())
        workers = subprocess.run(["pgrep", "-x", "vgpu-worker"], capture_output=True, text=True)
        pids = [int(pid) for pid in workers.stdout.split()]
        self.assertTrue(pids)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: "42" in conversation.request())


if __name__ == "__main__":
    host.main()
