"""Episodes of drift: a column that drifted stays drifted until its values are back, or the new ones are accepted.

The windows of an episode are no reference (``Eligible``). Otherwise a permanent step would become its own reference
within days and its alert would resolve itself, and a mended fault would hide smaller changes for weeks.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from modelops_pipelines.core.drift.calibrated import CalibratedVerdict
from modelops_pipelines.core.drift.channels.measured import Channel, Measured
from modelops_pipelines.core.drift.seasonal_reference import Eligible, without

Key: TypeAlias = tuple[str, str]
"""A version and a column."""

DAY = 24
"""Hours for which values must be back before a column is not drifted any more."""
EVIDENCE = math.log(100)
"""Logarithm of how much likelier the windows must be if the values are back than if the drift lasts."""
APART = 3.0
"""Ordinary effects from which on a drift is told from an ordinary window by its effect."""
SHAPE = 0.2
"""P-values of windows of a small drift have the density SHAPE p^(SHAPE - 1): about half of them are below 0.03."""
LEAST_P = 1e-12
TAILS = 4.0
"""Degrees of freedom of a day's shift around the mean one: some days are outlying."""
EXPLAINED = 0.5
"""Part of a distance from which on a shift explains it."""
FADING = 0.3
"""Weight of the newest window in the drift's mean effect."""


@dataclass(frozen=True)
class Episode:
    """A lasting drift of one column.

    It began with the window that starts at hour ``since`` (since 1970 UTC), in ``channel``. ``level`` is the mean
    effect of its windows, newer ones weighing more. ``back`` is the start of the newest windows that together speak for
    values that are back, by ``evidence``; None and 0 while the drift is likelier.
    """

    since: int
    channel: Channel
    level: float
    back: int | None = None
    evidence: float = 0.0


@dataclass(frozen=True)
class Span:
    """A window [start, end) in hours, with the start of the window that can confirm it."""

    start: int
    end: int
    prior: int | None = None


def follow(one: CalibratedVerdict, span: Span, before: Episode | None) -> tuple[CalibratedVerdict, Episode | None]:
    """Return a column's verdict on a window, and its episode after the window, from its episode before.

    An episode begins when the column has drifted. In an episode a window needs no second one to be drifted, and those
    that are not flagged are drifted all the same until there is ``EVIDENCE`` that their values are back, for a day. The
    window after that ends the episode. A window without values to compare changes nothing; one that is too small for a
    verdict may still show that values are back.
    """
    if before is None:
        return one, _begun(one, span) if one.drifted else None
    found = next((each for each in one.measured if each.channel == before.channel), None)
    elsewhere = bool(one.flagged) and before.channel not in one.channels
    if elsewhere and (found is None or before.channel != "shift"):
        return replace(one, drifted=True), _moved(one, before)
    if found is None:
        reason = one.reason or f"no values to compare the {before.channel} with"
        return replace(one, drifted=None, reason=reason), before
    after = _weighed(found, span, before)
    if elsewhere and after.back is not None:
        return replace(one, drifted=True), _moved(one, before)
    if one.flagged:
        one = replace(one, drifted=True)
    elif after.back is None:
        reason = f"an effect of {found.effect:.3g} is as in the drift, whose mean is {before.level:.3g}"
        one = replace(one, drifted=True, reason=reason)
    elif after.evidence < EVIDENCE or span.end - after.back < DAY:
        one = replace(one, drifted=True, reason="it may be back: so far too little evidence, or under a day")
    else:
        ended = span.start > after.back and span.end - after.back > DAY
        return replace(one, drifted=False), None if ended else after
    return one, after


def _weighed(found: Measured, span: Span, before: Episode) -> Episode:
    """Add the window's log likelihood ratio of values that are back to values that are not; below 0 it starts again.

    The ratio is that of the effects, which vary by about an ordinary one; their mean in a drift that was just found is
    too high by about half of that. Where the drift is of few ordinary effects, as on days of another kind, it is that
    of the p-values. The windows of a day are not independent: together they count as one.
    """
    if found.channel == "shift":
        ratio = _shift_ratio(found, before.level)
    elif before.level >= APART * found.ordinary:
        lasting = min(0.0, found.effect - (before.level - found.ordinary / 2))
        ratio = (lasting**2 - max(0.0, found.effect - found.ordinary) ** 2) / (2 * found.ordinary**2)
    else:
        ratio = (1 - SHAPE) * math.log(max(found.p_value, LEAST_P)) - math.log(SHAPE)
    evidence = before.evidence + ratio * min(1.0, (span.end - span.start) / DAY)
    if evidence > 0:
        return replace(before, back=span.start if before.back is None else before.back, evidence=evidence)
    return replace(before, back=None, evidence=0.0, level=_mean(before.level, found))


