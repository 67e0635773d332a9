# SPDX-License-Identifier: LGPL-2.1-or-later
"""The few system calls for private namespaces that Python lacks, and what is built of them."""

import ctypes
import errno
import os
import signal
import stat
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2
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
    try:
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _make_private_around_chroot()


def _make_private_around_chroot():
    """A plain chroot's root is no mount, so its propagation cannot be changed, nor can libvirtd do
    so for QEMU. Joining the namespace that we are in leads to the real root; from there the chroot
    is made a mount, and entered again."""
    here = os.getcwd()
    root = os.open("/", os.O_PATH)
    with open("/proc/self/ns/mnt") as namespace:
        _check(_libc.setns(namespace.fileno(), CLONE_NEWNS), "setns")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    path = os.readlink(f"/proc/self/fd/{root}")
    os.close(root)
    mount(path, path, flags=MS_BIND | MS_REC)
    os.chroot(path)
    os.chdir(here)


def unmount(target):
    """With everything that is mounted below it."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


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


def copy_devices(without):
    """Mounts a /dev over /dev that has the same nodes, but for those of the names @without."""
    original = os.open("/dev", os.O_PATH | os.O_DIRECTORY)
    mount("tmpfs", "/dev", "tmpfs", options="mode=755")
    _copy_nodes(Path(f"/proc/self/fd/{original}"), Path("/dev"), without)
    os.close(original)


def _copy_nodes(source, target, without):
    for entry in sorted(os.listdir(source)):
        info = os.lstat(source / entry)
        if entry in without:
            continue
        if stat.S_ISLNK(info.st_mode):
            (target / entry).symlink_to(os.readlink(source / entry))
        elif os.path.ismount(source / entry):
            bind(source / entry, target / entry)
        elif stat.S_ISDIR(info.st_mode):
            (target / entry).mkdir()
            _copy_nodes(source / entry, target / entry, without)
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            os.mknod(target / entry, info.st_mode, info.st_rdev)
            os.chown(target / entry, info.st_uid, info.st_gid)
            os.chmod(target / entry, stat.S_IMODE(info.st_mode))
