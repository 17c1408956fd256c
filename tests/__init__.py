"""The tests run under pytest and under trial; both import this first."""

from __future__ import annotations

import os

from hypothesis import settings

# Each example drives a protocol or two; a deadline would only measure the machine.
settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
