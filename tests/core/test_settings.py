"""core/settings.py: how the values of settings are read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twistednet.core.settings import BadSetting, trueOrFalse


class SwitchTests(SynchronousTestCase):
    """A switch, which a flag, a variable or a file gives."""

    def test_on(self) -> None:
        """Each word for true turns it on."""
        for value in (True, "true", "yes", "1"):
            self.assertIs(True, trueOrFalse(value), value)

    def test_off(self) -> None:
        """Each word for false turns it off."""
        for value in (False, "false", "no", "0"):
            self.assertIs(False, trueOrFalse(value), value)

    def test_neither(self) -> None:
        """Any other value is refused, and the message shows it."""
        for value in ("", "on", "TRUE", "01", None, 2, ["yes"]):
            with self.assertRaises(BadSetting) as caught:
                trueOrFalse(value)
            self.assertEqual(f"{value!r} is neither true nor false", str(caught.exception))
