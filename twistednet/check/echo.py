"""Checks of echo over connections (RFC 862)."""

from __future__ import annotations

from array import array

from twistednet.check.connections import addConnectionChecks
from twistednet.check.model import Checklist
from twistednet.check.probe import Failed, Probe
from twistednet.client.streams import Stream

MIB = 1024 * 1024
RULE = "RFC 862, TCP: any data received is sent back"
FLOW = "RFC 9293, 3.8.6: flow control"
HALF_CLOSE = "RFC 9293, 3.6: after our FIN we may still receive"

ECHO = Checklist()


def pattern(size: int) -> bytes:
    """Return bytes without repetition, which show what is missing, doubled or moved."""
    numbers = array("I", range((size + 3) // 4))
    numbers.byteswap()
    return numbers.tobytes()[:size]


async def _serves(probe: Probe, stream: Stream) -> None:
    stream.write(b"still there?")
    await probe.expect(stream, b"still there?")


@ECHO.check("exact bytes", RULE)
async def exact(probe: Probe) -> None:
    data = b"This is a test message\r\n"
    stream = await probe.connect()
    probe.sent = repr(data)[1:]
    stream.write(data)
    await probe.expect(stream, data)
    await probe.expectSilence(stream)


@ECHO.check("8-bit clean", RULE)
async def eightBit(probe: Probe) -> None:
    data = bytes(range(256)) * 4
    stream = await probe.connect()
    probe.sent = "every byte value, four times"
    stream.write(data)
    await probe.expect(stream, data)


@ECHO.check("many small writes in order", RULE)
async def inOrder(probe: Probe) -> None:
    stream = await probe.connect()
    data = pattern(8000)
    probe.sent = "1,000 writes of 8 bytes"
    for place in range(0, len(data), 8):
        stream.write(data[place : place + 8])
        await probe.pause()
    await probe.expect(stream, data)


@ECHO.check("one byte at a time", RULE)
async def byteByByte(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "256 bytes, each once the one before is back"
    for byte in range(256):
        stream.write(bytes([byte]))
        await probe.expect(stream, bytes([byte]))


@ECHO.check("16 MiB round trip", RULE)
async def large(probe: Probe) -> None:
    await _roundTrip(probe, await probe.connect(), 16 * MIB, halfClose=False)


@ECHO.check("half-close answered in full", HALF_CLOSE)
async def halfClose(probe: Probe) -> None:
    probe.requireHalfClose()
    sizes = (10, 1000, 64 * 1024)
    probe.sent = "10, 1,000 and 65,536 bytes and FIN at once, on 10 connections each"
    # All at once, so that a busy server finds a FIN right behind the data.
    streams = [(await probe.connect(), pattern(size)) for size in sizes * 10]
    for stream, data in streams:
        stream.write(data)
        stream.finish()
    for stream, data in streams:
        await probe.expect(stream, data)
        await probe.expectEnd(stream)


@ECHO.check("half-close with a slow reader", HALF_CLOSE)
async def slowHalfClose(probe: Probe) -> None:
    probe.requireHalfClose()
    await _roundTrip(probe, await probe.connect(), 3 * MIB, halfClose=True, wait=0.005)


@ECHO.check("a client that does not read disturbs no other", FLOW)
async def undisturbed(probe: Probe) -> None:
    idle, other = await probe.connectMany(2)
    idle.pauseReading()
    probe.sent = "4 MiB by a client that does not read; 100 exchanges by another"
    idle.write(b"x" * 4 * MIB)
    for number in range(100):
        other.write(b"%04d" % number)
        await probe.expect(other, b"%04d" % number)


@ECHO.check("a client that reads late gets everything", FLOW)
async def resumed(probe: Probe) -> None:
    stream = await probe.connect()
    stream.pauseReading()
    data = pattern(4 * MIB)
    probe.sent = "4 MiB, and nothing read for 1 s"
    stream.write(data)
    await probe.pause(1)
    stream.resumeReading()
    await probe.expect(stream, data)


async def _roundTrip(
    probe: Probe, stream: Stream, size: int, halfClose: bool, wait: float | None = None
) -> None:
    data = pattern(size)
    probe.sent = f"{size // MIB} MiB{' and FIN' * halfClose}"
    sending = probe.start(_send(stream, data, halfClose))
    came = 0
    while came < size:
        chunk = await stream.read()
        if not chunk:
            probe.came = f"{came} bytes, then FIN"
            raise Failed(f"{size - came} bytes are missing")
        if chunk != data[came : came + len(chunk)]:
            raise Failed(f"wrong bytes between {came} and {came + len(chunk)}")
        came += len(chunk)
        probe.came = f"{came} bytes"
        if wait is not None:
            await probe.pause(wait)
    await sending
    if halfClose:
        await probe.expectEnd(stream)
        probe.came += ", then FIN"


async def _send(stream: Stream, data: bytes, halfClose: bool) -> None:
    for place in range(0, len(data), 65536):
        await stream.writeAll(data[place : place + 65536])
    if halfClose:
        stream.finish()


addConnectionChecks(ECHO, _serves)
