"""`twistd netdemo`: the command line, and the daemon that it starts."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, NoReturn, cast

from twisted.application.service import IService
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import ILogObserver
from twisted.python import usage

from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import BadSetting
from twistednet.daemon.daemon import Daemon
from twistednet.daemon.logfile import observer
from twistednet.daemon.pidfile import BadPidfile, prepare
from twistednet.services.catalog import Service, loadServices
from twistednet.settings.loading import ADMIN, load
from twistednet.settings.schema import SHARED, Settings, ownSettings
from twistednet.settings.sources import Given
from twistednet.transport.clock import useMonotonicTime
from twistednet.transport.listening import CannotListen

_LONG = """
Serves the basic network services, correct to the byte, with faults on command. No
setting is required; by default every service listens on loopback. To choose where a
service listens, give its flag a Twisted endpoint string, such as tcp:8888,
tcp:8888:interface=0.0.0.0, unix:/run/echo.sock or udp:5000; repeat the flag for several.
Every setting is also an environment variable (NETDEMO_MAX_CONNECTIONS=100) and a key of
the settings file (max-connections = 100). Flags override the environment, and the
environment overrides the file.
"""


class _Options(usage.Options):
    """The options of `twistd netdemo`: collected as given, and parsed once all are known."""

    longdesc = _LONG
    services: Mapping[str, Service]
    #: The flags that may be given several times.
    repeatable: frozenset[str]
    config: str | None = None
    settings: Settings

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}
        # twistd may change to another folder before the settings are read again.
        self.folder = os.getcwd()
        super().__init__()

    def give(self, key: str, value: object) -> None:
        """Remember a value; of a flag that may be repeated, every one."""
        if key in self.repeatable:
            before = self.given[key].value if key in self.given else []
            assert isinstance(before, list)
            value = [*before, value]
        self.given[key] = Given(f"--{key}", value, self.folder)

    def parseOptions(self, options: list[str] | None = None) -> None:
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise SystemExit(f"twistd netdemo: {error}; see twistd netdemo --help") from None

    def opt_version(self) -> NoReturn:
        """Show the version of twistednet, and exit."""
        print(f"twistednet {version('twistednet')}")
        raise SystemExit(0)

    def parseArgs(self, *words: str) -> None:
        if words:
            raise usage.UsageError(f"{words[0]!r} is not a flag: flags begin with --")

    def postOptions(self) -> None:
        twistd: Mapping[str, Any] = self.parent or {}
        try:
            if twistd.get("pidfile"):
                prepare(twistd["pidfile"])
            self.settings = self.read()
        except (BadPidfile, BadSetting) as error:
            raise SystemExit(f"twistd netdemo: {error}") from None

    def read(self) -> Settings:
        """Return the current settings; read the file again. Raises BadSetting."""
        settings = load(self.given, self.config, self.services, folder=self.folder)
        twistd: Mapping[str, Any] = self.parent or {}
        _checkPrivileges(settings, uid=twistd.get("uid"))
        if settings.events == "-" and not twistd.get("nodaemon", True):
            raise BadSetting("--events -: there is no standard output without twistd -n")
        return settings


def Options() -> _Options:
    """Return the options: those of the daemon, and a flag for each service and setting."""
    _openStandardStreams()
    try:
        services = loadServices()
        own = ownSettings(services.values())
    except BadPlugin as error:
        raise SystemExit(f"twistd netdemo: {error}") from None
    every = {**SHARED, **{key: one for key, (_, one) in own.items()}}
    repeatable = {key for key, one in every.items() if one.metadata["isRepeatable"]}
    flags: dict[str, object] = {
        "services": services,
        "repeatable": frozenset({"admin", "only", *services, *repeatable}),
        "opt_config": _config,
    }
    flags["opt_only"] = _flag("only", "serve only these services, as in --only echo,answer")
    flags["opt_admin"] = _flag("admin", f"where the admin site listens, or off [{ADMIN}]")
    for service in services.values():
        shown = " ".join(text for text in service.listen if "interface" not in text)
        name = service.name.replace("-", "_")
        flags[f"opt_{name}"] = _flag(
            service.name, f"where {service.name} listens, or off: it {service.help} [{shown}]"
        )
    for service in services.values():
        name = service.name.replace("-", "_")
        base = f"{service.protocol.__module__}.{service.protocol.__name__}"
        flags[f"opt_{name}_class"] = _flag(
            f"{service.name}-class", f"a subclass of {base} to serve"
        )
    for key, one in every.items():
        default = one.metadata["shown"] or one.default
        isSwitch = one.default is False
        flags[f"opt_{key.replace('-', '_')}"] = (_switch if isSwitch else _flag)(
            key, one.metadata["help"] + ("" if isSwitch else f" [{default}]")
        )
    options: _Options = type("Options", (_Options,), flags)()
    return options


def _openStandardStreams() -> None:
    """Open /dev/null for each that is closed, or a socket would get its number.

    Then a print would go to a client, and twistd, which redirects these numbers when it goes to
    the background, would close a port.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _flag(key: str, help: str) -> Callable[[_Options, str], None]:
    def give(self: _Options, value: str) -> None:
        self.give(key, value)

    give.__doc__ = help
    return give


