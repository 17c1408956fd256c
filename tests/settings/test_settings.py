"""settings/ and transport/endpoints.py: what a person can say, and what they get told."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from tests.support.processes import temporaryFolder
from twistednet import Datagram, StreamFaultKind
from twistednet.core import plugins
from twistednet.core.limits import networksOf
from twistednet.core.plugins import BadPlugin
from twistednet.core.settings import BadSetting, number, setting
from twistednet.faults import plugins as faultplugins
from twistednet.services.catalog import SERVICES, Service
from twistednet.services.echo import Echo
from twistednet.settings.loading import load
from twistednet.settings.schema import SHARED, Settings, ownSettings
from twistednet.settings.sources import Given
from twistednet.transport.endpoints import BadEndpoint, Endpoint

CATALOGUE = {service.name: service for service in SERVICES}


class Loud(Echo):
    """A subclass that the tests name."""


class SettingsTests(SynchronousTestCase):
    """Flags over environment over file over defaults."""

    def setUp(self) -> None:
        self.folder = temporaryFolder(self)

    def file(self, text: str, name: str = "netdemo.toml") -> str:
        """A settings file with this text."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def load(
        self, flags: dict[str, Any] | None = None, config: str | None = None, **environment: str
    ) -> Settings:
        """The settings that these sources give."""
        given = {key: Given(f"--{key}", value) for key, value in (flags or {}).items()}
        return load(given, config, CATALOGUE, environment)

    def test_trust(self) -> None:
        """Flags and a list in the file have one network each; one text may have several."""
        networks = networksOf(["172.16.0.0/12", "fd00::/8"])
        config = self.file('trust = ["172.16.0.0/12", "fd00::/8"]')
        for settings in (
            self.load({"trust": ["172.16.0.0/12", "fd00::/8"]}),
            self.load(config=config),
            self.load(NETDEMO_TRUST="172.16.0.0/12,fd00::/8"),
            self.load(NETDEMO_TRUST="172.16.0.0/12 fd00::/8"),
        ):
            self.assertEqual(networks, settings.trust.networks)
        self.assertEqual((), self.load().trust.networks)

    def listening(self, settings: Settings) -> dict[str, list[str]]:
        """What each service that is on was told, as it was written."""
        return {
            name: [endpoint.given for endpoint in endpoints]
            for name, endpoints in settings.listen.items()
            if endpoints
        }

    def refused(self, *arguments: Any, **environment: str) -> str:
        """The one line that these sources are refused with."""
        with self.assertRaises(BadSetting) as caught:
            self.load(*arguments, **environment)
        line = str(caught.exception)
        self.assertNotIn("\n", line)
        return line

    def test_events(self) -> None:
        """Where events go is beside the settings file, unless it is no path."""
        for given, taken in (
            ("events.jsonl", f"{self.folder}/events.jsonl"),
            ("/var/log/events", "/var/log/events"),
            ("-", "-"),
            ("off", "off"),
        ):
            self.assertEqual(taken, self.load(None, self.file(f'events = "{given}"')).events)
        for value in (7, "", "a\0b"):
            self.assertEqual(
                f"--events: {value!r} is not a file name: write it in quotes",
                self.refused({"events": value}),
            )

    def test_defaults(self) -> None:
        """Nothing needs to be said; everything listens on loopback."""
        settings = self.load()
        self.assertEqual(list(settings.listen), list(CATALOGUE))
        for endpoints in settings.listen.values():
            self.assertTrue(endpoints)
            self.assertFalse([one for one in endpoints if one.isPublic])
        self.assertEqual(settings.maxPeerConnections, 20)
        self.assertEqual(settings.protocols["echo"], Echo)

    def test_precedence(self) -> None:
        """The nearer source wins, setting by setting."""
        config = self.file("max-message = 1\nmax-header = 1\nmax-body = 1\n")
        settings = self.load(
            {"max-message": "3"}, config, NETDEMO_MAX_MESSAGE="2", NETDEMO_MAX_HEADER="2"
        )
        self.assertEqual((settings.maxMessage, settings.maxHeader, settings.maxBody), (3, 2, 1))

    def test_configFromEnvironment(self) -> None:
        """The file can be named by the environment as well."""
        config = self.file("max-body = 7")
        self.assertEqual(self.load(NETDEMO_CONFIG=config).maxBody, 7)

    def test_everySettingFromEverySource(self) -> None:
        """Each shared setting is read from text and from TOML alike."""
        for key, one in SHARED.items():
            if key in (
                "admin-hosts",
                "admin-token",
                "answers",
                "fault",
                "scenario",
                "play",
                "trust",
            ):
                continue
            default = one.default if isinstance(one.default, (int, float, str)) else 5
            toml = f'"{default}"' if isinstance(default, str) else str(default).lower()
            variable = "NETDEMO_" + key.upper().replace("-", "_")
            for settings in (
                self.load({key: str(default).lower()}),
                self.load({}, self.file(f"{key} = {toml}")),
                self.load(**{variable: str(default).lower()}),
            ):
                self.assertEqual(getattr(settings, one.name), default, key)

    def test_endpoints(self) -> None:
        """One or several from each source; a nearer source replaces all of a farther."""
        config = self.file('echo = ["tcp:1", "unix:/x"]\nanswer = "off"\nonly = ["echo", "answer"]')
        self.assertEqual(self.listening(self.load({}, config)), {"echo": ["tcp:1", "unix:/x"]})
        settings = self.load({}, config, NETDEMO_ECHO="tcp:2 tcp:3", NETDEMO_ONLY="echo,chat")
        self.assertEqual(self.listening(settings)["echo"], ["tcp:2", "tcp:3"])
        self.assertEqual(set(self.listening(settings)), {"echo", "chat"})
        settings = self.load({"echo": ["tcp:4"]}, config, NETDEMO_ECHO="tcp:2")
        self.assertEqual(self.listening(settings), {"echo": ["tcp:4"]})

    def test_answers(self) -> None:
        """A book of one's own; in the settings file its name is relative to that file."""
        self.file('[answers]\n"why" = "because"', "book.toml")
        settings = self.load({}, self.file('answers = "book.toml"'))
        assert settings.answers is not None
        self.assertEqual(settings.answers.answer("Why?"), "because")

    def test_admin(self) -> None:
        """Where the admin site listens, whom it answers to, and what one must know."""
        token = "0123456789abcdef"
        config = self.file(f'admin-hosts = ["A.example", "b"]\nadmin-token = "{token}"')
        settings = self.load({"admin": ["tcp:1", "unix:/x"]}, config, NETDEMO_ADMIN="off")
        self.assertEqual([one.given for one in settings.admin], ["tcp:1", "unix:/x"])
        self.assertEqual(settings.adminHosts, {"a.example", "b"})
        self.assertEqual(settings.adminToken, token)
        self.assertEqual(self.load(NETDEMO_ADMIN="off", NETDEMO_ADMIN_HOSTS="a b").admin, ())
        default = self.load()
        self.assertEqual([one.given for one in default.admin], ["tcp:8800"])
        self.assertEqual((default.adminHosts, default.adminToken), (frozenset(), None))

    def test_class(self) -> None:
        """A subclass takes the place of a service's class."""
        self.assertEqual(self.load({"echo-class": f"{__name__}.Loud"}).protocols["echo"], Loud)

    def test_refusals(self) -> None:
        """Each mistake: where it stands, what is wrong, what would be right."""
        book = self.file('[answers]\n"a" = "1"\n"A?" = "2"', "book.toml")
        for flags, toml, environment, line in (
            ({}, "echoo = 1", {}, "{file}: echoo: no such key; did you mean echo?"),
            (
                {"admin": ["udp:1"]},
                None,
                {},
                "--admin: udp: is for datagrams, and the admin site has",
            ),
            ({"admin-token": "short"}, None, {}, "--admin-token: a token of 5 characters"),
            ({"admin-token": "0123456789 abcdef"}, None, {}, "--admin-token: a token is printable"),
            ({"admin-hosts": "http://a"}, None, {}, "--admin-hosts: 'http://a' is not a host"),
            ({}, "x = ", {}, "{file}: not TOML: Invalid value"),
            (
                {},
                None,
                {"NETDEMO_ECHOO": "1"},
                "NETDEMO_ECHOO: no such setting; did you mean NETDEMO_ECHO?",
            ),
            ({}, "max-body = true", {}, "{file}: max-body: True is not a whole number"),
            ({}, "max-body = 1.5", {}, "{file}: max-body: 1.5 is not a whole number"),
            ({"max-message": "many"}, None, {}, "--max-message: 'many' is not a whole number"),
            (
                {"max-message": "0"},
                None,
                {},
                "--max-message: '0' is out of range: use a whole number of 1 or more",
            ),
            (
                {"idle-timeout": "inf"},
                None,
                {},
                "--idle-timeout: 'inf' is out of range: use a number of",
            ),
            (
                {"idle-timeout": "nan"},
                None,
                {},
                "--idle-timeout: 'nan' is out of range: use a number of",
            ),
            ({"trust": ["0.0.0.0/0"]}, "", {}, "0.0.0.0/0 is everybody"),
            ({}, "trust = 10", {}, "10 is not a network: write it in quotes"),
            ({}, "", {"NETDEMO_TRUST": "10.0.0.1/8"}, "'10.0.0.1/8' is not a network"),
            ({}, 'limit-loopback = "perhaps"', {}, "'perhaps' is neither true nor false"),
            ({"datagram-bye": "now"}, None, {}, "--datagram-bye: 'now' is not one of end, stop"),
            (
                {"only": ["ecko"]},
                None,
                {},
                "--only: there is no service 'ecko'; did you mean echo?",
            ),
            ({}, "only = 1", {}, "{file}: only: 1 is neither a text nor a list of texts"),
            ({}, 'echo = ["tcp:1", 2]', {}, "is neither a text nor a list of texts"),
            ({}, "answers = 5", {}, "{file}: answers: 5 is not a file name: write it in quotes"),
            ({}, "echo-class = 5", {}, "{file}: echo-class: 5 is not a class"),
            ({}, "x = " + "[" * 5000, {}, "{file}: not TOML"),
            ({}, "max-connections = " + "9" * 100_000, {}, "{file}: not TOML: an integer has"),
            ({}, "max-connections = 0x" + "f" * 9000, {}, "{file}: not TOML: an integer does"),
            ({"max-connections": "9" * 4000}, None, {}, "99... is out of range: use a whole"),
            ({"echo": ["tcp:" + "9" * 100_000]}, None, {}, "99... is not a port: write a number"),
            ({"answers": self.file("a" + ".a" * 50_000, "d.toml")}, None, {}, "more than 32 parts"),
            ({"echo": ["8888"]}, None, {}, "--echo: '8888' is not an endpoint: write tcp:PORT"),
            (
                {"echo": ["udp:1"]},
                None,
                {},
                "--echo: udp: is for datagrams, and echo has connections",
            ),
            ({"datagram": ["tcp:1"]}, None, {}, "--datagram: tcp: is for connections"),
            (
                {"echo-class": "no.such.Thing"},
                None,
                {},
                "--echo-class: 'no.such.Thing' cannot be imported",
            ),
            (
                {"echo-class": "socket.socket"},
                None,
                {},
                "is not a subclass of twistednet.services.echo.Echo",
            ),
            ({"answers": "/no/such"}, None, {}, "--answers: /no/such cannot be read: No such file"),
            ({"answers": book}, None, {}, "'A?' stands twice: keep one of them"),
            ({"answers": self.file("a = 1", "b.toml")}, None, {}, "needs one table, [answers]"),
            ({"answers": self.file("a = ", "c.toml")}, None, {}, "is not TOML"),
        ):
            config = None if toml is None else self.file(toml)
            told = self.refused(flags, config, **environment)
            self.assertIn(line.format(file=config), told)
        self.assertIn("cannot be read", self.refused({}, str(self.folder / "none")))

    def test_faults(self) -> None:
        """Rules from every source, several in one text, and in tables."""
        two = ["echo: latency 100ms, first 2", 'chat: drop, matching "a;b"']
        listed = ", ".join(f"'{rule}'" for rule in two)
        tables = "".join(f"[[fault]]\nrule = '{rule}'\n" for rule in two)
        for settings in (
            self.load({"fault": two}),
            self.load(NETDEMO_FAULT="; ".join(two)),
            self.load({}, self.file(f"fault = [{listed}]")),
            self.load({}, self.file(tables)),
        ):
            self.assertEqual(two, [str(rule) for rule in settings.fault])
        self.assertEqual((), self.load().fault)
        for text, why in (
            ("fault = [1]", '1 is not a rule: write "echo: latency 100ms", in quotes'),
            ("[[fault]]\nname = 'x'", "{'name': 'x'} is not a rule"),
            (
                "fault = 'ecko: drop'",
                "'ecko: drop': there is no service 'ecko'; did you mean echo?",
            ),
            ("fault = 'datagram: silence'", "silence is for connections, and datagram has none"),
            ("fault = 'echo: drop, matching \"'", "a quotation mark is not closed"),
        ):
            line = self.refused({}, self.file(text))
            self.assertIn(f": fault: {why}"[-len(why) :], line)
            self.assertIn("netdemo.toml: fault: ", line)

    def test_scenarios(self) -> None:
        """Flags, a variable with a line each, a list, or tables; and one that is played."""
        two = ["a = 10s healthy | 5s echo: drop", "b = 1s echo: silence | again"]
        listed = ", ".join(f"'{one}'" for one in two)
        tables = (
            "[[scenario]]\nname = 'a'\nparts = ['10s healthy', '5s echo: drop']\n"
            "[[scenario]]\nname = 'b'\nparts = ['1s echo: silence', 'again']\n"
        )
        for settings in (
            self.load({"scenario": two, "play": "b"}),
            self.load(NETDEMO_SCENARIO="\n".join(two), NETDEMO_PLAY="b"),
            self.load({}, self.file(f"play = 'b'\nscenario = [{listed}]")),
            self.load({}, self.file(f"play = 'b'\n{tables}")),
        ):
            self.assertEqual(two, [str(one) for one in settings.scenario.values()])
            self.assertEqual("b", settings.play)
        self.assertEqual(({}, ""), (self.load().scenario, self.load().play))
        for content, why in (
            ("scenario = [1]", '1 is not a scenario: write "down = 5s echo: refuse", in quotes'),
            ("[[scenario]]\nname = 'x'", "{'name': 'x'} is not a scenario"),
            ("[[scenario]]\nname = 'x'\nparts = [1]", "is not a scenario"),
            (f"scenario = ['{two[0]}', '{two[0]}']", "two scenarios have the same name"),
            ("scenario = 'a = 1s ecko: drop'", "there is no service 'ecko'; did you mean echo?"),
            ("play = 'c'", "play: there is no scenario 'c'; there are none"),
            (f"play = 'c'\nscenario = [{listed}]", "there is no scenario 'c'; there are a, b"),
            ("play = 1", "1 is not a name: write it in quotes"),
        ):
            with self.assertRaises(BadSetting) as caught:
                self.load({}, self.file(content))
            self.assertIn(why, str(caught.exception))

    def test_nothingToServe(self) -> None:
        """A daemon that would serve nothing does not pretend to."""
        for flags in ({"only": []}, {"only": ["echo"], "echo": ["off"]}):
            self.assertIn("nothing is left to serve", self.refused(flags))

    def test_emptyVariable(self) -> None:
        """A variable that is empty is one that is not set, as in a compose file."""
        self.assertTrue(all(self.load(NETDEMO_ECHO="", NETDEMO_ONLY="").listen.values()))

    def test_mistakesOfWhatIsNotServed(self) -> None:
        """An endpoint is looked at also where --only leaves its service out."""
        told = self.refused({"only": ["echo"], "chat": ["nonsense"]})
        self.assertIn("--chat: 'nonsense' is not an endpoint", told)

    def test_folders(self) -> None:
        """Paths are relative to where they were written: the file's folder, or ours."""
        self.file('[answers]\n"a" = "1"', "book.toml")
        config = self.file('echo = "unix:e.sock"')
        settings = load({}, config, CATALOGUE, {"NETDEMO_ANSWERS": "book.toml"}, str(self.folder))
        assert settings.answers is not None
        self.assertEqual(settings.answers.answer("a"), "1")
        [echo] = settings.listen["echo"]
        self.assertEqual(echo.arguments["address"], str(self.folder / "e.sock"))

    def test_kubernetes(self) -> None:
        """What Kubernetes tells everybody of a service called netdemo is none of ours."""
        self.load(NETDEMO_SERVICE_HOST="10.0.0.1", NETDEMO_PORT="tcp://10.0.0.1:80", PATH="/bin")


