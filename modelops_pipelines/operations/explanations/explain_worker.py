"""The process in which a version explains rows for ``version_process.py``: it reads a folder, writes there, and exits.

``python -m modelops_pipelines.operations.explanations.explain_worker FOLDER SECONDS [low-priority]``
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.explanations.version_process import EXPLAINED, REFERENCE, ROWS
from modelops_pipelines.operations.model_runtime.explanations.explaining import explain_at_once
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome
from modelops_pipelines.operations.model_runtime.loaded_model import Rows as RequestRows
from modelops_pipelines.operations.model_runtime.proof import as_before
from modelops_pipelines.operations.models.child_process import limit_child, write_fault
from modelops_pipelines.operations.models.trial import REQUEST
from modelops_pipelines.operations.models.trial_worker import read_spec, read_version
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.references.reference_rows import ReferenceRows
from modelops_pipelines.store.registry.version_classes import with_classes

AT_ONCE = 20
"""Rows that are explained between two looks at the clock."""


def main(folder: Path) -> None:
    """Load the version that the folder's request names and write its rows' explanations, or why it cannot be loaded.

    The reference rows come first, for at most half of the time; rows for which there is no time have no explanation.
    """
    request = json.loads((folder / REQUEST).read_bytes())
    version, spec = read_version(request["version"]), read_spec(request["spec"])
    try:
        loaded = load_model(version, spec)
        named = with_classes(version, spec, loaded)
    except ModelError as error:
        write_fault(folder, error)
        return
    model = as_before(loaded, named, spec, version.folder)
    with pa.OSFile(str(folder / ROWS), "rb") as source:
        rows = pa.ipc.open_file(source).read_all()
    given = {name: rows.column(name).to_pylist() for name in model.form.kinds}
    reference = None
    if (folder / REFERENCE).exists():
        reference = ReferenceRows.from_json((folder / REFERENCE).read_bytes()).columns
    begun, seconds, method = time.monotonic(), float(request["seconds"]), str(request["method"])
    of_reference: list[Explanation] = []
    if reference is not None and request["explain_reference"]:
        of_reference = _explained(model, reference, reference, method, begun + seconds / 2)
    found = _explained(model, given, reference, method, begun + seconds)
    content = {"rows": list(map(asdict, found)), "reference": list(map(asdict, of_reference))}
    (folder / EXPLAINED).write_text(json.dumps(content))


def _explained(model: Model, columns: Columns, reference: Columns | None, method: str, end: float) -> list[Explanation]:
    """Return the explanations of the first rows, as many as there is time for until ``end`` (monotonic seconds)."""
    count, found = len(next(iter(columns.values()), [])), list[Explanation]()
    for start in range(0, count, AT_ONCE):
        if time.monotonic() >= end:
            break
        part = {name: values[start : start + AT_ONCE] for name, values in columns.items()}
        found += _part(model, part, reference, method)
    return found


def _part(model: Model, columns: Columns, reference: Columns | None, method: str) -> Iterator[Explanation]:
    """Yield the explanations of some rows: of all at once, or of each by itself where the model fails on them."""
    count = len(next(iter(columns.values())))
    rows = RequestRows(columns, count)
    [outcome] = model.answer([rows])
    if isinstance(outcome, Outcome):
        yield from explain_at_once(model, rows, outcome, reference, method)
    elif count == 1:
        yield Explanation(reason=f"the version does not answer this row again: {outcome}")
    else:
        for at in range(count):
            yield from _part(model, {name: [values[at]] for name, values in columns.items()}, reference, method)


if __name__ == "__main__":
    limit_child(sys.argv[1:])
    main(Path(sys.argv[1]))
    os._exit(0)  # does not wait for threads that a model has started
