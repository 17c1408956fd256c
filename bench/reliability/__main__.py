"""Measure what the daemon promises under load and attack, and print the table.

python -m bench.reliability [--only NAME ...] [--seconds SECONDS] [--seed SEED]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

from bench.reliability.model import CannotRun, Conditions, Figure, Promise
from bench.reliability.promises import PROMISES


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    names = [promise.name for promise in PROMISES]
    parser = argparse.ArgumentParser("python -m bench.reliability", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    add("--seconds", type=float, default=90.0, help="length of the runs that take any time [90]")
    add("--seed", type=int, help="seed of what is random [a new one]")
    return parser.parse_args(arguments)


def figures(promise: Promise, conditions: Conditions) -> list[Figure] | str:
    """Return what was found, or why it cannot run here."""
    try:
        return list(promise.measure(conditions))
    except CannotRun as why:
        return f"not run: {why}"


def row(promise: Promise, found: list[Figure] | str) -> str:
    """Return the row of a promise in the table."""
    cell = found if isinstance(found, str) else "<br>".join(map(str, found))
    return f"| {promise.name} | {promise.text} | {promise.how} | {cell} |"


def main() -> int:
    given = options()
    seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
    conditions = Conditions(given.seconds, seed)
    print(f"seed {seed}", file=sys.stderr)
    print("| name | promise | how it is tested | measured |")
    print("| --- | --- | --- | --- |")
    isMissed = False
    for promise in PROMISES:
        if promise.name in given.only:
            begun = time.monotonic()
            found = figures(promise, conditions)
            isMissed |= isinstance(found, list) and not all(one.holds for one in found)
            print(row(promise, found), flush=True)
            print(f"{promise.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return int(isMissed)


if __name__ == "__main__":
    sys.exit(main())
