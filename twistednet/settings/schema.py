"""The settings of a daemon: each with its type, its default and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field
from typing import TypeVar

from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import (
    SECONDS,
    BadSetting,
    Context,
    InContext,
    ServiceSettings,
    declared,
    filePath,
    number,
    setting,
    text,
)
from twistednet.core.text import quoted
from twistednet.faults.grammar import BadFault, Grammar, parseAll
from twistednet.faults.rules import Rule
from twistednet.faults.scenario import Scenario, parseScenario, unknownScenario
from twistednet.services.catalog import Service
from twistednet.transport.endpoints import Endpoint

T = TypeVar("T")

#: Characters that a token of somebody's own must have.
MIN_TOKEN_LENGTH = 16
#: Values of `events` that are not a path: standard output, and no events.
STDOUT, OFF = "-", "off"


@dataclass(frozen=True)
class RuleContext(Context):
    """A context with what rules of faults may say."""

    grammar: Grammar = field(default_factory=Grammar)


def _events(value: object, context: Context) -> str:
    return value if value in (STDOUT, OFF) and isinstance(value, str) else filePath(value, context)


def _token(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise BadSetting("a token is printable ASCII without spaces")
    if len(value) < MIN_TOKEN_LENGTH:
        raise BadSetting(
            f"a token of {len(value)} characters can be guessed: use {MIN_TOKEN_LENGTH} or more"
        )
    return value


def _hosts(value: object) -> frozenset[str]:
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not _isListOfTexts(listed):
        raise BadSetting(f"{quoted(value)} is not a list of names")
    assert isinstance(listed, list)
    for name in listed:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+", name):
            raise BadSetting(f"{quoted(name)} is not a host: write it without a scheme and a port")
    return frozenset(name.lower() for name in listed)


def parseRules(value: object, context: Context) -> tuple[Rule, ...]:
    """Parse rules of faults, of which each text may have several. Raises BadSetting."""
    parsed: list[Rule] = []
    for one in value if isinstance(value, list) else [value]:
        rule = one.get("rule") if isinstance(one, dict) and len(one) == 1 else one
        if not isinstance(rule, str):
            raise BadSetting(f'{quoted(one)} is not a rule: write "echo: latency 100ms", in quotes')
        parsed += _grammatical(parseAll, rule, context)
    return tuple(parsed)


def _scenarios(value: object, context: Context) -> Mapping[str, Scenario]:
    texts: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and set(one) == {"name", "parts"} and _isListOfTexts(one["parts"]):
            texts.append(f"{one['name']} = {' | '.join(one['parts'])}")
        elif isinstance(one, str):
            texts += one.strip().splitlines()
        else:
            raise BadSetting(
                f'{quoted(one)} is not a scenario: write "down = 5s echo: refuse", in quotes'
            )
    scenarios = [_grammatical(parseScenario, text, context) for text in texts]
    byName = {scenario.name: scenario for scenario in scenarios}
    if len(byName) < len(scenarios):
        raise BadSetting("two scenarios have the same name")
    return byName


def _grammatical(parse: Callable[[str, Grammar], T], text: str, context: Context) -> T:
    assert isinstance(context, RuleContext)
    try:
        return parse(text, context.grammar)
    except BadFault as why:
        raise BadSetting(str(why)) from None


def _isListOfTexts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """All settings of a daemon: those that services read are inherited, the others are here.

    Times are in seconds, sizes in bytes.

    Raises BadSetting for values that do not go together.
    """

    listen: Mapping[str, tuple[Endpoint, ...]]
    protocols: Mapping[str, type]
    admin: tuple[Endpoint, ...] = ()
    #: What rules of faults may say.
    grammar: Grammar = field(default_factory=Grammar)

    adminToken: str | None = setting(
        None, _token, "the access token of the admin site", "a new one at each start"
    )
    adminHosts: frozenset[str] = setting(
        frozenset(), _hosts, "host names of the admin site besides localhost", "none"
    )
    drainTimeout: float = setting(
        30.0, SECONDS, "seconds to serve open connections when the daemon stops"
    )
    fault: tuple[Rule, ...] = setting(
        (),
        InContext(parseRules),
        "a fault rule, such as `echo: latency 100ms`; repeatable",
        "none",
        True,
    )
    scenario: Mapping[str, Scenario] = setting(
        dict, InContext(_scenarios), "a named sequence of timed faults; repeatable", "none", True
    )
    play: str = setting("", text("a name"), "the scenario to play when the daemon starts", "none")
    journal: int = setting(
        1000, number(int, 0), "conversations to keep in memory with their data; 0 for none"
    )
    events: str = setting(
        OFF,
        InContext(_events),
        "where to write events as JSON lines: a file, a pipe, - for stdout, or off",
    )
    eventsPayload: int = setting(
        256, number(int, 0), "bytes of a chunk or datagram that its event shows, at most"
    )

    def __post_init__(self) -> None:
        if self.play and self.play not in self.scenario:
            raise BadSetting(unknownScenario(self.play, self.scenario), "play")


#: The settings that do not belong to one service, by the name that people write.
SHARED = declared(Settings)
#: Keys that no service or setting of one may have: other flags, and those whose variables
#: Kubernetes sets in every pod for a service that is called netdemo (NETDEMO_PORT).
RESERVED = frozenset(
    {"admin", "config", "help", "only", "version", "port", "service-host", "service-port"}
)


def ownSettings(services: Iterable[Service]) -> dict[str, tuple[type, Field[object]]]:
    """Return the settings that services declare: the class and the field, by name.

    Raises BadPlugin for a name of a service or of its setting that is taken.
    """
    taken: set[str] = {*RESERVED, *SHARED}
    own: dict[str, tuple[type, Field[object]]] = {}
    for service in services:
        names = (service.name, f"{service.name}-class")
        for name in (*names, *declared(service.settings)):
            if name in taken:
                raise BadPlugin(f"{service.origin}: the name {name} is taken")
            taken.add(name)
        own |= {name: (service.settings, one) for name, one in declared(service.settings).items()}
    return own
