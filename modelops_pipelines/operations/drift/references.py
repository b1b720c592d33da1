"""Makes the reference that drift is judged against: a version's bins, its reference profiles, and hourly profiles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.categorical import string_kind
from modelops_pipelines.core.profiles.profile import Floats, Kind, Values, fit_profile
from modelops_pipelines.operations.drift.hourly_profiles import HourlyCounts, as_numbers
from modelops_pipelines.operations.lake.endpoint_tables import log_table, profiled_types
from modelops_pipelines.operations.lake.incremental import dates_of
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.rows.profiles import HOUR_US, joined_rows
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

REFERENCE_ROWS = 1000
SAMPLE_ROWS = 50_000
KEPT_DAYS = 60
"""Days at the end of the training set of which hourly profiles are kept."""
ANSWERS = ("prediction", "score")


def make_reference(source: str, frame: pa.Table, columns: Sequence[str]) -> Reference:
    """Fit bins on the frame's columns and profile it on them."""
    values = {name: column_values(frame.column(name)) for name in columns}
    return Reference(source, {name: fit_profile(name, of, _kind(name, of)) for name, of in values.items()})


def _kind(name: str, values: Values) -> Kind:
    if isinstance(values, np.ndarray):
        return "numeric"
    return "categorical" if name in ANSWERS else string_kind(values)


def reference_hours(frame: pa.Table, reference: Reference, times: pa.ChunkedArray) -> pa.Table | None:
    """Return hourly profiles of a training set's last days, as rows; None where it has no times."""
    known = pc.drop_null(times)
    if not len(known):
        return None
    first = pc.max(known).as_py() - timedelta(days=KEPT_DAYS)
    recent = pc.fill_null(pc.greater(times, pa.scalar(first, times.type)), fill_value=False)
    bins = {name: one for name, one in reference.bins.items() if name in frame.column_names}
    rows = frame.select(list(bins)).append_column("event_time", times.cast(pa.timestamp("us", "UTC"))).filter(recent)
    hours = np.unique(np.asarray(rows.column("event_time").cast(pa.int64())) // HOUR_US)
    counted = HourlyCounts(hours.tolist(), bins)
    for batch in rows.combine_chunks().to_batches():
        counted.add(counted.select(batch), bins)
    return joined_rows(counted.rows(""))


def make_of_windows(stores: Stores, spec: EndpointSpec, version: str, windows: Sequence[datetime]) -> Reference | None:
    """Make and store the reference of a version that was registered without one, from some of its windows, in order.

    Returns None if those have fewer than REFERENCE_ROWS rows.
    """
    frame = _rows_of(stores, spec, version, windows)
    kept = frame.filter(frame.column("sampled"))
    if len(kept) < REFERENCE_ROWS:
        return None
    answers = answers_of(spec.task)
    first, last = (f"{one.astimezone(UTC):%Y-%m-%d %H:%M} UTC" for one in (windows[0], windows[-1]))
    whole = f"first window with {REFERENCE_ROWS} rows: {first}"
    source = whole if len(windows) == 1 else f"first {len(kept)} rows: windows of {first} to {last}"
    of_features = make_reference(source, kept, monitored_features(spec, list(profiled_types(stores, spec))))
    reference = Reference(source, {**of_features.profiles, **make_reference(source, frame, answers).profiles})
    stores.references.write(spec.model_name, version, reference)
    return reference


def adopt_reference(stores: Stores, version: ModelVersion) -> None:
    """Copy the reference from a version's artefacts, where there is one and none is stored here.

    Raises SchemaError when it cannot be read.
    """
    if stores.references.read(version.model_name, version.version) is not None:
        return
    files = stores.registry.reference_files(version)
    if not files:
        return
    try:
        reference = Reference.from_files(files)
        reference.by_hour()
    except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise SchemaError(
            f"The reference among the artefacts of {version.model_name} version {version.version} cannot be read "
            f"({type(error).__name__}: {error})",
            "Remove it from the run, or train the version again",
        ) from error
    stores.references.write(version.model_name, version.version, reference)


def monitored_features(spec: EndpointSpec, features: Sequence[str]) -> list[str]:
    """Return the features that the YAML names (all when it names none), without those that are redacted."""
    return [name for name in spec.features or features if name not in spec.capture.redact]


def monitored_columns(spec: EndpointSpec, features: Sequence[str]) -> list[str]:
    """Return the profiled columns: the monitored features, and the answers."""
    return [*monitored_features(spec, features), *answers_of(spec.task)]


def answers_of(task: str) -> tuple[str, ...]:
    """Return the answers' columns: a regression has no score."""
    return ANSWERS[:1] if task == "regression" else ANSWERS


def column_values(column: pa.ChunkedArray) -> Floats | dict[str | None, int]:
    """Return a column as profiles take it: floats with NaN for null, or strings and null with their counts."""
    numbers = as_numbers(column)
    if numbers is not None:
        return numbers
    counted = column.cast(pa.string()).value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _rows_of(stores: Stores, spec: EndpointSpec, version: str, windows: Sequence[datetime]) -> pa.Table:
    """Return at most SAMPLE_ROWS of the windows' rows, the same at every call."""
    table = log_table(stores, spec)
    query = sql.answered_of_windows(table, monitored_columns(spec, list(profiled_types(stores, spec))))
    parameters = {"size": spec.window, "windows": list(windows), "version": version, "most": SAMPLE_ROWS}
    with stores.lake.query(spec.name, [table], dates_of(windows)) as connected:
        return connected.sql(query, params=parameters).to_arrow_table()
