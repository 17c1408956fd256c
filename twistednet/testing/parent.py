"""The test's side of the process that serves its servers: requests, and what it reports."""

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
from typing import cast

from twistednet.core.text import shown
from twistednet.testing.messages import (
    Address,
    ChildAnswer,
    ClosedMessage,
    EventMessage,
    FaultedMessage,
    Message,
    ReceivedMessage,
    Request,
)

#: Seconds that the process has for an answer, and to end.
ANSWER_SECONDS = 20.0
END_SECONDS = 5.0
#: Seconds between two calls of a condition while nothing happens.
POLL_SECONDS = 0.05


class CannotServe(Exception):
    """Why a server cannot be started or changed, in one line."""


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
    """What one server has reported so far; `journal` has it as lines of text."""

    connections: dict[int, Connection] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    datagrams: list[bytes] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)

    def take(self, message: EventMessage) -> None:
        """Record an event."""
        self.journal.append(self._record(message))

    def _record(self, message: EventMessage) -> str:
        if message["type"] == "opened":
            number, peer = message["connection"], message["peer"]
            self.connections[number] = Connection(number, peer)
            return f"#{number} {peer} connected"
        if message["type"] == "received":
            return self._received(message)
        if message["type"] == "closed":
            return self._closed(message)
        if message["type"] == "faulted":
            return (
                f"{_name(message)} fault {message['fault']}: {message['did']} ({message['rule']})"
            )
        self.refused.append(message["limit"])
        return f"{message['peer']} refused: {message['limit']}"

    def _received(self, message: ReceivedMessage) -> str:
        chunk = b64decode(message["data"])
        self.received.append(chunk)
        if message["connection"]:
            self.connections[message["connection"]].received += chunk
        else:
            self.datagrams.append(chunk)
        return f"{_name(message)} sent {len(chunk)} B: {shown(chunk)}"

    def _closed(self, message: ClosedMessage) -> str:
        number, reason = message["connection"], message["reason"]
        self.connections[number].closed = reason
        return f"#{number} closed: {reason}; {message['bytesOut']} B had been sent to it"


def _name(message: ReceivedMessage | FaultedMessage) -> str:
    return f"#{message['connection']}" if message["connection"] else message["peer"]


class ChildProcess:
    """A process that serves any number of servers. The first one starts it.

    `records` has what each server reported, by its number, `open` the numbers of those that
    serve, `log` the warnings and errors that the process logged.
    """

    def __init__(self) -> None:
        self.records: dict[int, ServerRecord] = {}
        self.open: set[int] = set()
        self.log: list[str] = []
        self._numbers = count(1)
        self._answers: dict[int, ChildAnswer] = {}
        self._changed = threading.Condition()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def serve(self, service: str, settings: dict[str, object]) -> tuple[int, Address]:
        """Start a server; return its number and address. Raises CannotServe."""
        if self._child is None or self._child.poll() is not None:
            self._start()
        number = next(self._numbers)
        self.records[number] = ServerRecord()
        answer = self._ask(
            {
                "id": next(self._numbers),
                "do": "serve",
                "server": number,
                "service": service,
                "settings": settings,
            }
        )
        self.open.add(number)
        return number, answer["address"]

    def replaceFaults(self, number: int, rules: list[str]) -> None:
        """Replace the faults of a server. Raises CannotServe for a rule that is wrong."""
        self._ask({"id": next(self._numbers), "do": "faults", "server": number, "rules": rules})

    def stop(self, number: int) -> None:
        """Stop a server, if it still serves."""
        self.open.discard(number)
        with contextlib.suppress(CannotServe):
            self._ask({"id": next(self._numbers), "do": "stop", "server": number})

    def sync(self) -> None:
        """Return once everything that clients have sent until now is recorded."""
        if self.open:
            self._ask({"id": next(self._numbers), "do": "sync"})

    def waitFor(self, condition: Callable[[], object], timeout: float) -> bool:
        """Return whether the condition became true; it is tried at every report."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= end:
                return False
            with self._changed:
                self._changed.wait(POLL_SECONDS)
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
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._reader.join()

    def _start(self) -> None:
        paths = [path or os.getcwd() for path in sys.path]
        self.open.clear()
        self._ended = False
        # In its own session, so that Ctrl-C interrupts the test only.
        self._child = subprocess.Popen(
            [sys.executable, "-m", "twistednet.testing.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._reader.start()

    def _ask(self, request: Request) -> ChildAnswer:
        """Send a request and return the answer. Raises CannotServe with its error."""
        child, number = self._child, request["id"]
        with self._changed:
            try:
                if child is None or child.stdin is None:
                    raise BrokenPipeError
                child.stdin.write(json.dumps(request).encode() + b"\n")
                child.stdin.flush()
            except (OSError, ValueError):
                raise CannotServe("the process of the servers has ended") from None
            self._changed.wait_for(lambda: number in self._answers or self._ended, ANSWER_SECONDS)
            answer = self._answers.pop(number, None)
        if answer is None:
            raise CannotServe("the process of the servers is gone")
        if "error" in answer:
            raise CannotServe(answer["error"])
        return answer

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                with self._changed:
                    self._take(cast(Message, json.loads(line)))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, message: Message) -> None:
        if message["type"] == "answer":
            self._answers[message["id"]] = message
        elif message["type"] == "log":
            self.log.append(message["text"])
        else:
            self.records[message["server"]].take(message)