class EndpointTests(SynchronousTestCase):
    """Endpoint strings, and the defaults that we fill in."""

    def test_defaults(self) -> None:
        """Loopback, a backlog that a stall survives, a socket for owner and group."""
        for given, text in (
            ("tcp:80", "tcp:interface=127.0.0.1:backlog=1024:port=80"),
            ("tcp:80:0.0.0.0", "tcp:interface=0.0.0.0:backlog=1024:port=80"),
            ("tcp:port=80:backlog=5", "tcp:interface=127.0.0.1:backlog=5:port=80"),
            ("tcp6:80", "tcp6:backlog=1024:interface=\\:\\:1:port=80"),
            ("unix:/a\\:b", "unix:mode=660:backlog=1024:lockfile=0:address=/a\\:b"),
            ("udp:5", "udp:interface=127.0.0.1:port=5"),
            ("haproxy:tcp:80", "haproxy:tcp:interface=127.0.0.1:backlog=1024:port=80"),
            ("systemd:domain=INET:name=echo", "systemd:domain=INET:name=echo"),
        ):
            self.assertEqual(Endpoint.parse(given).text, text)

    def test_ipv6AsPeopleWriteIt(self) -> None:
        """An address needs no backslashes."""
        for given in ("tcp:80:interface=::1", "tcp:80:interface=\\:\\:1"):
            self.assertEqual(Endpoint.parse(given).arguments["interface"], "::1")

    def test_sameSocket(self) -> None:
        """Two strings that name one socket are known to; others are not."""
        for one, other, same in (
            ("tcp:80", "tcp:080:backlog=5", True),
            ("tcp6:80", "tcp:80:interface=::1", True),
            ("tcp:80", "ssl:80", True),
            ("unix:/a/../b", "unix:/b:mode=600", True),
            ("tcp:80", "udp:80", False),
            ("tcp:80", "tcp:81", False),
            ("systemd:domain=INET:name=a", "systemd:domain=INET:name=b", False),
        ):
            alike = Endpoint.parse(one).socket == Endpoint.parse(other).socket
            self.assertEqual(alike, same, (one, other))

    def test_public(self) -> None:
        """What other machines can reach is known as such."""
        for given, public in (
            ("tcp:80", False),
            ("tcp:80:interface=127.0.0.2", False),
            ("tcp:80:interface=::1", False),
            ("unix:/x", False),
            ("tcp:80:interface=0.0.0.0", True),
            ("tcp:80:interface=", True),
            ("tcp:80:interface=::", True),
            ("udp:80:interface=10.0.0.1", True),
            ("haproxy:tcp:80:interface=0.0.0.0", True),
            ("ssl:80:interface=0.0.0.0", True),
        ):
            self.assertEqual(Endpoint.parse(given).isPublic, public, given)

    def test_refusals(self) -> None:
        """Each mistake is told with what would be right."""
        for given, line in (
            ("8888", "write tcp:PORT"),
            ("", "write tcp:PORT"),
            ("tcp:", "tcp: needs a port, as in tcp:8888"),
            ("tcp:http", "'http' is not a port: write a number from 0 to 65535"),
            ("tcp:70000", "'70000' is not a port"),
            ("tcp:80:port=1:x=2", "tcp: has no 'x'; it takes port, interface, backlog"),
            ("tcp:80:0.0.0.0:5:6", "tcp: takes port, interface, backlog, and nothing after"),
            ("unix:/x:mode=rw", "'rw' is not a mode: write three octal digits, as in 660"),
            ("unix:", "unix: needs a address, as in unix:/run"),
            ("udp:5:backlog=3", "udp: has no 'backlog'"),
            ("haproxy:tcp:http", "'http' is not a port"),
        ):
            with self.assertRaises(BadEndpoint) as caught:
                Endpoint.parse(given)
            self.assertIn(line, str(caught.exception), given)


