"""Trials of the page's form "Try it": starts their clients, and finds their connections."""

from __future__ import annotations

import os
import socket
from collections import OrderedDict
from collections.abc import Callable
from itertools import count

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger

from twistednet.admin.interfaces import PortsAPI
from twistednet.admin.replies import APIError
from twistednet.admin.trial import Trial, TrialPlan
from twistednet.admin.trialclient import DatagramClient, StreamClient, TrialRun
from twistednet.core.text import addressText
from twistednet.transport.interfaces import Address

#: Trials that may run at once, and trials that are kept.
MAX_RUNNING = 8
MAX_KEPT = 32
#: Seconds in which the connection must appear, and between two looks for it.
APPEAR_SECONDS = 1.0
LOOK_SECONDS = 0.005


class Trials:
    """All running trials, and the latest that have ended.

    `opened` returns the connection of a client, by service and address: its number, 0 if it was
    refused, None if it is not there yet.
    """

    log = Logger()

    def __init__(
        self, reactor: PosixReactorBase, ports: PortsAPI, opened: Callable[[str, str], int | None]
    ) -> None:
        self._reactor = reactor
        self._ports = ports
        self._opened = opened
        self._ids = count(1)
        self._kept: OrderedDict[int, Trial] = OrderedDict()
        self._running: set[TrialRun] = set()

    def get(self, id: int) -> Trial | None:
        return self._kept.get(id)

    async def begin(self, plan: TrialPlan) -> Trial:
        """Start a trial, and wait for its connection or its refusal. Raises APIError."""
        if len(self._running) >= MAX_RUNNING:
            raise APIError(429, f"{MAX_RUNNING} trials go on already", {"Retry-After": "5"})
        kind, host = self._place(plan)
        trial = Trial(next(self._ids), plan.service, kind)
        one = TrialRun(self._reactor, trial, plan)
        self._running.add(one)
        try:
            peer = await self._connect(one, host)
        except BaseException:
            self._running.discard(one)
            raise
        self._kept[trial.id] = trial
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        playing = Deferred.fromCoroutine(one.play())
        playing.addErrback(lambda failure: self.log.failure("a trial failed", failure))
        playing.addBoth(lambda _: self._running.discard(one))
        await self._appears(trial, peer)
        return trial

    def end(self) -> None:
        """The site closes, and the trials with it."""
        for one in self._running:
            one.trial.end("shutdown")
            one.client.abort()

    def _place(self, plan: TrialPlan) -> tuple[str, Address]:
        """Return the kind and address where the service listens for this plan. Raises APIError."""
        for service, endpoint, host in self._ports:
            if service.name != plan.service or endpoint.kind in ("ssl", "tls", "haproxy"):
                continue
            isUNIX = isinstance(host, UNIXAddress)
            kind = "udp" if endpoint.isDatagram else "unix" if isUNIX else "tcp"
            if plan.kind in (None, kind):
                if kind == "udp" and (plan.halfClose or plan.reset):
                    raise APIError(409, "datagrams have no end: neither halfClose nor reset")
                return kind, host
        raise APIError(404, "there is no such service, or it listens nowhere in this way")

    async def _connect(self, one: TrialRun, host: Address) -> str:
        """Connect the client, and return its address. Raises APIError."""
        if isinstance(host, UNIXAddress):
            one.client = client = StreamClient(one.saw, one.trial.end)
            return self._connectUNIX(client, host.name or b"")
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.host, host.host)
        if one.trial.kind == "udp":
            one.client = datagrams = DatagramClient(one.saw, one.trial.end)
            own = "::1" if ":" in address else "127.0.0.1"
            self._reactor.listenUDP(0, datagrams, interface=own)
            datagrams.transport.connect(address, host.port)
            return addressText(datagrams.transport.getHost())
        one.client = client = StreamClient(one.saw, one.trial.end)
        endpoint = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        try:
            await endpoint(self._reactor, address, host.port, timeout=5).connect(_only(client))
        except ConnectError as error:
            raise APIError(409, f"the service takes no connection: {error}") from None
        return addressText(client.transport.getHost())

    def _connectUNIX(self, client: StreamClient, path: bytes) -> str:
        # A name of its own, or all clients of the socket look alike.
        name = f"\0netdemo-try-{os.getpid()}-{next(self._ids)}"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)
            try:
                sock.bind(name)
                sock.connect(path)
            except OSError as error:
                raise APIError(409, f"the service takes no connection: {error.strerror}") from None
            self._reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, _only(client))
        return addressText(client.transport.getHost())

    async def _appears(self, trial: Trial, peer: str) -> None:
        """Wait for the server's side, which most often is there in the next turn."""
        for _ in range(int(APPEAR_SECONDS / LOOK_SECONDS)):
            trial.connection = self._opened(trial.service, peer)
            if trial.connection is not None:
                break
            await deferLater(self._reactor, LOOK_SECONDS)
        trial.connection = trial.connection or None


def _only(client: StreamClient) -> Factory[StreamClient]:
    factory = Factory.forProtocol(lambda: client)
    factory.noisy = False
    return factory
