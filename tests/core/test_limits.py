"""core/limits.py: rates and counts."""

from __future__ import annotations

import pickle

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.limits import (
    Admission,
    AdmissionControl,
    LocalPeers,
    PeerRates,
    TokenBucket,
    isLocal,
    networksOf,
)


class TokenBucketTests(SynchronousTestCase):
    """Token buckets: a burst, then a rate."""

    def test_burstThenRate(self) -> None:
        """The burst passes at once, and then one each 1/rate seconds."""
        bucket = TokenBucket(rate=2, burst=3)
        self.assertEqual([bucket.allow(10) for _ in range(4)], [True, True, True, False])
        self.assertEqual(bucket.wait(), 0.5)
        self.assertFalse(bucket.allow(10.4))
        self.assertTrue(bucket.allow(10.5))
        self.assertFalse(bucket.allow(10.5))

    def test_neverMoreThanTheBurst(self) -> None:
        """A long silence saves no more than the burst."""
        bucket = TokenBucket(rate=2, burst=3)
        self.assertEqual([bucket.allow(1e6) for _ in range(4)], [True, True, True, False])

    def test_clockGoesBack(self) -> None:
        """A clock that is set back takes no token away."""
        bucket = TokenBucket(rate=1, burst=2)
        self.assertTrue(bucket.allow(100))
        self.assertTrue(bucket.allow(50))
        self.assertFalse(bucket.allow(50))


class PeerRatesTests(SynchronousTestCase):
    """One bucket a peer, in bounded memory."""

    def test_apart(self) -> None:
        """One peer's rate is not another's."""
        rates = PeerRates(rate=1, burst=1)
        self.assertTrue(rates.allow("a", 0))
        self.assertFalse(rates.allow("a", 0))
        self.assertTrue(rates.allow("b", 0))

    def test_forgetsTheOldest(self) -> None:
        """The bucket of the peer that was silent longest is dropped, if there are too many."""
        rates = PeerRates(rate=1, burst=1, maxPeers=2)
        for peer in ("a", "b", "a", "c"):
            rates.allow(peer, 0)
        self.assertFalse(rates.allow("a", 0))
        self.assertTrue(rates.allow("b", 0))


class DoorTests(SynchronousTestCase):
    """Admission of connections."""

    def test_total(self) -> None:
        """At the limit no connection is admitted, until one is closed."""
        door = AdmissionControl(Admission(total=2, perPeer=9, rate=9))
        door.enter("a")
        door.enter(None)
        self.assertEqual(door.refusal("b", 0), "connections")
        door.leave(None)
        self.assertIsNone(door.refusal("b", 0))

    def test_perPeer(self) -> None:
        """Each address has a limit of its own; an exempt one has none."""
        door = AdmissionControl(Admission(total=99, perPeer=2, rate=99))
        door.enter("a")
        door.enter("a")
        self.assertEqual(door.refusal("a", 0), "connections per peer")
        self.assertIsNone(door.refusal("b", 0))
        self.assertIsNone(door.refusal(None, 0))
        door.leave("a")
        self.assertIsNone(door.refusal("a", 0))
        door.leave("a")
        self.assertEqual(door.total, 0)

    def test_forgetsPeers(self) -> None:
        """An address without connections takes no memory."""
        door = AdmissionControl(Admission(total=9, perPeer=2, rate=9))
        for peer in ("a", "b", "a"):
            door.enter(peer)
        for peer in ("a", "b"):
            door.leave(peer)
        self.assertEqual(dict(door._perPeer), {"a": 1})

    def test_rate(self) -> None:
        """New connections of one address have a rate; those of an exempt peer have none."""
        door = AdmissionControl(Admission(total=99, perPeer=99, rate=2))
        self.assertEqual([door.refusal("a", 5) for _ in range(3)], [None, None, "connection rate"])
        self.assertIsNone(door.refusal("a", 5.5))
        self.assertEqual([door.refusal(None, 5) for _ in range(9)], [None] * 9)

    def test_newLimits(self) -> None:
        """Changed limits hold for the next connection; open ones stay counted."""
        door = AdmissionControl(Admission(total=9, perPeer=9, rate=9))
        door.enter("a")
        door.admission = Admission(total=1, perPeer=9, rate=9)
        self.assertEqual(door.refusal("b", 0), "connections")


class ForgottenPeerTests(SynchronousTestCase):
    """The memory of the admission of connections."""

    def test_noPeersLeft(self) -> None:
        """Peers without an open connection are forgotten: there are more of them than memory."""
        door = AdmissionControl(Admission(total=99, perPeer=9, rate=9))
        before = pickle.dumps(door)
        for number in range(100):
            for _ in range(2):
                door.enter(f"192.0.2.{number}")
        self.assertNotEqual(before, pickle.dumps(door))
        for number in range(100):
            for _ in range(2):
                door.leave(f"192.0.2.{number}")
        self.assertEqual(before, pickle.dumps(door))


class LocalTests(SynchronousTestCase):
    """Which addresses are those of this machine."""

    def test_hosts(self) -> None:
        """The loopback ranges and UNIX sockets, and nothing that looks like them."""
        for host in (None, "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(isLocal(host), host)
        for host in ("", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "1127.0.0.1", "::12"):
            self.assertFalse(isLocal(host), host)


class LocalPeersTests(SynchronousTestCase):
    """Which peers count as loopback."""

    def test_covers(self) -> None:
        """Loopback, UNIX sockets, and the networks; also an IPv4 address that IPv6 carries."""
        peers = LocalPeers(networksOf(["172.16.0.0/12", "fd00::/8", "::ffff:192.0.2.0/120"]))
        for host in (
            *(None, "127.0.0.1", "::1", "::ffff:127.0.0.1", "172.16.0.0", "172.31.255.255"),
            *("::ffff:172.20.0.1", "fd00::1", "fd12::1%eth0", "192.0.2.7"),
        ):
            self.assertTrue(peers.covers(host), host)
        for host in ("172.32.0.0", "fe80::1", "fe80::1%eth0", "192.0.3.1", "::ffff:10.0.0.1"):
            self.assertFalse(peers.covers(host), host)
        self.assertFalse(LocalPeers().covers("172.16.0.1"))
        self.assertTrue(LocalPeers().covers(None))

    def test_wrong(self) -> None:
        """What is not a network, and what is everybody, is refused."""
        for texts, why in (
            (["172.16.0.1/12"], "'172.16.0.1/12' is not a network: write it as 172.16.0.0/12"),
            (["docker"], "'docker' is not a network: write it as 172.16.0.0/12"),
            (["0.0.0.0/0"], "0.0.0.0/0 is everybody: name the network of your tests alone"),
            (["::/0"], "::/0 is everybody: name the network of your tests alone"),
            (["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/0 is everybody: name the network of "),
            (["::ffff:0:0/96"], "0.0.0.0/0 is everybody: name the network of "),
        ):
            with self.assertRaises(ValueError) as caught:
                networksOf(texts)
            self.assertTrue(str(caught.exception).startswith(why), caught.exception)