def _shift_ratio(found: Measured, level: float) -> float:
    """Return the log likelihood ratio of no shift to a shift of ``level``, by Student's t: no day decides alone.

    More than the shift is no sign that it is over.
    """
    toward = math.copysign(1.0, level) * found.effect
    lasting, back = min(0.0, toward - abs(level)) / found.ordinary, toward / found.ordinary
    return (TAILS + 1) / 2 * (math.log1p(lasting**2 / TAILS) - math.log1p(back**2 / TAILS))


def _mean(level: float, found: Measured) -> float:
    """Follow the effects; a shift was measured over days to begin with, and stays what is compared with."""
    return level if found.channel == "shift" else (1 - FADING) * level + FADING * found.effect


def _begun(one: CalibratedVerdict, span: Span) -> Episode:
    since = span.start if span.prior is None else span.prior
    shift = next((found for found in one.measured if found.channel == "shift"), None)
    if shift is None or shift.lasting is None or shift.since is None:
        return Episode(since, one.channel, one.effect or 0.0)
    if "shift" in one.channels:
        return Episode(min(since, shift.since), "shift", shift.lasting)
    if one.channel == "distribution" and abs(shift.lasting) >= EXPLAINED * (one.effect or 0.0):
        return Episode(since, "shift", shift.lasting)
    return Episode(since, one.channel, one.effect or 0.0)


def _moved(one: CalibratedVerdict, before: Episode) -> Episode:
    """Follow the flagged channel of the largest effect, when that of the episode is not flagged."""
    flagged = [found for found in one.measured if found.channel in one.channels]
    leading = max(flagged, key=lambda found: abs(found.effect))
    return Episode(before.since, leading.channel, leading.effect if leading.lasting is None else leading.lasting)


@dataclass(frozen=True)
class Accepted:
    """A column's windows [since, until) are the new normal, for windows from ``until`` on. Hours since 1970 UTC."""

    column: str
    since: int
    until: int


@dataclass
class EpisodeLog:
    """The episodes of each version's columns after each of its windows, which are ``length`` hours long.

    What it returns for a window depends on earlier windows alone.
    """

    length: int
    accepted: Sequence[Accepted] = ()
    _states: dict[Key, dict[int, Episode | None]] = field(default_factory=dict)
    _order: dict[Key, list[int]] = field(default_factory=dict)
    _spans: dict[Key, list[tuple[int, int, int]]] = field(default_factory=dict)

    @property
    def drifted(self) -> list[Key]:
        """The versions and columns that had an episode in any window."""
        return list(self._spans)

    def add(self, key: Key, hour: int, episode: Episode | None) -> None:
        """Record a column's episode after the window that starts at an hour."""
        if hour not in self._states.setdefault(key, {}):
            insort(self._order.setdefault(key, []), hour)
        self._states[key][hour] = episode
        if episode is not None:
            end = hour + self.length if episode.back is None else episode.back
            self._spans.setdefault(key, []).append((hour, episode.since, end))

    def before(self, key: Key, hour: int) -> Episode | None:
        """Return a column's episode before the window that starts at an hour; None when there is none, or accepted."""
        order = self._order.get(key, [])
        place = bisect_left(order, hour) - 1
        if place < 0 or order[place] < (self._accepted_until(key[1], hour) or 0):
            return None
        return self._states[key][order[place]]

    def eligible(self, key: Key, hour: int) -> Eligible:
        """Return which hours may be a reference for the window that starts at an hour.

        A drift lasts through a time without windows.
        """
        known = [one for one in self.accepted if one.column == key[1] and one.until <= hour]
        spans = [(since, end) for window, since, end in self._spans.get(key, ()) if window < hour]
        lasting = self.before(key, hour) if spans else None
        if lasting is not None and lasting.back is None:
            spans.append((lasting.since, hour))
        since = max((one.since for one in known), default=None)
        return Eligible.of(without(spans, self._accepted_until(key[1], hour)), since)

    def follow(self, version: str, one: CalibratedVerdict, span: Span) -> tuple[CalibratedVerdict, Episode | None]:
        """Return the verdict on a window as its episode makes it, and the episode after it, which is recorded."""
        key = version, one.column
        verdict, after = follow(one, span, self.before(key, span.start))
        self.add(key, span.start, after)
        return verdict, after

    def _accepted_until(self, column: str, hour: int) -> int | None:
        found = (one.until for one in self.accepted if one.column == column and one.until <= hour)
        return max(found, default=None)
