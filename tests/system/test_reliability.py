"""The promises of docs/reliability.md, each on a daemon of its own.

They take minutes, so they run only where SOAK_SECONDS says how long the longest may take.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable

import pytest
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench.reliability.model import CannotRun, Conditions, Promise
from bench.reliability.promises import PROMISES

SECONDS = os.environ.get("SOAK_SECONDS", "")
#: CI draws the same each time; by hand, each run draws something else.
SEED = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(2**31)))


@pytest.mark.soak
class ReliabilityTests(SynchronousTestCase):
    """Each figure is within its bar, but for those that depend on the speed of the machine."""

    def setUp(self) -> None:
        if not SECONDS:
            raise SkipTest("takes minutes; SOAK_SECONDS=90 pytest -m soak runs it")

    def check(self, promise: Promise) -> None:
        print(f"SOAK_SEED={SEED}")
        try:
            found = list(promise.measure(Conditions(float(SECONDS), SEED)))
        except CannotRun as why:
            raise SkipTest(str(why)) from None
        self.assertTrue(found)
        missed = [str(one) for one in found if not (one.holds or one.isTime)]
        self.assertEqual([], missed)


def _test(promise: Promise) -> Callable[[ReliabilityTests], None]:
    def test(self: ReliabilityTests) -> None:
        self.check(promise)

    test.__doc__ = promise.text
    return test


for _promise in PROMISES:
    setattr(ReliabilityTests, "test_" + re.sub(r"\W", "_", _promise.name), _test(_promise))
