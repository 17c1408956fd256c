"""Each check of the conformance kit, before a server that breaks just the rule of this check."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pytest
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.check.right import (
    Once,
    Right,
    RightAnswer,
    RightChargen,
    RightDatagrams,
    RightDiscard,
    RightEcho,
    RightHello,
    factoryOf,
)
from twistednet.check import Result, TimeLimits, conform, connections, loadChecks
from twistednet.check.probe import SILENCE_SECONDS
from twistednet.client import Target
from twistednet.client.reactors import theReactor

reactor = theReactor()
CHECKS = loadChecks()
#: Checks of answers that wait for an answer after a silence.
SILENT = ("a bare message gets a bare answer", "a partial line waits")
#: Checks that send MiBs.
HEAVY = (
    "16 MiB round trip",
    "16 MiB are accepted",
    "half-close with a slow reader",
    "a client that does not read disturbs no other",
    "a client that reads late gets everything",
)
#: Seconds after which a server goes on sending: later than its answer, before a silence ends.
LATE_SECONDS = SILENCE_SECONDS / 6
#: Times that a check may be run: servers that break the rule in time may be late themselves.
TRIES = 3
#: Checks that run at the same time.
AT_ONCE = 6
T = TypeVar("T")
#: Long enough that a right server passes on a busy machine.
LIMITS = TimeLimits(silence=1.0, check=10.0)


class Row(NamedTuple):
    """A check, a server that it must fail, and what the report says of that (a regex)."""

    check: str
    server: Any
    why: str
    #: How long the check may take.
    seconds: float = 10.0

    def describes(self, result: Result) -> bool:
        """True if the check has failed for the reason that the row names."""
        isNamed = re.search(self.why, f"{result.came}: {result.why}") is not None
        return result.verdict == "fail" and isNamed


# Ways to break a server


def change(base: type[Right], **methods: Any) -> type[Right]:
    """Return the server with these methods instead of its own."""
    return type("Broken", (base,), methods)


def sends(base: type[Right], edit: Callable[[bytes], bytes]) -> type[Right]:
    """Return the server, with an edit of what it sends."""

    def write(self: Right, data: bytes) -> None:
        self.transport.write(edit(data))

    return change(base, write=write)


def hears(base: type[Right], edit: Callable[[bytes], bytes]) -> type[Right]:
    """Return the server, with an edit of what it receives."""

    def dataReceived(self: Right, data: bytes) -> None:
        if edited := edit(data):
            base.dataReceived(self, edited)

    return change(base, dataReceived=dataReceived)


def answering(request: bytes, right: bytes, wrong: bytes) -> type[Right]:
    """Return a server of HTTP, with an edit of its responses to such requests."""

    def dataReceived(self: Right, data: bytes) -> None:
        self.isWrong = request in data  # type: ignore[attr-defined]
        RightHello.dataReceived(self, data)

    def write(self: Right, data: bytes) -> None:
        isWrong = self.isWrong  # type: ignore[attr-defined]
        self.transport.write(data.replace(right, wrong) if isWrong else data)

    return change(RightHello, dataReceived=dataReceived, write=write)


def closing(base: type[Right], wrong: Callable[[bytes], bool], seconds: float = 0.0) -> type[Right]:
    """Return the server, which closes once it has answered such data, so many seconds later."""

    def dataReceived(self: Right, data: bytes) -> None:
        base.dataReceived(self, data)
        if wrong(data):
            reactor.callLater(seconds, self.transport.loseConnection)

    return change(base, dataReceived=dataReceived)


def adding(base: type[Right], more: bytes) -> type[Right]:
    """Return the server, which sends more a little later than what it has to send."""

    def write(self: Right, data: bytes) -> None:
        self.transport.write(data)
        reactor.callLater(LATE_SECONDS, self.transport.write, more)

    return change(base, write=write)


def deafAfterOne(base: type[Right]) -> type[Right]:
    """Return the server, which reads once."""

    def dataReceived(self: Right, data: bytes) -> None:
        if not self.hasRead:  # type: ignore[attr-defined]
            self.hasRead = True  # type: ignore[attr-defined]
            base.dataReceived(self, data)

    return change(base, dataReceived=dataReceived, hasRead=False)


def deafToFIN(base: type[Right]) -> type[Right]:
    """Return the server, which never closes."""
    return change(base, readConnectionLost=lambda self: None)


def neverClosing(base: type[Right]) -> type[Right]:
    """Return the server, whose service cannot close."""
    nothing = lambda self: None  # noqa: E731
    return change(base, loseConnection=nothing, loseWriteConnection=nothing)


def droppingAtFIN(base: type[Right]) -> type[Right]:
    """Return the server, which answers late, and not at all once a FIN has come."""

    def dataReceived(self: Right, data: bytes) -> None:
        reactor.callLater(SILENCE_SECONDS, answer, self, data)

    def answer(self: Right, data: bytes) -> None:
        if self.transport.connected:
            base.dataReceived(self, data)

    def readConnectionLost(self: Right) -> None:
        self.transport.loseConnection()

    return change(base, dataReceived=dataReceived, readConnectionLost=readConnectionLost)


def oneAtATime(base: type[Right]) -> type[Right]:
    """Return the server, which is deaf to a second connection while the first one is open."""

    def connectionMade(self: Right) -> None:
        self.factory.shared.setdefault("first", self)
        if self.factory.shared["first"] is self:
            base.connectionMade(self)

    def dataReceived(self: Right, data: bytes) -> None:
        if self.factory.shared["first"] is self:
            base.dataReceived(self, data)

    return change(base, connectionMade=connectionMade, dataReceived=dataReceived)


def crowded(base: type[Right]) -> type[Right]:
    """Return the server, which closes the twelfth connection and those that follow."""

    def connectionMade(self: Right) -> None:
        base.connectionMade(self)
        if len(self.factory.shared["all"]) > 11:
            self.transport.loseConnection()

    return change(base, connectionMade=connectionMade)


def endedByRST(base: type[Right]) -> type[Right]:
    """Return the server, which takes no more connections after a RST."""

    def connectionMade(self: Right) -> None:
        if "dead" in self.factory.shared:
            self.transport.abortConnection()
        else:
            base.connectionMade(self)

    def connectionLost(self: Right, reason: Any = None) -> None:
        if not reason.check(ConnectionDone):
            self.factory.shared["dead"] = True
        base.connectionLost(self, reason)

    return change(base, connectionMade=connectionMade, connectionLost=connectionLost)


def impatient(base: type[Right], seconds: float) -> type[Right]:
    """Return the server, which closes after so many seconds without data."""

    def dataReceived(self: Right, data: bytes) -> None:
        reactor.callLater(seconds, self.transport.loseConnection)
        base.dataReceived(self, data)

    return change(base, dataReceived=dataReceived)


def greeting(base: type[Right]) -> type[Right]:
    """Return the server, with a banner."""

    def connectionMade(self: Right) -> None:
        base.connectionMade(self)
        self.transport.write(b"220 ready\r\n")

    return change(base, connectionMade=connectionMade)


def _connections(base: type[Right], unserved: str = "") -> tuple[Row, ...]:
    """Return the rows for every server that the client speaks to first."""
    return (
        Row("simultaneous connections", oneAtATime(base), unserved),
        Row("a RST ends only its connection", endedByRST(base), "RST|broke the connection off"),
        Row("a pause does not end a connection", impatient(base, 1.0), "server closed"),
        Row("an idle connection is kept", impatient(base, 2.5), "server closed"),
        Row("no data before the client's", greeting(base), "sent data unasked"),
    )


def _sending(base: type[Right], unserved: str) -> tuple[Row, ...]:
    """Return the rows for every server that speaks first."""
    return (
        Row("simultaneous connections", oneAtATime(base), unserved),
        Row("a RST ends only its connection", endedByRST(base), "RST|broke the connection off"),
    )


# Echo


class Reversing(RightEcho):
    """Sends the chunk before again."""

    before = b""

    def dataReceived(self, data: bytes) -> None:
        self.write(data + self.before)
        self.before = data


class Losing(RightEcho):
    """Loses everything after the first MiB."""

    count = 0

    def dataReceived(self, data: bytes) -> None:
        self.count += len(data)
        if self.count <= 1 << 20:
            self.write(data)


class Finishing(RightEcho):
    """Sends its FIN after the first chunk, and reads on."""

    def dataReceived(self, data: bytes) -> None:
        self.write(data)
        self.transport.loseWriteConnection()


class Cutting(RightEcho):
    """Drops what it has not yet sent when a FIN comes."""

    def readConnectionLost(self) -> None:
        self.transport.abortConnection()


class Blocking(RightEcho):
    """Serves nobody while one client does not read, as a server without select does."""

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if self.factory.shared.get("stuck") in (None, self):
            self.write(data)

    def pauseProducing(self) -> None:
        self.factory.shared["stuck"] = self

    def resumeProducing(self) -> None:
        self.factory.shared.pop("stuck", None)


NOTHING = "0 bytes came, not"

ECHO = (
    Row("exact bytes", sends(RightEcho, lambda data: data.replace(b"\r", b"")), "byte 23 is wrong"),
    Row("exact bytes", sends(RightEcho, lambda data: data + b"!"), "25 bytes came, not 24"),
    Row("exact bytes", adding(RightEcho, b"!"), "sent data unasked"),
    Row("8-bit clean", sends(RightEcho, lambda data: bytes(x & 127 for x in data)), "byte 129 is"),
    Row("many small writes in order", Reversing, r"byte \d+ is wrong"),
    Row("one byte at a time", hears(RightEcho, lambda data: data[1:]), NOTHING),
    Row("16 MiB round trip", Losing, "sent nothing for"),
    Row("16 MiB round trip", Finishing, "then FIN: .* bytes are missing"),
    Row(
        "16 MiB round trip",
        sends(RightEcho, lambda data: data.replace(b"\0", b"\1")),
        "wrong bytes between 0 and",
    ),
    Row("half-close answered in full", droppingAtFIN(RightEcho), "FIN.*0 bytes came, not 10"),
    Row("half-close answered in full", deafToFIN(RightEcho), "no FIN came"),
    Row("half-close with a slow reader", Cutting, "broke the connection off|are missing"),
    Row("half-close with a slow reader", deafToFIN(RightEcho), "no FIN came"),
    Row("a client that does not read disturbs no other", Blocking, NOTHING),
    Row("a client that reads late gets everything", Losing, "bytes came, not 4194304"),
    *_connections(RightEcho, NOTHING),
)


# Answers


def limited(most: int) -> type[Right]:
    """Return a server with another limit of the length of a message."""

    def made() -> Any:
        factory = RightAnswer.service()
        factory.maxMessage = most
        return factory

    return change(RightAnswer, service=staticmethod(made))


def _endingLines(data: bytes) -> bytes:
    return data if data.endswith(b"\n") or b"\n" not in data else data + b"\n"


class Pausing(RightAnswer):
    """Takes a pause for the end of a message in the middle of a line, too."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if b"\n" in data and not data.endswith(b"\n"):
            reactor.callLater(LATE_SECONDS, super().dataReceived, b"\n")


