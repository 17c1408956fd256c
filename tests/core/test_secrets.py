"""core/secrets.py: credentials that nothing shows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.secrets import MIN_PART, Secrets

TOKEN = "rKsT-0123456789_abcdefABCDEF"


def hiding(*secrets: str) -> Secrets:
    made = Secrets()
    made.hide(secrets)
    return made


class SecretsTests(SynchronousTestCase):
    """What is masked, and what is not."""

    def test_masked(self) -> None:
        """Every occurrence is, and nothing else; the length stays."""
        secrets = hiding(TOKEN, "another-secret-word")
        text = f"GET /?token={TOKEN} {TOKEN}another-secret-word\\xff"
        stars = "*" * len(TOKEN)
        expected = f"GET /?token={stars} {stars}*******************\\xff"
        self.assertEqual(expected, secrets.maskedText(text))
        self.assertEqual(
            b"\xff" + stars.encode() + b"\0", secrets.masked(b"\xff" + TOKEN.encode() + b"\0")
        )

    def test_nothing(self) -> None:
        """Without a secret, and beside one, data stays as it is."""
        self.assertEqual(b"\xff0123", Secrets().masked(b"\xff0123"))
        self.assertEqual("plain", Secrets().maskedText("plain"))
        secrets = hiding(TOKEN)
        for text in ("", "rKsT-01 x", f"{TOKEN[:7]} {TOKEN[-7:]}", "RKST-0.123456"):
            self.assertEqual(text, secrets.maskedText(text))

    def test_replaced(self) -> None:
        """A secret that is not valid any more is shown again."""
        secrets = hiding(TOKEN)
        secrets.hide(["another-secret-word"])
        self.assertEqual(TOKEN, secrets.maskedText(TOKEN))

    def test_spellings(self) -> None:
        """As a URL has it, and as the log escapes it."""
        secrets = hiding("one/two+three\\four")
        for spelling in ("one%2Ftwo%2Bthree%5Cfour", "one/two+three\\\\four"):
            self.assertEqual(
                f"<{'*' * len(spelling)}>", secrets.maskedText(f"<{spelling}>"), spelling
            )

    @given(
        st.text("ab0-", min_size=16, max_size=40),
        st.text("ab0- ", max_size=30),
        st.text("ab0- ", max_size=30),
        st.data(),
    )
    def test_parts(self, secret: str, before: str, after: str, data: st.DataObject) -> None:
        """No part of eight characters is ever left, however the secret is cut."""
        begin = data.draw(st.integers(0, len(secret) - MIN_PART))
        end = data.draw(st.integers(begin + MIN_PART, len(secret)))
        got = hiding(secret).maskedText(before + secret[begin:end] + after)
        self.assertEqual(len(before) + end - begin + len(after), len(got))
        for at in range(len(secret) - MIN_PART + 1):
            self.assertNotIn(secret[at : at + MIN_PART], got)
