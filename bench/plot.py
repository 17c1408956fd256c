"""The results as one drawing: a panel for each workload, a bar for each server."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from statistics import median
from typing import Any

from bench.report import OURS, Rounds, contestants, heading, scaled, values

_WIDTH, _NAMES, _NUMBERS = 560, 110, 80
_ROW, _TITLE, _GAP = 22, 34, 18
_STYLE = """
text { font: 13px sans-serif; fill: #222 } .title { font-weight: bold } .number { fill: #555 }
.user { fill: #8da0b3 } .system { fill: #c3ced9 } .ours .user { fill: #c8541b }
.ours .system { fill: #eba57f } .ours text { font-weight: bold } line { stroke: #222 }
"""
#: A panel shows the first of these that was measured.
_FIGURES = ("cpu", "memory", "p99")


def drawn(results: dict[str, Any]) -> str:
    """Return an SVG of all workloads, two panels side by side."""
    panels = [_panel(**one) for one in results["workloads"].values() if _figure(one["rounds"])]
    body, y = [], float(_GAP)
    for n in range(0, len(panels), 2):
        for column, (_, lines) in enumerate(panels[n : n + 2]):
            body.append(f'<g transform="translate({_GAP + column * (_WIDTH + _GAP)} {y})">')
            body += [*lines, "</g>"]
        y += max(height for height, _ in panels[n : n + 2]) + _GAP
    width, bottom = 2 * _WIDTH + 3 * _GAP, y + _GAP
    machine = results["machine"]
    foot = f"{machine['CPU']}, kernel {machine['kernel']}, Python {machine['Python']}. "
    foot += "Bars: median (dark: user time, light: system time). Lines: minimum to maximum."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom}">',
            f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="white"/>',
            *body,
            f'<text class="number" x="{_GAP}" y="{y}">{escape(foot)}</text>',
            "</svg>\n",
        ]
    )


def _figure(rounds: Rounds) -> str:
    """Return what the panel shows; empty if nothing was measured."""
    measured = {figure for one in rounds for sample in one.values() for figure in sample}
    return next((figure for figure in _FIGURES if figure in measured), "")


def _panel(title: str, unit: str, rounds: Rounds, **_: Any) -> tuple[int, list[str]]:
    """Return the panel's height and its elements."""
    figure = _figure(rounds)
    bars = [(who, values(rounds, who, figure)) for who in contestants(rounds)]
    bars = [(who, found) for who, found in bars if found]
    scale = (_WIDTH - _NAMES - _NUMBERS) / max(max(found) for _, found in bars)
    lines = [f'<text class="title" y="12">{escape(title)}</text>']
    lines.append(f'<text class="number" y="28">{heading(figure, unit)}</text>')
    for n, (who, found) in enumerate(bars):
        group = "ours" if who == OURS else "other"
        lines.append(f'<g class="{group}" transform="translate(0 {_TITLE + n * _ROW})">')
        lines += [f'<text x="{_NAMES - 8}" y="15" text-anchor="end">{escape(who)}</text>']
        lines += _bar(found, _user(rounds, who, figure), scale, scaled(figure, median(found)))
        lines.append("</g>")
    return _TITLE + len(bars) * _ROW, lines


def _user(rounds: Rounds, who: str, figure: str) -> float:
    """Return the user time in a bar of CPU time, or the whole bar of another value."""
    return median(values(rounds, who, "user" if figure == "cpu" else figure))


def _bar(found: list[float], user: float, scale: float, text: str) -> Iterator[str]:
    middle, least, most = (_NAMES + scale * one for one in (median(found), min(found), max(found)))
    split = min(middle, _NAMES + scale * user)
    for kind, left, right in (("user", _NAMES, split), ("system", split, middle)):
        width = f"{right - left:.1f}"
        yield f'<rect class="{kind}" x="{left:.1f}" y="3" width="{width}" height="16"/>'
    yield f'<line x1="{least:.1f}" x2="{most:.1f}" y1="11" y2="11"/>'
    yield f'<text class="number" x="{max(middle, most) + 6:.1f}" y="15">{text}</text>'