class CatalogTests(SynchronousTestCase):
    """The table of services."""

    def test_each(self) -> None:
        """Every service names endpoints that parse, and a class that can be subclassed."""
        for service in SERVICES:
            self.assertTrue(service.help)
            for text in service.listen:
                endpoint = Endpoint.parse(text)
                maker = service.datagram if endpoint.isDatagram else service.stream
                self.assertIsNotNone(maker, service.name)
                self.assertIsInstance(service.protocol, type)
        self.assertEqual(len(CATALOGUE), len(SERVICES))
        self.assertEqual(Service("x", (), "y", Echo).client, None)

    def test_brought(self) -> None:
        """What another package brings is there; what cannot be used ends in one line."""
        group = faultplugins.ENTRY_POINTS
        point = EntryPoint("kind", "tests.settings.test_settings:BROUGHT", group)
        with self.points(point):
            settings = load({"fault": Given("--fault", ["echo: moo 3"])}, None, CATALOGUE, {})
        self.assertIs(BROUGHT, settings.fault[0].kind)
        for value, why in (
            ("tests.nowhere:KIND", "does not load: No module named 'tests.nowhere'"),
            ("tests.settings.test_settings:CATALOGUE", "is not a twistednet.FaultKind: "),
            ("tests.settings.test_settings:TAKEN", "is written like a kind that exists: drop"),
        ):
            point = EntryPoint("kind", value, group)
            with self.points(point), self.assertRaises(BadSetting) as caught:
                load({}, None, CATALOGUE, {})
            line = str(caught.exception)
            self.assertTrue(
                line.startswith(f"the entry point kind = {value} ({group}) {why}"), line
            )

    @contextmanager
    def points(self, *points: EntryPoint) -> Iterator[None]:
        """As if packages that are installed had named these."""
        patch = self.patch(
            plugins, "entry_points", lambda group: [one for one in points if one.group == group]
        )
        yield
        patch.restore()