def _switch(key: str, help: str) -> Callable[[_Options], None]:
    def give(self: _Options) -> None:
        self.give(key, True)

    give.__doc__ = help
    return give


def _config(self: _Options, path: str) -> None:
    """a settings file (TOML), read again at SIGHUP"""
    self.config = path


def _checkPrivileges(settings: Settings, uid: int | None) -> None:
    """Raise BadSetting if root would serve other machines without dropping its privileges.

    In a closed test network, such as that of containers, it may.
    """
    if os.geteuid() != 0 or uid not in (None, 0) or settings.trust.networks:
        return
    for name, endpoints in (*settings.listen.items(), ("admin", settings.admin)):
        for endpoint in endpoints:
            if endpoint.isPublic:
                raise BadSetting(
                    f"{name}: root may not serve other machines on {endpoint.given}: "
                    "drop privileges, as in twistd --uid nobody --gid nogroup netdemo, "
                    "or name a closed test network with --trust NETWORK"
                )


class _Netdemo(Daemon):
    """The daemon under twistd: it listens, and opens the log, before twistd forks.

    So a port in use is reported on one line to the user who typed the command, and binding
    happens while the process still has its privileges.
    """

    logObserver: ILogObserver | None = None
    pidfile = ""

    def tidy(self) -> None:
        if self.pidfile:
            with suppress(OSError):
                os.unlink(self.pidfile)

    def setServiceParent(self, parent: Any) -> None:
        super().setServiceParent(parent)
        if self.logObserver is not None:
            parent.setComponent(ILogObserver, self.logObserver)
        try:
            self.listen()
        except (BadSetting, CannotListen) as error:
            # The ports that did open close in the reactor's next turn, UNIX sockets included.
            self._reactor.iterate(0)
            raise SystemExit(f"twistd netdemo: {error}") from None
        # The objects that exist now stay. Collecting among them again and again would stop
        # the daemon for tens of milliseconds whenever many connections arrive.
        gc.collect()
        gc.freeze()


def makeService(options: _Options) -> IService:
    """Return the daemon for these options."""
    from twisted.internet import reactor

    useMonotonicTime(cast(PosixReactorBase, reactor))
    daemon = _Netdemo(reactor, options.services, options.settings, options.read)
    twistd: Mapping[str, Any] = options.parent or {}
    daemon.pidfile = twistd.get("pidfile") or ""
    if not twistd.get("syslog"):
        # Events on standard output have it for themselves.
        standard = 2 if options.settings.events == "-" else 1
        file = twistd.get("logfile") or ("-" if twistd.get("nodaemon", True) else "twistd.log")
        installed = cast(PosixReactorBase, reactor)
        owner = (twistd.get("uid") or -1, twistd.get("gid") or -1)
        try:
            daemon.logObserver = observer(
                installed,
                standard if file == "-" else file,
                owner,
                daemon.secrets.maskedText,
            )
        except OSError as error:
            raise SystemExit(f"twistd netdemo: --logfile: {file}: {error.strerror}") from None
    # Before the daemon is ready to reload, SIGHUP must not end it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.geteuid() == 0 and twistd.get("uid") is None:
        daemon.log.warn("running as root; use twistd --uid nobody --gid nogroup netdemo")
    return daemon
