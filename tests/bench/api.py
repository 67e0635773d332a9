# SPDX-License-Identifier: LGPL-2.1-or-later
"""As little of libvirt's C API as the benchmarks take: a virsh for each call would cost more than
what is measured."""

import ctypes

XML_INACTIVE = 2  # VIR_DOMAIN_XML_INACTIVE


class LibvirtError(Exception):
    pass


class Api:
    def __init__(self, uri):
        lib = ctypes.CDLL("libvirt.so.0")
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for name, result, arguments in (
            ("virConnectOpen", pointer, [text]),
            ("virConnectClose", ctypes.c_int, [pointer]),
            ("virGetLastErrorMessage", text, []),
            ("virDomainDefineXML", pointer, [pointer, text]),
            ("virDomainLookupByName", pointer, [pointer, text]),
            ("virDomainGetXMLDesc", pointer, [pointer, ctypes.c_uint]),
            ("virDomainCreate", ctypes.c_int, [pointer]),
            ("virDomainDestroy", ctypes.c_int, [pointer]),
            ("virDomainUndefine", ctypes.c_int, [pointer]),
            ("virDomainFree", ctypes.c_int, [pointer]),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self._lib = lib
        self._free = ctypes.CDLL(None).free
        self._free.argtypes = [pointer]
        self._connection = self._check(lib.virConnectOpen(uri.encode()))

    def _check(self, result):
        """Of a call that returns NULL or -1 for an error."""
        if result in (None, -1):
            raise LibvirtError(self._lib.virGetLastErrorMessage().decode())
        return result

    def close(self):
        self._lib.virConnectClose(self._connection)

    def define(self, xml):
        """A handle, for the calls below."""
        return self._check(self._lib.virDomainDefineXML(self._connection, xml.encode()))

    def look_up(self, name):
        return self._check(self._lib.virDomainLookupByName(self._connection, name.encode()))

    def definition(self, domain):
        data = self._check(self._lib.virDomainGetXMLDesc(domain, XML_INACTIVE))
        text = ctypes.string_at(data)
        self._free(data)
        return text

    def start(self, domain):
        self._check(self._lib.virDomainCreate(domain))

    def destroy(self, domain):
        self._check(self._lib.virDomainDestroy(domain))

    def undefine(self, domain):
        """And gives the handle back."""
        self._check(self._lib.virDomainUndefine(domain))
        self._lib.virDomainFree(domain)
