"""How many tests pytest runs at once with `-n auto`."""

from __future__ import annotations

import os
from typing import Any


def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Two for each core: most tests wait for processes of their own, or for time to pass."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
