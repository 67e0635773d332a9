# SPDX-License-Identifier: LGPL-2.1-or-later
"""What may start, and what is refused."""

import host
from host import virsh


class Start(host.HostTest):
    def refusal(self, **attributes):
        guest = self.guest("true", **attributes)
        guest.define()
        with self.assertRaises(host.GuestError) as refused:
            guest.start()
        return str(refused.exception)

    def test_bad_pool_is_refused(self):
        text = self.refusal(pool="7", priority="high")
        self.assertRegex(text, "pool")
        self.assertRegex(text, "A.*Z")

    def test_unknown_pool_is_refused(self):
        self.assertRegex(self.refusal(pool="Q"), "pool.*Q")

    def test_bad_priority_is_refused(self):
        text = self.refusal(pool="A", priority="urgent")
        self.assertRegex(text, "priority")
        self.assertRegex(text, "low.*medium.*high")

    def test_without_element_starts_without_vgpud(self):
        host.vgpud("stop")
        self.addCleanup(host.vgpud, "start")
        self.assertEqual(self.run_guest("echo hello"), "hello\n")

    def test_with_element_needs_vgpud(self):
        guest = self.guest("true", pool="A")
        guest.define()
        self.assertTrue(guest.await_device())
        host.vgpud("stop")
        self.addCleanup(host.vgpud, "start")
        with self.assertRaisesRegex(host.GuestError, "vgpud"):
            guest.start()

    def test_without_element_stays_as_it_is(self):
        guest = self.guest("true")
        guest.define()
        before = virsh("dumpxml", "--inactive", guest.name)
        # vgpud works one domain after the other: this one's device tells that the first was seen.
        barrier = self.guest("true", name="barrier", pool="A")
        barrier.define()
        self.assertTrue(barrier.await_device())
        self.assertEqual(virsh("dumpxml", "--inactive", guest.name), before)

    def test_device_is_put_in_once(self):
        guest = self.guest("true", pool="A")
        guest.define()
        self.assertTrue(guest.await_device())
        first = virsh("dumpxml", "--inactive", guest.name)
        host.vgpud("restart")
        guest.define()
        self.assertTrue(guest.await_device())
        self.assertEqual(virsh("dumpxml", "--inactive", guest.name), first)
        self.assertEqual(first.count("vgpu-stub"), 1)


if __name__ == "__main__":
    host.main()