BROUGHT = StreamFaultKind("moo N", lambda step, memory, times: [step] * times)
TAKEN = StreamFaultKind("drop", lambda step, memory: [])


@dataclass(frozen=True)
class TakenSettings:
    """A setting with the name of one that exists."""

    maxMessage: int = setting(1, number(int, 1), "taken")


class OwnSettingsTests(SynchronousTestCase):
    """The names of a service that declares settings."""

    def test_clash(self) -> None:
        """A name that is taken is refused; the line names the package."""
        origin = "the entry point kv"
        for service, name in (
            (Service("kv", (), "x", Echo, settings=TakenSettings, origin=origin), "max-message"),
            (Service("events", (), "x", Echo, origin=origin), "events"),
            (Service("only", (), "x", Echo, origin=origin), "only"),
            (Service("port", (), "x", Echo, origin=origin), "port"),
        ):
            with self.assertRaises(BadPlugin) as caught:
                ownSettings([*CATALOGUE.values(), service])
            self.assertEqual(f"{origin}: the name {name} is taken", str(caught.exception))


class ReplyClock(DatagramProtocol):
    """A datagram protocol that, by mistake, stands where a function that makes it belongs."""

    def __init__(self, clock: object = None) -> None:
        self.clock = clock


class Reverse(Datagram):
    """A subclass of our own protocol."""


