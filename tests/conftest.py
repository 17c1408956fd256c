"""How many tests pytest runs at once with `-n auto`, and which it leaves to CI."""

from __future__ import annotations

import os
from typing import Any

import pytest


def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Two for each core: most tests wait for processes of their own, or for time to pass."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Those that take several seconds run in CI, or if somebody says so."""
    if "CI" not in os.environ:
        slow = pytest.mark.skip(reason="slow; CI=1 pytest runs it")
        for item in items:
            if item.get_closest_marker("slow") is not None:
                item.add_marker(slow)
