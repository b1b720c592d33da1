"""Judges columns of endpoints with few requests for gross changes: what a window of a season is too small for."""

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

        Columns that could not be judged because the window is small are judged for gross changes.
        """
        minimum = self.spec.drift.minimum
        few = [one.column for one in verdicts if one.flagged is None and one.column in seasons and one.n < minimum]
        if not few:
            return list(verdicts), dict(seasons)
        found = self._seasons(version, few, start, end)
        rules = Calibration(minimum=minimum + 1, least=min(LEAST, minimum), days=FEWEST_BLOCKS)
        judged = judge_calibrated(
            {name: one.current for name, one in found.items()},
            {name: one.reference for name, one in found.items()},
            rules,
            confirming_flags(found, flagged),
        )
        better = {one.column: one for one in judged if one.measured}
        now = [better.get(one.column, one) for one in verdicts]
        shown = [_explained(one, minimum, judged=one.column in better) if one.column in few else one for one in now]
        return shown, {**seasons, **{name: found[name] for name in better}}

    def _seasons(self, version: str, columns: Sequence[str], start: int, end: int) -> dict[str, Season]:
        history = self._longer.get(version)
        if history is None:
            return {}
        found = {name: self._season(history, version, name, start, end) for name in columns if name in history.served}
        return {name: season for name, season in found.items() if season is not None}

    def _season(self, history: History, version: str, name: str, start: int, end: int) -> Season | None:
        served, recent = history.served[name], history.recent.get(name, history.served[name])
        eligible = self.episodes.eligible((version, name), start)
        return sparse_season(served.at, served.stack, start, end, (recent.at, recent.stack), eligible)

    @cached_property
    def _longer(self) -> dict[str, History]:
        longer = replace(self.spec, drift=replace(self.spec.drift, days=max(LONGEST, self.spec.drift.days)))
        self.episodes.reach(longer.drift.days)
        end = self.run[-1] + LENGTH[self.spec.window]
        return windowed_histories(self.stores, longer, self.run[0], end, self.episodes)


def _explained(one: CalibratedVerdict, minimum: int, *, judged: bool) -> CalibratedVerdict:
    """Say in a verdict that is None what is monitored, and what is needed."""
    if one.flagged is not None:
        return one
    if judged:
        return replace(one, reason=f"gross changes only, and there is none in {one.n} rows: others need {minimum}")
    gross = f"gross changes need {LEAST} rows in {LENGTHS[-1]} days, and {FEWEST_DAYS} days before"
    return replace(one, reason=f"not monitored: {one.reason}; {gross}; others need {minimum} in a week")
