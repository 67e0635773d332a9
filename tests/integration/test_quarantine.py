# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever does too much wrong is kept out, alone, for longer each time, and let back; a device that
fails for several VMs is emptied."""

import json
import subprocess
import time

import host
import shell
from host import vgpuctl

TIMEOUT, EXECUTION_FAILED, UNSUPPORTED, QUARANTINED = 0x04, 0x05, 0x08, 0x0B
FOREVER = 2**63 - 1
# Version 1.0, an opcode that there is not, nothing else.
NONSENSE = "raw " + "00000100" + "77770000" + 24 * "00"


def text(*arguments):
    """What vgpuctl prints for people."""
    result = subprocess.run(["vgpuctl", *arguments], check=True, capture_output=True, text=True,
                            timeout=30)
    return result.stdout


def events(kind):
    """Those that vgpud remembers."""
    lines = subprocess.run(["vgpuctl", "--json", "events"], check=True, capture_output=True,
                           text=True, timeout=30).stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


class Quarantine(host.HostTest):
    """One guest sees it all."""

    @classmethod
    def setUpClass(cls):
        shell.configure({"A": shell.pool()})
        cls.vm = shell.start(name="bad", pool="A")
        cls.addClassCleanup(cls.vm.guest.remove)

    def serve(self, text, **settings):
        shell.configure({"A": text}, **settings)
        self.wait_for(self.vm.session, 60)
        vgpuctl("release", self.vm.name)
        self.wait_for(lambda: self.vm.session().get("state") == "serving", 60)

    def assert_kept_out(self, kind, reason):
        """And its worker is gone."""
        self.wait_for(lambda: self.vm.session()["state"] == "quarantined", 30)
        self.assertEqual(self.vm.call("nop").code, QUARANTINED)
        session = self.vm.session()
        self.assertEqual(session["worker-pid"], 0)
        self.assertEqual(session["faults"][kind], session["worker-faults"])
        self.assertIn(reason, session["quarantine-reason"])
        self.assertGreater(session["quarantined-until-us"], time.time() * 1e6)
        (event,) = events("quarantined")
        self.assertIn(reason, event["quarantine-reason"])
        self.assertRegex(text("show", self.vm.name), rf"quarantined: +until 20.*{reason}")

    def assert_released(self):
        vgpuctl("release", self.vm.name)
        self.assertEqual(self.vm.run("vgpu-call --until-ok 60 nop")[0], 0)
        self.assertEqual(self.vm.session()["state"], "serving")
        self.assertEqual(self.vm.session()["quarantine-reason"], "")
        self.assertEqual(len(events("released")), 1)

    def codes(self, request, count):
        return [answer.code for answer in self.vm.calls(request, count)]

    def test_invalid_requests(self):
        self.serve(shell.pool(), error_budget=20, quarantine_s=3600)
        self.assertEqual(self.codes(NONSENSE, 21), 21 * [UNSUPPORTED])
        self.assert_kept_out("invalid-requests", "more than 20 invalid requests in 60 s")
        self.assert_released()

    def test_invalid_commands(self):
        """Of a queue."""
        self.serve(shell.pool(), error_budget=20, quarantine_s=3600)
        self.vm.send("test-hostile-queues commands >/dev/null 2>&1 & echo $!")
        pid = self.vm.answer()[1].strip()
        self.assert_kept_out("invalid-requests", "more than 20 invalid requests in 60 s")
        self.vm.run(f"kill {pid}; wait")
        self.assert_released()

    def test_backend_faults(self):
        self.serve(shell.pool("fault", "fail"), backend_fault_budget=5, quarantine_s=3600)
        self.assertEqual(self.codes("add 1 2", 6), 6 * [EXECUTION_FAILED])
        self.assert_kept_out("backend-faults", "more than 5 requests failed on its device")
        self.assert_released()

    def test_deadlines(self):
        self.serve(shell.pool("fault", "hang"), fault_budget=1, quarantine_s=3600,
                   request_timeout_ms=300)
        self.assertEqual(self.codes("add 1 2", 2), 2 * [TIMEOUT])
        self.assert_kept_out("deadline", "more than 1 times in 60 s, last by a deadline")
        self.assert_released()

    def test_crashes(self):
        self.serve(shell.pool("fault", "crash"), fault_budget=1, quarantine_s=3600)
        self.assertEqual(self.codes("add 1 2", 2), 2 * [EXECUTION_FAILED])
        self.assert_kept_out("crash", "more than 1 times in 60 s, last by a crash")
        self.assert_released()

    def test_mistakes_are_put_up_with(self):
        """By the defaults, and while it computes."""
        self.serve(shell.pool())
        worker = self.vm.session()["worker-pid"]
        self.assertEqual(set(self.codes(NONSENSE, 50)), {UNSUPPORTED})
        self.assertEqual(self.vm.call("add 20 22").text, "42")
        self.assertEqual(self.vm.session()["worker-pid"], worker)

    def test_by_hand(self):
        self.serve(shell.pool())
        vgpuctl("quarantine", self.vm.name)
        self.assertEqual(self.vm.call("add 20 22").code, QUARANTINED)
        session = self.vm.session()
        self.assertEqual(session["worker-pid"], 0)
        self.assertEqual(session["quarantined-until-us"], FOREVER)
        self.assertIn("until it is released: by an operator", text("show", self.vm.name))
        # Also for the next vgpud.
        host.vgpud("kill")
        host.vgpud("start")
        self.wait_for(lambda: self.vm.session().get("state") == "quarantined", 60)
        self.assertEqual(self.vm.session()["quarantine-reason"], "by an operator")
        self.assertEqual(self.vm.run("vgpu-call --until-ok 2 nop")[0], QUARANTINED)
        self.assert_released()
        # It ends by itself.
        vgpuctl("quarantine", self.vm.name, "--for", "1")
        self.assertEqual(self.vm.run("vgpu-call --until-ok 60 nop")[0], 0)
        self.assertEqual(len(events("quarantined")), 2)

    def crash(self):
        """Returns how long it is kept out, in seconds."""
        log = shell.Log()
        self.assertEqual(self.vm.call("add 1 2").code, EXECUTION_FAILED)
        self.wait_for(lambda: log.lines("quarantined for"))
        self.assertEqual(self.vm.run("vgpu-call --until-ok 60 nop")[0], 0)
        (line,) = log.lines("quarantined for")
        return int(line.split("quarantined for ")[1].split()[0])

    def test_back_off(self):
        settings = {"fault_budget": 0, "quarantine_s": 1, "quarantine_max_s": 60}
        self.serve(shell.pool("fault", "crash"), **settings)
        self.assertEqual(self.crash(), 1)
        begin = time.monotonic()
        self.assertEqual(self.crash(), 2)
        self.assertGreater(time.monotonic() - begin, 1.9)
        # The next vgpud knows.
        host.vgpud("kill")
        host.vgpud("start")
        self.wait_for(lambda: self.vm.session().get("state") == "serving", 60)
        self.assertEqual(self.crash(), 4)
        vgpuctl("release", self.vm.name)
        self.assertEqual(self.crash(), 1)


def member(name, backend, device=""):
    return f"[member {name}]\nbackend={backend}\ndevice={device}\n"


def members(letter):
    pool = next(pool for pool in vgpuctl("pools") if pool["name"] == letter)
    return {member["name"]: member for member in pool["members"]}


class Breaker(host.HostTest):
    def start(self, name, pool):
        vm = shell.start(name=name, pool=pool)
        self.addCleanup(vm.guest.remove)
        return vm

    def test_device(self):
        bad, good = member("bad", "fault", "crash"), member("good", "null")
        also = member("also", "fault", "crash")  # the same device in another pool
        shell.configure({"A": bad, "B": also, "C": member("other", "null")}, fault_budget=64)
        vms = [self.start(f"vm{i}", "A") for i in range(3)]
        witness = self.start("witness", "C")
        witness.send("vgpu-call --repeat 1000000000 add 20 22 >/calls 2>&1 & echo $!")
        pid = witness.answer()[1].strip()
        worker = witness.session()["worker-pid"]
        (shell.POOLS / "A.conf").write_text(f"[pool]\nname=A\n{bad}{good}")
        vgpuctl("reload")

        # However often it is one VM, and another one, it is their own affair.
        for vm, count in (vms[0], 5), (vms[1], 1):
            for answer in vm.calls("add 1 2", count):
                self.assertEqual(answer.code, EXECUTION_FAILED)
        self.assertFalse(members("A")["bad"]["draining"])
        self.assertEqual(vms[2].call("add 1 2").code, EXECUTION_FAILED)
        self.wait_for(lambda: members("A")["bad"]["draining"], 30)
        self.assertIn("failed for 3 VMs within 60 s", members("A")["bad"]["drain-reason"])
        self.assertTrue(members("B")["also"]["draining"])
        self.assertFalse(members("A")["good"]["draining"])
        self.assertFalse(members("C")["other"]["draining"])
        (event,) = events("device-drained")
        self.assertEqual(event["device-key"], "fault:crash")
        self.assertEqual(event["members"], ["A/bad", "B/also"])
        self.assertRegex(text("events"), "device-drained  fault:crash: A/bad, B/also: it failed")
        self.assertRegex(text("pools"), "A/bad was drained by the breaker: it failed for 3 VMs")
        self.assertIn('vgpud_member_draining{pool="A",member="bad",by="breaker"} 1',
                      text("metrics"))

        for vm in vms:
            self.wait_for(lambda vm=vm: vm.session()["member"] == "good", 30)
            self.assertEqual(vm.run("vgpu-call --until-ok 60 nop")[0], 0)
            self.assertEqual(vm.call("add 20 22").text, "42")
        # Also for the next vgpud; and an operator ends it.
        self.assertEqual(witness.session()["worker-pid"], worker)
        status, calls = witness.run(f"kill {pid}; wait; grep -v '^ok 42' /calls | head -5")
        self.assertNotIn("error", calls)
        host.vgpud("kill")
        host.vgpud("start")
        self.assertIn("failed for 3 VMs", members("A")["bad"]["drain-reason"])
        vgpuctl("undrain", "A/bad")
        self.assertFalse(members("A")["bad"]["draining"])
        self.assertEqual(members("A")["bad"]["drain-reason"], "")
        self.assertTrue(members("B")["also"]["draining"])


if __name__ == "__main__":
    host.main()
