"""Where settings are given: flags, the environment, and the TOML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import BadSetting
from twistednet.core.text import suggestion
from twistednet.core.toml import BadTOML, parseTOML
from twistednet.services.catalog import Service
from twistednet.settings.schema import SHARED, ownSettings

PREFIX = "NETDEMO_"
# A Kubernetes service that is called netdemo puts these into the environment of every pod.
_KUBERNETES = ("SERVICE_", "PORT")


@dataclass(frozen=True)
class Given:
    """A value as it was given, and where: messages about it begin with `where`.

    Paths in it are relative to `folder`.
    """

    where: str
    value: object
    folder: str = ""


def names(services: Mapping[str, Service]) -> set[str]:
    """Return all keys that exist. Raises BadSetting for a service with a name that is taken."""
    try:
        own = ownSettings(services.values())
    except BadPlugin as why:
        raise BadSetting(str(why)) from None
    return {"admin", "only", *SHARED, *own, *services, *(f"{name}-class" for name in services)}


def fromFile(path: str, services: Mapping[str, Service]) -> dict[str, Given]:
    """Return what the settings file gives. Raises BadSetting."""
    try:
        content = parseTOML(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read: {error.strerror}") from None
    except (BadTOML, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: not TOML: {error}") from None
    known = names(services)
    for key in content:
        if key not in known:
            raise BadSetting(f"{path}: {key}: no such key{suggestion(key, sorted(known))}")
    folder = os.path.dirname(path)
    return {key: Given(f"{path}: {key}", value, folder) for key, value in content.items()}


def fromEnvironment(
    environment: Mapping[str, str], services: Mapping[str, Service], folder: str
) -> dict[str, Given]:
    """Return what NETDEMO_... variables give; spaces separate the items of lists.

    Raises BadSetting for a variable that names no setting.
    """
    known = names(services)
    given = {}
    for variable, value in environment.items():
        rest = variable.removeprefix(PREFIX)
        # An empty variable is one that is not set, as in a compose file.
        if not value or rest in (variable, "CONFIG"):
            continue
        key = rest.lower().replace("_", "-")
        if key not in known:
            if rest.startswith(_KUBERNETES):
                continue
            variables = {PREFIX + one.upper().replace("-", "_") for one in known}
            raise BadSetting(
                f"{variable}: no such setting{suggestion(variable, sorted(variables))}"
            )
        isList = key in services or key in ("admin", "only")
        given[key] = Given(variable, value.split() if isList else value, folder)
    return given
