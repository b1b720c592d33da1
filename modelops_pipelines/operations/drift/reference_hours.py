"""The reference hours of a version's windows: those of its training set, and those that it has served since.

Daily windows are compared with days: a day's stored sum is read in place of its 24 hours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, partial

import numpy as np

from modelops_pipelines.core.drift.channels.days import Days
from modelops_pipelines.core.drift.channels.lasting_shift import MOST_DAYS, LastingShift, lasting_shift
from modelops_pipelines.core.drift.seasonal_reference import (
    DAY,
    EVERYTHING,
    WEEK,
    Eligible,
    Matching,
    Season,
    SeasonReference,
    prior_window,
    reference_of,
    widened,
)
from modelops_pipelines.core.endpoints.spec import DriftPolicy, EndpointSpec
from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.drift.episodes import Episodes
from modelops_pipelines.operations.drift.profiles import monitored_bins, stored_days, stored_hours
from modelops_pipelines.store.lake.rows.profiles import Hours, hour_of, moment_of
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.stores import Stores

Columns = dict[str, Hours]
Eligibility = Callable[[str, int], Eligible]


def _everything(_column: str, _hour: int) -> Eligible:
    return EVERYTHING


@dataclass(frozen=True, eq=False)
class History:
    """A version's hours by column: those it has ``served``, those of its training set before them, and both.

    Or its days, with ``by_hour`` to get the same history by hour: a window that is widened begins within a day.
    ``eligible`` returns which hours of a column may be a reference for the window that starts at an hour.
    """

    reference: Reference
    served: Columns
    trained: Columns
    recent: Columns
    policy: DriftPolicy
    by_hour: "Callable[[], History] | None" = None
    eligible: Eligibility = field(default=_everything)

    @property
    def reference_hours(self) -> Columns:
        """The hours that windows are compared with: those of the training set alone, if the policy says so."""
        return self.trained if self.policy.reference == "training" else self.recent

    @property
    def described(self) -> str:
        """What windows are compared with, in words."""
        if self.policy.reference == "training":
            return f"the same season of the training set's last {self.policy.days} days"
        return f"the same season of the {self.policy.days} days before"

    def season(self, start: int, end: int) -> dict[str, Season]:
        """Return per column the window [start, end) of whole hours, widened if it is small, with its reference."""
        found = {}
        for name in self.served:
            fine = self._fine_enough(name, start, end)
            hours = fine.served[name]
            first = widened(hours.at, hours.stack, start, end, self.policy.minimum)
            prior = prior_window(hours.at, first, end - start)
            reference = fine.reference_of(name, first, end, prior, start)
            found[name] = Season(first, end, hours.total(first, end), reference, prior)
        return found

    def _fine_enough(self, name: str, start: int, end: int) -> "History":
        """Return this history, or the hourly one where this one is daily and the window has to be widened."""
        within = self.served[name].between(start, end)
        large = len(within) > 0 and within.n.sum() >= self.policy.minimum
        return self if large or self.by_hour is None else self.by_hour()

    def shifts(self, start: int, end: int) -> dict[str, LastingShift]:
        """Return per numeric column how the days up to the window [start, end) differ from those before them.

        None where windows are not days.
        """
        if end - start != DAY:
            return {}
        numeric = (name for name, hours in self.served.items() if hours.bins.kind == "numeric")
        found = {name: self._days_until(name, start) for name in numeric}
        shifts = {name: lasting_shift(days) for name, days in found.items() if days is not None}
        return {name: one for name, one in shifts.items() if one is not None}

    def _days_until(self, name: str, start: int) -> Days | None:
        """Return a column's days up to the one that starts at an hour: those served, or after the training set's."""
        eligible = self.eligible(name, start)
        training = self.policy.reference == "training" and eligible.since is None
        known = self.served if training else self.recent
        if name not in known:
            return None
        days = Days.before(known[name].at, known[name].stack, start, self.policy.days + MOST_DAYS, eligible)
        if days is None or not training:
            return days
        if name not in self.trained:
            return None
        trained = self.trained[name] if self.by_hour else self.trained[name].by_day()
        return days.after(trained.at, trained.stack, self.policy.days)

    def reference_of(
        self, name: str, start: int, end: int, prior: int | None, window: int | None = None
    ) -> SeasonReference:
        """Return a column's reference of [start, end): the season before it, or before the training set's end.

        Values that were accepted since are in no training set: they are compared with the windows since then.
        ``window`` is where the window starts that was widened to ``start``.
        """
        eligible = self.eligible(name, start if window is None else window)
        known = self.reference_hours if eligible.since is None else self.recent
        hours = known[name] if name in known else self.served[name].none()
        if self.policy.reference == "training" and eligible.since is None:
            eligible = EVERYTHING
            back = max(0, start - int(hours.at[-1]) - 1) // WEEK * WEEK if len(hours.at) else 0  # the same weekday
            start, end, prior = start - back, end - back, prior if prior is None else prior - back
        return reference_of(hours.at, hours.stack, start, end, Matching(self.policy.days, eligible), prior)


def histories(
    stores: Stores,
    spec: EndpointSpec,
    start: datetime,
    end: datetime,
    episodes: Episodes | None = None,
    earlier: Sequence[date] = (),
) -> dict[str, History]:
    """Return per version the hours to judge in [start, end) and their reference.

    The reference is the hours served since ``days`` before ``start``, after those of the training set, and those before
    a drift that lasts, or of ``earlier`` dates; only the training set's when the endpoint's drift policy says so.
    """
    dates = [*_dates(episodes), *earlier]
    served = stored_hours(stores, spec, start - timedelta(days=spec.drift.days), end, dates)
    found = {}
    for version, (reference, hours) in served.items():
        trained = _trained(spec, reference)
        eligible = _eligibility(episodes, version)
        found[version] = History(reference, hours, trained, _after(hours, trained), spec.drift, eligible=eligible)
    return found


def windowed_histories(
    stores: Stores, spec: EndpointSpec, start: datetime, end: datetime, episodes: Episodes | None = None
) -> dict[str, History]:
    """Return ``histories`` in the endpoint's own windows: daily where these are days."""
    if spec.window != "day":
        return histories(stores, spec, start, end, episodes)
    by_hour = cache(partial(histories, stores, spec, start, end, episodes))
    found = {}
    since = start - timedelta(days=spec.drift.days + MOST_DAYS)
    for version, (reference, days) in stored_days(stores, spec, since, end, _dates(episodes)).items():
        trained = _trained(spec, reference)
        before = {name: hours.by_day() for name, hours in trained.items()}
        recent = _after(_shared_days(stores, spec, version, days, trained), _after(days, before))
        hourly = partial(_history_of, by_hour, version)
        eligible = _eligibility(episodes, version)
        found[version] = History(reference, days, before, recent, spec.drift, hourly, eligible)
    return found


