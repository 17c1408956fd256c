"""Whole services in the daemon that a user starts, spoken to over real sockets."""

from __future__ import annotations

import socket
import struct

from tests.support.processes import DaemonTests, readAll, readUntil


class TutorialTests(DaemonTests):
    """Clients as the tutorials write them: no newline anywhere, one recv a reply."""

    def test_echo(self) -> None:
        """The first client of every course."""
        sock = self.connect("echo")
        sock.send(b"This is a test message")
        self.assertEqual(sock.recv(1024), b"This is a test message")

    def test_receive(self) -> None:
        """What is sent is displayed, and so is the going."""
        sock = self.connect("receive")
        sock.send(b"hello")
        self.logged("sent 5 B: hello", sock)
        address = sock.getsockname()
        sock.close()
        self.daemon.waitFor(f"{address[0]}:{address[1]} went offline")

    def test_answer(self) -> None:
        """A whole conversation on one connection, each reply awaited."""
        sock = self.connect("answer")
        for question, answer in (
            (b"how are u", b"fine"),
            (b"how old are u", b"nicai"),
            (b"something else", b"Nothing"),
            (b"bye", b"Bye"),
        ):
            sock.send(question)
            self.assertEqual(sock.recv(1024), answer)
        self.assertEqual(sock.recv(1024), b"")

    def test_chat(self) -> None:
        """Two who take turns, until one says byebye."""
        ann = self.connect("chat")
        readUntil(ann, b"do\n")
        ben = self.connect("chat")
        readUntil(ben, b"do\n")
        readUntil(ann, b"joined lobby\n")
        for text in (b"hi", b"how are u"):
            ann.send(text)
            self.assertTrue(ben.recv(1024).strip().endswith(b": " + text))
            ben.send(text)
            self.assertTrue(ann.recv(1024).strip().endswith(b": " + text))
        ann.send(b"byebye")
        self.assertEqual(readAll(ann), b"byebye")
        ann.close()
        self.assertTrue(ben.recv(1024).strip().endswith(b"has left lobby"))

    def test_datagram(self) -> None:
        """Each comes back as it is, and is displayed."""
        sock = self.datagrams()
        for text in (b"hello", b"bye"):
            sock.sendto(text, self.daemon.address("datagram", "udp"))
            self.assertEqual(sock.recvfrom(1024), (text, self.daemon.address("datagram", "udp")))
        self.logged("sent 5 B: hello", sock)
        self.logged("sent bye", sock)

    def test_receiveDatagram(self) -> None:
        """The receiver displays datagrams too, and never replies."""
        sock = self.datagrams()
        sock.sendto(b"over UDP", self.daemon.address("receive", "udp"))
        self.logged("sent 8 B: over UDP", sock)
        sock.setblocking(False)
        self.assertRaises(BlockingIOError, sock.recv, 10)


class LineTests(DaemonTests):
    """The same services for people at nc."""

    def test_answerLineAndBare(self) -> None:
        """With a newline or without, sent and then closed."""
        for sent, answer in ((b"how are u\n", b"fine\n"), (b"how are u", b"fine")):
            sock = self.connect("answer")
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(sock), answer)

    def test_lastWordsArrive(self) -> None:
        """Somebody in the middle of sending 4 MiB still reads why they are cut off."""
        for service, limit in (("answer", 4096), ("chat", 512)):
            sock = self.connect(service)
            sock.sendall(b"x" * (4 << 20))
            self.assertIn(b"message too long: %d bytes at most\n" % limit, readAll(sock))
            self.logged("closed.*: message;", sock)

    def test_fourMebibytesOfNewlines(self) -> None:
        """Each is a question; each is answered, though the answers are eight times as much."""
        sock = self.connect("answer")
        sock.settimeout(60)
        questions = 100_000
        sock.sendall(b"\n" * questions)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(sock), b"Nothing\n" * questions)


class StreamTests(DaemonTests):
    """Streams in a real network."""

    def test_resetIsTold(self) -> None:
        """A client's RST is told apart from its FIN, and nobody else is disturbed."""
        other = self.connect("echo")
        sock = self.connect("answer")
        host, port = sock.getsockname()
        sock.sendall(b"how are u\n" * 1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        self.daemon.waitFor(rf"{host}:{port} closed .*: (client RST|connection lost);")
        other.sendall(b"still here")
        self.assertEqual(other.recv(100), b"still here")
        other.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(other), b"")
        self.logged("closed.*: client FIN; 10 B in, 10 B out", other)


class DatagramTests(DaemonTests):
    """Sizes at the edges."""

    def test_sizes(self) -> None:
        """Nothing, one byte and the most that UDP carries come back whole."""
        sock = self.datagrams()
        for size in (0, 1, 8192, 8193, 65_507):
            sent = bytes(range(256)) * 256
            sock.sendto(sent[:size], self.daemon.address("datagram", "udp"))
            self.assertEqual(sock.recv(70_000), sent[:size])

    def test_portIsNotClosedByAnError(self) -> None:
        """A reply that nobody takes (ICMP: port unreachable) does not end the service."""
        gone = self.datagrams()
        gone.sendto(b"x", self.daemon.address("datagram", "udp"))
        gone.close()
        for _ in range(3):
            sock = self.datagrams()
            sock.sendto(b"y", self.daemon.address("datagram", "udp"))
            self.assertEqual(sock.recv(10), b"y")
