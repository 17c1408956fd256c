"""A load run in numbers: for a person, and for a program."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

from twistednet.load.tally import PERCENTILES, LoadTally

WIDTH = 40


def progress(tally: LoadTally, elapsed: float) -> None:
    """One line that changes, on a terminal."""
    if sys.stderr.isatty():
        rate = tally.answered / elapsed if elapsed else 0.0
        errors = f", {tally.errors.total()} errors" if tally.errors else ""
        text = f"{elapsed:5.1f} s  {tally.answered:,} answers, {rate:,.0f}/s{errors}"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def clearProgress() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def numbers(tally: LoadTally, datagrams: bool) -> dict[str, Any]:
    """What `--json` prints; latencies are in microseconds."""
    latencies = tally.latencies()
    content = {
        "connections": tally.connections,
        "seconds": round(tally.seconds, 3),
        "sent": tally.sent,
        "answered": tally.answered,
        "rate": round(tally.perSecond, 1),
        "latency_us": _percentiles(latencies),
        "uncorrected_latency_us": _percentiles(tally.measured),
        "errors": dict(tally.errors),
        "client_cpu_us_per_message": round(tally.cpu * 1e6 / max(1, tally.answered), 2),
    }
    if datagrams:
        content |= {"lost": tally.lost, "late": tally.late}
    return content


def _percentiles(histogram: Any) -> dict[str, float]:
    if not histogram.get_total_count():
        return {}
    found = {f"p{p:g}": histogram.get_value_at_percentile(p) / 1000 for p in PERCENTILES}
    return {**found, "max": histogram.get_max_value() / 1000}


def asJSON(tally: LoadTally, target: str, service: str, datagrams: bool) -> None:
    about = {"target": target, "service": service}
    print(json.dumps(about | numbers(tally, datagrams), indent=2))


def asText(tally: LoadTally, target: str, service: str, datagrams: bool) -> None:
    found = numbers(tally, datagrams)
    print(
        f"{service} at {target}: {tally.connections} {'sockets' if datagrams else 'connections'} "
        f"for {tally.seconds:.1f} s"
    )
    print(f"{tally.answered:,} answers, {tally.perSecond:,.0f} a second")
    for name, histogram in (
        ("latency", found["latency_us"]),
        ("uncorrected", found["uncorrected_latency_us"]),
    ):
        if histogram:
            print(f"{name:12}" + "  ".join(f"{p} {_time(value)}" for p, value in histogram.items()))
    if datagrams:
        share = tally.lost / max(1, tally.sent)
        print(f"{tally.lost:,} of {tally.sent:,} lost ({share:.3%}), {tally.late:,} late")
    errors = ", ".join(f"{count:,} {kind}" for kind, count in tally.errors.most_common())
    print(f"errors: {errors or 'none'}")
    if not tally.answered:
        return
    print(f"{found['client_cpu_us_per_message']} us of this client's CPU a message")
    _bars(tally.latencies())


def _time(microseconds: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.0f} us"


def _bars(histogram: Any) -> None:
    """A line for each doubling of the latency, as long as its share."""
    total = histogram.get_total_count()
    edges = [2**power * 1000 for power in range(-1, 30)]
    rows = [(high, _between(histogram, low, high)) for low, high in pairwise([0, *edges])]
    while rows and not rows[0][1]:
        rows.pop(0)
    while rows and not rows[-1][1]:
        rows.pop()
    most = max(count for _, count in rows)
    for high, count in rows:
        bar = "#" * max(round(WIDTH * count / most), 1 if count else 0)
        print(f"{'< ' + _time(high / 1000):>9} {bar:{WIDTH}} {count / total:7.2%}")


def _between(histogram: Any, low: float, high: float) -> int:
    return sum(
        step.count_added_in_this_iter_step
        for step in histogram.get_recorded_iterator()
        if low <= step.value_iterated_to < high
    )
