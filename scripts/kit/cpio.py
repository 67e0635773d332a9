# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes initramfs archives: cpio in the "newc" form of the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst."""

import os
import stat


class Archive:
    """Collects files in memory; parent folders are made as needed."""

    def __init__(self):
        self._parts = []
        self._folders = set()
        self._inode = 0

    def _add(self, path, mode, data=b""):
        name = path.strip("/").encode() + b"\0"
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self._parts.append(_padded(header + name) + _padded(data))

    def folder(self, path, mode=0o755):
        path = path.strip("/")
        if not path or path in self._folders:
            return
        self.folder(os.path.dirname(path))
        self._folders.add(path)
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o755):
        self.folder(os.path.dirname(path))
        self._add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        """The archive. Padded, so that another one may follow it."""
        trailer = Archive()
        trailer._add("TRAILER!!!", 0)
        data = b"".join(self._parts + trailer._parts)
        return data + b"\0" * (-len(data) % 512)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
