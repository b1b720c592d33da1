"""A verdict of the gate as a picture: each improvement, its bound, and the limit that the bound is held to."""

from collections.abc import Callable, Mapping
from typing import Any

from modelops_pipelines.core.evaluation.gate import table_of
from modelops_pipelines.operations.reports import svg
from modelops_pipelines.operations.reports.svg import BLUE, GREY, RED, WIDTH, figure

MOST = 9
"""Comparisons that are drawn: all rows, and those whose bounds are nearest to their limits."""
_NAMES, _ROW, _TOP, _EDGE = 150.0, 18.0, 40.0, 12.0


def gate_chart(numbers: Mapping[str, Any], title: str) -> str:
    """Return the picture of a recorded verdict; "" for one without a comparison.

    Improvement is the champion's loss minus the candidate's, a row: right of 0 the candidate is better. The bound of
    all rows is a lower one and has to be above its limit; the bound of a regime or slice is an upper one and must not
    be below its limit.
    """
    rows = [row for row in table_of(numbers) if row["improvement"] is not None and row["bound"] is not None]
    if not rows:
        return ""
    shown = [*rows[:1], *sorted(rows[1:], key=lambda row: row["bound"] - row["limit"])[: MOST - 1]]
    values = [float(row[name]) for row in shown for name in ("improvement", "bound", "limit")] + [0.0]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return _NAMES + (value - low) / span * (WIDTH - _NAMES - _EDGE)

    bottom = _TOP + _ROW * len(shown)
    zero = f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{_TOP - 8:.1f}" y2="{bottom:.1f}" stroke="{GREY}"/>'
    ends = svg.text(_NAMES, bottom + 14, figure(low)) + svg.text(WIDTH - _EDGE, bottom + 14, figure(high), anchor="end")
    drawn = "".join(_row(row, _TOP + _ROW * n, x, is_whole=n == 0) for n, row in enumerate(shown))
    about = f"improvement of the loss a row, {len(shown)} of {len(rows)} comparisons"
    return svg.picture(title, about, zero + drawn + ends)


def _row(row: Mapping[str, Any], y: float, x: Callable[[float], float], *, is_whole: bool) -> str:
    improvement, bound, limit = (float(row[name]) for name in ("improvement", "bound", "limit"))
    fails = bound <= limit if is_whole else bound < limit
    colour, middle = RED if fails else BLUE, y - 4
    line = (
        f'<line x1="{x(bound):.1f}" x2="{x(improvement):.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="{colour}" '
        'stroke-width="3"/>'
    )
    dot = f'<circle cx="{x(improvement):.1f}" cy="{middle:.1f}" r="3.500" fill="{colour}"/>'
    mark = f'<line x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="{y - 10:.1f}" y2="{y + 2:.1f}" stroke="{RED}"/>'
    said = f"{row['name']}: improvement {improvement:.5f}, bound {bound:.5f}, limit {limit:.5f}, {row['rows']} rows"
    name = svg.text(4, y, svg.cut(str(row["name"]), 22), style="v" if is_whole else "t", most=_NAMES - 10)
    return name + line + dot + mark + svg.tips([(0, y - _ROW + 4, WIDTH, _ROW, said)])
