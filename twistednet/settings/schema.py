"""What a daemon can be told, setting by setting: how each is read, and its default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from twistednet.core.settings import (
    SECONDS,
    BadSetting,
    ServiceSettings,
    number,
    setting,
)
from twistednet.faults.rules import Rule
from twistednet.faults.scenario import Scenario
from twistednet.transport.endpoints import Endpoint

#: Characters that a token needs at least, when somebody chooses their own.
SHORTEST_TOKEN = 16


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


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What a daemon runs with. Times are in seconds, sizes in bytes."""

    listen: Mapping[str, tuple[Endpoint, ...]]
    protocols: Mapping[str, type]
    admin: tuple[Endpoint, ...] = ()

    adminToken: str | None = setting(
        None, _token, "what who asks the admin site must know", "made anew at each start"
    )
    adminHosts: frozenset[str] = setting(
        frozenset(), _hosts, "names that the admin site has besides localhost", "none"
    )
    drainTimeout: float = setting(30.0, SECONDS, "seconds that a stopping daemon serves on")
    fault: tuple[Rule, ...] = setting(
        (), _rules, "what is to go wrong, as in `echo: latency 100ms`; may be repeated", "nothing"
    )
    scenario: Mapping[str, Scenario] = setting(
        dict, _scenarios, "a name and a sequence of faults with times; may be repeated", "none"
    )
    play: str = setting("", _name, "the scenario that is played from the start", "none")
    journal: int = setting(
        1000, number(int, 0), "conversations kept in memory, with what was sent; 0 for none"
    )
    events: str = setting(
        "off", _path, "a file or pipe for a line of JSON an event, - for standard output, or off"
    )
    eventsPayload: int = setting(
        256, number(int, 0), "bytes of each chunk or datagram that its line shows"
    )


def kebabCase(name: str) -> str:
    """maxConnections -> max-connections"""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


#: The settings that every service shares, by the name that people write.
SHARED = {kebabCase(one.name): one for one in fields(Settings) if one.metadata}
