"""From what was given to settings: flags over environment over the TOML file."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from twisted.python.reflect import namedAny

from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import BadSetting, parsed
from twistednet.core.text import quoted, suggestion
from twistednet.faults.grammar import Grammar
from twistednet.faults.plugins import grammar
from twistednet.services.catalog import Service, carriers
from twistednet.settings.schema import SHARED, RuleContext, Settings, ownSettings
from twistednet.settings.sources import PREFIX, Given, fromEnvironment, fromFile
from twistednet.transport.endpoints import BadEndpoint, Endpoint

T = TypeVar("T")

#: The default endpoint of the admin site.
ADMIN = "tcp:8800"


def load(
    flags: Mapping[str, Given],
    config: str | None,
    services: Mapping[str, Service],
    environment: Mapping[str, str] | None = None,
    folder: str = "",
) -> Settings:
    """Return the current settings. Raises BadSetting for the first value that is wrong.

    Paths in the environment, and `config`, are relative to `folder`.
    """
    environment = os.environ if environment is None else environment
    config = config or environment.get(PREFIX + "CONFIG")
    given = fromFile(os.path.join(folder, config), services) if config else {}
    given |= fromEnvironment(environment, services, folder)
    given |= flags
    rules = _grammar(services)
    values: dict[str, Any] = {
        one.name: _parsed(given[key], partial(_field, one, given[key], rules))
        for key, one in SHARED.items()
        if key in given
    }
    listen = dict(_endpoints(given, services))
    if not any(listen.values()):
        raise BadSetting(f"nothing is left to serve; there are {', '.join(services)}")
    try:
        return Settings(
            listen=listen,
            protocols={name: _protocol(given, service) for name, service in services.items()},
            admin=_admin(given.get("admin", Given("the default of admin", ADMIN))),
            own=_own(given, services, rules),
            grammar=rules,
            **values,
        )
    except BadSetting as why:
        where = f"{given[why.key].where}: " if why.key in given else ""
        raise BadSetting(f"{where}{why}") from None


def _grammar(services: Mapping[str, Service]) -> Grammar:
    try:
        return grammar(carriers(services))
    except BadPlugin as why:
        raise BadSetting(str(why)) from None


def _own(
    given: Mapping[str, Given], services: Mapping[str, Service], rules: Grammar
) -> dict[type, object]:
    """Return the settings that services declare, by the classes that declare them."""
    values: dict[type, dict[str, object]] = {one.settings: {} for one in services.values()}
    for key, (kind, one) in ownSettings(services.values()).items():
        if key in given:
            values[kind][one.name] = _parsed(given[key], partial(_field, one, given[key], rules))
    return {kind: kind(**own) for kind, own in values.items()}


def _field(one: Any, given: Given, rules: Grammar, value: object) -> object:
    return parsed(one, value, RuleContext(given.folder, rules))


def _parsed(given: Given, parse: Callable[[object], T]) -> T:
    try:
        return parse(given.value)
    except (BadSetting, BadEndpoint) as error:
        raise BadSetting(f"{given.where}: {error}") from None


def _endpoints(
    given: Mapping[str, Given], services: Mapping[str, Service]
) -> Iterable[tuple[str, tuple[Endpoint, ...]]]:
    ipv6 = _hasIPv6()
    only = list(services)
    if "only" in given:
        only = _parsed(given["only"], lambda value: _chosen(value, services))
    for name, service in services.items():
        if name in given:
            endpoints = _parsed(given[name], partial(_listen, service, given[name].folder))
        else:
            default = Given(f"the default of {name}", list(service.listen))
            endpoints = _parsed(default, partial(_listen, service, ""))
            endpoints = tuple(one for one in endpoints if ipv6 or not one.isIPv6)
        yield name, endpoints if name in only else ()


def _hasIPv6() -> bool:
    """True if this machine has the IPv6 loopback address that the defaults name."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _chosen(value: object, services: Mapping[str, Service]) -> list[str]:
    chosen = [name for text in _texts(value) for name in text.replace(",", " ").split()]
    for name in chosen:
        if name not in services:
            raise BadSetting(
                f"there is no service {quoted(name)}{suggestion(name, sorted(services))}"
            )
    return chosen


def _listen(service: Service, folder: str, value: object) -> tuple[Endpoint, ...]:
    endpoints = _parseAll(folder, value)
    for endpoint in endpoints:
        if endpoint.isDatagram and service.datagram is None:
            raise BadSetting(
                f"{endpoint.kind}: is for datagrams, and {service.name} has connections"
            )
        if not endpoint.isDatagram and service.stream is None:
            raise BadSetting(f"{endpoint.kind}: is for connections; {service.name} takes udp:PORT")
    return endpoints


def _admin(given: Given) -> tuple[Endpoint, ...]:
    endpoints = _parsed(given, partial(_parseAll, given.folder))
    if any(endpoint.isDatagram for endpoint in endpoints):
        raise BadSetting(
            f"{given.where}: udp: is for datagrams, and the admin site has connections"
        )
    return endpoints


def _parseAll(folder: str, value: object) -> tuple[Endpoint, ...]:
    texts = _texts(value)
    return () if texts == ["off"] else tuple(Endpoint.parse(text, folder) for text in texts)


def _texts(value: object) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadSetting(f"{quoted(value)} is neither a text nor a list of texts")
    return texts


def _protocol(given: Mapping[str, Given], service: Service) -> type:
    key = f"{service.name}-class"
    if key not in given:
        return service.protocol
    return _parsed(given[key], lambda value: _subclass(value, service.protocol))


def _subclass(value: object, base: type) -> type:
    # The class is most often in a file of the working folder.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    if not isinstance(value, str):
        raise BadSetting(f"{quoted(value)} is not a class: write it as package.module.Class")
    try:
        found = namedAny(value)
    except Exception as error:
        raise BadSetting(f"{quoted(value)} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BadSetting(f"{value} is not a subclass of {base.__module__}.{base.__name__}")
    return found
