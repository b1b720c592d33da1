"""Episodes of drift: a column that drifted stays drifted until its values are back, or the new ones are accepted.

The windows of an episode are no reference (``core/drift/eligible.py``). Otherwise a permanent step would become its own
reference within days and its alert would resolve itself, and a mended fault would hide smaller changes for weeks.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from modelops_pipelines.core.drift.calibrated import CalibratedVerdict, Channel
from modelops_pipelines.core.drift.eligible import Eligible, without

Key: TypeAlias = tuple[str, str]
"""A version and a column."""

DAY = 24
"""Hours for which values must be back before a column is not drifted any more."""


@dataclass(frozen=True)
class Episode:
    """A lasting drift of one column.

    It began with the window that starts at hour ``since`` (since 1970 UTC), in ``channel``. ``level`` is the effect
    when the channel was last flagged. ``back`` is the start of the first of the newest windows in a row whose values
    are back, None while the last window's are not.
    """

    since: int
    channel: Channel
    level: float
    back: int | None = None


@dataclass(frozen=True)
class Span:
    """A window [start, end) in hours, with the start of the window that can confirm it."""

    start: int
    end: int
    prior: int | None = None


def follow(one: CalibratedVerdict, span: Span, before: Episode | None) -> tuple[CalibratedVerdict, Episode | None]:
    """Return a column's verdict on a window, and its episode after the window, from its episode before.

    An episode begins when the column has drifted. In an episode a window needs no second one to be drifted, and one
    that is not flagged is drifted all the same while its effect is nearer to the last flagged one than to an ordinary
    window's. Values that have been back for a day are not drifted; the window after ends the episode. A window that
    cannot be judged changes nothing.
    """
    if one.flagged is None:
        return one, before
    if before is None:
        return one, _begun(one, span) if one.drifted else None
    if one.flagged:
        return replace(one, drifted=True), _flagged_again(one, before)
    found = next((each for each in one.measured if each.channel == before.channel), None)
    if found is None:
        return replace(
            one, drifted=None, reason=f"it had drifted, and has no values to compare ({before.channel})"
        ), before
    if found.effect > (before.level + found.ordinary) / 2:
        reason = f"not back: an effect of {found.effect:.3g} is nearer to the last flagged one than to an ordinary one"
        return replace(one, drifted=True, reason=reason), replace(before, back=None)
    back = span.start if before.back is None else before.back
    if span.end - back < DAY:
        one = replace(one, drifted=True, reason="it had drifted, and is back for less than a day")
    ended = span.start > back and span.end - back > DAY
    return one, None if ended else replace(before, back=back)


def _begun(one: CalibratedVerdict, span: Span) -> Episode:
    since = span.start if span.prior is None else span.prior
    return Episode(since, one.channel, one.effect or 0.0)


def _flagged_again(one: CalibratedVerdict, before: Episode) -> Episode:
    """Follow the channel of the episode while it is flagged, else the one that is."""
    flagged = {found.channel: found for found in one.measured if found.channel in one.channels}
    leading = flagged.get(before.channel) or max(flagged.values(), key=lambda found: found.effect)
    return Episode(before.since, leading.channel, leading.effect)


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
