"""Checks of the simple TCP/IP services: discard, daytime, time, chargen, quote of the day."""

from __future__ import annotations

import time

from twistednet.check.connections import addConnectionChecks
from twistednet.check.echo import MIB
from twistednet.check.model import Checklist
from twistednet.check.probe import SILENCE_SECONDS, Failed, Probe, brief
from twistednet.client.errors import TimedOut
from twistednet.client.streams import Stream

#: Seconds from 1900, the epoch of RFC 868, to 1970, the epoch of UNIX.
EPOCH_SECONDS = 2_208_988_800
#: Seconds by which the server's clock may differ from ours.
MAX_SKEW_SECONDS = 300
LINE_BYTES = 72

DISCARD, DISCARD_DATAGRAMS = Checklist(), Checklist()
DAYTIME, DAYTIME_DATAGRAMS = Checklist(), Checklist()
TIME, TIME_DATAGRAMS = Checklist(), Checklist()
CHARGEN, CHARGEN_DATAGRAMS = Checklist(), Checklist()
QOTD, QOTD_DATAGRAMS = Checklist(), Checklist()


def _printable(data: bytes) -> bool:
    return all(0x20 <= byte <= 0x7E or byte in b"\r\n" for byte in data)


# Discard


async def _discards(probe: Probe, stream: Stream) -> None:
    stream.write(b"anything")
    await probe.expectSilence(stream, 0.02)


