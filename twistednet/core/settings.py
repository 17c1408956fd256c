"""How a setting is declared, and the settings that services and connections read."""

from __future__ import annotations

import resource
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twistednet.core.answers import AnswerBook


class BadSetting(Exception):
    """What is wrong with a setting, and what would be right."""


def number(kind: Callable[[Any], Any], least: float) -> Callable[[Any], Any]:
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


def trueOrFalse(value: Any) -> bool:
    if value in (True, False, "true", "false", "yes", "no", "1", "0"):
        return value in (True, "true", "yes", "1")
    raise BadSetting(f"{value!r} is neither true nor false")


def oneOf(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise BadSetting(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    return parse


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


def setting(default: Any, parse: Callable[[Any], Any], help: str, shown: str = "") -> Any:
    """A field of `Settings`: how its value is read, and what `--help` says of it."""
    make = {"default_factory": default} if callable(default) else {"default": default}
    return field(**make, metadata={"parse": parse, "help": help, "shown": shown})


def _halfTheDescriptors() -> int:
    return min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


COUNT = number(int, 1)
SECONDS = number(float, 0.01)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What services and connections are configured with. Times are in seconds, sizes in bytes."""

    answers: AnswerBook | None = setting(
        None, _answers, "a TOML file of questions and answers", "how are u, how old are u"
    )
    datagramBye: str = setting(
        "end",
        oneOf("end", "stop"),
        "what bye does on UDP: end the conversation, or stop listening",
    )
    maxConnections: int = setting(
        _halfTheDescriptors, COUNT, "connections in all", "10000, or half the descriptor limit"
    )
    maxPeerConnections: int = setting(20, COUNT, "connections from one address")
    peerRate: int = setting(10, COUNT, "new connections a second from one address")
    limitLoopback: bool = setting(
        False, trueOrFalse, "apply what is limited by address, and message rates, to loopback too"
    )
    handshakeTimeout: float = setting(
        10.0, SECONDS, "seconds for a TLS handshake, an HTTP header, its body"
    )
    idleTimeout: float = setting(600.0, SECONDS, "seconds without a byte before the end")
    stallTimeout: float = setting(
        30.0, SECONDS, "seconds that a peer may read nothing of what is queued for it"
    )
    maxMessage: int = setting(4096, COUNT, "bytes of a question")
    maxQuestions: int = setting(2000, COUNT, "questions on one connection")
    maxChatMessage: int = setting(512, COUNT, "bytes of a chat line")
    chatBurst: int = setting(10, COUNT, "chat lines at once")
    chatRate: float = setting(1.0, SECONDS, "chat lines a second after that")
    datagramRate: float = setting(20.0, SECONDS, "datagrams a second from one address")
    maxHeader: int = setting(16_384, COUNT, "bytes of an HTTP header")
    maxBody: int = setting(65_536, number(int, 0), "bytes of an HTTP body")
