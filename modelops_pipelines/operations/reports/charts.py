"""Small charts as SVG text: the distribution of a column, a number over time.

Each is self-contained, has a descriptive title, and a tooltip for each bar and point.
"""

import base64
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import unescape
from itertools import pairwise
from typing import TypeVar

import numpy as np

from modelops_pipelines.core.escaping import markdown
from modelops_pipelines.core.profiles.profile import Floats, Profile
from modelops_pipelines.operations.reports import svg
from modelops_pipelines.operations.reports.marks import Mark, draw_marks
from modelops_pipelines.operations.reports.svg import BLUE, BOTTOM, GREY, LEFT, RED, RIGHT, TOP, Form, figure

Points = Sequence[tuple[datetime, float | None]]
Band = Sequence[tuple[float | None, float | None]]

BARS = 30
"""Bars between the tails; a column with at most as many distinct values gets one bar per value."""
CATEGORIES = 12
OTHER = "(other)"
_TAIL = 0.01
_ROUNDING = 1e-9
_LARGEST = 1e300
_NAMES_END = 132
MAX_TOOLTIPS = 100
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Bars:
    """Shares of values per bar, both of shape (bars,), and the name of each bar; ``solid``: a bar is one value."""

    names: Sequence[str]
    current: Floats
    reference: Floats
    ticks: Sequence[tuple[float, str]]
    solid: bool


def distribution(current: Profile, reference: Profile, title: str, known: Collection[str] | None = None) -> str:
    """Return a chart of both sides' shares of values, the reference in grey; "" for a kind without a chart (text).

    Numeric: bars of equal width, so that heights are densities, from the profile's bins, within which values are taken
    as evenly spread. They cover the 1st to the 99th percentile of both sides together; values beyond are a bar at
    either end. Categorical: the CATEGORIES with the greatest share on either side, and the others as one; so are those
    that are not ``known``, where that is given.
    """
    draw: Mapping[str, Callable[[Profile, Profile], str]] = {
        "numeric": partial(_numeric, known=known),
        "categorical": partial(_categorical, known=known),
    }
    if current.bins.kind not in draw:
        return ""
    shares = [one.missing / one.n if one.n else 0.0 for one in (reference, current)]
    missing = f"missing {figure(shares[0], 'share')} \u2192 {figure(shares[1], 'share')}" if max(shares) else ""
    if current.present and reference.present:
        body = svg.legend({"reference": GREY, "now": BLUE}) + draw[current.bins.kind](current, reference)
    else:
        body = _empty(f"no values in {'the window' if reference.present else 'the reference'}")
    return svg.picture(title, missing, body + svg.text(RIGHT, 34, missing, anchor="end"))


def over_time(  # noqa: PLR0913 - the parts of a chart
    points: Points,
    band: Band | None,
    title: str,
    thresholds: Sequence[float] = (),
    *,
    name: str = "",
    also: Mapping[str, Points] | None = None,
    form: Form = "number",
    holds: Sequence[float] = (),
    marks: Sequence[Mark] = (),
) -> str:
    """Return a line chart over time (UTC), with gaps where a value is None; its last value is marked and written.

    ``band`` is the ordinary range: low and high for each point, None without a limit, twice None without a band.
    ``thresholds`` are dashed; one far from all values is written as text, so that the line is not flattened. ``also``
    are more lines by name, and ``name`` is then the first line's. Shares are drawn as percentages. The axis
    includes the values ``holds``, however far they are, and the times of ``marks``.
    """
    points = _finite(points)
    lines = {name: points, **{one: _finite(line) for one, line in (also or {}).items()}}
    known = [value for line in lines.values() for _, value in line if value is not None]
    if not known:
        return svg.picture(title, "no values yet", _empty("no values yet"))
    x, axis = svg.time_axis([*(at for line in lines.values() for at, _ in line), *(mark.at for mark in marks)])
    ordinary = [one for pair in band or () for one in pair if one is not None]
    y, grid = svg.value_axis([*known, *holds, *_near(thresholds, known), *_near(ordinary, known, 4.0)], form)
    colours = dict(zip(lines, (BLUE, *svg.MORE), strict=False))
    body = axis + grid + (_band(points, band, x, y) if band else "")
    body += "".join(_line(lines[one], colours[one], x, y) for one in reversed(colours))
    body += _limits(thresholds, _near(thresholds, known), y, form) + _notes(lines, x, form)
    body += draw_marks(marks, x)
    body += svg.legend(colours) if also else ""
    last = next((value for _, value in reversed(points) if value is not None), None)
    latest = "" if last is None else figure(last, form)
    return svg.picture(
        title, f"latest {latest or 'unknown'}", body + svg.text(RIGHT, 16, latest, anchor="end", style="v")
    )