ANSWER = (
    Row("a known question", sends(RightAnswer, bytes.upper), "byte 1 is wrong: expected 'fine"),
    Row(
        "an unknown question gets Nothing",
        sends(RightAnswer, lambda data: data.replace(b"Nothing", b"nothing")),
        "byte 1 is wrong: expected 'Nothing",
    ),
    Row(
        "case, spacing and closing marks do not count",
        hears(RightAnswer, lambda data: data.replace(b"?!", b"x")),
        "byte 1 is wrong: expected 'fine",
    ),
    Row(
        "a line with CRLF gets CRLF",
        sends(RightAnswer, lambda data: data.replace(b"\r", b"")),
        "byte 5 is wrong",
    ),
    Row(
        "a bare message gets a bare answer",
        sends(RightAnswer, lambda data: data.rstrip(b"\n") + b"\n"),
        "5 bytes came, not 4",
    ),
    Row(
        "a bare message gets a bare answer",
        closing(RightAnswer, lambda data: b"\n" not in data),
        NOTHING,
    ),
    Row(
        "a bare message gets a bare answer",
        adding(RightAnswer, b"\n"),
        "sent data unasked",
    ),
    Row("a bare message gets a bare answer", deafAfterOne(RightAnswer), NOTHING),
    Row(
        "many questions in one packet",
        hears(RightAnswer, lambda data: data.partition(b"\n")[0] + b"\n"),
        "5 bytes came, not 500",
    ),
    Row("one byte at a time", hears(RightAnswer, lambda data: data[1:]), NOTHING + "|is wrong"),
    Row("a partial line waits", hears(RightAnswer, _endingLines), "13 bytes came, not 5"),
    Row("a partial line waits", Pausing, "sent data unasked"),
    Row("a partial line waits", deafAfterOne(RightAnswer), NOTHING),
    Row("a FIN ends the last message", droppingAtFIN(RightAnswer), "FIN.*0 bytes came, not 4"),
    Row(
        "a FIN ends the last message",
        neverClosing(RightAnswer),
        "no FIN came",
    ),
    Row("bye gets Bye and a FIN", sends(RightAnswer, bytes.lower), "byte 1 is wrong"),
    Row(
        "bye gets Bye and a FIN",
        neverClosing(RightAnswer),
        "no FIN came",
    ),
    Row(
        "bye gets Bye and a FIN",
        closing(neverClosing(RightAnswer), lambda data: data == b"bye", 0.3),
        "no FIN came",
    ),
    Row(
        "bye gets Bye and a FIN",
        closing(neverClosing(RightAnswer), lambda data: b"\n" in data),
        "no FIN came",
    ),
    Row(
        "bytes that are not UTF-8",
        closing(RightAnswer, lambda data: b"\xff" in data),
        NOTHING,
    ),
    Row(
        "bytes that are not UTF-8",
        sends(RightAnswer, lambda data: data if b"fine" in data else b""),
        "sent nothing for",
    ),
    Row("a message of 4,096 bytes", limited(4095), "expected 'Nothing"),
    Row("a longer message", limited(1 << 20), "no line about the length"),
    Row(
        "a longer message",
        neverClosing(RightAnswer),
        "no FIN came",
    ),
    *_connections(RightAnswer, NOTHING),
)


