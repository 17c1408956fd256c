"""Settings: the declaration of one, and those that services and connections read."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from twistednet.core.answers import AnswerBook
from twistednet.core.limits import LocalPeers, networksOf
from twistednet.core.text import quoted
from twistednet.core.toml import BadTOML, parseTOML

T = TypeVar("T")


class BadSetting(Exception):
    """A value cannot be used; the message says why, and what can be used instead.

    `key` names the setting where the value alone does not tell it.
    """

    def __init__(self, why: str, key: str = "") -> None:
        super().__init__(why)
        self.key = key


@dataclass(frozen=True)
class Context:
    """Where a value was given, for parsers that need to know: paths are relative to `folder`."""

    folder: str = ""


@dataclass(frozen=True)
class InContext:
    """A parser that needs more than the value: it is called with the `Context` too."""

    parse: Callable[[object, Context], object]


#: Returns the value of a setting from what a flag (text), the environment (text) or the
#: settings file (TOML) gives. Raises BadSetting.
Parser = Callable[[object], object] | InContext


#: Numbers from here on are out of range, as those of TOML are.
MAX_NUMBER = 2**63


def number(kind: type[int] | type[float], least: float) -> Callable[[object], float]:
    """Return a parser of numbers of this kind that are `least` or more."""
    what = "a whole number" if kind is int else "a number"

    def parse(value: object) -> float:
        try:
            if isinstance(value, bool) or (kind is int and isinstance(value, float)):
                raise ValueError
            parsed = kind(cast(str, value))
        except (ValueError, TypeError):
            raise BadSetting(f"{quoted(value)} is not {what}") from None
        if not least <= parsed < MAX_NUMBER:
            raise BadSetting(f"{quoted(value)} is out of range: use {what} of {least:g} or more")
        return parsed

    return parse


def trueOrFalse(value: object) -> bool:
    """Parse a switch."""
    if value in (True, False, "true", "false", "yes", "no", "1", "0"):
        return value in (True, "true", "yes", "1")
    raise BadSetting(f"{quoted(value)} is neither true nor false")


def oneOf(*words: str) -> Callable[[object], str]:
    """Return a parser that takes one of these words."""

    def parse(value: object) -> str:
        if value not in words:
            raise BadSetting(f"{quoted(value)} is not one of {', '.join(words)}")
        return str(value)

    return parse


def text(what: str) -> Callable[[object], str]:
    """Return a parser of any text; `what` is the noun for the message."""

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise BadSetting(f"{quoted(value)} is not {what}: write it in quotes")
        return value

    return parse


def filePath(value: object, context: Context) -> str:
    """Parse the path of a file, relative to the folder in which it was given."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadSetting(f"{quoted(value)} is not a file name: write it in quotes")
    return os.path.join(context.folder, value)


def _answers(value: object, context: Context) -> AnswerBook:
    path = filePath(value, context)
    try:
        content = parseTOML(Path(path).read_text(encoding="utf-8"))
        if len(content) != 1 or not isinstance(content.get("answers"), dict):
            raise BadSetting(f'{path} needs one table, [answers], of "question" = "answer"')
        return AnswerBook(content["answers"])
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}") from None
    except (BadTOML, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} is not TOML: {error}") from None
    except ValueError as error:
        raise BadSetting(f"{path}: {error}") from None


# The type of the default, or of what it makes, is that of the field: a dataclass field is
# typed by what it is assigned, so this returns Any, as dataclasses.field does for mypy.
def setting(
    default: object, parse: Parser, help: str, shown: str = "", isRepeatable: bool = False
) -> Any:
    """Declare a setting: a field of a frozen dataclass.

    `default` is the value, or a function that makes it. `parse` reads a value that was given.
    `help` is its line in `--help`, where the default stands as `shown`, if that is given.
    Of one that `isRepeatable`, the values of all its flags are parsed together, as a list.
    """
    metadata = {"parse": parse, "help": help, "shown": shown, "isRepeatable": isRepeatable}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def kebabCase(name: str) -> str:
    """Return the name of a setting as people write it: max-connections for maxConnections."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def camelCase(key: str) -> str:
    """Return the name of a setting in Python: maxConnections for max-connections."""
    first, *others = key.split("-")
    return first + "".join(word.capitalize() for word in others)


def declared(kind: type) -> dict[str, Field[object]]:
    """Return the settings that a dataclass declares, by the names that people write."""
    return {kebabCase(one.name): one for one in fields(kind) if one.metadata}


def parsed(one: Field[object], value: object, context: Context) -> object:
    """Return the value of a setting from what was given. Raises BadSetting."""
    parse: Parser = one.metadata["parse"]
    return parse.parse(value, context) if isinstance(parse, InContext) else parse(value)


def _trusted(value: object) -> LocalPeers:
    texts: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str):
            raise BadSetting(f"{one!r} is not a network: write it in quotes, as 172.16.0.0/12")
        texts += one.replace(",", " ").split()
    try:
        return LocalPeers(networksOf(texts))
    except ValueError as why:
        raise BadSetting(str(why)) from None


def _halfTheDescriptors() -> int:
    return min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


COUNT = number(int, 1)
SECONDS = number(float, 0.01)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The settings of services and connections. Times are in seconds, sizes in bytes."""

    #: The settings of services' own, by the class that declares them.
    own: Mapping[type, object] = field(default_factory=dict)

    answers: AnswerBook | None = setting(
        None,
        InContext(_answers),
        "a TOML file of questions and answers",
        "how are u, how old are u",
    )
    datagramBye: str = setting(
        "end",
        oneOf("end", "stop"),
        "what bye does on UDP: end the UDP conversation, or stop listening",
    )
    maxConnections: int = setting(
        _halfTheDescriptors,
        COUNT,
        "open connections in all",
        "10000, or half the descriptor limit",
    )
    maxPeerConnections: int = setting(20, COUNT, "open connections from one address")
    peerRate: int = setting(10, COUNT, "new connections a second from one address")
    trust: LocalPeers = setting(
        LocalPeers,
        _trusted,
        "a closed test network, such as 172.16.0.0/12, whose peers count as loopback; repeatable",
        "none",
        True,
    )
    limitLoopback: bool = setting(
        False, trueOrFalse, "apply the limits per address and the message rates to loopback too"
    )
    handshakeTimeout: float = setting(
        10.0, SECONDS, "seconds that a TLS handshake, an HTTP header or an HTTP body may take"
    )
    idleTimeout: float = setting(
        600.0, SECONDS, "seconds without data in either direction, then the connection is closed"
    )
    stallTimeout: float = setting(
        30.0, SECONDS, "seconds without taking any of what was sent, then a client is disconnected"
    )
    maxMessage: int = setting(4096, COUNT, "bytes of a question")
    maxQuestions: int = setting(2000, COUNT, "questions on one connection")
    maxChatMessage: int = setting(512, COUNT, "bytes of a chat line")
    chatBurst: int = setting(10, COUNT, "chat lines that a client may send at once")
    chatRate: float = setting(1.0, SECONDS, "chat lines a second once chat-burst is used up")
    datagramRate: float = setting(20.0, SECONDS, "datagrams a second from one address")
    maxHeader: int = setting(16_384, COUNT, "bytes of an HTTP header")
    maxBody: int = setting(65_536, number(int, 0), "bytes of an HTTP body")

    def of(self, kind: type[T]) -> T:
        """Return the settings that a service declares with the dataclass `kind`."""
        found = self.own.get(kind)
        return kind() if found is None else cast(T, found)
