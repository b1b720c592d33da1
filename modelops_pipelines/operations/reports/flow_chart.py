"""What came from what, as a picture: boxes in columns from left to right, with a line for each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from modelops_pipelines.operations.reports.svg import BLUE, GREY, INK, RED, cut, text

Tone = Literal["", "good", "bad"]
MOST = 6
"""Boxes of a column that are drawn; one more says how many there are besides."""
_WIDE, _TALL, _GAP, _BETWEEN, _TOP = 168.0, 44.0, 12.0, 44.0, 30.0
_LETTERS = 25
_COLOURS = {"": GREY, "good": BLUE, "bad": RED}


@dataclass(frozen=True)
class Box:
    """A thing in a column (from 0): what it is, a note, and the page that it leads to ("" for none)."""

    key: str
    column: int
    title: str
    note: str = ""
    link: str = ""
    tone: Tone = ""


def flow_chart(title: str, columns: Sequence[str], boxes: Sequence[Box], steps: Sequence[tuple[str, str]]) -> str:
    """Return the picture as SVG; "" without a box.

    ``steps`` are pairs of keys; those of a box that is not drawn are left out.
    """
    shown = [_column(number, [one for one in boxes if one.column == number]) for number in range(len(columns))]
    places = {one.key: (number, row) for number, column in enumerate(shown) for row, one in enumerate(column)}
    if not places:
        return ""
    width = len(columns) * (_WIDE + _BETWEEN) - _BETWEEN
    height = _TOP + max(map(len, shown)) * (_TALL + _GAP)
    heads = "".join(text(_x(number), 14, name, style="h") for number, name in enumerate(columns))
    lines = "".join(_line(places[start], places[end]) for start, end in steps if {start, end} <= places.keys())
    drawn = "".join(_box(one, *places[one.key]) for column in shown for one in column)
    return (
        f'<svg class="flow" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="group" aria-label="{escape(title)}" '
        f'font-family="system-ui,sans-serif" font-size="11">{heads}{lines}{drawn}</svg>'
    )


def _column(number: int, boxes: Sequence[Box]) -> list[Box]:
    more = len(boxes) - MOST
    return [*boxes[:MOST], *([Box(f"more {number}", number, f"{more} more")] if more > 0 else [])]


def _x(column: int) -> float:
    return column * (_WIDE + _BETWEEN)


def _y(row: int) -> float:
    return _TOP + row * (_TALL + _GAP)


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y, to_x, to_y = _x(start[0]) + _WIDE, _y(start[1]) + _TALL / 2, _x(end[0]), _y(end[1]) + _TALL / 2
    middle = (x + to_x) / 2
    return (
        f'<path d="M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}" '
        f'fill="none" stroke="{GREY}" stroke-width="1.500"/>'
    )


def _box(box: Box, column: int, row: int) -> str:
    x, y = _x(column), _y(row)
    said = escape(f"{box.title}: {box.note}" if box.note else box.title)
    frame = (
        f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{_WIDE - 1:.1f}" height="{_TALL:.1f}" rx="6" fill="{INK}" '
        f'fill-opacity="0.06" stroke="{_COLOURS[box.tone]}"/>'
    )
    words = text(x + 10, y + 18, cut(box.title, _LETTERS), style="v", most=_WIDE - 20)
    note = text(x + 10, y + 34, cut(box.note, _LETTERS + 3), most=_WIDE - 20)
    drawn = f"<g><title>{said}</title>{frame}{words}{note}</g>"
    return f'<a href="{escape(box.link)}">{drawn}</a>' if box.link else drawn