# HTTP


def _first(data: bytes) -> bytes:
    """Return the first request of several."""
    head, end, _ = data.partition(b"\r\n\r\n")
    return head + end


class Swapping(RightHello):
    """Answers the second of several requests first."""

    def dataReceived(self, data: bytes) -> None:
        head, mark, rest = data.partition(b"name=one")
        if b"name=two" in rest:
            data = head + b"name=two" + rest.replace(b"name=two", mark)
        super().dataReceived(data)


HELLO = (
    Row(
        "GET gets the greeting",
        sends(RightHello, lambda data: data.replace(b"World", b"world")),
        "byte 7 is wrong",
    ),
    Row(
        "GET gets the greeting",
        sends(RightHello, lambda data: data.replace(b"200 OK", b"201 Created")),
        "status 201, not 200",
    ),
    Row(
        "any path gets the greeting",
        answering(b"/no/such", b"200 OK", b"404 Not Found"),
        "status 404, not 200",
    ),
    Row("any path gets the greeting", answering(b"/no/", b"World", b"world"), "byte 7 is wrong"),
    Row("a name is in the greeting", answering(b"Michael", b"Michael", b"michael"), "byte 14 is"),
    Row(
        "HTML is escaped",
        answering(b"script", b"&lt;script&gt;", b"<script>      "),
        "the name came back as an HTML tag",
    ),
    Row(
        "HEAD is GET without a body",
        answering(b"HEAD", b"\r\n\r\n", b"\r\n\r\nHello World!"),
        "sent data unasked",
    ),
    Row(
        "HEAD is GET without a body",
        answering(b"HEAD", b"Content-Length: 12", b"Content-Length: 13"),
        "Content-Length is not that of GET",
    ),
    Row("HEAD is GET without a body", answering(b"HEAD", b"200", b"405"), "status 405, not 200"),
    Row(
        "a connection is kept",
        closing(RightHello, lambda data: True),
        "closed without a response|broke the connection off",
    ),
    Row("pipelined requests", Swapping, "is wrong"),
    Row("pipelined requests", hears(RightHello, _first), "sent nothing for"),
    Row("one byte at a time", hears(RightHello, lambda data: data[1:]), "sent nothing for|status"),
    Row(
        "Connection: close closes the connection",
        hears(RightHello, lambda data: data.replace(b"Connection: close", b"Connection: kept")),
        "no FIN came",
    ),
    Row(
        "Connection: close closes the connection",
        answering(b"Connection: close", b"200", b"500"),
        "status 500, not 200",
    ),
    Row(
        "HTTP/1.0 closes the connection",
        hears(RightHello, lambda data: data.replace(b"1.0\r\n", b"1.1\r\nHost: a\r\n")),
        "no FIN came",
    ),
    Row(
        "HTTP/1.0 closes the connection",
        answering(b"HTTP/1.0", b"200 OK", b"426 Upgrade"),
        "status 426, not 200",
    ),
    Row(
        "half-close is answered",
        droppingAtFIN(RightHello),
        "closed without a response|broke the connection off",
    ),
    Row("POST is refused", answering(b"POST", b"405", b"200"), "status 200, not 405"),
    Row("POST is refused", answering(b"POST", b"Allow:", b"Allaw:"), "no Allow header"),
    Row(
        "an unknown method is refused",
        answering(b"NONSENSE", b"501", b"200"),
        "status 200, not 501 or 405",
    ),
    Row(
        "a request without Host is refused",
        hears(RightHello, lambda data: data.replace(b"1.1\r\n\r\n", b"1.1\r\nHost: a\r\n\r\n")),
        "status 200, not 400",
    ),
    Row(
        "a request with two Hosts is refused",
        hears(RightHello, lambda data: data.replace(b"Host: b\r\n", b"")),
        "status 200, not 400",
    ),
    Row("garbage is refused", answering(b"this is no", b"400", b"200"), "status 200, not 400 or"),
    Row(
        "a huge header is refused",
        hears(RightHello, lambda data: data.replace(b"x", b"")),
        "status 200, not 431 or 400",
    ),
    Row(
        "a huge body is refused",
        answering(b"POST", b"413", b"200"),
        "status 200, not 413 or 405 or 501",
    ),
    *_connections(RightHello, "sent nothing for"),
)


