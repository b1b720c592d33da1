"""Explanations that a request asks for: ``?explain=true``, answered with its predictions.

The version is asked through its queue and in its threads, as for any prediction, one question of all explanations at a
time, so that others have their turn. The prediction stands whatever becomes of its explanation: where there is none,
the answer says why.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, ModelOpsError
from modelops_pipelines.core.explanations.explained import Explanation
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.operations.model_runtime.explanations.explaining import advance, explaining
from modelops_pipelines.operations.model_runtime.loaded_model import Outcome, Rows
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

MOST_ROWS = 20
"""Rows of a request that asks for explanations: by permutations each costs thousands of predictions."""
_PARAMETER = "explain"
_MEANINGS = {"true": True, "1": True, "false": False, "0": False}
_KEPT = 64
Wait = Callable[["asyncio.Future[Any]"], Awaitable[Any]]
"""Waits for a reply until the request's deadline; raises OverloadError then."""


class KnownReferences:
    """The reference rows of versions, read again when their file has changed."""

    def __init__(self, stores: Stores) -> None:
        """Read nothing yet."""
        self._stores, self._lock = stores, threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, Columns | None]] = {}

    def of(self, spec: EndpointSpec, version: ModelVersion) -> Columns | None:
        """Return the reference rows of an endpoint's version by column, None while there are none.

        There are none of a version with redacted features, whatever was kept before these were redacted.
        """
        if spec.capture.redacted_among(version.inputs):
            return None
        store, key = self._stores.reference_rows, (spec.name, version.version)
        changed_at = store.changed_at(spec.name, spec.model_name, version.version)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[0] == changed_at:
                return known[1]
        rows = store.read(spec.name, spec.model_name, version.version)
        columns = None if rows is None else rows.columns
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = changed_at, columns
        return columns


def is_asked(query: bytes, spec: EndpointSpec, *, infer: bool) -> bool:
    """Return whether a query asks for explanations; raises InputError where the endpoint or the route has none."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(_PARAMETER)
    if given is None:
        return False
    meaning = _MEANINGS.get(given[-1].lower())
    if meaning is None:
        raise InputError(f"The parameter explain is {given[-1][:40]!r}", "Write explain=true, or leave it out")
    if not meaning:
        return False
    if spec.explain is None:
        raise InputError(
            f"Endpoint {spec.name!r} explains no predictions",
            "Leave explain=true out, or add 'explain: {}' to the endpoint's YAML",
        )
    if infer:
        raise InputError(
            "The Open Inference Protocol has no explanations",
            f"Send the rows to POST /endpoints/{spec.name}/invocations?explain=true",
        )
    return True


def check_explainable(rows: Rows) -> None:
    """Raise InputError for a request whose rows are not explained, before the model is asked."""
    if rows.count > MOST_ROWS:
        raise InputError(
            f"The body has {rows.count} rows, and at most {MOST_ROWS} are explained at once",
            f"Send at most {MOST_ROWS} rows with explain=true, or leave it out",
        )
    if rows.params is not None:
        raise InputError("Answers to parameters are not explained", "Leave 'params' or explain=true out")
    if rows.partial:
        raise InputError(
            "Rows that leave out an optional column are not explained", "Send every column, or leave explain=true out"
        )


async def explain_in_turn(
    batcher: Batcher, rows: Rows, outcome: Outcome, reference: Columns | None, method: str, wait: Wait
) -> list[Explanation]:
    """Return the explanations of answered rows: each question waits its turn in the version's queue."""
    steps = explaining(batcher.model, rows, outcome, reference, method)
    found = await asyncio.to_thread(advance, steps)
    while not isinstance(found, list):
        try:
            reply = await wait(batcher.ask(found))
        except ModelOpsError as error:
            found = await asyncio.to_thread(advance, steps, error=error)
        else:
            found = await asyncio.to_thread(advance, steps, reply)
    return found
