"""Faults of HTTP responses: what stands between a request and its channel."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.web.http_headers import Headers

from twistednet.core.text import hostOf
from twistednet.faults.actions import Action, responseActions
from twistednet.faults.actiontypes import ActionType
from twistednet.faults.active import ActiveFault
from twistednet.faults.pipeline import Pipeline
from twistednet.faults.responseparts import wholeResponse
from twistednet.inject.injector import FaultInjector
from twistednet.inject.interfaces import OpenConnection
from twistednet.inject.queue import DelayQueue
from twistednet.transport.closing import DrainThenReset, setCloseReason
from twistednet.transport.http import BoundedChannel, BoundedSite
from twistednet.transport.httprequest import BoundedRequest

#: Bytes of a response that are gathered; a larger one is not sent.
MAX_RESPONSE_BYTES = 4 * 1024 * 1024


class ResponseFaults:
    """Looks at the requests of one service, a `BoundedSite`, while rules may apply to them."""

    def __init__(self, service: str, site: BoundedSite, injector: FaultInjector) -> None:
        self._service = service
        self._site = site
        self._injector = injector
        injector.observers.append(self)
        self.faultsChanged()

    def faultsChanged(self) -> None:
        """Apply the rules that are active now."""
        mayApply = self._injector.mayApply(self._service, "request")
        self._site.requestHook = self._received if mayApply else None
        selectors = [one.selector for one in self._site.channels if one.selector is not None]
        # In the order of the connections: a set has no order, and rules count connections.
        for selector in sorted(selectors, key=lambda selector: selector.number):
            selector.faultsChanged()

    def _received(self, request: BoundedRequest) -> None:
        channel = request.channel
        if channel.selector is None:
            channel.selector = RequestSelector(channel, self._injector)
        channel.selector.received(request)


class RequestSelector:
    """Chooses the requests of one connection whose responses are faulty."""

    def __init__(self, channel: BoundedChannel, injector: FaultInjector) -> None:
        self._clock = channel.site.clock
        # TLS, and a FaultTransport, ask the stream for what they do not have themselves.
        self._connection: OpenConnection = channel.transport.observer
        self._injector = injector
        self._marks: list[tuple[bytes, bytes]] = []
        opened, now = self._connection.opened, self._clock.seconds()
        self._pipeline = Pipeline(self._matching(), opened, now, self._report, isStream=False)

    @property
    def number(self) -> int:
        """The number of the connection."""
        return self._connection.id

    def faultsChanged(self) -> None:
        """Apply the rules that are active now."""
        self._pipeline.replace(self._matching(), self._clock.seconds())

    def received(self, request: BoundedRequest) -> None:
        """Stand between the request and its channel, if a rule chooses it.

        The resource has not been asked yet.
        """
        self._marks = []
        arrived = Action(self._clock.seconds(), ActionType.REQUEST, request.uri)
        [action] = self._pipeline.apply(arrived, "in")
        if action.edits:
            request.faulty = request.channel = FaultyResponse(request, action, self._marks)

    def _matching(self) -> list[ActiveFault]:
        connection = self._connection
        host = hostOf(connection.transport.getPeer())
        return self._injector.matching(connection.service, host, "request", connection.opened)

    def _report(self, fault: ActiveFault, did: str) -> None:
        # One line: a text in the rule was found in a target, which has no line ends.
        self._marks.append((b"X-Netdemo-Fault", f"{fault}; {fault.acted}".encode()))
        self._injector.report(self._connection, fault, did)


class FaultyResponse:
    """Stands in for the channel of one request: gathers the response, and sends it edited.

    For the resource, its request is over once the response is complete. For the connection
    it is over once everything is sent.
    """

    def __init__(
        self, request: BoundedRequest, action: Action, marks: list[tuple[bytes, bytes]]
    ) -> None:
        self._channel: BoundedChannel = request.channel
        self._request = request
        self._edits = action.edits
        self._marks = marks
        self._queue = DelayQueue(self._channel.site.clock, self._perform, self._queueChanged)
        self._head: tuple[bytes, int, bytes, Headers] | None = None
        self._body = bytearray()
        self._actions: list[Action] = []
        #: The action that ends the connection, once everything is sent.
        self._end: Action | None = None
        self._isSending = False
        # Request.finish calls `log` of the channel's factory when the response is complete.
        self.factory = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def stop(self) -> None:
        """Send no more."""
        self._isSending = False
        self._queue.clear()

    # Called by the request

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        # The length will be known, so that the response need not be chunked.
        self._request.chunked = 0
        headers.removeHeader(b"Transfer-Encoding")
        self._channel.complete(headers)
        self._head = (version, int(code), reason, headers)

    def write(self, data: bytes) -> None:
        if self._channel.isFinished:
            return
        self._body += data
        if len(self._body) > MAX_RESPONSE_BYTES:
            setCloseReason(self._channel.transport, "HTTP reply")
            self._channel.loseConnection()

    def log(self, request: BoundedRequest) -> None:
        """Edit the response, which is complete, and log its status."""
        assert self._head is not None
        version, code, reason, headers = self._head
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        parts = wholeResponse(
            (request.method, request.uri),
            (version, code, reason),
            [*fields, *self._marks],
            bytes(self._body),
        )
        for edit in self._edits:
            parts = edit(parts)
        self._actions = responseActions(parts, self._channel.site.clock.seconds())
        self._channel.site.answered(self._channel, parts.status)

    def requestDone(self, request: BoundedRequest) -> None:
        if not self._channel.isFinished:
            self._isSending = True
            self._channel.registerProducer(self, True)
            self._queue.add(self._actions)

    # Called by the connection

    def pauseProducing(self) -> None:
        self._queue.isPaused = True

    def resumeProducing(self) -> None:
        self._queue.isPaused = False
        self._queue.performDue()

    def stopProducing(self) -> None:
        self.stop()

    # Called by the queue

    def _perform(self, action: Action) -> None:
        if action.type is ActionType.PASS:
            self._channel.transport.write(action.data)
        else:
            self._end = action

    def _queueChanged(self) -> None:
        """End the response, or the connection, once everything is sent."""
        if not self._isSending or self._queue.waitingBytes:
            return
        self.stop()
        self._channel.unregisterProducer()
        transport = self._channel.transport
        if self._end is None:
            # As without a fault: the next request comes, if there is one.
            self._channel.requestDone(self._request)
        else:
            setCloseReason(transport, f"fault {self._end.faultName}")
            if self._end.type is ActionType.RESET:
                stream = transport.observer.transport
                self._channel.leave(partial(DrainThenReset, stream=stream))
                return
            self._channel.loseConnection()