# The simple services


class Deaf(RightDiscard):
    """Reads nothing."""

    def connectionMade(self) -> None:
        self.transport.pauseProducing()


def once(text: bytes | Callable[[], bytes], **methods: Any) -> type[Once]:
    """Return a server that sends the text and closes."""
    value = text if isinstance(text, bytes) else staticmethod(text)
    return type("Once", (Once,), {"text": value, **methods})


def _returning(self: Right, data: bytes) -> None:
    self.transport.write(data)


def _now(epoch: int = 2_208_988_800) -> bytes:
    return (int(time.time()) + epoch).to_bytes(4, "big")


DISCARD = (
    Row("nothing comes back", RightEcho, "sent data unasked"),
    Row("nothing comes back", closing(RightDiscard, lambda data: True), "server closed"),
    Row("16 MiB are accepted", Deaf, "not done after 1.5 s", 1.5),
    Row("a FIN is answered with a FIN", deafToFIN(RightDiscard), "no FIN came"),
    Row("a FIN is answered with a FIN", RightEcho, "came instead of the FIN"),
    Row("simultaneous connections", crowded(RightDiscard), "server closed"),
    *_connections(RightDiscard)[1:],
)
DAYTIME_LINE = b"Friday, November 20, 2026 12:00:00\r\n"
RightDaytime = once(DAYTIME_LINE)
RightTime = once(_now)
RightQuote = once(b"Well begun is half done.\r\n")
UNSERVED = "sent nothing for|nothing came"

