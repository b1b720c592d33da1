"""Marks and axes of charts: SVG text, escaped, in colours that are legible on white and on black.

``charts`` decides what the marks mean. By classes a page can set its own colours: t (text), h (title), v (value); c is
text that keeps its colour.
"""

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise
from typing import Literal

Form = Literal["number", "share", "ms"]

WIDTH, HEIGHT = 420, 208
TOP, BOTTOM, LEFT, RIGHT = 46, 186, 46, 412
"""The edges of the plot area, in the SVG's units."""
INK, GREY, BLUE, RED = "#7d8794", "#97a2b0", "#3b82f6", "#e5484d"
MORE = ("#f59e0b", "#14b8a6", "#a855f7")
_STEPS = [timedelta(hours=n) for n in (1, 2, 3, 6, 12, 24, 48, 96, 24 * 7, 24 * 14, 24 * 30, 24 * 90, 24 * 365)]
_MOST_TICKS = 6
_FROM_ZERO = 0.6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLAT = 1e-12  # relative differences below this are within floating-point error
_TINY = 1e-300  # the lower edge of a bin that holds only zeros lies this far below 0
_NEAR_ALL = 0.99  # shares above this get one more digit
_THOUSANDS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def picture(title: str, about: str, body: str) -> str:
    """Return the whole SVG with its title drawn; ``about`` is added for screen readers."""
    title_text = _safe(f"{title}, {about}" if about else title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="system-ui,sans-serif" font-size="11"><title>{title_text}</title>'
        f"{text(8, 16, cut(title, 38), style='h')}{body}</svg>"
    )


def text(
    x: float, y: float, content: str, *, anchor: str = "start", style: str = "t", colour: str = INK, most: float = WIDTH
) -> str:
    """Return text with its baseline at y, compressed to the width ``most`` if it is wider; "" for no text."""
    own = style if colour == INK else "c"
    look = ' font-size="13" font-weight="600"' if style in {"h", "v"} else ""
    look += f' textLength="{most:g}" lengthAdjust="spacingAndGlyphs"' if _cells(content) * 6.2 > most else ""
    where = f'<text class="{own}" x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{look}>'
    return f"{where}{_safe(content)}</text>" if content else ""


def blocks(boxes: Iterable[tuple[float, float, float, float]], colour: str, opacity: float) -> str:
    """Return many rectangles (x, y, width, height) of one style as one path; empty ones are left out."""
    drawn = "".join(f"M{x:.1f} {y:.1f}h{w:.1f}v{h:.1f}h{-w:.1f}z" for x, y, w, h in boxes if h > 0 and w > 0)
    return f'<path d="{drawn}" fill="{colour}" fill-opacity="{opacity:g}"/>' if drawn else ""


def tips(boxes: Iterable[tuple[float, float, float, float, str]]) -> str:
    """Return areas (x, y, width, height, note) that show their note as a tooltip."""
    areas = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"><title>{_safe(note)}</title></rect>'
        for x, y, w, h, note in boxes
    )
    return f'<g fill-opacity="0">{"".join(areas)}</g>'


def path(points: Iterable[tuple[float, float]], colour: str, *, filled: float = 0.0) -> str:
    """Return a line through the points, or the area within them; "" for no point."""
    drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    if filled:
        return f'<path d="M{drawn}Z" fill="{colour}" fill-opacity="{filled:g}"/>' if drawn else ""
    look = 'fill="none" stroke-width="1.8" stroke-linejoin="round" stroke-linecap="round"'
    return f'<path d="M{drawn}" stroke="{colour}" {look}/>' if drawn else ""


def dot(x: float, y: float, radius: float, colour: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}"/>'


def rule(y: float, colour: str = INK, *, dashed: bool = False) -> str:
    """Return a horizontal line over the plot area."""
    look = 'stroke-dasharray="5 4"' if dashed else 'stroke-opacity="0.25"'
    return f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{colour}" {look}/>'


def legend(colours: Mapping[str, str]) -> str:
    """Return the legend of the colours, in a row under the title."""
    drawn, x = "", 8.0
    for name, colour in colours.items():
        drawn += blocks([(x, 26, 9, 9)], colour, 1) + text(x + 13, 34, cut(name, 24))
        x += 28 + 6.2 * _cells(cut(name, 24))
    return drawn


