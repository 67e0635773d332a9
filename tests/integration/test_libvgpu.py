# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvgpu in a guest with the driver, and a real worker behind it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import host
import shell

SHM_SIZE = 64 << 20  # the device's default
GLOBAL = """<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'>
  <arg value='-global'/>
  <arg value='vgpu-stub.shm-size={}'/>
</commandline>"""
WIDTH, HEIGHT = 37, 23  # odd: edges and the last part of a copy


def picture():
    """A binary PPM with something of everything in it."""
    pixels = bytes((x * y * 7 + x * c * 31 + y) % 256
                   for y in range(HEIGHT) for x in range(WIDTH) for c in range(3))
    return b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT), pixels


def blurred(pixels):
    """What example-image's filter makes of it, computed once more, here."""
    weights = (1, 4, 6, 4, 1)
    result = bytearray()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            for c in range(3):
                total = 0
                for j in range(5):
                    row = min(max(y + j - 2, 0), HEIGHT - 1)
                    for i in range(5):
                        column = min(max(x + i - 2, 0), WIDTH - 1)
                        total += weights[i] * weights[j] * pixels[(row * WIDTH + column) * 3 + c]
                result.append((total + 128) // 256)
    return bytes(result)


def is_memory(file):
    """Whether a process's descriptor is a device's shared memory."""
    return os.readlink(file).startswith("/memfd:") and os.stat(file).st_size == SHM_SIZE


class Libvgpu(host.HostTest):
    def test_tools(self):
        output = self.run_guest("vgpu-info --json && vgpu-dump --rings && "
                                "vgpu-monitor --count 1 --probe && "
                                "vgpu-bench --quick --json --only call", pool="B", priority="low")
        first, rest = output.split("\n", 1)
        info = json.loads(first)
        self.assertEqual(info["transport"], "queues")
        self.assertEqual((info["pool"], info["priority"]), ("B", "low"))
        self.assertTrue(info["name"])
        self.assertRegex(rest, r"QUEUE_COUNT +0x0000000[1-9a-f]")
        self.assertRegex(rest, r"command +0  0x0100 .* nop\n")
        self.assertRegex(rest, r"completion +0  tag 0x00000001 status 0x00")
        self.assertRegex(rest, r"/dev/vgpu0  pool B  priority low .*  worker \d+")
        self.assertRegex(rest, r"round trip [\d.]+ us")
        rows = json.loads(rest[rest.index("[{"):])
        self.assertIn("call, polling", [row["name"] for row in rows])
        for row in rows:
            self.assertEqual(set(row), {"name", "median_us", "p99_us", "calls_per_s", "gib_per_s"})

    def test_monitor_as_json(self):
        output = self.run_guest("exec 9<>/dev/vgpu0; vgpu-monitor --json --probe --interval 0 --count 2",
                                pool="B", priority="low")
        looks = [json.loads(line) for line in output.splitlines()]
        self.assertEqual(len(looks), 2)
        for look in looks:
            [device] = look["devices"]
            self.assertEqual((device["device"], device["pool"], device["priority"]),
                             ("/dev/vgpu0", "B", "low"))
            self.assertGreater(device["worker"], 0)
            self.assertGreater(device["round_trip_us"], 0)
            [user] = [user for user in device["users"] if user["name"] == "sh"]
            self.assertEqual(user["files"], 1)

    def test_monitor_without_a_device(self):
        guest = self.guest("rmmod vgpu; vgpu-monitor --json --count 1", pool="A")
        status, output = guest.run(60)
        self.assertEqual((status, json.loads(output)), (69, {"devices": []}))

    def test_examples(self):
        output = self.run_guest("example-nop && example-async && example-several", pool="A")
        self.assertIn("40 + 2 = 42\n", output)
        self.assertIn("read 8 MiB", output)
        self.assertEqual(output.count(", right\n"), 2, output)

    def test_image_filter(self):
        head, pixels = picture()
        command = "example-image /in.ppm /out.ppm && example-image && od -An -v -tx1 /out.ppm"
        guest = self.guest(command, files={"in.ppm": head + pixels}, pool="A")
        status, output = guest.run()
        text = output.decode()
        self.assertEqual(status, 0, text)
        self.assertEqual(text.count("GPU and CPU agree"), 2, text)
        dump = "".join(line for line in text.splitlines() if line.startswith(" "))
        out = bytes.fromhex(dump)
        self.assertEqual(out[-len(pixels):], blurred(pixels))

    def run_with_memory(self, size, command):
        """In a VM whose queues share @size, past vgpud's definition."""
        text = host.domain_xml(name=f"memory-{size}", pool="A")
        guest = host.Guest(text.replace("</domain>", GLOBAL.format(size) + "</domain>"), command)
        self.addCleanup(guest.remove)
        status, output = guest.run(240)
        self.assertEqual(status, 0, output.decode(errors="replace"))
        return output.decode()

    def test_little_memory(self):
        """As much as a hot-plugged device has on q35: copies of many times that go in parts."""
        output = self.run_with_memory("2M", "vgpu-info --json; example-image && example-async && "
                                            "example-several && test-libvgpu")
        info, rest = output.split("\n", 1)
        self.assertEqual(json.loads(info)["slot_size"], 256 << 10)
        self.assertIn("GPU and CPU agree", rest)
        self.assertIn("read 8 MiB", rest)
        self.assert_tap(rest)

    def test_much_memory(self):
        """Gigabytes, through vgpud and a worker; a queue uses 64 MiB of its part."""
        output = self.run_with_memory("8G", "cat /sys/class/vgpu/vgpu0/slot_size; vgpu-info --json;"
                                            "example-image && example-async && example-several")
        size, info, rest = output.split("\n", 2)
        self.assertEqual(int(size), 1 << 30)
        self.assertEqual(json.loads(info)["slot_size"], 64 << 20)
        self.assertIn("GPU and CPU agree", rest)
        self.assertEqual(rest.count(", right\n"), 2, output)

    def test_memory_seen_from_the_host(self):
        vm = shell.start(name="seen", pool="A")
        self.addCleanup(vm.guest.remove)
        self.assertEqual(vm.run("example-nop"), (0, "40 + 2 = 42\n"))
        qemu = Path("/run/libvirt/qemu/seen.pid").read_text().strip()
        memory = [file for file in Path(f"/proc/{qemu}/fd").iterdir() if is_memory(file)]
        dump = subprocess.run([Path(os.environ["BUILD"]) / "guest-client/vgpu-dump", "--memory",
                               memory[0], "--queues", "8", "--queue", "0", "--entries", "256"],
                              capture_output=True, text=True, check=True).stdout
        self.assertRegex(dump, r"session +guest 0, host 0\n")
        self.assertRegex(dump, r"command .* launch a kernel\n")

    def test_without_driver(self):
        output = self.run_guest("rmmod vgpu && vgpu-info --json && example-nop && example-async; "
                                "[ $? = 1 ]", pool="A")
        info, rest = output.split("\n", 1)
        self.assertEqual(json.loads(info)["transport"], "registers")
        self.assertIn("40 + 2 = 42\n", rest)
        self.assertIn("load the driver vgpu.ko\n", rest)

    def test_threads_forks_and_kills(self):
        self.assert_tap(self.run_guest("test-libvgpu", pool="A", timeout=240))

    def test_worker_killed(self):
        vm = shell.start(name="lost", pool="A")
        self.addCleanup(vm.guest.remove)
        vm.send("test-libvgpu --lost")
        vm.await_text("# ready")
        os.kill(vm.session()["worker-pid"], signal.SIGKILL)
        status, output = vm.answer(120)
        self.assertEqual(status, 0, output)
        self.assert_tap(output)


if __name__ == "__main__":
    host.main()