DAYTIME = (
    Row("one line, then a FIN", once(b"two\r\nlines\r\n"), "more than one line"),
    Row("one line, then a FIN", once(b"caf\xc3\xa9\r\n"), "not only ASCII"),
    Row("one line, then a FIN", once(b""), "nothing came"),
    Row("input is thrown away", once(DAYTIME_LINE, dataReceived=_returning), "it came back"),
    Row("input is thrown away", once(b""), "nothing came"),
    *_sending(RightDaytime, UNSERVED),
)
TIME = (
    Row("seconds since 1900, then a FIN", once(lambda: _now(0)), "it counts from 1970"),
    Row("seconds since 1900, then a FIN", once(lambda: _now() + b"\n"), "5 bytes came, not 4"),
    Row("seconds since 1900, then a FIN", once(b"time"), "s off our clock, counted from 1900"),
    Row("input is thrown away", once(_now, dataReceived=_returning), "it came back"),
    *_sending(RightTime, UNSERVED),
)
QOTD = (
    Row("a short message, then a FIN", once(b"x" * 512), "512 characters, not under 512"),
    Row("a short message, then a FIN", once(b"\x07"), "not only ASCII"),
    Row("a short message, then a FIN", once(b""), "nothing came"),
    Row("input is thrown away", once(b"quote", dataReceived=_returning), "it came back"),
    *_sending(RightQuote, UNSERVED),
)
CHARGEN = (
    Row("characters come without a request", RightDiscard, "sent nothing for"),
    Row("characters come without a request", once(b"x" * 1000), "after 1000 of 200000 bytes"),
    Row(
        "lines of 72 printing characters",
        change(RightChargen, line=b"x" * 71 + b"\r\n"),
        "a line of 71, not 72",
    ),
    Row("lines of 72 printing characters", change(RightChargen, line=b"x" * 74), "no CR LF"),
    Row(
        "lines of 72 printing characters",
        change(RightChargen, line=b"\x07" * 72 + b"\r\n"),
        "not only ASCII printing",
    ),
    Row("input is thrown away", change(RightChargen, dataReceived=_returning), "it came back"),
    *_sending(RightChargen, UNSERVED),
)