def as_markdown(picture: str) -> str:
    """Return an SVG as Markdown with the image embedded, for Dagster's metadata; "" for no chart."""
    title = unescape(picture.partition("<title>")[2].partition("</title>")[0])
    return (
        f"![{markdown(title)}](data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()})"
        if picture
        else ""
    )


def _empty(message: str) -> str:
    return svg.text(svg.WIDTH / 2, 110, message, anchor="middle")


def _numeric(current: Profile, reference: Profile, known: Collection[str] | None) -> str:
    """Draw numbers; without any value that is known, where that is given, no bar is of a single value."""
    by_value = _value_bars(current, reference) if known is None or known else None
    return _columns(by_value or _density_bars(current, reference))


def _value_bars(current: Profile, reference: Profile) -> _Bars | None:
    """Return one bar per value where the reference has few distinct ones; other values are the last bar."""
    edges = np.asarray(current.bins.edges)
    single = np.flatnonzero(edges[:-1] == np.nextafter(edges[1:], -np.inf)) + 1
    sides = [np.asarray(one.counts, np.float64) / one.present for one in (current, reference)]
    if not 0 < len(single) <= BARS or sides[1][single].sum() < 1 - _ROUNDING:
        return None
    now, then = (np.append(side[single], max(0.0, 1 - side[single].sum())) for side in sides)
    names = svg.figures(edges[single].tolist())
    if now[-1] < _ROUNDING:
        ticks = [(n + 0.5, name) for n, name in enumerate(names)]
        return _Bars(names, now[:-1], then[:-1], ticks, solid=True)
    names += ["other values"]
    ticks = [(n + 0.5, name) for n, name in enumerate([*names[:-1], "other"])]
    return _Bars(names, now, then, ticks, solid=True)


def _density_bars(current: Profile, reference: Profile) -> _Bars:
    edges = np.asarray(current.bins.edges)
    below = [np.cumsum(one.counts)[:-1] / one.present for one in (current, reference)]
    both = (below[0] + below[1]) / 2
    low = edges[max(0, int(np.searchsorted(both, _TAIL, "right")) - 1)]
    high = edges[min(len(edges) - 1, int(np.searchsorted(both, 1 - _TAIL)))]
    cuts = np.linspace(low, high, BARS + 1)
    now, then = (np.diff(np.interp(cuts, edges, share), prepend=0.0, append=1.0) for share in below)
    edge_names = svg.figures(cuts.tolist())
    names = [f"up to {edge_names[0]}", *(f"{a} to {b}" for a, b in pairwise(edge_names)), f"over {edge_names[-1]}"]
    ticks = [one for one in svg.nice_ticks(low, high, 6) if low <= one <= high]
    places = [1 + BARS * (one - float(low)) / (float(high - low) or 1.0) for one in ticks]
    return _Bars(names, now, then, list(zip(places, svg.figures(ticks), strict=True)), solid=False)


def _columns(bars: _Bars) -> str:
    """Draw vertical bars: the reference as grey blocks, the window as slim bars, or under one outline."""
    width, top = (RIGHT - 8) / len(bars.names), _top(bars)
    now, then = (np.minimum(side / top, 1.0) * (BOTTOM - TOP) for side in (bars.current, bars.reference))
    starts = [8 + n * width for n in range(len(bars.names))]
    body = (_draw_separate_bars if bars.solid else _draw_outlines)(now, then, starts, width)
    body += _cut_off(bars.current, top, starts, width)
    body += svg.level_labels([(8 + at * width, name) for at, name in bars.ticks])
    notes = map(_bar_note, bars.names, bars.current, bars.reference)
    areas = [(x, TOP, width, BOTTOM - TOP, note) for x, note in zip(starts, notes, strict=True)]
    return body + f'<path d="M8 {BOTTOM}H{RIGHT}" stroke="{svg.INK}" stroke-opacity="0.5"/>' + svg.tips(areas)


