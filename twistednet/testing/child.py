"""The process behind `twistednet.testing`: daemons on request, and what happens to each.

Requests come as JSON, one a line, on standard input; answers and what happens go
out the same way. When standard input ends, so does the process, and every port and
socket file with it: nothing outlives the test's own process.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.protocols.basic import LineOnlyReceiver

from twistednet.core.settings import BadSetting, camelCase, kebabCase
from twistednet.daemon.daemon import Daemon
from twistednet.daemon.logfile import safely
from twistednet.events.model import Event, Received, Sent
from twistednet.services.catalog import loadServices
from twistednet.settings.loading import load
from twistednet.settings.schema import RuleContext, parseRules
from twistednet.settings.sources import Given, names, suggestion
from twistednet.transport.listening import CannotListen

#: Bytes received by one daemon that are told; what comes later is only served.
MOST_TOLD = 64 * 1024 * 1024
#: Passes of the reactor without news after which all that was under way has arrived.
QUIET = 3

Tell = Callable[..., None]


class ParentSink:
    """A sink that tells the test of what happens, and of each byte that arrives."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told = 0

    def __call__(self, event: Event) -> None:
        name = type(event).__name__.lower()
        if isinstance(event, Received):
            self._received(event)
        elif not isinstance(event, Sent) and getattr(event, "kind", None) != "udp":
            self._tell(event=name, **asdict(event))

    def _received(self, event: Received) -> None:
        isDatagram = event.callback == "datagramReceived"
        # On a connection an empty chunk is the client's FIN.
        if self._told < MOST_TOLD and (event.data or isDatagram):
            self._told += len(event.data)
            self._tell(
                event="received",
                connection=0 if isDatagram else event.connection,
                peer=event.peer,
                data=b64encode(event.data).decode(),
            )


def _rulesOf(service: str, rules: str | list[str]) -> list[str]:
    """The rules with their service, which need not be said where there is one alone."""
    listed = [rules] if isinstance(rules, str) else rules
    return [
        rule if rule.partition(":")[0].strip() == service else f"{service}: {rule}"
        for rule in listed
    ]


class ChildDaemon(Daemon):
    """A daemon among others in one process, whose signals it leaves alone."""

    def _takeSignals(self) -> None:
        """They are the process's."""

    @classmethod
    def of(cls, reactor: Any, name: str, values: dict[str, Any], tell: Tell) -> ChildDaemon:
        """Listening, with these settings. Raises BadSetting or CannotListen."""
        services = loadServices()
        if name not in services:
            raise BadSetting(f"there is no service {name!r}; there are {', '.join(services)}")
        default = "udp:0" if services[name].stream is None else "tcp:0"
        values = {"listen": default, "admin": "off", **values, "only": name}
        if "faults" in values:
            values["fault"] = _rulesOf(name, values.pop("faults"))
        keys = {setting: kebabCase(setting.replace("_", "-")) for setting in values} | {
            "listen": name
        }
        given = {keys[one]: Given(f"{name}: {one}", value) for one, value in values.items()}

        known = names(services)
        for key, one in given.items():
            if key not in known:
                camel = {"listen", "faults", *(camelCase(name) for name in known - {*services})}
                written = one.where.partition(": ")[2]
                raise BadSetting(f"{one.where}: no such setting{suggestion(written, camel)}")

        def read() -> Any:
            return load(given, None, services, environment={})

        daemon = cls(reactor, services, read(), read)
        daemon.events.attach(ParentSink(tell), chunks=True)
        daemon.listen()
        daemon.startService()
        return daemon

    @property
    def where(self) -> dict[str, Any]:
        """The address of its port."""
        _, _, host = next(iter(self.ports))
        if isinstance(host, UNIXAddress):
            return {"host": None, "port": None, "path": os.fsdecode(host.name or b"")}
        return {"host": host.host, "port": host.port, "path": None}

    def misbehave(self, rules: list[str]) -> None:
        """These faults are in force from now on, anew, and no others. Raises BadSetting."""
        name, *_ = self.ports.names()
        wanted = parseRules(_rulesOf(name, rules), RuleContext(grammar=self.grammar))
        self.connections.faults.replace(wanted, isAnew=True)

    async def end(self) -> None:
        """Now: nobody waits for the clients of a test that is over."""
        stopped = self.stopService()
        if len(self.connections):
            self.abort()
        await stopped


class ParentConnection(LineOnlyReceiver):
    """The test's side of the conversation: serve, misbehave, sync, stop; its end is ours."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._daemons: dict[int, ChildDaemon] = {}
        self._news = 0

    def tell(self, **what: Any) -> None:
        self._news += 1
        self.sendLine(json.dumps(what).encode())

    def log(self, event: LogEvent) -> None:
        """What went wrong; all else that is logged is an event, and told as such."""
        text = safely(event)
        if text and event.get("log_level", LogLevel.info) >= LogLevel.warn:
            self.tell(event="log", text=text.rstrip("\n"))

    def lineReceived(self, line: bytes) -> None:
        request = json.loads(line)
        Deferred.fromCoroutine(self._answer(**request))

    async def _answer(self, id: int, do: str, **rest: Any) -> None:
        try:
            answer = await getattr(self, f"do_{do}")(**rest)
        except (BadSetting, CannotListen) as why:
            self.tell(answer=id, error=str(why))
        except Exception as error:
            self.tell(answer=id, error=f"{type(error).__name__}: {error}")
        else:
            self.tell(answer=id, **answer)

    async def do_serve(self, server: int, service: str, settings: dict[str, Any]) -> Any:
        def tell(**what: Any) -> None:
            self.tell(server=server, **what)

        daemon = self._daemons[server] = ChildDaemon.of(self._reactor, service, settings, tell)
        return daemon.where

    async def do_misbehave(self, server: int, rules: list[str]) -> Any:
        self._daemons[server].misbehave(rules)
        return {}

    async def do_stop(self, server: int) -> Any:
        await self._daemons.pop(server).end()
        return {}

    async def do_sync(self) -> Any:
        """Answered when all that clients had sent before it was asked is told."""
        quiet = 0
        while quiet < QUIET:
            before = self._news
            turn: Deferred[None] = Deferred()
            self._reactor.callLater(0, turn.callback, None)
            await turn
            quiet = quiet + 1 if before == self._news else 0
        return {}

    def connectionLost(self, reason: Any = None) -> None:
        """The test is gone, and so are we; the reactor closes every port, and its file."""
        self._reactor.stop()


def main() -> None:
    from twisted.internet import reactor

    # What a subclass prints must not get between the lines of the conversation.
    conversation = os.dup(1)
    os.dup2(2, 1)
    requests = ParentConnection(reactor)
    globalLogBeginner.beginLoggingTo(
        [cast(ILogObserver, requests.log)], redirectStandardIO=False, discardBuffer=True
    )
    standardIO: Any = StandardIO
    standardIO(requests, stdin=0, stdout=conversation)
    reactor.run()


if __name__ == "__main__":
    main()