@DISCARD.check("nothing comes back", "RFC 863, TCP: no response is sent")
async def discarded(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "every byte value"
    stream.write(bytes(range(256)))
    await probe.expectSilence(stream)


@DISCARD.check("16 MiB are accepted", "RFC 863, TCP: any data received is thrown away")
async def allTaken(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "16 MiB"
    for _ in range(256):
        await stream.writeAll(b"x" * (16 * MIB // 256))
    await probe.expectSilence(stream)


@DISCARD.check("a FIN is answered with a FIN", "RFC 863: until the calling user terminates")
async def discardEnds(probe: Probe) -> None:
    probe.requireHalfClose()
    stream = await probe.connect()
    probe.sent = "64 KiB and FIN"
    stream.write(b"x" * 65536)
    stream.finish()
    await probe.expectEnd(stream)


addConnectionChecks(DISCARD, _discards)


@DISCARD_DATAGRAMS.check("no reply", "RFC 863, UDP: no response is sent")
async def noReply(probe: Probe) -> None:
    socket = await probe.openDatagrams()
    probe.sent = "datagrams of 0, 9 and 1,000 bytes"
    for data in (b"", b"anything?", b"x" * 1000):
        socket.send(data)
    try:
        reply, _ = await socket.receive(SILENCE_SECONDS)
    except TimedOut:
        return
    probe.came = brief(reply)
    raise Failed("a reply came")


# Daytime, time and quote of the day: the server sends first, and closes


async def _readAll(probe: Probe, most: int = 4096) -> bytes:
    probe.sent = "nothing"
    stream = await probe.connect()
    came = await stream.readToEnd(most)
    probe.came = brief(came)
    return came


async def _serves(probe: Probe, stream: Stream) -> None:
    probe.require(await stream.readToEnd(4096), "nothing came")


def _isDaytime(probe: Probe, came: bytes) -> None:
    probe.require(came.strip(), "nothing came")
    probe.require(_printable(came), "not only ASCII printing characters, space, CR and LF")
    probe.require(came.strip().count(b"\n") == 0, "more than one line")


@DAYTIME.check("one line, then a FIN", "RFC 867, TCP; Daytime Syntax: ASCII, one line")
async def daytime(probe: Probe) -> None:
    _isDaytime(probe, await _readAll(probe))


@DAYTIME_DATAGRAMS.check("one line", "RFC 867, UDP: a datagram with the daytime is sent")
async def daytimeReply(probe: Probe) -> None:
    _isDaytime(probe, await probe.exchange(await probe.openDatagrams(), b""))


def _isTime(probe: Probe, came: bytes) -> None:
    probe.require(len(came) == 4, f"{len(came)} bytes came, not 4")
    seconds = int.from_bytes(came, "big")
    probe.came += f", which is {seconds}"
    off = seconds - int(time.time() + EPOCH_SECONDS) % 2**32
    era = ": it counts from 1970" if abs(off + EPOCH_SECONDS) <= MAX_SKEW_SECONDS else ""
    probe.require(abs(off) <= MAX_SKEW_SECONDS, f"{off} s off our clock, counted from 1900{era}")


@TIME.check("seconds since 1900, then a FIN", "RFC 868, TCP: the time as a 32 bit number")
async def seconds(probe: Probe) -> None:
    _isTime(probe, await _readAll(probe))


@TIME_DATAGRAMS.check("seconds since 1900", "RFC 868, UDP: the time as a 32 bit number")
async def secondsReply(probe: Probe) -> None:
    _isTime(probe, await probe.exchange(await probe.openDatagrams(), b""))


def _isQuote(probe: Probe, came: bytes) -> None:
    probe.require(came, "nothing came")
    probe.require(len(came) < 512, f"{len(came)} characters, not under 512")
    probe.require(_printable(came), "not only ASCII printing characters, space, CR and LF")


@QOTD.check("a short message, then a FIN", "RFC 865, TCP; Quote Syntax: under 512, ASCII")
async def quote(probe: Probe) -> None:
    _isQuote(probe, await _readAll(probe))


@QOTD_DATAGRAMS.check("a short message", "RFC 865, UDP; Quote Syntax: under 512, ASCII")
async def quoteReply(probe: Probe) -> None:
    _isQuote(probe, await probe.exchange(await probe.openDatagrams(), b""))


for checklist, rule in ((DAYTIME, "867"), (TIME, "868"), (QOTD, "865")):

    @checklist.check("input is thrown away", f"RFC {rule}, TCP: any data is thrown away")
    async def inputIgnored(probe: Probe) -> None:
        probe.sent = "'anything'"
        stream = await probe.connect()
        stream.write(b"anything")
        came = await stream.readToEnd(4096)
        probe.came = brief(came)
        probe.require(came and b"anything" not in came, "it came back")

    addConnectionChecks(checklist, _serves, clientFirst=False)


# Chargen


async def _generates(probe: Probe, stream: Stream) -> None:
    probe.require(len(await stream.readExactly(1000)) == 1000, "it stopped")


@CHARGEN.check("characters come without a request", "RFC 864, TCP: until the user terminates")
async def generated(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "nothing"
    came = await stream.readExactly(200_000)
    probe.came = brief(came)


@CHARGEN.check("lines of 72 printing characters", "RFC 864, Data Syntax: the popular pattern")
async def lines(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "nothing"
    came = await stream.readExactly(100 * (LINE_BYTES + 2))
    probe.came = brief(came)
    probe.require(b"\r\n" in came, "no CR LF: there are no lines")
    wrong = [line for line in came.split(b"\r\n")[1:-1] if len(line) != LINE_BYTES]
    probe.require(
        not wrong, f"a line of {len(wrong[0]) if wrong else 0}, not {LINE_BYTES} characters"
    )
    probe.require(_printable(came), "not only ASCII printing characters")


@CHARGEN.check("input is thrown away", "RFC 864, TCP: any data is thrown away")
async def chargenIgnores(probe: Probe) -> None:
    stream = await probe.connect()
    marker = b"\x01marker\x02"
    probe.sent = brief(marker)
    stream.write(marker)
    probe.require(marker not in await stream.readExactly(50_000), "it came back")


addConnectionChecks(CHARGEN, _generates, clientFirst=False)


@CHARGEN_DATAGRAMS.check("0 to 512 characters", "RFC 864, UDP: a datagram of 0 to 512 characters")
async def generatedReply(probe: Probe) -> None:
    reply = await probe.exchange(await probe.openDatagrams(), b"")
    probe.require(len(reply) <= 512, f"{len(reply)} characters")
