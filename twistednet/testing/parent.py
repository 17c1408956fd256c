"""The process of the servers as a test sees it: requests to it, and its news."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from twistednet.core.text import shown

#: Seconds that the process behind has for an answer.
PATIENCE = 20.0


class CannotServe(Exception):
    """Why there is no such server, in one line."""


@dataclass
class Connection:
    """One connection as the server saw it. `closed` is None while it is open, then one of:
    client FIN, client RST, connection lost, service, error, or the limit that was reached."""

    number: int
    peer: str
    received: bytes = b""
    closed: str | None = None


@dataclass
class ServerRecord:
    """What one server has told so far."""

    connections: dict[int, Connection] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    datagrams: list[bytes] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)

    def opened(self, connection: int, peer: str, **_: Any) -> str:
        self.connections[connection] = Connection(connection, peer)
        return f"#{connection} {peer} connected"

    def heard(self, connection: int, peer: str, data: str, **_: Any) -> str:
        chunk = b64decode(data)
        self.received.append(chunk)
        if connection:
            self.connections[connection].received += chunk
        else:
            self.datagrams.append(chunk)
        who = f"#{connection}" if connection else peer
        return f"{who} sent {len(chunk)} B: {shown(chunk)}"

    def closed(self, connection: int, reason: str, bytesOut: int, **_: Any) -> str:
        self.connections[connection].closed = reason
        return f"#{connection} closed: {reason}; {bytesOut} B had been sent to it"

    def faulted(self, connection: int, peer: str, fault: str, rule: str, did: str, **_: Any) -> str:
        who = f"#{connection}" if connection else peer
        return f"{who} fault {fault}: {did} ({rule})"

    def wasRefused(self, peer: str, limit: str, **_: Any) -> str:
        self.refused.append(limit)
        return f"{peer} refused: {limit}"

    def take(self, event: str, **values: Any) -> None:
        take: Callable[..., str] = getattr(self, _TAKES[event])
        self.journal.append(take(**values))


_TAKES = {
    "opened": "opened",
    "received": "heard",
    "faulted": "faulted",
    "refused": "wasRefused",
    "closed": "closed",
}


class ChildProcess:
    """A process that serves any number of daemons; started by the first."""

    def __init__(self) -> None:
        self.seen: dict[int, ServerRecord] = {}
        self.open: set[int] = set()
        self.log: list[str] = []
        self._numbers = count(1)
        self._answers: dict[int, Any] = {}
        self._news = threading.Condition()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def serve(self, service: str, settings: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """A fresh daemon's number, and where it listens. Raises CannotServe."""
        if self._child is None or self._child.poll() is not None:
            self._start()
        number = next(self._numbers)
        self.seen[number] = ServerRecord()
        where = self._ask("serve", server=number, service=service, settings=settings)
        self.open.add(number)
        return number, where

    def misbehave(self, number: int, rules: list[str]) -> None:
        """Raises CannotServe for a rule that is wrong."""
        self._ask("misbehave", server=number, rules=rules)

    def stop(self, number: int) -> None:
        self.open.discard(number)
        with contextlib.suppress(CannotServe):
            self._ask("stop", server=number)

    def sync(self) -> None:
        """Hear of all that has arrived by now."""
        if self.open:
            self._ask("sync")

    def waitFor(self, condition: Callable[[], object], timeout: float) -> bool:
        """Until it holds, asked again at every piece of news."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= end:
                return False
            with self._news:
                self._news.wait(0.05)
        return True

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        child, self._child = self._child, None
        self.open.clear()
        if child is None or child.stdin is None:
            return
        with contextlib.suppress(OSError):
            child.stdin.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._reader.join()

    def _start(self) -> None:
        paths = [path or os.getcwd() for path in sys.path]
        self.open.clear()
        self._ended = False
        # Its own session: Ctrl-C is for the test, and the end of its input for it.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "twistednet.testing.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def _ask(self, do: str, **request: Any) -> Any:
        child = self._child
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": do, **request}).encode() + b"\n"
        with self._news:
            try:
                if child is None or child.stdin is None:
                    raise BrokenPipeError
                child.stdin.write(line)
                child.stdin.flush()
            except (OSError, ValueError):
                raise CannotServe("the process of the servers has ended") from None
            self._news.wait_for(lambda: number in self._answers or self._ended, PATIENCE)
            answer = self._answers.pop(number, {"error": "the process of the servers is gone"})
        if "error" in answer:
            raise CannotServe(answer["error"])
        return answer

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                with self._news:
                    self._take(**json.loads(line))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(
        self, answer: int | None = None, server: int | None = None, event: str = "", **rest: Any
    ) -> None:
        if answer is not None:
            self._answers[answer] = rest
        elif server is not None:
            self.seen[server].take(event, **rest)
        else:
            self.log.append(rest["text"])
