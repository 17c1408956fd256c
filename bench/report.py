"""The results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

#: Samples of one workload, round by round, by server; {"error": why} for a run that failed.
Rounds = list[dict[str, dict[str, Any]]]

OURS = "netdemo"
BASE = "C"
#: A run counts as disturbed if other processes kept this many cores busy.
DISTURBED = 0.1


def values(rounds: Rounds, who: str, figure: str) -> list[Any]:
    """Return one value of one server, from each round that has it."""
    return [one[who][figure] for one in rounds if figure in one.get(who, {})]


def ratios(rounds: Rounds, who: str, to: str, figure: str) -> list[float]:
    """Return its ratio to another server's value, from each round that has both."""
    return [
        one[who][figure] / one[to][figure]
        for one in rounds
        if figure in one.get(who, {}) and one.get(to, {}).get(figure)
    ]


def spread(found: list[float], scale: float = 1) -> str:
    """Return the median, with minimum and maximum in brackets if they differ."""
    if not found:
        return ""
    middle, least, most = (_decimal(one / scale) for one in (median(found), min(found), max(found)))
    return middle if least == most else f"{middle} ({least}-{most})"


def _decimal(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def contestants(rounds: Rounds) -> list[str]:
    """Return the servers that took part, in the order of their first run."""
    return list(dict.fromkeys(who for one in rounds for who in one))


#: How values are shown: heading, unit, and the measured amount that makes one unit.
_FIGURES = {
    "cpu": ("CPU per {unit}", "us", 1),
    "memory": ("memory per {unit}", "KiB", 1024),
    "rate": ("{unit}s/s", "", 1),
    "p50": ("p50", "ms", 1000),
    "p99": ("p99", "ms", 1000),
    "flood": ("datagrams/s", "", 1),
}


def heading(figure: str, unit: str) -> str:
    """Return a column's heading, with its unit."""
    text, measure, _ = _FIGURES[figure]
    return ", ".join(filter(None, (text.format(unit=unit), measure)))


def scaled(figure: str, value: float) -> str:
    """Return a value in the unit of its heading."""
    return _decimal(value / _FIGURES[figure][2])


#: Returns the text of one server's cell.
_Cell = Callable[[Rounds, str], str]


def _plain(figure: str) -> _Cell:
    return lambda rounds, who: spread(values(rounds, who, figure), _FIGURES[figure][2])


def _ratio(ours: bool, figure: str) -> _Cell:
    """Return the cell with our ratio to a server, or with its ratio to the base."""

    def cell(rounds: Rounds, who: str) -> str:
        one, to = (OURS, who) if ours else (who, BASE)
        return "" if one == to else spread(ratios(rounds, one, to, figure))

    return cell


def _columns(unit: str) -> Iterator[tuple[str, _Cell]]:
    """Yield each column's heading and its cell."""
    yield heading("cpu", unit), _plain("cpu")
    yield "user + system", _halves
    yield f"server / {BASE}", _ratio(False, "cpu")
    yield f"{OURS} / server", _ratio(True, "cpu")
    for figure in ("memory", "rate", "p50", "p99", "flood"):
        yield heading(figure, unit), _plain(figure)


def _halves(rounds: Rounds, who: str) -> str:
    user, system = (values(rounds, who, figure) for figure in ("user", "system"))
    return f"{_decimal(median(user))} + {_decimal(median(system))}" if user else ""


def table(title: str, unit: str, rounds: Rounds) -> str:
    """Return the table of one workload, without empty columns, and below it notes on its runs."""
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
    """Return the machine, the servers that were skipped, and a table for each workload."""
    machine = "; ".join(f"{name}: {value}" for name, value in results["machine"].items())
    parts = [machine, *(f"Skipped: {line}" for line in results["skipped"])]
    for one in results["workloads"].values():
        parts.append(table(one["title"], one["unit"], one["rounds"]))
    return "\n\n".join(parts)