# Datagrams


def replies(edit: Callable[[bytes], list[bytes]]) -> type[RightDatagrams]:
    """Return a server that sends these replies to a datagram."""
    return type("Broken", (RightDatagrams,), {"replies": lambda self, data: edit(data)})


class ToFirst(RightDatagrams):
    """Sends every reply to the client that came first, as if there were a connection."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.seen.append((datagram, addr))
        self.transport.write(datagram, self.seen[0][1])


class OtherPort(RightDatagrams):
    """Replies from another port than the request went to."""

    def startProtocol(self) -> None:
        self.other = reactor.listenUDP(0, DatagramProtocol(), "127.0.0.1")

    def stopProtocol(self) -> None:
        self.other.stopListening()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.other.write(datagram, addr)


class EndedByBye(RightDatagrams):
    """Ends everybody's conversation at a bye."""

    def replies(self, data: bytes) -> list[bytes]:
        isOver = any(one.strip() == b"bye" for one, _ in self.seen[:-1])
        return [] if isOver else [data]


class EndedForOthers(RightDatagrams):
    """Ends the conversations of all but the client that has sent bye."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if {addr} >= {sender for data, sender in self.seen if data == b"bye"}:
            super().datagramReceived(datagram, addr)


class LeavingForGood(RightDatagrams):
    """Never again answers a client that has said bye."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if (b"bye", addr) not in self.seen:
            super().datagramReceived(datagram, addr)


UNANSWERED = "no reply to 3 datagrams"

