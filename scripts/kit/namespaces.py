# SPDX-License-Identifier: LGPL-2.1-or-later
"""The few system calls for private namespaces that Python lacks, and what is built of them."""

import ctypes
import os
import signal
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def die_with_parent():
    """The kernel kills this process when its parent ends, however that happens."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def mount(source, target, kind="none", flags=0, options=""):
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), flags, options.encode()
    )
    _check(result, f"mount {target}")


def make_private():
    """From here on no mount is seen outside of the namespace."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def bind(source, target):
    source, target = Path(source), Path(target)
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=MS_BIND | MS_REC)


def empty_folder(path, mode=0o755):
    """Mounts an empty folder over @path. Where @path does not exist its parent becomes a stand-in
    with the same content first, so that nothing has to be made outside of the namespace."""
    path = Path(path)
    if not path.is_dir():
        _stand_in(path.parent)
        path.mkdir()
    mount("tmpfs", path, "tmpfs", options=f"mode={mode:o}")


def _stand_in(folder):
    original = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    mode = folder.stat().st_mode & 0o7777
    mount("tmpfs", folder, "tmpfs", options=f"mode={mode:o}")
    behind = Path(f"/proc/self/fd/{original}")
    for entry in sorted(os.listdir(behind)):
        if (behind / entry).is_symlink():
            (folder / entry).symlink_to(os.readlink(behind / entry))
        else:
            bind(behind / entry, folder / entry)
    os.close(original)
