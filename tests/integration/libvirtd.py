# SPDX-License-Identifier: LGPL-2.1-or-later
"""The private host's libvirtd, for tests that take it away and bring it back."""

import os
import select
import signal
import subprocess
from pathlib import Path

HOME = Path("/run/vgpud-host")
TIMEOUT = 60


class Libvirtd:
    """After start() it is ours."""

    def __init__(self):
        self.process = None

    def pid(self):
        return int(Path("/run/libvirtd.pid").read_text())

    def stop(self, number=signal.SIGTERM):
        pid = self.pid()
        end = os.pidfd_open(pid)
        os.kill(pid, number)
        if self.process:
            self.process.wait(TIMEOUT)
            self.process = None
        else:
            assert select.select([end], [], [], TIMEOUT)[0], "libvirtd does not end"
        os.close(end)

    def start(self):
        path = os.environ["PATH"] + f":{HOME}/fallback"
        log = open(Path(os.environ["VGPU_LOG_DIR"]) / "libvirtd-again.log", "ab")
        self.process = subprocess.Popen(
            [HOME / "sbin/libvirtd"], env=dict(os.environ, PATH=path), stdout=log, stderr=log
        )
        log.close()