def _top(bars: _Bars) -> float:
    """Return the share at the top of the chart: a tail far above all other bars is cut off there."""
    sides = np.stack([bars.current, bars.reference])
    highest, within = float(sides.max()), float(sides[:, 1:-1].max()) if not bars.solid else 0.0
    return min(highest, 1.5 * within) if within else highest


def _cut_off(shares: Floats, top: float, starts: Sequence[float], width: float) -> str:
    """Write the shares of tails that are cut off."""
    tails = [(starts[0] + width + 5, shares[0], "start"), (starts[-1] - 5, shares[-1], "end")]
    cut = [(x, float(share), anchor) for x, share, anchor in tails if share > top]
    return "".join(svg.text(x, TOP + 8, figure(one, "share"), anchor=side, colour=BLUE) for x, one, side in cut)


def _draw_separate_bars(now: Floats, then: Floats, starts: Sequence[float], width: float) -> str:
    wide = [(x + 0.12 * width, BOTTOM - y, 0.76 * width, y) for x, y in zip(starts, then.tolist(), strict=True)]
    slim = [(x + 0.31 * width, BOTTOM - y, 0.38 * width, y) for x, y in zip(starts, now.tolist(), strict=True)]
    return svg.blocks(wide, GREY, 0.55) + svg.blocks(slim, BLUE, 0.9)


def _draw_outlines(now: Floats, then: Floats, starts: Sequence[float], width: float) -> str:
    drawn = ""
    for part in (slice(0, 1), slice(1, -1), slice(-1, None)):  # the tails are drawn apart
        old, new = (_outline(side[part], starts[part], width) for side in (then, now))
        ends = [(starts[part][-1] + width, BOTTOM), (starts[part][0], BOTTOM)]
        drawn += svg.path([*old, *ends], GREY, filled=0.55) + svg.path([*new, *ends], BLUE, filled=0.2)
        drawn += svg.path(new, BLUE)
    return drawn


def _outline(tall: Floats, starts: Sequence[float], width: float) -> list[tuple[float, float]]:
    pairs = zip(tall.tolist(), starts, strict=True)
    return [corner for height, x in pairs for corner in ((x, BOTTOM - height), (x + width, BOTTOM - height))]


def _categorical(current: Profile, reference: Profile, known: Collection[str] | None) -> str:
    """Draw horizontal bars with their names: the reference as grey blocks, the window as slim bars on them."""
    now, then = (_shares(one) for one in (current, reference))
    named = {*now, *then} - {OTHER} if known is None else {*now, *then} & {*known}
    order = sorted(named, key=lambda name: (-max(now.get(name, 0), then.get(name, 0)), name))
    rows = [(name, now.get(name, 0.0), then.get(name, 0.0)) for name in order[:CATEGORIES]]
    rest = [max(0.0, 1 - sum(shares)) for shares in ([row[1] for row in rows], [row[2] for row in rows])]
    rows += [(OTHER, rest[0], rest[1])] if max(rest) > _ROUNDING else []
    tall, scale = min(28.0, (svg.HEIGHT - TOP) / len(rows)), (RIGHT - 48 - _NAMES_END) / max(max(r[1:]) for r in rows)
    names = [name if before or name == OTHER else f"{name} (new)" for name, _, before in rows]
    tops = [TOP - 4 + n * tall for n in range(len(rows))]
    grey = [(_NAMES_END, y + 1, row[2] * scale, tall - 2) for y, row in zip(tops, rows, strict=True)]
    blue = [(_NAMES_END, y + tall * 0.28, row[1] * scale, tall * 0.44) for y, row in zip(tops, rows, strict=True)]
    body = svg.blocks(grey, GREY, 0.55) + svg.blocks(blue, BLUE, 0.9)
    for y, name, row in zip(tops, names, rows, strict=True):
        body += svg.text(_NAMES_END - 6, y + tall / 2 + 4, svg.cut(name, 20), anchor="end")
        body += svg.text(RIGHT, y + tall / 2 + 4, f"{100 * row[1]:.1f} %", anchor="end")
    notes = [_bar_note(name, row[1], row[2]) for name, row in zip(names, rows, strict=True)]
    return body + svg.tips((0, y, RIGHT, tall, note) for y, note in zip(tops, notes, strict=True))


