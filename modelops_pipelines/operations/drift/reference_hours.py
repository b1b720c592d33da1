"""The reference hours of a version's windows: those of its training set, and those that it has served since.

Daily windows are compared with days: a day's stored sum is read in place of its 24 hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

import numpy as np

from modelops_pipelines.core.drift.seasonal_reference import (
    DAY,
    WEEK,
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
from modelops_pipelines.operations.drift.profiles import monitored_bins, stored_days, stored_hours
from modelops_pipelines.store.lake.profile_rows import Hours, hour_of, moment_of
from modelops_pipelines.store.registry.drift_references import Reference
from modelops_pipelines.store.stores import Stores

Columns = dict[str, Hours]


@dataclass(frozen=True, eq=False)
class History:
    """A version's hours by column: those it has ``served``, those of its training set before them, and both.

    Or its days, with ``by_hour`` to get the same history by hour: a window that is widened begins within a day.
    """

    reference: Reference
    served: Columns
    trained: Columns
    recent: Columns
    policy: DriftPolicy
    by_hour: "Callable[[], History] | None" = None

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
            found[name] = Season(first, end, hours.total(first, end), fine.reference_of(name, first, end, prior), prior)
        return found

    def _fine_enough(self, name: str, start: int, end: int) -> "History":
        """Return this history, or the hourly one where this one is daily and the window has to be widened."""
        within = self.served[name].between(start, end)
        large = len(within) > 0 and within.n.sum() >= self.policy.minimum
        return self if large or self.by_hour is None else self.by_hour()

    def reference_of(self, name: str, start: int, end: int, prior: int | None) -> SeasonReference:
        """Return a column's reference of [start, end): the season before it, or before the training set's end."""
        hours = self.reference_hours[name] if name in self.reference_hours else self.served[name].none()
        if self.policy.reference == "training" and len(hours.at):
            back = max(0, start - int(hours.at[-1]) - 1) // WEEK * WEEK  # the same hour of the same weekday
            start, end, prior = start - back, end - back, prior if prior is None else prior - back
        return reference_of(hours.at, hours.stack, start, end, Matching(self.policy.days), prior)


def histories(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime) -> dict[str, History]:
    """Return per version the hours to judge in [start, end) and their reference.

    The reference is the hours served since ``days`` before ``start``, after those of the training set; only the
    training set's when the endpoint's drift policy says so.
    """
    served = stored_hours(stores, spec, start - timedelta(days=spec.drift.days), end)
    found = {}
    for version, (reference, hours) in served.items():
        trained = _trained(spec, reference)
        found[version] = History(reference, hours, trained, _after(hours, trained), spec.drift)
    return found


def windowed_histories(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime) -> dict[str, History]:
    """Return ``histories`` in the endpoint's own windows: daily where these are days."""
    if spec.window != "day":
        return histories(stores, spec, start, end)
    by_hour = cache(partial(histories, stores, spec, start, end))
    found = {}
    for version, (reference, days) in stored_days(stores, spec, start - timedelta(days=spec.drift.days), end).items():
        trained = _trained(spec, reference)
        before = {name: hours.by_day() for name, hours in trained.items()}
        recent = _after(_shared_days(stores, spec, version, days, trained), _after(days, before))
        found[version] = History(reference, days, before, recent, spec.drift, partial(_history_of, by_hour, version))
    return found


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
    end = window + LENGTH[spec.window]
    found = windowed_histories(stores, spec, window, end).get(version)
    if found is None:
        return {}
    whole = dict(found.reference.profiles)
    if spec.drift.method != "calibrated":
        return whole
    reference = {name: one.reference.windows for name, one in found.season(hour_of(window), hour_of(end)).items()}
    return whole | {name: windows.total() for name, windows in reference.items() if len(windows)}
