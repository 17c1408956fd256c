"""recvmmsg and sendmmsg, which libc has and Python has not: many datagrams a system call.

The layout is the kernel's (recvmsg(2), recvmmsg(2)), which is the same on every
Linux; where libc lacks either call, `available` is False.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys
from array import array
from typing import Any, ClassVar

#: Bytes that a slot holds; the largest payload is 65,507, over IPv6 65,527.
SLOT_BYTES = 64 * 1024
#: Bytes that a slot has for a raw address; sockaddr_in6 is the largest, with 28.
ADDRESS_BYTES = 32


class _Message(ctypes.Structure):
    """struct msghdr"""

    _fields_: ClassVar[Any] = (
        ("name", ctypes.c_void_p),
        ("nameSize", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vectorSize", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controlSize", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(_Message):
    """struct mmsghdr: that, and how many bytes came"""

    _fields_: ClassVar[Any] = (("received", ctypes.c_uint32),)


_VECTOR = struct.Struct("@PL")  # struct iovec
_libc: Any = ctypes.CDLL(None, use_errno=True)
available = sys.platform == "linux" and hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")


class Slots:
    """Room for `count` datagrams, on their way in or out, each with its raw address.

    Memory becomes resident only as far as datagrams have filled it.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        #: Slots in use: those received last, or those to be sent.
        self.used = 0
        self._data = mmap.mmap(-1, count * SLOT_BYTES)
        self._addresses = mmap.mmap(-1, count * ADDRESS_BYTES)
        vectors = bytearray(count * _VECTOR.size)
        headers = bytearray(count * ctypes.sizeof(_Header))
        self._headers = (_Header * count).from_buffer(headers)
        data, names, vectorsAt = map(_startOf, (self._data, self._addresses, vectors))
        for n, header in enumerate(self._headers):
            header.name = names + n * ADDRESS_BYTES
            header.vector = vectorsAt + n * _VECTOR.size
            header.vectorSize = 1
            _VECTOR.pack_into(vectors, n * _VECTOR.size, data + n * SLOT_BYTES, SLOT_BYTES)
        # The numbers that change, of all slots at once.
        words = memoryview(headers).cast("I")
        step = ctypes.sizeof(_Header) // 4
        self._received = words[_Header.received.offset // 4 :: step]
        self._addressSizes = words[_Header.nameSize.offset // 4 :: step]
        self._sizes = memoryview(vectors).cast("L")[1::2]
        self._emptySizes = memoryview(array("L", [SLOT_BYTES] * count))
        self._emptyAddressSizes = memoryview(array("I", [ADDRESS_BYTES] * count))

    def receive(self, fd: int) -> None:
        """Take the datagrams that wait, `used` of them. Raises OSError."""
        self._sizes[:] = self._emptySizes
        self._addressSizes[:] = self._emptyAddressSizes
        self.used = 0
        count = _libc.recvmmsg(fd, self._headers, self.count, socket.MSG_DONTWAIT, None)
        if count < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.used = count

    def datagrams(self) -> list[bytes]:
        """Those received last."""
        sizes = self.sizes()
        return [self._data[n * SLOT_BYTES : n * SLOT_BYTES + size] for n, size in enumerate(sizes)]

    def sizes(self) -> list[int]:
        """The bytes of each."""
        sizes: list[int] = self._received[: self.used].tolist()
        return sizes

    def addresses(self) -> list[bytes]:
        """The raw address of each."""
        sizes = self._addressSizes[: self.used].tolist()
        return [
            self._addresses[n * ADDRESS_BYTES : n * ADDRESS_BYTES + size]
            for n, size in enumerate(sizes)
        ]

    def firstBytes(self) -> bytes:
        """The first byte of each (of an empty one: any byte)."""
        return self._data[: self.used * SLOT_BYTES : SLOT_BYTES]

    def sendBack(self, fd: int) -> int:
        """Send what was received to those it came from; returns as `send` does."""
        self._sizes[: self.used] = memoryview(array("L", self.sizes()))
        return self.send(fd)

    def put(self, data: bytes, name: bytes) -> None:
        """Fill the next slot; `data` may have `SLOT_BYTES` bytes, and a slot must be free."""
        n = self.used
        self._data[n * SLOT_BYTES : n * SLOT_BYTES + len(data)] = data
        self._addresses[n * ADDRESS_BYTES : n * ADDRESS_BYTES + len(name)] = name
        self._sizes[n] = len(data)
        self._addressSizes[n] = len(name)
        self.used += 1

    def send(self, fd: int) -> int:
        """Send what was put. Returns how many datagrams the kernel would not take."""
        refused = 0
        done = 0
        while done < self.used:
            rest = ctypes.byref(self._headers, done * ctypes.sizeof(_Header))
            sent = _libc.sendmmsg(fd, rest, self.used - done, socket.MSG_DONTWAIT)
            if sent < 0:
                # It stops at the first that fails: leave that one out.
                refused += 1
            done += max(sent, 1)
        self.used = 0
        return refused


def _startOf(buffer: Any) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
