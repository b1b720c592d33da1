"""Marks on charts over time: when something happened, beside what a line did then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelops_pipelines.operations.reports.svg import BOTTOM, RED, TOP, tips

RELEASE, OPENED, RESOLVED = "release", "alert opened", "alert resolved"
GREEN, VIOLET = "#16a34a", "#a855f7"
_COLOURS: Mapping[str, str] = {RELEASE: VIOLET, OPENED: RED, RESOLVED: GREEN}
_REACH, _SIGN = 8.0, 9
"""The width of a mark's tooltip, and the height of the sign above its line, in the SVG's units."""


@dataclass(frozen=True)
class Mark:
    """A moment on a chart: what kind of thing happened, and its words."""

    at: datetime
    kind: str
    text: str


def draw_marks(marks: Sequence[Mark], x: Callable[[datetime], float]) -> str:
    """Return a vertical line for each mark, with a sign of its kind at the top and its words as a tooltip."""
    drawn = "".join(_line(x(mark.at), mark.kind) + _sign(x(mark.at), mark.kind) for mark in marks)
    tall = BOTTOM - TOP + _SIGN
    notes = [(x(mark.at) - _REACH / 2, TOP - _SIGN, _REACH, tall, f"{_clock(mark.at)}: {mark.text}") for mark in marks]
    return drawn + tips(notes) if marks else ""


def _line(x: float, kind: str) -> str:
    return f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="{_COLOURS[kind]}" stroke-dasharray="2 3"/>'


def _sign(x: float, kind: str) -> str:
    """Return a triangle for a release, a dot for an alert, a ring for its end: they differ without colours."""
    y, colour = TOP - 5, _COLOURS[kind]
    if kind == RELEASE:
        return f'<path d="M{x - 4:.1f} {y + 4}H{x + 4:.1f}L{x:.1f} {y - 4}Z" fill="{colour}"/>'
    look = f'fill="{colour}"' if kind == OPENED else f'fill="none" stroke="{colour}" stroke-width="1.6"'
    return f'<circle cx="{x:.1f}" cy="{y}" r="3.4" {look}/>'


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
