"""core/toml.py: TOML in bounded time, with one kind of error."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.toml import BadTOML, parseTOML


class ParseTests(SynchronousTestCase):
    """What is TOML, and what is not."""

    def test_right(self) -> None:
        """Keys, tables and texts of many words and dots are taken as they are."""
        text = f'a.b."c.d" = 1\n[t.u]\nx = "{"one. two three... " * 5000}"\ny = "{"." * 100_000}"\n'
        content = parseTOML(text)
        self.assertEqual(content["a"], {"b": {"c.d": 1}})
        self.assertEqual(len(content["t"]["u"]["x"]), 18 * 5000)

    def test_wrong(self) -> None:
        """Each is BadTOML, and is found at once, however long it is."""
        for text in (
            "x = ",
            "x = " + "9" * 100_000,
            "x = 0x" + "f" * 100_000,
            f"x = [{{y = [{2**63}]}}]",
            "x = " + "[" * 100_000,
            "a." * 50_000 + "a = 1",
            "[" + "a . " * 50_000 + "a]",
            "'a'.\"b\"." * 20_000 + "a = 1",
            "x = {" + "a." * 50_000 + "a = 1}",
            "a" * 100_000,
            '"' * 100_000,
        ):
            begun = time.process_time()
            with self.assertRaises(BadTOML, msg=text[:20]):
                parseTOML(text)
            self.assertLess(time.process_time() - begun, 1, text[:20])