ECHO_DATAGRAMS = (
    Row("one reply to each datagram", replies(lambda data: [data, data]), "2 replies came"),
    Row("same bytes", replies(lambda data: [bytes(x & 127 for x in data)]), "byte 129 is wrong"),
    *(
        Row("CR, LF and NUL at the end", replies(lambda data, end=end: [data.rstrip(end)]), why)
        for end, why in (
            (b"\r\n\0", "4 bytes came, not 5"),
            (b"\0", "4 bytes came, not 5"),
            (b"\r\n", "4 bytes came, not 5"),
        )
    ),
    # As a C program that knows one way of how a line ends.
    Row(
        "CR, LF and NUL at the end",
        replies(lambda data: [data.removesuffix(b"\r\n\0")]),
        "4 bytes came, not 7",
    ),
    Row("an empty datagram", replies(lambda data: [data] if data else []), UNANSWERED),
    Row("65,507 bytes", replies(lambda data: [data[:8192]]), "8192 bytes came, not 65507"),
    Row(
        "no reply longer than its request",
        replies(lambda data: [data + b"!"]),
        "2 bytes came to 1",
    ),
    Row("the reply comes from the server's port", OtherPort, r"the request went to port \d+"),
    Row("many senders at once", ToFirst, r"no reply|is wrong"),
)
DATAGRAM = (
    *ECHO_DATAGRAMS,
    Row("bye gets bye", replies(lambda data: [] if data == b"bye" else [data]), UNANSWERED),
    Row("bye ends only its sender's conversation", EndedByBye, UNANSWERED),
    Row("bye ends only its sender's conversation", EndedForOthers, UNANSWERED),
    Row("bye ends only its sender's conversation", LeavingForGood, UNANSWERED),
)


def _datagramRows(check: str, wrong: dict[bytes, str]) -> tuple[Row, ...]:
    return tuple(
        Row(check, replies(lambda data, reply=reply: [reply]), why) for reply, why in wrong.items()
    )


#: The table: a service, over connections and over datagrams.
STREAMS: dict[str, tuple[Row, ...]] = {
    "echo": ECHO,
    "answer": ANSWER,
    "hello": HELLO,
    "discard": DISCARD,
    "daytime": DAYTIME,
    "time": TIME,
    "qotd": QOTD,
    "chargen": CHARGEN,
}
DATAGRAMS: dict[str, tuple[Row, ...]] = {
    "echo": ECHO_DATAGRAMS,
    "datagram": DATAGRAM,
    "discard": (Row("no reply", RightDatagrams, "a reply came"),),
    "daytime": _datagramRows(
        "one line",
        {b"two\r\nlines\r\n": "more than one line", b"\xff": "not only ASCII", b"": "nothing came"},
    ),
    "time": _datagramRows("seconds since 1900", {b"12345": "5 bytes came", b"\0" * 4: "off our"}),
    "qotd": _datagramRows(
        "a short message",
        {b"x" * 512: "512 characters", b"\xff": "not only ASCII", b"": "nothing came"},
    ),
    "chargen": _datagramRows("0 to 512 characters", {b"x" * 513: "513 characters"}),
}
#: What the servers of the table are when nothing is wrong with them.
RIGHT = (
    ("echo", RightEcho),
    ("echo", RightDatagrams),
    ("answer", RightAnswer),
    ("hello", RightHello),
    ("discard", RightDiscard),
    ("daytime", RightDaytime),
    ("time", RightTime),
    ("qotd", RightQuote),
    ("chargen", RightChargen),
)


