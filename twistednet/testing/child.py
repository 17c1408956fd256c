"""The process behind `twistednet.testing`: starts servers on request, and reports their events.

`twistednet.testing.messages` has the messages. When standard input ends, so does the process,
and every port and socket file with it: nothing outlives the test's own process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import cast

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from twistednet.core.settings import BadSetting, camelCase, kebabCase
from twistednet.core.text import suggestion
from twistednet.daemon.daemon import Daemon
from twistednet.daemon.logfile import safely
from twistednet.services.catalog import loadServices
from twistednet.settings.loading import load
from twistednet.settings.schema import RuleContext, Settings, parseRules
from twistednet.settings.sources import Given, names
from twistednet.testing.messages import Address, ChildAnswer, Message, Request
from twistednet.testing.sink import ParentSink
from twistednet.transport.clock import useMonotonicTime
from twistednet.transport.listening import CannotListen

#: The longest request.
MAX_REQUEST_BYTES = 1 << 20
#: Turns of the reactor without a report after which everything under way has arrived.
QUIET_TURNS = 3


def _rulesOf(service: str, rules: str | list[str]) -> list[str]:
    """Return the rules with their service, which a rule need not name."""
    listed = [rules] if isinstance(rules, str) else rules
    return [
        rule if rule.partition(":")[0].strip() == service else f"{service}: {rule}"
        for rule in listed
    ]


class ChildDaemon(Daemon):
    """A daemon with one service, among others in one process."""

    def _takeSignals(self) -> None:
        """Do nothing: signals are handled once for the process."""

    @classmethod
    def of(
        cls, reactor: PosixReactorBase, name: str, values: dict[str, object], sink: ParentSink
    ) -> ChildDaemon:
        """Return a daemon that listens, with these settings. Raises BadSetting or CannotListen."""
        services = loadServices()
        if name not in services:
            raise BadSetting(f"there is no service {name!r}{suggestion(name, services)}")
        default = "udp:0" if services[name].stream is None else "tcp:0"
        values = {"listen": default, "admin": "off", **values, "only": name}
        if "faults" in values:
            values["fault"] = _rulesOf(name, cast("str | list[str]", values.pop("faults")))
        keys = {setting: kebabCase(setting.replace("_", "-")) for setting in values} | {
            "listen": name
        }
        given = {keys[one]: Given(f"{name}: {one}", value) for one, value in values.items()}

        known = names(services)
        for key, one in given.items():
            if key not in known:
                camel = {"listen", "faults", *(camelCase(name) for name in known - {*services})}
                written = one.where.partition(": ")[2]
                raise BadSetting(
                    f"{one.where}: no such setting{suggestion(written, sorted(camel))}"
                )

        def read() -> Settings:
            return load(given, None, services, environment={})

        daemon = cls(reactor, services, read(), read)
        daemon.events.attach(sink, chunks=True)
        daemon.listen()
        daemon.startService()
        return daemon

    @property
    def address(self) -> Address:
        """The address of its port."""
        _, _, host = next(iter(self.ports))
        if isinstance(host, UNIXAddress):
            return {"host": None, "port": None, "path": os.fsdecode(host.name or b"")}
        return {"host": host.host, "port": host.port, "path": None}

    def replaceFaults(self, rules: list[str]) -> None:
        """Replace the faults by these, with counts and draws reset. Raises BadSetting."""
        name, *_ = self.ports.names()
        wanted = parseRules(_rulesOf(name, rules), RuleContext(grammar=self.grammar))
        self.connections.faults.replace(wanted, isReset=True)

    async def end(self) -> None:
        """Stop, and abort the connections: a test that is over waits for no client."""
        stopped = self.stopService()
        if len(self.connections):
            self.abort()
        await stopped


class ParentConnection(LineOnlyReceiver):
    """The connection to the test, over standard input and output."""

    delimiter = b"\n"
    MAX_LENGTH = MAX_REQUEST_BYTES

    def __init__(self, reactor: PosixReactorBase) -> None:
        self._reactor = reactor
        self._daemons: dict[int, ChildDaemon] = {}
        self._sent = 0

    def send(self, message: Message) -> None:
        """Send a message to the test."""
        self._sent += 1
        self.sendLine(json.dumps(message).encode())

    def log(self, event: LogEvent) -> None:
        """Send warnings and errors of the log; the rest of it is reported as events."""
        text = safely(event)
        if text and event.get("log_level", LogLevel.info) >= LogLevel.warn:
            self.send({"type": "log", "text": text.rstrip("\n")})

    def lineReceived(self, line: bytes) -> None:
        Deferred.fromCoroutine(self._answer(json.loads(line)))

    async def _answer(self, request: Request) -> None:
        answer: ChildAnswer = {"type": "answer", "id": request["id"]}
        try:
            await self._do(request, answer)
        except (BadSetting, CannotListen) as error:
            answer["error"] = str(error)
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        self.send(answer)

    async def _do(self, request: Request, answer: ChildAnswer) -> None:
        """Do what a request says, and add to the answer."""
        if request["do"] == "serve":
            number, sink = request["server"], ParentSink(request["server"], self.send)
            daemon = ChildDaemon.of(self._reactor, request["service"], request["settings"], sink)
            self._daemons[number] = daemon
            answer["address"] = daemon.address
        elif request["do"] == "faults":
            self._daemons[request["server"]].replaceFaults(request["rules"])
        elif request["do"] == "stop":
            await self._daemons.pop(request["server"]).end()
        else:
            await self._quiet()

    async def _quiet(self) -> None:
        """Wait until everything that clients have sent is reported."""
        quiet = 0
        while quiet < QUIET_TURNS:
            before = self._sent
            turn: Deferred[None] = Deferred()
            self._reactor.callLater(0, turn.callback, None)
            await turn
            quiet = quiet + 1 if before == self._sent else 0

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The test has ended: end, too. The reactor closes every port, and its file."""
        self._reactor.stop()


def main() -> None:
    """Serve until standard input ends."""
    from twisted.internet import reactor

    installed = cast(PosixReactorBase, reactor)
    useMonotonicTime(installed)
    # A service that prints must not write between the messages: it gets standard error.
    output = os.dup(1)
    os.dup2(2, 1)
    parent = ParentConnection(installed)
    globalLogBeginner.beginLoggingTo(
        [cast(ILogObserver, parent.log)], redirectStandardIO=False, discardBuffer=True
    )
    # mypy knows its signature on Windows only.
    standardIO = cast("Callable[..., object]", StandardIO)
    standardIO(parent, stdin=0, stdout=output)
    installed.run()


if __name__ == "__main__":
    main()
