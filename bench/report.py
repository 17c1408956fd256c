"""What was found, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

#: Samples of one workload, round by round, by contestant; {"error": why} for what failed.
Rounds = list[dict[str, dict[str, Any]]]

OURS = "netdemo"
BASE = "C"
#: Cores that others keep busy, from which on a run is called disturbed.
DISTURBED = 0.1


def values(rounds: Rounds, who: str, figure: str) -> list[Any]:
    """One figure of one contestant, of each round that it has it in."""
    return [one[who][figure] for one in rounds if figure in one.get(who, {})]


def ratios(rounds: Rounds, who: str, to: str, figure: str) -> list[float]:
    """How many times another's it was, of each round that has both."""
    return [
        one[who][figure] / one[to][figure]
        for one in rounds
        if figure in one.get(who, {}) and one.get(to, {}).get(figure)
    ]


def spread(found: list[float], scale: float = 1) -> str:
    """The median, and the least and the most if they differ."""
    if not found:
        return ""
    middle, least, most = (_decimal(one / scale) for one in (median(found), min(found), max(found)))
    return middle if least == most else f"{middle} ({least}-{most})"


def _decimal(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def contestants(rounds: Rounds) -> list[str]:
    """Everybody who took part, as they first appear."""
    return list(dict.fromkeys(who for one in rounds for who in one))


#: How figures are shown: heading, unit, and how many of what was measured make one.
_FIGURES = {
    "cpu": ("CPU a {unit}", "us", 1),
    "memory": ("memory a {unit}", "KiB", 1024),
    "rate": ("{unit}s a second", "", 1),
    "p50": ("p50", "ms", 1000),
    "p99": ("p99", "ms", 1000),
    "flood": ("datagrams a second", "", 1),
}


def heading(figure: str, unit: str) -> str:
    """What a figure is, and in what unit it is shown."""
    text, measure, _ = _FIGURES[figure]
    return ", ".join(filter(None, (text.format(unit=unit), measure)))


def scaled(figure: str, value: float) -> str:
    """A value in the unit that the heading names."""
    return _decimal(value / _FIGURES[figure][2])


#: What stands in a cell, of one contestant.
_Cell = Callable[[Rounds, str], str]


def _plain(figure: str) -> _Cell:
    return lambda rounds, who: spread(values(rounds, who, figure), _FIGURES[figure][2])


def _ratio(ours: bool, figure: str) -> _Cell:
    """Ours to this one, or this one to the base."""

    def cell(rounds: Rounds, who: str) -> str:
        one, to = (OURS, who) if ours else (who, BASE)
        return "" if one == to else spread(ratios(rounds, one, to, figure))

    return cell


def _columns(unit: str) -> Iterator[tuple[str, _Cell]]:
    """The heading of each column; those that nobody has anything in are left out."""
    yield heading("cpu", unit), _plain("cpu")
    yield "user + system", _halves
    yield f"to {BASE}", _ratio(False, "cpu")
    yield f"{OURS} to it", _ratio(True, "cpu")
    for figure in ("memory", "rate", "p50", "p99", "flood"):
        yield heading(figure, unit), _plain(figure)


def _halves(rounds: Rounds, who: str) -> str:
    user, system = (values(rounds, who, figure) for figure in ("user", "system"))
    return f"{_decimal(median(user))} + {_decimal(median(system))}" if user else ""


def table(title: str, unit: str, rounds: Rounds) -> str:
    """A table of one workload; below it, a line for each that failed."""
    columns = [
        (head, [cell(rounds, who) for who in contestants(rounds)]) for head, cell in _columns(unit)
    ]
    columns = [(head, cells) for head, cells in columns if any(cells)]
    lines = [f"### {title}", ""]
    lines.append(" | ".join(["| server", *(head for head, _ in columns)]) + " |")
    lines.append("|" + " --- |" * (len(columns) + 1))
    for n, who in enumerate(contestants(rounds)):
        lines.append(" | ".join([f"| {who}", *(cells[n] for _, cells in columns)]) + " |")
    notes = [*_errors(rounds), *_disturbed(rounds)]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _errors(rounds: Rounds) -> Iterator[str]:
    for who in contestants(rounds):
        for why in dict.fromkeys(
            one[who]["error"] for one in rounds if "error" in one.get(who, {})
        ):
            yield f"- {who}: {why}"


def _disturbed(rounds: Rounds) -> Iterator[str]:
    runs = [sample.get("others", 0) for one in rounds for sample in one.values()]
    disturbed = [cores for cores in runs if cores >= DISTURBED]
    if disturbed:
        yield (
            f"- In {len(disturbed)} of {len(runs)} runs other processes were busy "
            f"({min(disturbed):.1f} to {max(disturbed):.1f} cores)."
        )


def tables(results: dict[str, Any]) -> str:
    """All of it: the machine, what was left out, and each workload."""
    machine = "; ".join(f"{name}: {value}" for name, value in results["machine"].items())
    parts = [machine, *(f"Skipped: {line}" for line in results["skipped"])]
    for one in results["workloads"].values():
        parts.append(table(one["title"], one["unit"], one["rounds"]))
    return "\n\n".join(parts)