class KitTests(TestCase):
    """No check is there that no test has seen fail."""

    timeout = 120

    def setUp(self) -> None:
        self.patch(connections, "IDLE_SECONDS", 4.0)

    def listen(self, server: Any) -> Target:
        if issubclass(server, Right):
            port = reactor.listenTCP(0, factoryOf(server), interface="127.0.0.1")
        else:
            port = reactor.listenUDP(0, server(), "127.0.0.1", 65_536)
        self.addCleanup(port.stopListening)
        kind = "tcp" if issubclass(server, Right) else "udp"
        return Target(kind, "127.0.0.1", port.getHost().port)

    async def test_late(self) -> None:
        """An answer after a silence may take as long as any other one."""

        def dataReceived(server: Right, data: bytes) -> None:
            late = 2 * SILENCE_SECONDS
            reactor.callLater(late, RightAnswer.dataReceived, server, data)

        target = self.listen(change(RightAnswer, dataReceived=dataReceived))
        checks = [one for one in CHECKS["answer"].checks(False) if one.name in SILENT]
        results = await conform(reactor, target, checks, TimeLimits(5.0))
        verdicts = {result.name: result.verdict for result in results}
        self.assertEqual(dict.fromkeys(SILENT, "pass"), verdicts, results)

    def test_table(self) -> None:
        """The table has every check of every service, and no other."""
        for table, isDatagram in ((STREAMS, False), (DATAGRAMS, True)):
            checks = {
                name: {check.name for check in service.checks(isDatagram, slow=True)}
                for name, service in CHECKS.items()
            }
            rows = {name: {row.check for row in rows} for name, rows in table.items()}
            self.assertEqual(rows, {name: names for name, names in checks.items() if names})

    async def failing(self, service: str, isDatagram: bool, rows: tuple[Row, ...]) -> None:
        """Check that each row's check fails its server, and says why."""
        wrong: list[tuple[Row, Result]] = []
        checks = {check.name: check for check in CHECKS[service].checks(isDatagram, slow=True)}

        async def run(row: Row) -> Result:
            limits = LIMITS if row.seconds == 10 else TimeLimits(LIMITS.silence, row.seconds)
            target = self.listen(row.server)
            for _ in range(TRIES):
                [result] = await conform(reactor, target, [checks[row.check]], limits)
                if row.describes(result):
                    break
            return result

        # The MiBs go last: while they pass, the reactor is late for the silence of others.
        rows = tuple(sorted(rows, key=lambda row: row.check in HEAVY))
        light = sum(row.check not in HEAVY for row in rows)
        results = await self.together([partial(run, row) for row in rows[:light]])
        results += await self.together([partial(run, row) for row in rows[light:]])
        for row, result in zip(rows, results, strict=True):
            if not row.describes(result):
                wrong.append((row, result))
        self.assertEqual([], wrong)

    async def together(self, runs: list[Callable[[], Awaitable[T]]]) -> list[T]:
        """Return the results of these coroutines, a few of which run at the same time."""
        places = DeferredSemaphore(AT_ONCE)

        def start(run: Callable[[], Awaitable[T]]) -> Deferred[T]:
            return Deferred.fromCoroutine(run())  # type: ignore[arg-type]

        results = await gatherResults([places.run(start, run) for run in runs])
        # The servers, too, have to see the end of their connections.
        await deferLater(reactor, 0.1, lambda: None)
        return results

    @pytest.mark.slow
    async def test_right(self) -> None:
        """The servers of the table pass every check before they are broken."""

        async def run(name: str, server: Any) -> list[Result]:
            target = self.listen(server)
            return await conform(reactor, target, CHECKS[name].checks(target.isDatagram, True))

        results = await self.together([partial(run, *one) for one in RIGHT])
        self.assertEqual({"pass"}, {one.verdict for some in results for one in some}, results)


def _test(service: str, isDatagram: bool, rows: tuple[Row, ...]) -> Any:
    async def test(self: KitTests) -> None:
        await self.failing(service, isDatagram, rows)

    # Those over connections wait for servers that do nothing.
    test = test if isDatagram else pytest.mark.slow(test)
    test.__doc__ = f"The checks of {service}{' over datagrams' * isDatagram} fail broken servers."
    return test


for _service, _rows in STREAMS.items():
    setattr(KitTests, f"test_{_service}", _test(_service, False, _rows))
for _service, _rows in DATAGRAMS.items():
    setattr(KitTests, f"test_{_service}Datagrams", _test(_service, True, _rows))
