"""The hours that a version's windows are held against: of its training set, and those that it has served since."""

from datetime import datetime, timedelta

from modelops_pipelines.core.endpoint import EndpointSpec
from modelops_pipelines.core.profiles import Profile
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.profiling import monitored_bins, stored_hours
from modelops_pipelines.store.profile_rows import Hours, hour_of
from modelops_pipelines.store.references import Reference
from modelops_pipelines.store.stores import Stores

Columns = dict[str, Hours]


def histories(
    stores: Stores, spec: EndpointSpec, start: datetime, end: datetime
) -> dict[str, tuple[Reference, Columns, Columns]]:
    """Return by version its reference, the hours to judge in [start, end), and all hours to judge them by.

    The latter are those served since ``days`` before ``start``, after those of the training set; only the training set's
    own when the endpoint's drift policy says so. Whoever judges takes those before the window.
    """
    served = stored_hours(stores, spec, start - timedelta(days=spec.drift.days), end)
    found = {}
    for version, hours in served.items():
        reference = stores.references.read(spec.model_name, version)
        if reference is not None:
            found[version] = (reference, hours, _behind(spec, reference, hours))
    return found


def _behind(spec: EndpointSpec, reference: Reference, served: Columns) -> Columns:
    bins = monitored_bins(spec, reference)
    trained = {name: hours for name, hours in reference.by_hour().items() if name in bins}
    if spec.drift.reference == "training":
        return trained
    return trained | {name: hours.after(trained.get(name)) for name, hours in served.items()}


def reference_before(stores: Stores, spec: EndpointSpec, version: str, window: datetime) -> dict[str, Profile]:
    """Return what a window is shown against: the hours before it that judge it, as one profile a column.

    The whole training set's where there are no such hours, or the endpoint's method compares with it.
    """
    found = histories(stores, spec, window, window + LENGTH[spec.window]).get(version)
    if found is None:
        return {}
    reference, _, behind = found
    if spec.drift.method != "calibrated":
        return dict(reference.profiles)
    end = hour_of(window)
    start = end - 24 * spec.drift.days if spec.drift.reference == "rolling" else 0
    totals = {name: hours.total(start, end) for name, hours in behind.items()}
    return dict(reference.profiles) | {name: total for name, total in totals.items() if total.present}
