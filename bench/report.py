"""What was found, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

#: Samples of one workload, round by round, by contestant; {"error": why} for what failed.
Rounds = list[dict[str, dict[str, Any]]]

OURS = "netdemo"
BASE = "C"


def values(rounds: Rounds, who: str, figure: str) -> list[float]:
    """One figure of one contestant, of each round that it has it in."""
    return [one[who][figure] for one in rounds if figure in one.get(who, {})]


def ratios(rounds: Rounds, who: str, to: str, figure: str) -> list[float]:
    """How many times another's it was, of each round that has both."""
    return [
        one[who][figure] / one[to][figure]
        for one in rounds
        if figure in one.get(who, {}) and one.get(to, {}).get(figure)
    ]


def spread(found: list[float], show: Callable[[float], str]) -> str:
    """The median, and the least and the most if they differ."""
    if not found:
        return ""
    least, most = show(min(found)), show(max(found))
    middle = show(median(found))
    return middle if least == most else f"{middle} ({least}-{most})"


def contestants(rounds: Rounds) -> list[str]:
    """Everybody who took part, as they first appear."""
    return list(dict.fromkeys(who for one in rounds for who in one))


def _decimal(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _time(value: float) -> str:
    return f"{_decimal(value)} us" if value < 1000 else f"{_decimal(value / 1000)} ms"


def _memory(value: float) -> str:
    return f"{value / 1024:.2f} KiB"


def _columns(unit: str, figures: set[str]) -> Iterator[tuple[str, Callable[[Rounds, str], str]]]:
    """The heading of each column, and what stands in it for each contestant."""

    def plain(figure: str, show: Callable[[float], str]) -> Callable[[Rounds, str], str]:
        return lambda rounds, who: spread(values(rounds, who, figure), show)

    cost = "memory" if "memory" in figures else "cpu"
    if cost == "memory":
        yield f"memory a {unit}", plain("memory", _memory)
    elif cost in figures:
        yield f"CPU a {unit}", plain("cpu", lambda value: f"{_decimal(value)} us")
        yield "user + system", _halves
    if cost in figures:
        yield f"to {BASE}", lambda rounds, who: _ratio(rounds, who, BASE, cost)
        yield f"{OURS} to it", lambda rounds, who: _ratio(rounds, OURS, who, cost)
    if "rate" in figures:
        yield f"{unit}s a second", plain("rate", lambda value: f"{value:,.0f}")
        yield "p50", plain("p50", _time)
        yield "p99", plain("p99", _time)
    if "flood" in figures:
        yield "datagrams a second", plain("flood", lambda value: f"{value:,.0f}")


def _halves(rounds: Rounds, who: str) -> str:
    user, system = (values(rounds, who, figure) for figure in ("user", "system"))
    return f"{_decimal(median(user))} + {_decimal(median(system))}" if user else ""


def _ratio(rounds: Rounds, who: str, to: str, figure: str) -> str:
    if who == to:
        return ""
    return spread(ratios(rounds, who, to, figure), lambda value: f"{value:.2f}")


def table(title: str, unit: str, rounds: Rounds) -> str:
    """A table of one workload; below it, a line for each that failed."""
    figures = {figure for one in rounds for sample in one.values() for figure in sample}
    columns = [
        (head, [cell(rounds, who) for who in contestants(rounds)])
        for head, cell in _columns(unit, figures)
    ]
    columns = [(head, cells) for head, cells in columns if any(cells)]
    lines = [f"### {title}", ""]
    lines.append(" | ".join(["| server", *(head for head, _ in columns)]) + " |")
    lines.append("|" + " --- |" * (len(columns) + 1))
    for n, who in enumerate(contestants(rounds)):
        lines.append(" | ".join([f"| {who}", *(cells[n] for _, cells in columns)]) + " |")
    errors = [
        f"- {who}: {why}"
        for who in contestants(rounds)
        for why in dict.fromkeys(one[who]["error"] for one in rounds if "error" in one.get(who, {}))
    ]
    return "\n".join([*lines, *(["", *errors] if errors else [])])


def tables(results: dict[str, Any]) -> str:
    """All of it: the machine, what was left out, and each workload."""
    machine = "; ".join(f"{name}: {value}" for name, value in results["machine"].items())
    parts = [machine, *(f"Skipped: {line}" for line in results["skipped"])]
    for one in results["workloads"].values():
        parts.append(table(one["title"], one["unit"], one["rounds"]))
    return "\n\n".join(parts)
