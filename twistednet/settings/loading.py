"""Where settings come from: flags over environment over the TOML file."""

from __future__ import annotations

import os
import socket
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from twisted.python.reflect import namedAny

from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import BadSetting
from twistednet.faults.plugins import grammar
from twistednet.faults.scenario import unknownScenario
from twistednet.services.catalog import Service, carriers
from twistednet.settings.faultsettings import faults, scenarios
from twistednet.settings.schema import SHARED, Settings
from twistednet.transport.endpoints import BadEndpoint, Endpoint

PREFIX = "NETDEMO_"
#: Where the admin site listens unless told otherwise.
ADMIN = "tcp:8800"
# A Kubernetes service that is called netdemo puts these in everybody's environment.
_KUBERNETES = ("SERVICE_", "PORT")

# Settings that are paths, and the values of theirs that are none.
_PATHS: dict[str, tuple[str, ...]] = {"answers": (), "events": ("", "-", "off")}


@dataclass(frozen=True)
class Given:
    """One value as it was given, and where: what a complaint about it begins with.

    Paths in it are relative to `folder`.
    """

    where: str
    value: Any
    folder: str = ""


def names(services: Mapping[str, Service]) -> set[str]:
    """All keys there are."""
    return {"admin", "only", *SHARED, *services, *(f"{name}-class" for name in services)}


def fromFile(path: str, services: Mapping[str, Service]) -> dict[str, Given]:
    """What the settings file gives. Raises BadSetting."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadSetting(f"{path}: not TOML: {error}") from None
    for key in content:
        if key not in names(services):
            raise BadSetting(f"{path}: {key}: no such key{_guess(key, names(services))}")
    folder = os.path.dirname(path)
    return {key: Given(f"{path}: {key}", value, folder) for key, value in content.items()}


def fromEnvironment(
    environment: Mapping[str, str], services: Mapping[str, Service], folder: str
) -> dict[str, Given]:
    """What NETDEMO_... variables give; lists are parted by spaces. Raises BadSetting."""
    given = {}
    for variable, value in environment.items():
        rest = variable.removeprefix(PREFIX)
        # An empty variable is one that is not set, as in a compose file.
        if not value or rest in (variable, "CONFIG") or rest.startswith(_KUBERNETES):
            continue
        key = rest.lower().replace("_", "-")
        if key not in names(services):
            known = {_variable(key) for key in names(services)}
            raise BadSetting(f"{variable}: no such setting{_guess(variable, known)}")
        listed = key in services or key in ("admin", "only")
        given[key] = Given(variable, value.split() if listed else value, folder)
    return given


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace("-", "_")


def load(
    flags: Mapping[str, Given],
    config: str | None,
    services: Mapping[str, Service],
    environment: Mapping[str, str] | None = None,
    folder: str = "",
) -> Settings:
    """The settings in force. Raises BadSetting for the first one that is wrong.

    Paths in the environment, and `config`, are relative to `folder`.
    """
    environment = os.environ if environment is None else environment
    config = config or environment.get(PREFIX + "CONFIG")
    given = fromFile(os.path.join(folder, config), services) if config else {}
    given |= fromEnvironment(environment, services, folder)
    given |= flags
    for key, others in _PATHS.items():
        one = given.get(key)
        if one is not None and isinstance(one.value, str) and one.value not in others:
            given[key] = replace(one, value=os.path.join(one.folder, one.value))
    values = {
        SHARED[key].name: _parsed(one, SHARED[key].metadata["parse"])
        for key, one in given.items()
        if key in SHARED
    }
    try:
        rules = grammar(carriers(services))
    except BadPlugin as why:
        raise BadSetting(str(why)) from None
    for key, parse in {"fault": faults, "scenario": scenarios}.items():
        if key in given:
            texts = replace(given[key], value=values[key])
            values[key] = _parsed(texts, partial(parse, rules))
    known = values.get("scenario", {})
    if values.get("play") and values["play"] not in known:
        raise BadSetting(f"{given['play'].where}: {unknownScenario(values['play'], known)}")
    listen = dict(_endpoints(given, services))
    if not any(listen.values()):
        raise BadSetting(f"nothing is left to serve; there are {', '.join(services)}")
    return Settings(
        listen=listen,
        protocols={name: _protocol(given, service) for name, service in services.items()},
        admin=_admin(given.get("admin", Given("the default of admin", ADMIN))),
        **values,
    )


def _parsed(given: Given, parse: Callable[[Any], Any]) -> Any:
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
    """Has this machine the IPv6 loopback that the defaults name?"""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _chosen(value: Any, services: Mapping[str, Service]) -> list[str]:
    chosen = [name for text in _texts(value) for name in text.replace(",", " ").split()]
    for name in chosen:
        if name not in services:
            raise BadSetting(f"there is no service {name!r}{_guess(name, services)}")
    return chosen


def _listen(service: Service, folder: str, value: Any) -> tuple[Endpoint, ...]:
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


def _parseAll(folder: str, value: Any) -> tuple[Endpoint, ...]:
    texts = _texts(value)
    return () if texts == ["off"] else tuple(Endpoint.parse(text, folder) for text in texts)


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadSetting(f"{value!r} is neither a text nor a list of texts")
    return texts


def _protocol(given: Mapping[str, Given], service: Service) -> type:
    key = f"{service.name}-class"
    if key not in given:
        return service.protocol
    return _parsed(given[key], lambda value: _subclass(value, service.protocol))


def _subclass(value: Any, base: type) -> type:
    # Somebody's class most often stands in the folder that they are in.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    if not isinstance(value, str):
        raise BadSetting(f"{value!r} is no class: write it as package.module.Class")
    try:
        found = namedAny(value)
    except Exception as error:
        raise BadSetting(f"{value!r} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BadSetting(f"{value} is no subclass of {base.__module__}.{base.__name__}")
    return found


def _guess(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"