def figure(value: float, form: Form = "number", digits: int = 3) -> str:
    """Return a number in short form, with so many significant digits: ``12 %``, ``1.2 s``, ``45k``."""
    if form == "share":
        return f"{100 * value:.{digits + (abs(value) > _NEAR_ALL)}g} %"
    if form == "ms":
        return f"{value / 1000:.{digits}g} s" if abs(value) >= 1000 else f"{value:.{digits}g} ms"  # noqa: PLR2004
    for size, letter in _THOUSANDS:
        if size <= abs(value) < 1000 * size:
            return f"{value / min(size, 1e3 if letter == 'k' else size):.{digits + 1}g}{letter}"
    return f"{value:.{digits + 1}g}" if abs(value) > _TINY else "0"


def figures(values: Sequence[float], form: Form = "number") -> list[str]:
    """Return numbers with as many digits as it takes to tell different ones apart."""
    for digits in range(3, 17):
        texts = [figure(value, form, digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def level_labels(ticks: Sequence[tuple[float, str]]) -> str:
    """Return labels (x, text) under the axis; where they would overlap, only every second, third and so on."""
    widest = max((_cells(label) for _, label in ticks), default=0) * 6.4 + 6
    apart = min((after[0] - before[0] for before, after in pairwise(ticks)), default=WIDTH)
    every = max(1, math.ceil(widest / max(apart, 1e-9))) if ticks else 1
    return "".join(text(x, BOTTOM + 15, label, anchor="middle") for x, label in ticks[::every])


def nice_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers, 1, 2 or 5 times a power of ten apart, which cover low to high."""
    if high - low <= max(abs(low), abs(high)) * _FLAT + _TINY:
        pad = max(abs(low), abs(high)) * 0.1
        low, high = (low - pad, high + pad) if pad > _TINY else (low - 1.0, high + 1.0)
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def cut(name: str, most: int) -> str:
    """Return the name in at most so many character cells (a Chinese character takes two), with an ellipsis if cut."""
    shown = name
    if _cells(shown) <= most:
        return shown
    while shown and _cells(shown) >= most:
        shown = shown[:-1]
    return f"{shown}\u2026"


def _safe(content: str) -> str:
    """Return text escaped, without the characters that XML forbids: one of them would break the whole SVG."""
    return escape("".join(c if c.isprintable() else " " for c in content))


def _cells(name: Sequence[str]) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in name)


def time_axis(times: Sequence[datetime]) -> tuple[Callable[[datetime], float], str]:
    """Return the function from time to x, and the axis with its labels: round hours or days, spaced to be legible."""
    first, last = min(times), max(times)
    if first == last:
        first, last = first - timedelta(minutes=30), last + timedelta(minutes=30)
    step = next((one for one in _STEPS if (last - first) / one <= _MOST_TICKS), (last - first) / _MOST_TICKS)

    def x(at: datetime) -> float:
        return LEFT + 6 + (RIGHT - LEFT - 12) * ((at - first) / (last - first))

    start = first + (_EPOCH - first) % step
    ticks = [start + n * step for n in range(_MOST_TICKS + 1) if start + n * step <= last]
    return x, level_labels([(x(at), _clock(at, step)) for at in ticks])


def _clock(at: datetime, step: timedelta) -> str:
    utc = at.astimezone(UTC)
    if step < timedelta(days=1) and (utc.hour or utc.minute):
        return f"{utc:%H:%M}"
    return f"{utc:%b %Y}" if step > timedelta(days=60) else f"{utc.day} {utc:%b}"


def value_axis(known: Sequence[float], form: Form) -> tuple[Callable[[float], float], str]:
    """Return the function from value to y, and the grid lines; the axis begins at 0 unless that flattens the line."""
    low, high = min(known), max(known)
    if 0 <= low <= _FROM_ZERO * high:
        low, high = 0.0, high or (0.05 if form == "share" else 1.0)
    ticks = [one for one in nice_ticks(low, high) if form != "share" or one <= max(high, 1.0)]
    scale = (BOTTOM - TOP) / (ticks[-1] - ticks[0])

    def y(value: float) -> float:
        return min(max(BOTTOM - (value - ticks[0]) * scale, TOP), BOTTOM)

    labels = zip(ticks, figures(ticks, form), strict=True)
    marks = (rule(y(one)) + text(LEFT - 5, y(one) + 4, label, anchor="end", most=LEFT - 8) for one, label in labels)
    return y, "".join(marks)
