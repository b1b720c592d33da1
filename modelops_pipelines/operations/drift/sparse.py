"""Judges columns of endpoints with few requests, whose windows are too small for a season, by spans of days."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from modelops_pipelines.core.drift.calibrated import (
    CalibratedVerdict,
    Calibration,
    Flags,
    confirming_flags,
    judge_calibrated,
)
from modelops_pipelines.core.drift.seasonal_reference import Season
from modelops_pipelines.core.drift.sparse_reference import (
    FEWEST_BLOCKS,
    FEWEST_DAYS,
    LEAST,
    LENGTHS,
    LONGEST,
    sparse_season,
)
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.drift.episodes import Episodes
from modelops_pipelines.operations.drift.reference_hours import History, windowed_histories
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class SparseJudge:
    """Judges the windows of a run by a longer history, which is read when the first of them needs it."""

    stores: Stores
    spec: EndpointSpec
    run: Sequence[datetime]
    episodes: Episodes

    def judge(
        self,
        version: str,
        start: int,
        end: int,
        verdicts: Sequence[CalibratedVerdict],
        seasons: Mapping[str, Season],
        flagged: Callable[[int], Flags],
    ) -> tuple[list[CalibratedVerdict], dict[str, Season]]:
        """Return the verdicts on a window [start, end) and the seasons that they are from.

        Columns that could not be judged because the window is small are judged for gross changes, by the shortest span
        with a few dozen rows.
        """
        minimum = self.spec.drift.minimum
        small = {name for name, one in seasons.items() if one.current.n < minimum or one.start < start}
        few = [one.column for one in verdicts if one.flagged is None and one.column in small]
        if not few:
            return list(verdicts), dict(seasons)
        gross = Calibration(minimum=sys.maxsize, least=min(LEAST, minimum), days=FEWEST_BLOCKS)
        best: dict[str, tuple[CalibratedVerdict, Season]] = {}
        found = self._seasons(version, few, start, end, gross.least)
        for one in _judged(found, gross, confirming_flags(found, flagged)):
            best[one.column] = one, found[one.column]
        now = [_with_shift(best[one.column][0], one) if one.column in best else one for one in verdicts]
        shown = [_explained(one, minimum, judged=one.column in best) if one.column in few else one for one in now]
        return shown, {**seasons, **{name: season for name, (_, season) in best.items()}}

    def _seasons(self, version: str, columns: Sequence[str], start: int, end: int, least: int) -> dict[str, Season]:
        history = self._longer.get(version)
        found: dict[str, Season] = {}
        for name in columns if history is not None else ():
            if history is not None and name in history.served and history.served[name].between(start, end).n.sum():
                served = history.served[name]
                recent = history.reference_hours.get(name, served.none())
                eligible, before = self.episodes.eligible((version, name), start), (recent.at, recent.stack)
                season = sparse_season(served.at, served.stack, start, end, before, eligible, least)
                found |= {} if season is None else {name: season}
        return found

    @cached_property
    def _longer(self) -> dict[str, History]:
        longer = replace(self.spec, drift=replace(self.spec.drift, days=max(LONGEST, self.spec.drift.days)))
        self.episodes.reach(longer.drift.days)
        end = self.run[-1] + LENGTH[self.spec.window]
        return windowed_histories(self.stores, longer, self.run[0], end, self.episodes)


def _with_shift(best: CalibratedVerdict, own: CalibratedVerdict) -> CalibratedVerdict:
    """Keep the shift of the window's day, by which a drift that began in larger windows may end."""
    return replace(best, measured=(*best.measured, *(one for one in own.measured if one.channel == "shift")))


def _judged(found: Mapping[str, Season], rules: Calibration, before: Flags) -> list[CalibratedVerdict]:
    """Judge the columns for which there are values to compare."""
    current = {name: one.current for name, one in found.items()}
    reference = {name: one.reference for name, one in found.items()}
    return [one for one in judge_calibrated(current, reference, rules, before) if one.measured]


def _explained(one: CalibratedVerdict, minimum: int, *, judged: bool) -> CalibratedVerdict:
    """Say in a verdict that is None what is monitored, and what is needed."""
    if one.flagged is not None:
        return one
    if judged:
        return replace(one, reason=f"gross changes only, and there is none in {one.n} rows: others need {minimum}")
    gross = f"gross changes need {LEAST} rows in {LENGTHS[-1]} days, and {FEWEST_DAYS} days before"
    return replace(one, reason=f"not monitored: {one.reason}; {gross}; others need {minimum} in a week")
