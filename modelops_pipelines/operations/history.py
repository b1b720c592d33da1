"""The hours that a version's windows are held against: of its training set, and those that it has served since."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from modelops_pipelines.core.endpoint import DriftPolicy, EndpointSpec
from modelops_pipelines.core.profiles import Profile
from modelops_pipelines.core.seasons import WEEK, Matching, SeasonReference, reference_of, widened
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.profiling import monitored_bins, stored_hours
from modelops_pipelines.store.profile_rows import Hours, hour_of
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.stores import Stores

Columns = dict[str, Hours]


@dataclass(frozen=True, eq=False)
class History:
    """A version's hours by column: those it has ``served``, and those of its training set before them."""

    reference: Reference
    served: Columns
    trained: Columns
    policy: DriftPolicy

    @cached_property
    def recent(self) -> Columns:
        """All hours by column, in order of time."""
        return self.trained | {name: hours.after(self.trained.get(name)) for name, hours in self.served.items()}

    @property
    def behind(self) -> Columns:
        """The hours that windows are held against: those of the training set alone, if the policy says so."""
        return self.trained if self.policy.reference == "training" else self.recent

    @property
    def described(self) -> str:
        """What windows are held against, in words."""
        if self.policy.reference == "training":
            return f"the same season of the training set's last {self.policy.days} days"
        return f"the same season of the {self.policy.days} days before"

    def season(self, start: int, end: int) -> tuple[dict[str, Profile], dict[str, SeasonReference]]:
        """Return the window [start, end) of whole hours, widened if it is small, and its reference, by column."""
        current, reference = {}, {}
        for name, hours in self.served.items():
            first = widened(hours.at, hours.stack, start, end, self.policy.minimum)
            current[name] = hours.total(first, end)
            reference[name] = self.reference_of(name, first, end)
        return current, reference

    def reference_of(self, name: str, start: int, end: int) -> SeasonReference:
        """Return a column's reference of [start, end): the season before it, or before the training set's end."""
        hours = self.behind[name] if name in self.behind else self.served[name].none()
        if self.policy.reference == "training" and len(hours.at):
            back = max(0, start - int(hours.at[-1]) - 1) // WEEK * WEEK  # the same hour of the same weekday
            start, end = start - back, end - back
        return reference_of(hours.at, hours.stack, start, end, Matching(self.policy.days))


def histories(stores: Stores, spec: EndpointSpec, start: datetime, end: datetime) -> dict[str, History]:
    """Return by version the hours to judge in [start, end) and what to judge them by.

    That is the hours served since ``days`` before ``start``, after those of the training set; only the training
    set's own when the endpoint's drift policy says so.
    """
    served = stored_hours(stores, spec, start - timedelta(days=spec.drift.days), end)
    found = {}
    for version, (reference, hours) in served.items():
        bins = monitored_bins(spec, reference)
        trained = {name: known for name, known in reference.by_hour().items() if name in bins}
        found[version] = History(reference, hours, trained, spec.drift)
    return found


def reference_before(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> dict[str, Profile]:
    """Return what a window is shown against: the windows that judge it as one profile a column.

    The whole training set's where there are none, or the endpoint's method compares with it.
    """
    end = window + LENGTH[spec.window]
    found = histories(stores, spec, window, end).get(version)
    if found is None:
        return {}
    whole = dict(found.reference.profiles)
    if spec.drift.method != "calibrated":
        return whole
    _, seasons = found.season(hour_of(window), hour_of(end))
    return whole | {name: one.windows.total() for name, one in seasons.items() if len(one.windows)}
