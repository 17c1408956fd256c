"""The report of a load run: as text for people, as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from itertools import pairwise

from twistednet.load.tally import PERCENTILES, LatencyHistogram, LoadTally

#: Characters of the longest bar.
MAX_BAR_WIDTH = 40


def progress(tally: LoadTally, elapsed: float) -> None:
    """Print one line that changes, if standard error is a terminal."""
    if sys.stderr.isatty():
        rate = tally.answered / elapsed if elapsed else 0.0
        errors = f", {tally.errors.total()} errors" if tally.errors else ""
        text = f"{elapsed:5.1f} s  {tally.answered:,} answers, {rate:,.0f}/s{errors}"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def clearProgress() -> None:
    """Remove that line."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def asJSON(tally: LoadTally, target: str, service: str, isDatagram: bool) -> None:
    """Print a JSON object. Latencies are in microseconds."""
    content: dict[str, object] = {
        "target": target,
        "service": service,
        "connections": tally.connections,
        "seconds": round(tally.seconds, 3),
        "sent": tally.sent,
        "answered": tally.answered,
        "rate": round(tally.perSecond, 1),
        "latency_us": _percentiles(tally.latencies()),
        "uncorrected_latency_us": _percentiles(tally.measured),
        "errors": dict(tally.errors),
        "client_cpu_us_per_message": _cpuMicroseconds(tally),
    }
    if isDatagram:
        content |= {"lost": tally.lost, "late": tally.late}
    print(json.dumps(content, indent=2))


def asText(tally: LoadTally, target: str, service: str, isDatagram: bool) -> None:
    """Print a report with a histogram of the latencies."""
    latencies = tally.latencies()
    print(
        f"{service} at {target}: {tally.connections} {'sockets' if isDatagram else 'connections'} "
        f"for {tally.seconds:.1f} s"
    )
    print(f"{tally.answered:,} answers, {tally.perSecond:,.0f} a second")
    _printPercentiles("latency", _percentiles(latencies))
    _printPercentiles("uncorrected", _percentiles(tally.measured))
    if isDatagram:
        share = tally.lost / max(1, tally.sent)
        print(f"{tally.lost:,} of {tally.sent:,} lost ({share:.3%}), {tally.late:,} late")
    errors = ", ".join(f"{count:,} {kind}" for kind, count in tally.errors.most_common())
    print(f"errors: {errors or 'none'}")
    if tally.answered:
        print(f"{_cpuMicroseconds(tally)} us of this client's CPU a message")
        _printBars(latencies)


def _cpuMicroseconds(tally: LoadTally) -> float:
    return round(tally.cpu * 1e6 / max(1, tally.answered), 2)


def _percentiles(histogram: LatencyHistogram) -> dict[str, float]:
    """Return percentiles in microseconds, by names such as p99.9, and the maximum."""
    if not histogram.get_total_count():
        return {}
    found = {f"p{p:g}": histogram.get_value_at_percentile(p) / 1000 for p in PERCENTILES}
    return {**found, "max": histogram.get_max_value() / 1000}


def _printPercentiles(name: str, percentiles: Mapping[str, float]) -> None:
    if percentiles:
        values = (f"{percentile} {_time(value)}" for percentile, value in percentiles.items())
        print(f"{name:12}" + "  ".join(values))


def _time(microseconds: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.0f} us"


def _printBars(histogram: LatencyHistogram) -> None:
    """Print a bar for each doubling of the latency, as long as its share of the answers."""
    total = histogram.get_total_count()
    edges = [2**power * 1000 for power in range(-1, 30)]
    rows = [(high, _count(histogram, low, high)) for low, high in pairwise([0, *edges])]
    while rows and not rows[0][1]:
        rows.pop(0)
    while rows and not rows[-1][1]:
        rows.pop()
    most = max(count for _, count in rows)
    for high, count in rows:
        bar = "#" * max(round(MAX_BAR_WIDTH * count / most), 1 if count else 0)
        print(f"{'< ' + _time(high / 1000):>9} {bar:{MAX_BAR_WIDTH}} {count / total:7.2%}")


def _count(histogram: LatencyHistogram, low: float, high: float) -> int:
    """Return how many latencies (nanoseconds) are from `low` to below `high`."""
    return sum(
        step.count_added_in_this_iter_step
        for step in histogram.get_recorded_iterator()
        if low <= step.value_iterated_to < high
    )
