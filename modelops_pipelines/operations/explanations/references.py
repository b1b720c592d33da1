"""The rows that a version's explanations refer to: of the training set that it was trained on, else its first answers.

They are taken once for each endpoint and version, in the same way whoever takes them, and kept in a file until an
erasure removes one of them: then they are taken again.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.explain import why_no_reference
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.explanations.explained import FEWEST_LOGGED
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.improve.training.sets import ROW_ID, frozen_rows
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.metrics.quality import rows_of
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.store.registry.references.reference_rows import ReferenceRows
from modelops_pipelines.store.state.capture.erased_requests import ErasedRequests
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

ROWS = 200
_FIRST_LOGGED = 5000
_WHOLE = frozenset({"int", "bool"})


def reference_of(stores: Stores, spec: EndpointSpec, version: ModelVersion) -> ReferenceRows | str:
    """Return the reference rows of an endpoint's version, taken now if there are none yet, or why there are none."""
    why = why_no_reference(version.version, version.inputs, spec.capture.redacted_among(version.inputs))
    if why is not None:
        return why
    known = stores.reference_rows.read(spec.name, spec.model_name, version.version)
    if known is not None:
        return known
    taken = _of_training(stores, spec, version) or _of_log(stores, spec, version)
    if isinstance(taken, ReferenceRows):
        stores.reference_rows.write(spec.name, spec.model_name, version.version, taken)
    return taken


def forget_redacted(stores: Stores, spec: EndpointSpec) -> None:
    """Remove the reference rows of versions that take features which are redacted by now: their values are not kept."""
    if not spec.capture.redact:
        return
    for version in stores.deployments.versions(spec.model_name):
        if spec.capture.redacted_among(version.inputs):
            stores.reference_rows.remove(spec.name, spec.model_name, version.version)


def _of_training(stores: Stores, spec: EndpointSpec, version: ModelVersion) -> ReferenceRows | None:
    """Return rows of the training set that the version was trained on, None where it is not in this endpoint's lake."""
    sets = (one for one in stores.training_sets.of(spec.name) if one.content_hash == version.training_set)
    record = next(sets, None)
    if record is None or stores.lake.table(spec.name, frozen_table(record.content_hash)) is None:
        return None
    rows = frozen_rows(stores, record)
    if not {*version.inputs} <= {*rows.column_names}:
        return None
    return _drawn(stores, spec, version, rows, ROW_ID, f"{ROWS} rows of training set {record.content_hash[:12]}")


def _of_log(stores: Stores, spec: EndpointSpec, version: ModelVersion) -> ReferenceRows | str:
    with stores.lake.query(spec.name, [log_table(stores, spec)]) as connected:
        rows = rows_of(connected, "first_answers", {"version": version.version, "most": _FIRST_LOGGED})
    known = f"version {version.version} was not trained here, and {len(rows)} of its answered rows are kept"
    if len(rows) < FEWEST_LOGGED:
        return f"{known}: {FEWEST_LOGGED} are needed"
    source = f"{ROWS} of the first {len(rows)} rows that version {version.version} answered"
    drawn = _drawn(stores, spec, version, rows, "prediction_id", source)
    return f"{known}, none of which can be its reference" if drawn is None else drawn


def _drawn(
    stores: Stores, spec: EndpointSpec, version: ModelVersion, rows: pa.Table, key: str, source: str
) -> ReferenceRows | None:
    """Return ROWS rows at random, the same ones at every call: without erased ones, and ones that no request has."""
    form = form_of_version(version)
    whole = [one.column for one in form.inputs if one.kind in _WHOLE]
    for name in whole:
        rows = rows.filter(pc.is_valid(rows.column(name)))
    ids: Sequence[str] = rows.column(key).to_pylist()
    erased = ErasedRequests(stores.database).among(spec.name, ids)
    places = np.flatnonzero(~np.asarray(erased, np.bool_))
    seed = int(content_id(spec.name, version.version)[:8], 16)
    chosen = np.sort(np.random.default_rng(seed).permutation(places)[:ROWS])
    if not len(chosen):
        return None
    taken = rows.take(pa.array(chosen))
    columns = {name: taken.column(name).to_pylist() for name in form.kinds}
    return ReferenceRows(source, tuple(taken.column(key).to_pylist()), form.kinds, columns)
