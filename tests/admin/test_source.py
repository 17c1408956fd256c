"""The code of a service's callbacks, as the page shows it."""

from __future__ import annotations

from tests.support.adminsite import Admin, AdminTests
from tests.support.processes import environment, running, temporaryFolder

LOUD = """
from twistednet import Echo


class Loud(Echo):
    def dataReceived(self, data):
        self.transport.write(data.upper())
"""


class SourceTests(AdminTests):
    """One daemon with every service."""

    def test_ours(self) -> None:
        """Of a callback that a class inherits, the code is shown where it stands."""
        for service, callback, where, line in (
            ("echo", "dataReceived", "services.echo.Echo", "self.transport.write"),
            ("answer", "dataReceived", "services.messages.Messages", "self._framer.feed"),
            ("hello", "dataReceived", "transport.httpturns.TurnTakingChannel", "turns.begin()"),
            ("datagram", "datagramReceived", "services.datagram.Datagram", "b'bye'"),
        ):
            got = self.admin.ask(f"/api/v1/services/{service}/source/{callback}")
            self.assertEqual(200, got.status, (service, got.body))
            self.assertEqual(f"twistednet.{where}.{callback}", got.json["where"])
            self.assertGreater(got.json["line"], 1)
            self.assertIn(line.replace("'", '"'), "\n".join(got.json["lines"]))

    def test_notOurs(self) -> None:
        """No other code is shown, whatever is asked for."""
        for path in (
            "echo/source/reply",
            "echo/source/__init__",
            "echo/source/datagramReceived",
            "datagram/source/dataReceived",
            "nothing/source/dataReceived",
            "echo/source",
        ):
            self.assertEqual(404, self.admin.ask(f"/api/v1/services/{path}").status, path)
        path = "/api/v1/services/echo/source/dataReceived"
        self.assertEqual(401, self.admin.ask(path, token=None).status)

    def test_yours(self) -> None:
        """A class of somebody's own is shown as they wrote it."""
        folder = temporaryFolder(self)
        (folder / "loud.py").write_text(LOUD)
        flags = ("--only", "echo", "--echo", "tcp:0", "--echo-class", "loud.Loud")
        with running(*flags, "--admin", "tcp:0", env=environment(PYTHONPATH=str(folder))) as daemon:
            got = Admin(daemon).ask("/api/v1/services/echo/source/dataReceived").json
        self.assertEqual(("loud.Loud.dataReceived", 6), (got["where"], got["line"]))
        self.assertEqual(LOUD.splitlines()[5:], got["lines"])
