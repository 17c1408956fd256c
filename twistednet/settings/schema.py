"""What a daemon can be told, setting by setting: how each is read, and its default."""

from __future__ import annotations

import re
import resource
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from twistednet.core.answers import AnswerBook
from twistednet.faults.rules import Rule
from twistednet.faults.scenario import Scenario
from twistednet.transport.endpoints import Endpoint

#: Characters that a token needs at least, when somebody chooses their own.
SHORTEST_TOKEN = 16


class BadSetting(Exception):
    """What is wrong with a setting, and what would be right."""


def _number(kind: Callable[[Any], Any], least: float) -> Callable[[Any], Any]:
    what = "a whole number" if kind is int else "a number"

    def parse(value: Any) -> Any:
        try:
            if isinstance(value, bool) or (kind is int and isinstance(value, float)):
                raise ValueError
            number = kind(value)
        except (ValueError, TypeError):
            raise BadSetting(f"{value!r} is not {what}") from None
        if not least <= number < float("inf"):
            raise BadSetting(f"{value!r} is out of range: {what} from {least:g} is right")
        return number

    return parse


def _flag(value: Any) -> bool:
    if value in (True, False, "true", "false", "yes", "no", "1", "0"):
        return value in (True, "true", "yes", "1")
    raise BadSetting(f"{value!r} is neither true nor false")


def _oneOf(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise BadSetting(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    return parse


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadSetting(f"{value!r} is no file: write its name in quotes")
    return value


def _token(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise BadSetting("a token is printable ASCII, without spaces")
    if len(value) < SHORTEST_TOKEN:
        raise BadSetting(f"a token of {len(value)} characters is guessed: give it {SHORTEST_TOKEN}")
    return value


def _hosts(value: Any) -> frozenset[str]:
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not _areTexts(listed):
        raise BadSetting(f"{value!r} is no list of names")
    for name in listed:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+", name):
            raise BadSetting(f"{name!r} is no host: write it without a scheme and a port")
    return frozenset(name.lower() for name in listed)


def _answers(value: Any) -> AnswerBook:
    if not isinstance(value, str):
        raise BadSetting(f"{value!r} is no file: write its name in quotes")
    try:
        content = tomllib.loads(Path(value).read_text(encoding="utf-8"))
        if len(content) != 1 or not isinstance(content.get("answers"), dict):
            raise BadSetting(f'{value} needs one table, [answers], of "question" = "answer"')
        return AnswerBook(content["answers"])
    except OSError as error:
        raise BadSetting(f"{value} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadSetting(f"{value} is not TOML: {error}") from None
    except ValueError as error:
        raise BadSetting(f"{value}: {error}") from None


def _rules(value: Any) -> list[str]:
    rules = []
    for one in value if isinstance(value, list) else [value]:
        rule = one.get("rule") if isinstance(one, dict) and len(one) == 1 else one
        if not isinstance(rule, str):
            raise BadSetting(f'{one!r} is no rule: write "echo: latency 100ms", in quotes')
        rules.append(rule)
    return rules


def _scenarios(value: Any) -> list[str]:
    scenarios = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and set(one) == {"name", "parts"} and _areTexts(one["parts"]):
            scenarios.append(f"{one['name']} = {' | '.join(one['parts'])}")
        elif isinstance(one, str):
            scenarios += one.strip().splitlines()
        else:
            raise BadSetting(f'{one!r} is no scenario: write "down = 5s echo: refuse", in quotes')
    return scenarios


def _areTexts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise BadSetting(f"{value!r} is no name: write it in quotes")
    return value


def _setting(default: Any, parse: Callable[[Any], Any], help: str, shown: str = "") -> Any:
    """A field of `Settings`: how its value is read, and what `--help` says of it."""
    make = {"default_factory": default} if callable(default) else {"default": default}
    return field(**make, metadata={"parse": parse, "help": help, "shown": shown})


def _halfTheDescriptors() -> int:
    return min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


_COUNT = _number(int, 1)
_SECONDS = _number(float, 0.01)


@dataclass(frozen=True)
class Settings:
    """What a daemon runs with. Times are in seconds, sizes in bytes."""

    listen: Mapping[str, tuple[Endpoint, ...]]
    protocols: Mapping[str, type]
    admin: tuple[Endpoint, ...] = ()

    adminToken: str | None = _setting(
        None, _token, "what who asks the admin site must know", "made anew at each start"
    )
    adminHosts: frozenset[str] = _setting(
        frozenset(), _hosts, "names that the admin site has besides localhost", "none"
    )
    answers: AnswerBook | None = _setting(
        None, _answers, "a TOML file of questions and answers", "how are u, how old are u"
    )
    datagramBye: str = _setting(
        "end",
        _oneOf("end", "stop"),
        "what bye does on UDP: end the conversation, or stop listening",
    )
    maxConnections: int = _setting(
        _halfTheDescriptors, _COUNT, "connections in all", "10000, or half the descriptor limit"
    )
    maxPeerConnections: int = _setting(20, _COUNT, "connections from one address")
    peerRate: int = _setting(10, _COUNT, "new connections a second from one address")
    limitLoopback: bool = _setting(
        False, _flag, "apply what is limited by address, and message rates, to loopback too"
    )
    handshakeTimeout: float = _setting(
        10.0, _SECONDS, "seconds for a TLS handshake, an HTTP header, its body"
    )
    idleTimeout: float = _setting(600.0, _SECONDS, "seconds without a byte before the end")
    stallTimeout: float = _setting(
        30.0, _SECONDS, "seconds that a peer may read nothing of what is queued for it"
    )
    drainTimeout: float = _setting(30.0, _SECONDS, "seconds that a stopping daemon serves on")
    maxMessage: int = _setting(4096, _COUNT, "bytes of a question")
    maxQuestions: int = _setting(2000, _COUNT, "questions on one connection")
    maxChatMessage: int = _setting(512, _COUNT, "bytes of a chat line")
    chatBurst: int = _setting(10, _COUNT, "chat lines at once")
    chatRate: float = _setting(1.0, _SECONDS, "chat lines a second after that")
    datagramRate: float = _setting(20.0, _SECONDS, "datagrams a second from one address")
    fault: tuple[Rule, ...] = _setting(
        (), _rules, "what is to go wrong, as in `echo: latency 100ms`; may be repeated", "nothing"
    )
    scenario: Mapping[str, Scenario] = _setting(
        dict, _scenarios, "a name and a sequence of faults with times; may be repeated", "none"
    )
    play: str = _setting("", _name, "the scenario that is played from the start", "none")
    journal: int = _setting(
        1000, _number(int, 0), "conversations kept in memory, with what was sent; 0 for none"
    )
    events: str = _setting(
        "off", _path, "a file or pipe for a line of JSON an event, - for standard output, or off"
    )
    eventsPayload: int = _setting(
        256, _number(int, 0), "bytes of each chunk or datagram that its line shows"
    )
    maxHeader: int = _setting(16_384, _COUNT, "bytes of an HTTP header")
    maxBody: int = _setting(65_536, _number(int, 0), "bytes of an HTTP body")


def kebabCase(name: str) -> str:
    """maxConnections -> max-connections"""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


#: The settings that every service shares, by the name that people write.
SHARED = {kebabCase(one.name): one for one in fields(Settings) if one.metadata}
