# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which program ./run guest is asked to run, and whether it can run there."""

import struct
from pathlib import Path

_ELF64_X86 = (2, 1, 0x3E)  # class, byte order, machine
_PT_INTERP = 3


class ProgramError(Exception):
    pass


def load(name):
    """(path in the guest, bytes) of a program of the host, or (name, None) for one that the guest
    has itself. A name without a slash that is no file here is the guest's."""
    path = Path(name)
    if not path.is_file():
        if "/" in name:
            raise ProgramError(f"{name}: no such file")
        return name, None
    data = path.read_bytes()
    if not data.startswith(b"#!"):
        _check_static(name, data)
    return f"/vgpu/bin/{path.name}", data


def _check_static(name, data):
    if not data.startswith(b"\x7fELF") or len(data) < 64:
        raise ProgramError(f"{name}: neither an ELF program nor a script that begins with #!")
    machine = struct.unpack_from("<H", data, 18)[0]
    if (data[4], data[5], machine) != _ELF64_X86:
        raise ProgramError(f"{name}: not for x86-64, which the guest is")
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        offset = table + index * size
        if offset + 4 <= len(data) and struct.unpack_from("<I", data, offset)[0] == _PT_INTERP:
            raise ProgramError(
                f"{name}: linked dynamically, and the guest has no libraries: link it with -static"
            )