@dataclass(frozen=True)
class Undeclared:
    """Settings of which one is not declared."""

    maxKeys: int = 3


class CheckTests(SynchronousTestCase):
    """A service that could not serve is refused when it is loaded."""

    def refused(self, *arguments: Any, **rest: Any) -> str:
        service = Service(*arguments, **rest, origin="kv 1.0")
        with self.assertRaises(BadPlugin) as caught:
            service.check()
        line = str(caught.exception)
        self.assertTrue(line.startswith("kv 1.0: "), line)
        self.assertNotIn("\n", line)
        return line

    def test_own(self) -> None:
        """All services of this package pass."""
        for service in SERVICES:
            service.check()

    def test_refused(self) -> None:
        """Each mistake has its line."""
        one = ("tcp:0",)
        for arguments, rest, why in (
            (("Kv", one, "x", Echo), {}, "the name 'Kv' is not lower-case"),
            (("kv", one, "x", "Echo"), {}, "protocol is not a class: 'Echo'"),
            (("kv", one, "x", Echo), {"settings": 7}, "settings is not a dataclass: 7"),
            (("kv", one, "x", Echo), {"stream": None}, "it has neither stream nor datagram"),
            (("kv", ("tcp:x",), "x", Echo), {}, "listen: 'x' is no"),
            (("kv", ("udp:5",), "x", Echo), {}, "listen: udp:5 needs datagram"),
            (
                ("kv", ("udp:5",), "x", ReplyClock),
                {"stream": None, "datagram": ReplyClock},
                "datagram is the class itself",
            ),
            (
                ("kv", ("udp:5",), "x", Reverse),
                {"stream": None, "datagram": Datagram},
                "datagram is Datagram, which is made with a clock and not with a class",
            ),
            (("kv", "tcp:0", "x", Echo), {}, "listen is not a tuple of endpoint strings: 'tcp:0'"),
            (("kv", (7,), "x", Echo), {}, "listen is not a tuple of endpoint strings: (7,)"),
            (
                ("kv", one, "x", Echo),
                {"settings": Undeclared},
                "settings: Undeclared.maxKeys is not declared with setting()",
            ),
            (("kv", one, "x", Echo), {"stream": operator.call}, "stream makes no factory but"),
            (("kv", one, "x", Echo), {"stream": len}, "stream makes no factory: TypeError("),
        ):
            self.assertIn(why, self.refused(*arguments, **rest))
