"""/metrics, and health."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import PATIENCE, asked, readAll, running, temporaryFolder
from twistednet.admin.lag import INTERVAL_SECONDS, Lag
from twistednet.admin.metrics import MetricsPage
from twistednet.core.metrics import Histogram
from twistednet.events.model import Tally


def value(page: bytes, sample: str) -> float:
    """Of one sample, written as it stands on the page; 0 where there is none."""
    found = re.search(rf"^twistednet_{re.escape(sample)} (\S+)$", page.decode(), re.MULTILINE)
    return float(found[1]) if found else 0


class MetricsTests(AdminTests):
    """The page of a daemon that serves."""

    def page(self) -> bytes:
        return self.admin.ask("/metrics", token=None).body

    def waitFor(self, sample: str, wanted: float) -> bytes:
        """The page once it has it; the daemon hears of a client's end a moment later."""
        for _ in range(1000):
            page = self.page()
            if value(page, sample) == wanted:
                return page
        raise AssertionError(f"no {sample} {wanted}:\n{page.decode()}")

    def test_promtool(self) -> None:
        """Prometheus's own tool has nothing to say against it."""
        if shutil.which("promtool") is None:
            raise SkipTest("promtool is not installed (Debian: prometheus)")
        with self.connect("chat") as sock:
            sock.recv(100)
            done = subprocess.run(
                ["promtool", "check", "metrics"],
                input=self.page(),
                capture_output=True,
                timeout=PATIENCE,
            )
        self.assertEqual((0, b"", b""), (done.returncode, done.stdout, done.stderr))

    def test_connections(self) -> None:
        """What one connection did is counted while it is open, and once it is over."""
        before = self.page()
        sock = self.connect("echo")
        sock.sendall(b"x" * 1000)
        got = b""
        while len(got) < 1000:
            got += sock.recv(1000)
        during = self.page()
        sock.close()
        closed = 'connections_closed_total{reason="client FIN",service="echo"}'
        after = self.waitFor(closed, value(before, closed) + 1)
        for sample, grown in (
            ('received_bytes_total{service="echo"}', (1000, 1000)),
            ('sent_bytes_total{service="echo"}', (1000, 1000)),
            ('connections_opened_total{service="echo"}', (1, 1)),
            ('connections_open{service="echo"}', (1, 0)),
        ):
            growth = tuple(value(page, sample) - value(before, sample) for page in (during, after))
            self.assertEqual(grown, growth, sample)

    def test_services(self) -> None:
        """What services tell of themselves: messages, answers, rooms and people."""
        before = self.page()
        with self.connect("answer") as sock:
            asked(sock, b"how are u")
            asked(sock, b"why")
            asked(sock, b"why not")
        with self.connect("chat") as sock:
            sock.recv(100)
            sock.sendall(b"/join kitchen\n")
            while b"kitchen" not in sock.recv(1000):
                pass
            page = self.page()
            sock.sendall(b"byebye\n")
            readAll(sock)
        for sample, grown in (
            ('answer_hits_total{service="answer"}', 1),
            ('answer_misses_total{service="answer"}', 2),
            ('answer_seconds_count{service="answer"}', 3),
            ('received_messages_total{service="answer"}', 3),
            ('sent_messages_total{service="answer"}', 3),
            ('received_messages_total{service="chat"}', 1),
            ('chat_people{service="chat"}', 1),
        ):
            self.assertEqual(grown, value(page, sample) - value(before, sample), sample)
        self.assertEqual(2, value(page, 'chat_rooms{service="chat"}'))
        # Who has left is missed in the next turn.
        self.waitFor('chat_people{service="chat"}', value(before, 'chat_people{service="chat"}'))

    def test_http(self) -> None:
        """A request is a message, and so is its answer."""
        sample = 'received_messages_total{service="hello"}'
        before = value(self.page(), sample)
        with self.connect("hello") as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            readAll(sock)
        self.assertEqual(1, value(self.page(), sample) - before)

    def test_datagrams(self) -> None:
        """A datagram is a message, and its bytes are counted, whichever way it takes; what a
        guard turned down is told by its reason."""
        before = self.page()
        sock = self.datagrams()
        address = self.daemon.address("datagram", "udp")
        for size in range(300):
            sock.sendto(bytes(size), address)
            self.assertEqual(size, len(sock.recv(1000)))
        sock.sendto(bytes(7), self.daemon.address("receive", "udp"))
        page = self.waitFor(
            'received_messages_total{service="receive"}',
            value(before, 'received_messages_total{service="receive"}') + 1,
        )
        for sample, grown in (
            ('received_messages_total{service="datagram"}', 300),
            ('sent_messages_total{service="datagram"}', 300),
            ('received_bytes_total{service="datagram"}', sum(range(300))),
            ('sent_bytes_total{service="datagram"}', sum(range(300))),
            ('received_bytes_total{service="receive"}', 7),
            ('sent_bytes_total{service="receive"}', 0),
            ('connections_opened_total{service="datagram"}', 0),
            ('datagrams_dropped_total{reason="unsent",service="datagram"}', 0),
        ):
            self.assertEqual(grown, value(page, sample) - value(before, sample), sample)

    def test_datagramsRefused(self) -> None:
        """A source that could be a loop is turned down, and told by that limit."""
        limit = 'refused_total{limit="source is our own port",service="datagram"}'
        port = self.daemon.address("receive", "udp")[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", port))
            sock.sendto(b"x", self.daemon.address("datagram", "udp"))
        self.waitFor(limit, 1)

    def test_daemon(self) -> None:
        """Of the daemon: its versions, listeners, lag and process."""
        page = self.page().decode()
        self.assertRegex(page, r'(?m)^twistednet_build_info\{.*version="0\.1\.0"\} 1\.0$')
        self.assertIn('twistednet_listeners{service="receive",state="up"} 2.0', page)
        self.assertIn("\ntwistednet_draining 0.0\n", page)
        self.assertRegex(page, r"(?m)^process_resident_memory_bytes \d")
        self.assertRegex(page, r"(?m)^process_cpu_seconds_total \d")

    def test_noPeerText(self) -> None:
        """What clients send makes no series: after odd traffic there are as many as before."""
        page = self.waitFor('connections_open{service="chat"}', 0)
        with self.connect("answer") as sock:
            asked(sock, b'service="evil"} 1')
        with self.connect("hello") as sock:
            sock.sendall(b"NONSENSE {evil} HTTP/1.1\r\nHost: evil\r\n\r\n")
            sock.recv(100)
        self.assertNotIn(b"evil", self.page())
        names = {line.partition(b" ")[0] for line in page.splitlines()}
        more = {line.partition(b" ")[0] for line in self.page().splitlines()} - names
        self.assertLessEqual(len({one for one in more if b"reason=" not in one}), 0, more)


class HealthTests(TestCase):
    """/livez, /readyz and /version."""

    def test_drain(self) -> None:
        """Ready until a drain starts, and alive to its end, which who watches does not delay."""
        with running("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            self.assertEqual((200, b"ok\n"), admin.ask("/readyz", token=None)[::2])
            with daemon.connect("echo") as sock:
                sock.sendall(b"x")
                sock.recv(1)
                daemon.signal(signal.SIGTERM)
                daemon.waitFor("draining")
                self.assertEqual((503, b"draining\n"), admin.ask("/readyz", token=None)[::2])
                self.assertEqual(200, admin.ask("/livez", token=None).status)
                self.assertEqual(1, value(admin.ask("/metrics", token=None).body, "draining"))
            self.assertEqual(-signal.SIGTERM, daemon.wait())

    def test_listenerDown(self) -> None:
        """A socket that should listen and does not makes the daemon not ready."""
        flags = ("--only", "datagram,echo", "--datagram", "udp:0", "--datagram-bye", "stop")
        with running(*flags, "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            self.assertEqual(200, admin.ask("/readyz", token=None).status)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"bye", daemon.address("datagram", "udp"))
                daemon.waitFor("no longer listening")
            self.assertEqual(
                (503, b"datagram: udp:0 is down\n"), admin.ask("/readyz", token=None)[::2]
            )
            page = admin.ask("/metrics", token=None).body
            self.assertEqual(1, value(page, 'listeners{service="datagram",state="down"}'))

    def test_version(self) -> None:
        """What runs here."""
        with running("--only", "echo", "--echo", "tcp:0", "--admin", "tcp:0") as daemon:
            version = Admin(daemon).ask("/version").json
        self.assertEqual({"version", "python", "twisted"}, set(version))
        self.assertEqual("0.1.0", version["version"])


class ReloadTests(TestCase):
    """Counters and new settings."""

    def test_monotonic(self) -> None:
        """What a port has counted still counts when the port is closed."""
        config = temporaryFolder(self) / "netdemo.toml"
        config.write_text('only = ["datagram", "echo"]\ndatagram = "udp:0"\necho = "tcp:0"\n')
        with running("--config", str(config), "--admin", "tcp:0") as daemon:
            admin = Admin(daemon)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE)
                sock.sendto(b"12345", daemon.address("datagram", "udp"))
                sock.recv(10)
            config.write_text('only = ["datagram", "echo"]\ndatagram = "off"\necho = "tcp:0"\n')
            self.assertEqual(200, admin.ask("/api/v1/reload", "POST").status)
            page = admin.ask("/metrics").body
            self.assertEqual(5, value(page, 'received_bytes_total{service="datagram"}'))
            self.assertEqual(1, value(page, 'sent_messages_total{service="datagram"}'))


class FigureTests(SynchronousTestCase):
    """What is counted, without a daemon."""

    def families(self, *figures: tuple[str, dict[Any, Any]]) -> dict[str, Any]:
        """The families that these figures of services make, by name."""

        class Ports:
            def __iter__(self) -> Any:
                return iter(())

            down = names = __iter__

            def datagrams(self) -> Any:
                return {}

            def metrics(self) -> Any:
                return iter(figures)

        class Daemon:
            ports = Ports()
            connections = ()
            tally = Tally()
            stopping = False

        metrics = MetricsPage(Daemon(), Lag(Clock()))
        return {family.name: family for family in metrics.collect()}

    def test_hook(self) -> None:
        """A name that ends in _total is a counter, another a gauge, a histogram is one."""
        histogram = Histogram(1, 2)
        histogram.add(2)
        histogram.add(5)
        families = self.families(
            ("a", {"eggs_total": 3, "spam": 1.5, "wait_seconds": histogram}), ("b", {"spam": 2})
        )
        self.assertEqual("counter", families["twistednet_eggs"].type)
        spam = {tuple(one.labels.items()): one.value for one in families["twistednet_spam"].samples}
        self.assertEqual({(("service", "a"),): 1.5, (("service", "b"),): 2}, spam)
        wait = [(one.name[22:], one.value) for one in families["twistednet_wait_seconds"].samples]
        buckets = [("s_bucket", 0), ("s_bucket", 1), ("s_bucket", 2)]
        self.assertEqual([*buckets, ("s_count", 2), ("s_sum", 7)], wait)

    def test_badFigures(self) -> None:
        """What is no figure, or takes a name of ours, is left out, and all else is there."""
        known = set(self.families())
        families = self.families(
            (
                "a",
                {
                    "draining": 7,
                    "Bad Name": 1,
                    "text": "7",
                    "nothing": None,
                    7: 7,
                    "mixed": 1,
                    "good": 1,
                },
            ),
            ("b", {"mixed": Histogram(1)}),
        )
        self.assertEqual({"twistednet_good", "twistednet_mixed"}, set(families) - known)
        self.assertEqual(1, len(families["twistednet_mixed"].samples))
        self.assertEqual([0], [one.value for one in families["twistednet_draining"].samples])

    def test_lag(self) -> None:
        """How late a call comes is what is measured, every time."""
        clock = Clock()
        lag = Lag(clock)
        lag.start()
        clock.advance(INTERVAL_SECONDS)
        clock.advance(INTERVAL_SECONDS + 0.03)
        self.assertAlmostEqual(0.03, lag.seconds.sum)
        self.assertEqual([1, 1], [count for count in lag.seconds.counts if count])
        lag.stop()
        self.assertEqual([], clock.getDelayedCalls())
