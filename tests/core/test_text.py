"""core/text.py: peer text that is safe to show, and readable where people read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.text import addressText, hostOf, readable, shown


class ShownTests(SynchronousTestCase):
    """Text in the log."""

    @given(st.binary(max_size=100))
    def test_bytesCanBeReadOff(self, data: bytes) -> None:
        """Shown text is printable ASCII, and says exactly what was sent."""
        text = shown(data)
        self.assertTrue(text.isascii() and (text.isprintable() or not text))
        self.assertEqual(text.encode().decode("unicode_escape").encode("latin-1"), data)

    @given(st.text(max_size=100))
    def test_textCanBeReadOff(self, data: str) -> None:
        """The same holds for text of any script, surrogates included."""
        text = shown(data)
        self.assertTrue(text.isascii() and (text.isprintable() or not text))
        self.assertEqual(text.encode().decode("unicode_escape"), data)

    def test_limit(self) -> None:
        """Text that is too long is cut, and the rest counted."""
        self.assertEqual(shown(b"abcdef", 4), "abcd... (+2)")
        self.assertEqual(shown(b"abcd", 4), "abcd")


class ReadableTests(SynchronousTestCase):
    """Lines from one person to another."""

    def test_scriptsPass(self) -> None:
        """Any script, and emoji with their joiners, arrive as they were typed."""
        for text in ("plain", "你好", "héllo", "שלום", "\U0001f468\u200d\U0001f469", "नमस्ते"):
            self.assertEqual(readable(text), text)

    def test_controlsDoNot(self) -> None:
        """Characters that act on a screen, or reorder text, are escaped."""
        self.assertEqual(readable("a\x1b[31mb"), "a\\x1b[31mb")
        self.assertEqual(readable("a\x00\r\x9b\u2028b"), "a\\x00\\r\\x9b\\u2028b")
        self.assertEqual(readable("\u202egnp.exe"), "\\u202egnp.exe")
        self.assertEqual(readable("a\u200bb\ufeff"), "a\\u200bb\\ufeff")
        self.assertEqual(readable("a\tb"), "a b")

    def test_unseenDoNot(self) -> None:
        """Invisible characters are escaped, except those that scripts and emoji need."""
        for code in (
            *(0xAD, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180F, 0x3164, 0xFFA0),
            *(0x2061, 0x2064, 0x206A, 0x206F, 0xFE00, 0xFE0D, 0xFFF9, 0xFFFB),
            *(0x1BCA0, 0x1D173, 0xE0000, 0xE0001, 0xE007F, 0xE01EF),
        ):
            self.assertEqual(readable(f"é{chr(code)}b"), f"é{shown(chr(code))}b", hex(code))
        for text in ("\u2764\ufe0f", "\u2764\ufe0e", "\u0646\u200c\u0647", "\u2800\u2801"):
            self.assertEqual(readable(text), text)


class PlaceTests(SynchronousTestCase):
    """How addresses are written."""

    def test_kinds(self) -> None:
        """Every kind of address that a peer can have."""
        self.assertEqual(addressText(("127.0.0.1", 5)), "127.0.0.1:5")
        self.assertEqual(addressText(("::1", 5)), "[::1]:5")
        self.assertEqual(addressText(IPv4Address("TCP", "127.0.0.1", 5)), "127.0.0.1:5")
        self.assertEqual(addressText(IPv6Address("TCP", "::1", 5)), "[::1]:5")
        self.assertEqual(addressText(UNIXAddress(b"/a\x1b")), "unix:/a\\x1b")
        self.assertEqual(addressText(UNIXAddress(None)), "unix socket")

    def test_host(self) -> None:
        """The host alone, or None for the address of a UNIX socket."""
        self.assertEqual(hostOf(IPv4Address("TCP", "127.0.0.1", 5)), "127.0.0.1")
        self.assertEqual(hostOf(IPv6Address("TCP", "::1", 5)), "::1")
        self.assertIsNone(hostOf(UNIXAddress(b"/a")))
        self.assertIsNone(hostOf(None))
