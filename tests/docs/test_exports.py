"""twistednet/__init__.py: the façade."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from twisted.trial.unittest import SynchronousTestCase

import twistednet
from twistednet.services.catalog import SERVICES


class ExportTests(SynchronousTestCase):
    """What `from twistednet import ...` gives."""

    def test_all(self) -> None:
        """Every exported name is the object of that name, and every service's class is exported."""
        for name in twistednet.__all__:
            home = import_module(f"twistednet.{twistednet._HOME[name]}")
            self.assertIs(getattr(twistednet, name), vars(home)[name])
        promised = [getattr(twistednet, name) for name in twistednet.__all__]
        self.assertEqual([one.name for one in SERVICES if one.protocol not in promised], [])

    def test_noOther(self) -> None:
        """A name that does not exist raises AttributeError."""
        with self.assertRaisesRegex(AttributeError, "'twistednet' has no attribute 'Ekho'"):
            twistednet.Ekho  # type: ignore[attr-defined]  # noqa: B018

    def test_lazy(self) -> None:
        """The pytest plugin, which every pytest on the machine loads, brings no Twisted."""
        code = "import sys, twistednet.testing.plugin; print('twisted' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual(done.stdout, "False\n", done.stderr)
