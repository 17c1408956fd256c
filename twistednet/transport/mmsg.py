"""recvmmsg(2) and sendmmsg(2): many datagrams in one system call.

Python has no functions for them, so libc is called. The layout of the structures is that of
Linux (recvmsg(2), recvmmsg(2)); `available` is False where libc lacks either call.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any, ClassVar

#: Bytes of data in a slot; the largest payload is 65,507, over IPv6 65,527.
SLOT_BYTES = 64 * 1024
#: Bytes for a raw address in a slot; sockaddr_in6 is the largest, with 28.
ADDRESS_BYTES = 32

_Fields = Sequence[tuple[str, type[Any]]]


class _Message(ctypes.Structure):
    """struct msghdr"""

    _fields_: ClassVar[_Fields] = (
        ("name", ctypes.c_void_p),
        ("nameSize", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("vectorSize", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controlSize", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(_Message):
    """struct mmsghdr: a msghdr, and the number of bytes received"""

    _fields_: ClassVar[_Fields] = (("received", ctypes.c_uint32),)


_VECTOR = struct.Struct("@PL")  # struct iovec
_libc = ctypes.CDLL(None, use_errno=True)
available = sys.platform == "linux" and hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")


class Slots:
    """Buffers for `count` datagrams, in or out, each with its raw address (struct sockaddr).

    The memory is mapped, 64 KiB a slot, and becomes resident only where datagrams fill it.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        #: The number of slots in use: received last, or to be sent.
        self.used = 0
        self._data = mmap.mmap(-1, count * SLOT_BYTES)
        self._addresses = mmap.mmap(-1, count * ADDRESS_BYTES)
        vectors = bytearray(count * _VECTOR.size)
        headers = bytearray(count * ctypes.sizeof(_Header))
        self._headers = (_Header * count).from_buffer(headers)
        data, addresses = _startOf(self._data), _startOf(self._addresses)
        vectorsAt = _startOf(vectors)
        for n, header in enumerate(self._headers):
            header.name = addresses + n * ADDRESS_BYTES
            header.vector = vectorsAt + n * _VECTOR.size
            header.vectorSize = 1
            _VECTOR.pack_into(vectors, n * _VECTOR.size, data + n * SLOT_BYTES, SLOT_BYTES)
        # Views of the numbers that change: one assignment sets those of all slots.
        words = memoryview(headers).cast("I")
        step = ctypes.sizeof(_Header) // 4
        self._received = words[_Header.received.offset // 4 :: step]
        self._addressSizes = words[_Header.nameSize.offset // 4 :: step]
        self._sizes = memoryview(vectors).cast("L")[1::2]
        self._emptySizes = memoryview(array("L", [SLOT_BYTES] * count))
        self._emptyAddressSizes = memoryview(array("I", [ADDRESS_BYTES] * count))

    def receive(self, fd: int) -> None:
        """Receive the datagrams that wait, `used` of them. Raises OSError if there is none."""
        self._sizes[:] = self._emptySizes
        self._addressSizes[:] = self._emptyAddressSizes
        self.used = 0
        count = _libc.recvmmsg(fd, self._headers, self.count, socket.MSG_DONTWAIT, None)
        if count < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.used = count

    def datagrams(self) -> list[bytes]:
        """Return the datagrams received last."""
        sizes = self.sizes()
        return [self._data[n * SLOT_BYTES : n * SLOT_BYTES + size] for n, size in enumerate(sizes)]

    def sizes(self) -> list[int]:
        """Return their sizes in bytes."""
        sizes: list[int] = self._received[: self.used].tolist()
        return sizes

    def addresses(self) -> list[bytes]:
        """Return the raw addresses of their senders."""
        sizes = self._addressSizes[: self.used].tolist()
        return [
            self._addresses[n * ADDRESS_BYTES : n * ADDRESS_BYTES + size]
            for n, size in enumerate(sizes)
        ]

    def firstBytes(self) -> bytes:
        """Return the first byte of each; that of an empty datagram is arbitrary."""
        return self._data[: self.used * SLOT_BYTES : SLOT_BYTES]

    def sendBack(self, fd: int) -> tuple[int, int]:
        """Return all received datagrams to their senders. Returns what `send` returns."""
        self._sizes[: self.used] = memoryview(array("L", self.sizes()))
        return self.send(fd)

    def put(self, data: bytes, address: bytes) -> None:
        """Fill the next slot, which must be free, with at most `SLOT_BYTES` of data."""
        n = self.used
        self._data[n * SLOT_BYTES : n * SLOT_BYTES + len(data)] = data
        self._addresses[n * ADDRESS_BYTES : n * ADDRESS_BYTES + len(address)] = address
        self._sizes[n] = len(data)
        self._addressSizes[n] = len(address)
        self.used += 1

    def send(self, fd: int) -> tuple[int, int]:
        """Send the slots in use. Return how many datagrams the kernel refused, and their bytes."""
        refused = refusedBytes = 0
        done = 0
        while done < self.used:
            rest = ctypes.byref(self._headers, done * ctypes.sizeof(_Header))
            sent = _libc.sendmmsg(fd, rest, self.used - done, socket.MSG_DONTWAIT)
            if sent < 0:
                # It stopped at the first one that fails, which is left out.
                refused += 1
                refusedBytes += self._sizes[done]
            done += max(sent, 1)
        self.used = 0
        return refused, refusedBytes


def _startOf(buffer: mmap.mmap | bytearray) -> int:
    """Return the address of a buffer in memory."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
