"""Has a version explain rows in a separate process, so that one that hangs or crashes costs only time.

What comes back is JSON, read as data: the model's code may have written it. The child is ``explain_worker.py``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import PredictionError
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.operations.models.child_process import read_fault, run_child, why_ended
from modelops_pipelines.operations.models.trial import REQUEST, request_of
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.registry.references.reference_rows import ReferenceRows
from modelops_pipelines.store.state.release.model_versions import ModelVersion

CHILD = "modelops_pipelines.operations.explanations.explain_worker"
ROWS, REFERENCE, EXPLAINED = "rows.arrow", "reference.json", "explained.json"
LOADING = 0.4
"""The part of the time that is left for loading the version, and for rows that take longer than the others."""
_LONGEST = 500
_TEXTS, _NUMBERS = ("reason", "method", "scale", "of_class"), ("value", "base_value")


@dataclass(frozen=True)
class Found:
    """The explanations of the first of the rows asked for, as many as there was time for, and of reference rows."""

    rows: list[Explanation]
    reference: list[Explanation]


def explain_apart(
    version: ModelVersion, spec: EndpointSpec, rows: pa.Table, reference: ReferenceRows | None, deadline: float
) -> Found:
    """Return a version's explanations of rows of its features, made in a process that ends by the deadline (seconds).

    The reference rows are explained too where they were not before. Raises ModelError when the version cannot be
    loaded, PredictionError when the process crashes or takes too long.
    """
    policy = spec.explain
    request = {
        **request_of(version, spec),
        "method": policy.method if policy else "auto",
        "seconds": deadline * (1 - LOADING),
        "explain_reference": reference is not None and reference.contributed is None,
    }
    with scratch_folder() as folder:
        (folder / REQUEST).write_text(json.dumps(request))
        sent = rows.select(list(version.inputs))
        with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, sent.schema) as writer:
            writer.write_table(sent)
        if reference is not None:
            (folder / REFERENCE).write_bytes(reference.to_json())
        exit_code = run_child(CHILD, folder, deadline, low_priority=True)
        if exit_code is None:
            raise PredictionError(
                f"Version {version.version} did not explain rows within {deadline:g} s; its process was killed",
                "Explain fewer: lower 'explain: {sample: ...}' in the endpoint's YAML",
            )
        return _read(folder, version, exit_code, rows, reference)


def _read(
    folder: Path, version: ModelVersion, exit_code: int, rows: pa.Table, reference: ReferenceRows | None
) -> Found:
    fault = read_fault(folder, version)
    if fault is not None:
        raise fault
    try:
        content = json.loads((folder / EXPLAINED).read_bytes())
        found = Found(*([_explanation(one, version) for one in content[key]] for key in ("rows", "reference")))
        known = 0 if reference is None else len(reference.ids)
        is_readable = exit_code == 0 and len(found.rows) <= len(rows) and len(found.reference) <= known
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        is_readable = False
    if not is_readable:
        message = f"Version {version.version} crashed when it explained rows {why_ended(folder, exit_code)}"
        raise PredictionError(message, "Fix the model")
    return found


def _explanation(given: Mapping[str, Any], version: ModelVersion) -> Explanation:
    """Return an explanation as the child wrote it; raises what ``_read`` catches for anything else."""
    reason, method, scale, of_class = (None if given[n] is None else str(given[n])[:_LONGEST] for n in _TEXTS)
    value, base = (None if given[name] is None else _finite(given[name]) for name in _NUMBERS)
    contributions, errors = (_by_column(given[name], version) for name in ("contributions", "errors"))
    one = Explanation(reason, method, scale, of_class, value, base, contributions, errors)
    if (one.reason is None) == (one.contributions is None or one.value is None or one.base_value is None):
        raise ValueError(given)
    return one


def _by_column(given: Any, version: ModelVersion) -> dict[str, float] | None:
    if given is None:
        return None
    if list(given) != list(version.inputs):
        raise ValueError(given)
    return {name: _finite(value) for name, value in given.items()}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