def _dates(episodes: Episodes | None) -> Sequence[date]:
    return [] if episodes is None else episodes.dates


def _eligibility(episodes: Episodes | None, version: str) -> Eligibility:
    if episodes is None:
        return _everything
    return lambda column, hour: episodes.eligible((version, column), hour)


def _history_of(found: Callable[[], dict[str, History]], version: str) -> History:
    return found()[version]


def _trained(spec: EndpointSpec, reference: Reference) -> Columns:
    """Return the hours of the training set's columns that the endpoint monitors."""
    bins = monitored_bins(spec, reference)
    return {name: known for name, known in reference.by_hour().items() if name in bins}


def _after(later: Mapping[str, Hours], earlier: Mapping[str, Hours]) -> Columns:
    """Return both by column, in order of time; where both have an hour, the later one's."""
    return dict(earlier) | {name: hours.after(earlier.get(name)) for name, hours in later.items()}


def _shared_days(stores: Stores, spec: EndpointSpec, version: str, days: Columns, trained: Columns) -> Columns:
    """Return the days that have both hours of the training set and served hours: the sum of both."""
    both = [of.at[np.isin(of.at, trained[name].at // DAY * DAY)] for name, of in days.items() if name in trained]
    shared = np.concatenate([np.zeros(0, np.int64), *both])
    if not len(shared):
        return {}
    first, end = int(shared.min()), int(shared.max()) + DAY
    served = stored_hours(stores, spec, moment_of(first), moment_of(end))[version][1]
    within = {name: trained[name].within(first, end) for name in served if name in trained}
    return {name: served[name].after(hours).by_day() for name, hours in within.items()}


def reference_before(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> dict[str, Profile]:
    """Return the reference that a window is shown with: its reference windows summed to one profile per column.

    The whole training set's profile where there are none, or where the endpoint's method compares with it.
    """
    if spec.drift.method != "calibrated":
        trained = stores.references.read(spec.model_name, version)
        return {} if trained is None else dict(trained.profiles)
    end = window + LENGTH[spec.window]
    episodes = Episodes(stores, spec, window, ())
    found = windowed_histories(stores, spec, window, end, episodes).get(version)
    if found is None:
        return {}
    whole = dict(found.reference.profiles)
    reference = {name: one.reference.windows for name, one in found.season(hour_of(window), hour_of(end)).items()}
    return whole | {name: windows.total() for name, windows in reference.items() if len(windows)}
