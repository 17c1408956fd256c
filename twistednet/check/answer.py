"""Checks of questions and answers (wire.md, answer)."""

from __future__ import annotations

from twistednet.check.connections import addConnectionChecks
from twistednet.check.model import Checklist
from twistednet.check.probe import Probe
from twistednet.client.streams import Stream

RULE = "wire.md, answer"
MESSAGES = "wire.md, messages on a stream"
MAX_MESSAGE_BYTES = 4096

ANSWER = Checklist()


async def _serves(probe: Probe, stream: Stream) -> None:
    stream.write(b"how are u\n")
    await probe.expect(stream, b"fine\n")


async def _ask(probe: Probe, question: bytes, answer: bytes) -> Stream:
    stream = await probe.connect()
    probe.sent = repr(question)[1:] if len(question) < 80 else f"{len(question)} bytes"
    stream.write(question)
    await probe.expect(stream, answer)
    return stream


@ANSWER.check("a known question", RULE)
async def known(probe: Probe) -> None:
    await _ask(probe, b"how are u\nhow old are u\n", b"fine\nnicai\n")


@ANSWER.check("an unknown question gets Nothing", RULE)
async def unknown(probe: Probe) -> None:
    await _ask(probe, b"what is the meaning of life\n", b"Nothing\n")


@ANSWER.check("case, spacing and closing marks do not count", RULE)
async def folded(probe: Probe) -> None:
    await _ask(probe, "  HOW \t \uff41\uff52\uff45  U ?!\n".encode(), b"fine\n")


@ANSWER.check("a line with CRLF gets CRLF", MESSAGES + ": replies end as the client's lines end")
async def crlf(probe: Probe) -> None:
    await _ask(probe, b"how are u\r\n", b"fine\r\n")


@ANSWER.check("a bare message gets a bare answer", MESSAGES + ": a pause of 100 ms ends a message")
async def bare(probe: Probe) -> None:
    stream = await _ask(probe, b"how are u", b"fine")
    await probe.expectSilence(stream)
    stream.write(b"how old are u")
    await probe.expect(stream, b"nicai")


@ANSWER.check("many questions in one packet", MESSAGES + ": one recv may carry many messages")
async def pipelined(probe: Probe) -> None:
    await _ask(probe, b"how are u\n" * 100, b"fine\n" * 100)


@ANSWER.check("one byte at a time", MESSAGES + ": one message may take many recvs")
async def split(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = "'how are u\\nhow old are u\\n' in writes of one byte"
    for byte in b"how are u\nhow old are u\n":
        stream.write(bytes([byte]))
        await probe.pause(0.002)
    await probe.expect(stream, b"fine\nnicai\n")


@ANSWER.check("a partial line waits", MESSAGES + ": line mode")
async def partial(probe: Probe) -> None:
    stream = await _ask(probe, b"how are u\nhow old", b"fine\n")
    await probe.expectSilence(stream)
    stream.write(b" are u\n")
    await probe.expect(stream, b"nicai\n")


@ANSWER.check("a FIN ends the last message", MESSAGES + "; RFC 9293, 3.6")
async def halfClose(probe: Probe) -> None:
    probe.requireHalfClose()
    for question, answer in ((b"how are u", b"fine"), (b"how are u\nhow old", b"fine\nNothing\n")):
        stream = await probe.connect()
        probe.sent = repr(question)[1:] + " and FIN"
        stream.write(question)
        stream.finish()
        await probe.expect(stream, answer)
        await probe.expectEnd(stream)


@ANSWER.check("bye gets Bye and a FIN", RULE)
async def bye(probe: Probe) -> None:
    stream = await _ask(probe, b"bye\nhow are u\n", b"Bye\n")
    await probe.expectEnd(stream)
    await probe.expectEnd(await _ask(probe, b"bye", b"Bye"))


@ANSWER.check("bytes that are not UTF-8", MESSAGES + ": an error line, the connection stays open")
async def notText(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = r"'\xff\xfe\n', then a known question"
    stream.write(b"\xff\xfe\n")
    probe.require(await stream.readLine(), "the server closed the connection")
    await _serves(probe, stream)


@ANSWER.check("a message of 4,096 bytes", MESSAGES + ": the limit")
async def longest(probe: Probe) -> None:
    await _ask(probe, b"x" * MAX_MESSAGE_BYTES + b"\n", b"Nothing\n")


@ANSWER.check("a longer message", MESSAGES + ": an error line, then a FIN")
async def tooLong(probe: Probe) -> None:
    stream = await probe.connect()
    probe.sent = f"{MAX_MESSAGE_BYTES + 1} bytes and a newline"
    stream.write(b"x" * (MAX_MESSAGE_BYTES + 1) + b"\n")
    line = await stream.readLine()
    probe.came = repr(line)[1:]
    probe.require(line.endswith(b"\n") and line != b"Nothing\n", "no line about the length")
    await probe.expectEnd(stream)


addConnectionChecks(ANSWER, _serves)
