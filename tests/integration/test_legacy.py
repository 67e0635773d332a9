# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that write request.txt are served by the real vgpud and its workers. A shell program stands
in the place of the guest: it does to the files what the guest's NFS client has this host's NFS server
do to them."""

import os
import shutil
import subprocess
from pathlib import Path

import host
import shell
from shell import Log, configure, pool

BASE = Path("/run/legacy")
NOBODY = 65534

# The legacy client: writes, then looks ten times a second for 30 s.
CLIENT = r"""
cd "$1" && rm -f response.txt && echo "$2" >request.txt || exit
i=0
while [ ! -s response.txt ]; do
    i=$((i + 1))
    [ $i -lt 300 ] || { echo "no response"; exit 1; }
    sleep 0.1
done
cat response.txt
"""


class Legacy(host.HostTest):
    def setUp(self):
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir()
        self.log = Log()

    def serve(self, pools, idle_s=60, **settings):
        configure(pools, more=f"[legacy]\ndirectory={BASE}\nidle-s={idle_s}\n", **settings)

    def vm(self, name):
        """A folder that an export with all_squash would make the guest's."""
        folder = BASE / name
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        return folder

    def start_client(self, folder, line):
        return subprocess.Popen(
            ["sh", "-c", CLIENT, "client", str(folder), line],
            stdout=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY, extra_groups=[],
        )

    def ask(self, folder, line):
        output, _ = self.start_client(folder, line).communicate(timeout=60)
        return output

    def session(self, folder):
        return shell.session(f"legacy:{folder.name}")

    def test_a_guest(self):
        """With OpenCL, as a host has it; and as an operator sees it."""
        self.serve({"A": pool("opencl"), "B": pool("opencl")})
        first, second = self.vm("vm1"), self.vm("vm2")
        self.assertEqual(self.ask(first, "A:1:1:20:22"), "42\n")
        self.assertEqual(self.ask(second, "B:2:2:-3:1"), "-2\n")
        self.assertEqual(self.ask(first, "A:1:1:1:2"), "3\n")
        self.assertEqual((first / "response.txt").stat().st_uid, NOBODY)
        seen = self.session(first)
        self.assertEqual((seen["state"], seen["pool"], seen["requests"]), ("serving", "A", 2))
        self.assertNotEqual(seen["vm-id"], self.session(second)["vm-id"])
        # Its worker is a user of its own, as that of any VM.
        users = {Path(f"/proc/{self.session(vm)['worker-pid']}").stat().st_uid
                 for vm in (first, second)}
        self.assertEqual(len(users), 2)
        self.assertNotIn(0, users)

    def test_errors(self):
        self.serve({"A": pool()})
        folder = self.vm("vm1")
        self.assertEqual(self.ask(folder, "A:1:1:20"), "ERROR 0x01 invalid-request\n")
        self.assertEqual(self.ask(folder, "B:1:1:20:22"), "ERROR 0x06 invalid-pool\n")
        self.assertEqual(self.ask(folder, "A:1:1:20:22"), "42\n")
        self.assertEqual(len(self.log.lines("legacy:vm1: request.txt is malformed")), 1)

    def test_order(self):
        """Of what lies there when vgpud starts: by priority, then by age, in both pools together."""
        delay = pool("fault", "delay=50ms")
        self.serve({"A": delay, "B": delay})
        host.vgpud("stop")
        requests = {"vm1": "A:0", "vm2": "B:0", "vm3": "A:1", "vm4": "B:2", "vm5": "A:1"}
        clients = {}
        for name, place in requests.items():
            folder = self.vm(name)
            clients[name] = self.start_client(folder, f"{place}:1:20:22")
            self.wait_for((folder / "request.txt").exists)
        host.vgpud("start")
        for client in clients.values():
            self.assertEqual(client.communicate(timeout=60)[0], "42\n")
        answered = sorted(
            requests, key=lambda name: (BASE / name / "response.txt").stat().st_mtime_ns
        )
        self.assertEqual(answered, ["vm4", "vm3", "vm5", "vm1", "vm2"])
        # And none of it again.
        host.vgpud("restart")
        self.assertEqual(self.ask(self.vm("vm6"), "A:0:6:1:1"), "2\n")
        self.assertEqual([vm["name"] for vm in host.vgpuctl("list")], ["legacy:vm6"])

    def test_vgpud_is_killed(self):
        """What it had begun is lost, as the 30 s of the guest tell it, and not begun anew."""
        self.serve({"A": pool("fault", "hang")}, request_timeout_ms=60000)
        folder = self.vm("vm1")
        client = self.start_client(folder, "A:1:1:20:22")
        self.wait_for(lambda: self.session(folder).get("worker-pid", 0) != 0)
        worker = self.session(folder)["worker-pid"]
        host.vgpud("kill")
        client.kill()
        client.communicate()
        self.wait_for(lambda: not Path(f"/proc/{worker}").exists())
        self.serve({"A": pool()})
        self.assertEqual(self.ask(self.vm("vm2"), "A:1:1:1:1"), "2\n")
        self.assertFalse((folder / "response.txt").exists())
        self.assertEqual(self.ask(folder, "A:1:1:20:22"), "42\n")
        self.assertEqual(self.session(folder)["requests"], 1)

    def test_idle(self):
        """A guest without requests costs no worker and no place, until it has one again."""
        self.serve({"A": pool(slots=1)}, idle_s=1)
        first, second = self.vm("vm1"), self.vm("vm2")
        self.assertEqual(self.ask(first, "A:1:1:20:22"), "42\n")
        worker = self.session(first)["worker-pid"]
        self.wait_for(lambda: self.session(first)["state"] == "reserved", 30)
        self.wait_for(lambda: not Path(f"/proc/{worker}").exists())
        self.assertEqual(self.ask(second, "A:1:2:1:1"), "2\n")

    def test_hostile(self):
        self.serve({"A": pool()})
        bad, good = self.vm("bad"), self.vm("good")
        secret = Path("/run/legacy-secret")
        secret.write_text("A:1:1:1:1\n")
        request, response = bad / "request.txt", bad / "response.txt"
        for make in (
            lambda: request.symlink_to(secret),
            lambda: os.mkfifo(request),
            lambda: request.mkdir(),
        ):
            log = Log()
            make()
            self.wait_for(lambda: log.lines("legacy:bad: request.txt is not a regular file"))
            self.assertEqual(self.ask(good, "A:1:1:20:22"), "42\n")
            request.rmdir() if request.is_dir() else request.unlink()
        request.write_bytes(b"A" * (16 << 20))
        self.wait_for(response.exists)
        self.assertEqual(response.read_text(), "ERROR 0x01 invalid-request\n")
        # A link that is there when the answer comes is replaced.
        response.unlink()
        response.symlink_to(secret)
        request.write_text("A:1:1:20:22\n")
        self.wait_for(lambda: not response.is_symlink() and response.exists())
        self.assertEqual(response.read_text(), "42\n")
        self.assertEqual(secret.read_text(), "A:1:1:1:1\n")

    def test_quarantine(self):
        self.serve({"A": pool("fault", "crash"), "B": pool()}, fault_budget=1, quarantine_s=3600)
        bad, good = self.vm("bad"), self.vm("good")
        for _ in range(2):
            self.assertEqual(self.ask(bad, "A:1:1:1:1"), "ERROR 0x05 execution-failed\n")
        self.wait_for(lambda: self.session(bad)["state"] == "quarantined")
        self.assertEqual(self.ask(bad, "A:1:1:1:1"), "ERROR 0x0b quarantined\n")
        self.assertEqual(self.ask(good, "B:1:1:20:22"), "42\n")
        host.vgpud("kill")
        host.vgpud("start")
        self.assertEqual(self.ask(bad, "B:1:1:1:1"), "ERROR 0x0b quarantined\n")
        self.assertIn("died more than 1 times", self.session(bad)["quarantine-reason"])
        host.vgpuctl("release", "legacy:bad")
        self.assertEqual(self.ask(bad, "B:1:1:20:22"), "42\n")
        host.vgpuctl("quarantine", "legacy:bad")
        self.assertEqual(self.ask(bad, "B:1:1:1:1"), "ERROR 0x0b quarantined\n")

    def test_no_folder(self):
        """The VMs of libvirt's are served without it."""
        BASE.rmdir()
        self.serve({"A": pool()})
        self.assertEqual(len(self.log.lines("legacy VMs are not served until")), 1)
        self.assertEqual(host.vgpuctl("list"), [])


if __name__ == "__main__":
    host.main()
