"""Faults that were asked for, of what an HTTP service replies."""

from __future__ import annotations

from functools import partial
from typing import Any

from twistednet.core.text import hostOf
from twistednet.faults.active import ActiveFault
from twistednet.faults.kinds.responses import responseParts
from twistednet.faults.model import Action
from twistednet.faults.pipeline import Pipeline
from twistednet.inject.injector import FaultInjector
from twistednet.inject.queue import DelayQueue
from twistednet.transport.closing import DrainThenReset, setCloseReason

#: Bytes of a reply that are gathered; of one that is longer no more is sent.
MOST = 4 * 1024 * 1024


class ResponseFaults:
    """Meets the requests of one service, a `BoundedSite`, while rules concern them."""

    def __init__(self, service: str, site: Any, faulting: FaultInjector) -> None:
        self._service = service
        self._site = site
        self._faulting = faulting
        faulting.ports.append(self)
        self.changed()

    def changed(self) -> None:
        """Other rules are in force, or one has run out."""
        isThere = self._faulting.areThere(self._service, "request")
        self._site.requestHook = self._meet if isThere else None
        choosers = [one.selector for one in self._site.channels if one.selector is not None]
        # As they came: a set has another order each time, and rules count connections.
        for selector in sorted(choosers, key=lambda selector: selector.number):
            selector.changed()

    def _meet(self, request: Any) -> None:
        channel = request.channel
        if channel.selector is None:
            channel.selector = RequestSelector(channel, self._faulting)
        channel.selector.meet(request)


class RequestSelector:
    """Chooses among the requests of one connection, and has the chosen ones spoilt."""

    def __init__(self, channel: Any, faulting: FaultInjector) -> None:
        self._clock = channel.site.clock
        # TLS, and what faults put between, tell of the stream what they have not themselves.
        self._connection = channel.transport.observer
        self._faulting = faulting
        self._marks: list[tuple[bytes, bytes]] = []
        opened = self._connection.opened
        now = self._clock.seconds()
        self._plan = Pipeline(self._concerning(), opened, now, self._tell, isStream=False)

    @property
    def number(self) -> int:
        """Of its connection."""
        number: int = self._connection.id
        return number

    def changed(self) -> None:
        """Other rules are in force."""
        self._plan.replace(self._concerning(), self._clock.seconds())

    def meet(self, request: Any) -> None:
        """It has arrived, and its resource has not been asked yet."""
        self._marks = []
        [step] = self._plan.steps(Action(self._clock.seconds(), "request", request.uri), "in")
        if step.edits:
            request.faulty = request.channel = FaultyResponse(request, step, self._marks)

    def _concerning(self) -> list[ActiveFault]:
        one = self._connection
        host = hostOf(one.transport.getPeer())
        return self._faulting.concerning(one.service, host, "request", one.opened)

    def _tell(self, fault: ActiveFault, did: str) -> None:
        # One line: a text in it was found in a target, where there are no line ends.
        self._marks.append((b"X-Netdemo-Fault", f"{fault}; {fault.acted}".encode()))
        self._faulting.tell(self._connection, fault, did)


class FaultyResponse:
    """The channel of one request, as its resource knows it: gathers the reply, and when that is
    whole, sends what has become of it.

    For the resource its request is over then. For the connection it is when all is sent.
    """

    def __init__(self, request: Any, step: Action, marks: list[tuple[bytes, bytes]]) -> None:
        self._channel = request.channel
        self._request = request
        self._spoils = step.edits
        self._marks = marks
        self._lane = DelayQueue(request.channel.site.clock, self._take, self._taken)
        self._head: tuple[bytes, int, bytes, Any] | None = None
        self._body = bytearray()
        self._steps: list[Action] = []
        self._last: Action | None = None
        self._isSending = False
        # Request.finish tells the factory of its channel that the reply is whole.
        self.factory = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def stop(self) -> None:
        """The connection is lost, or all is sent."""
        self._isSending = False
        self._lane.drain()

    # From the request

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        # Its length will be known: it need not be sent in chunks.
        self._request.chunked = 0
        headers.removeHeader(b"Transfer-Encoding")
        self._channel.complete(headers)
        self._head = (version, int(code), reason, headers)

    def write(self, data: bytes) -> None:
        if self._channel.isFinished:
            return
        self._body += data
        if len(self._body) > MOST:
            setCloseReason(self._channel.transport, "HTTP reply")
            self._channel.loseConnection()

    def log(self, request: Any) -> None:
        """The reply is whole, and about to be told of."""
        assert self._head is not None
        version, code, reason, headers = self._head
        fields = [(name, one) for name, own in headers.getAllRawHeaders() for one in own]
        asked = (request.method, request.uri)
        reply = responseParts(
            asked, (version, code, reason), [*fields, *self._marks], bytes(self._body)
        )
        for edit in self._spoils:
            reply = edit(reply)
        self._steps = reply.steps(self._channel.site.clock.seconds())
        self._channel.site.answered(self._channel, reply.status)

    def requestDone(self, request: Any) -> None:
        if not self._channel.isFinished:
            self._isSending = True
            self._channel.registerProducer(self, True)
            self._lane.put(self._steps)

    # From the connection

    def pauseProducing(self) -> None:
        self._lane.held = True

    def resumeProducing(self) -> None:
        self._lane.held = False
        self._lane.run()

    def stopProducing(self) -> None:
        self.stop()

    # What is done in the end

    def _take(self, step: Action) -> None:
        if step.act == "pass":
            self._channel.transport.write(step.data)
        else:
            self._last = step

    def _taken(self) -> None:
        if not self._isSending or self._lane.size:
            return
        self.stop()
        self._channel.unregisterProducer()
        if self._last is not None:
            setCloseReason(self._channel.transport, f"fault {self._last.by}")
        if self._last is None:
            # As if nothing had been: with the next request, if there is one.
            self._channel.requestDone(self._request)
        elif self._last.act == "end":
            self._channel.loseConnection()
        else:
            stream = self._channel.transport.observer.transport
            self._channel.leave(partial(DrainThenReset, stream=stream))
            return
        if self._channel.finReceived:
            self._channel.readConnectionLost()