def _shares(side: Profile) -> dict[str, float]:
    """Return the share of each named category that occurs."""
    counts = Counter(dict(zip(side.bins.categories, side.counts, strict=True))) + Counter(side.new)
    return {name: count / side.present for name, count in counts.items()}


def _bar_note(name: str, now: float, then: float) -> str:
    return f"{name}: {figure(now, 'share')}, reference {figure(then, 'share')}"


def _near(wanted: Sequence[float], known: Sequence[float], reach: float = 1.0) -> list[float]:
    """Return the values that can be drawn without flattening the line."""
    low, high = min(known), max(known)
    around = reach * max(high - low, abs(high) / 4, abs(low) / 4)
    return [one for one in wanted if low - around <= one <= high + around]


def _limits(thresholds: Sequence[float], near: Sequence[float], y: Callable[[float], float], form: Form) -> str:
    drawn = "".join(svg.rule(y(one), RED, dashed=True) for one in near)
    beyond = ", ".join(figure(one, form) for one in thresholds if one not in near)
    return drawn + svg.text(RIGHT, 34, f"limit {beyond}, outside the chart" if beyond else "", anchor="end", colour=RED)


def _band(points: Points, band: Band, x: Callable[[datetime], float], y: Callable[[float], float]) -> str:
    drawn = ""
    for run in _runs([(at, None if one == (None, None) else one) for (at, _), one in zip(points, band, strict=True)]):
        highs = [(x(at), TOP if high is None else y(high)) for at, (_, high) in run]
        lows = [(x(at), BOTTOM if low is None else y(low)) for at, (low, _) in run]
        drawn += svg.path([*highs, *reversed(lows)], GREY, filled=0.3)
    return drawn


def _line(points: Points, colour: str, x: Callable[[datetime], float], y: Callable[[float], float]) -> str:
    runs = [[(x(at), y(value)) for at, value in run] for run in _runs(points)]
    drawn = "".join(svg.path(run, colour) if len(run) > 1 else svg.dot(*run[0], 1.6, colour) for run in runs)
    return drawn + (svg.dot(*runs[-1][-1], 3.5, colour) if runs else "")


def _notes(lines: Mapping[str, Points], x: Callable[[datetime], float], form: Form) -> str:
    """Return a tooltip with the values of each time; of many times, of some."""
    texts: dict[datetime, list[str]] = {}
    for name, line in lines.items():
        for at, value in line:
            if value is not None:
                texts.setdefault(at, []).append(f"{name} {figure(value, form)}".strip())
    times = sorted(texts)
    times = times[:: math.ceil(len(times) / MAX_TOOLTIPS) or 1]
    wide = (RIGHT - LEFT) / max(len(times), 2)
    notes = [f"{at.astimezone(UTC):%Y-%m-%d %H:%M}: {', '.join(texts[at])}" for at in times]
    return svg.tips((x(at) - wide / 2, TOP, wide, BOTTOM - TOP, note) for at, note in zip(times, notes, strict=True))


def _finite(points: Points) -> Points:
    """Return the points with a gap where the value is not a number that can be drawn."""
    return [(at, value if value is not None and abs(value) < _LARGEST else None) for at, value in points]


def _runs(points: Sequence[tuple[datetime, _T | None]]) -> list[list[tuple[datetime, _T]]]:
    """Return the stretches of points without a gap."""
    runs: list[list[tuple[datetime, _T]]] = [[]]
    for at, value in points:
        if value is not None:
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
