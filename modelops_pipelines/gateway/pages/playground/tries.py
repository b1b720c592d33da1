"""The last tries of an endpoint by one person, from the endpoint's log.

The log is the only place that all workers share and that keeps what the capture policy allows, and no longer than its
retention: a list of our own would hold features that are redacted, or forget at each restart. What was tried a moment
ago is in the spool, which is read too. A person is the key that the session began with, and for a session that a
provider of identities began, the name, which such a try has as its user. So a program's test calls with the same key
are tries as well.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from modelops_pipelines.core.capture.log_search import LogSearch
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError, UnknownError
from modelops_pipelines.core.ids import rows_in
from modelops_pipelines.core.models.input_forms import JSON, InputForm
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.gateway.access.keyring import ANONYMOUS, Caller
from modelops_pipelines.gateway.pages.playground.row_form import strict_json
from modelops_pipelines.store.stores import Stores

MOST: Final = 10
SINCE: Final = "7d"
_LOG = logging.getLogger("modelops.gateway")


def user_of(caller: Caller) -> str | None:
    """Return the user of a person's tries: the name of one whom no key tells from others, else None."""
    return None if caller.key_id is not None or caller == ANONYMOUS else caller.name


def last_tries(stores: Stores, spec: EndpointSpec, caller: Caller) -> dict[str, Any]:
    """Return the person's last MOST tries of SINCE, newest first; without rows and with the reason on a fault."""
    import duckdb  # heavy: imported by the first page

    from modelops_pipelines.operations.capture.recent_logs import recent_logs

    whose = "with your key" if caller.key_id else f"of {caller.name}" if user_of(caller) else "without a key"
    try:
        found = recent_logs(stores, spec, _search(caller))
    except (ModelOpsError, duckdb.Error):
        _LOG.exception("The last tries of endpoint %s cannot be read", spec.name)
        return {"rows": [], "complete": False, "is_known": False, "whose": whose}
    rows = [{**row, "count": max(1, rows_in(row["request_id"]) or 0)} for row in found.rows]
    return {"rows": rows, "complete": found.complete, "is_known": True, "whose": whose}


def tried_row(
    stores: Stores, spec: EndpointSpec, caller: Caller, request_id: str, form: InputForm
) -> Mapping[str, Any]:
    """Return the first row of a try of this person, by column; raises UnknownError for none, and for another's."""
    from modelops_pipelines.operations.capture.recent_logs import recent_logs

    found = recent_logs(stores, spec, _search(caller, request_id)).rows
    kept = found[0]["features"] if found else None
    if kept is None:
        raise UnknownError(
            "The log has no row of this try of yours", "Fill in the form: failed tries, and some others, are not kept"
        )
    return {one.column: _value(one.kind, kept.get(feature_of(one.column))) for one in form.inputs}


def _search(caller: Caller, request_id: str | None = None) -> LogSearch:
    return LogSearch(MOST, SINCE, None, user_of(caller), request_id, tests=True, key_id=caller.key_id)


def _value(kind: str, kept: Any) -> Any:
    """Return a value of the log as a request has it: the log keeps other values than plain ones as JSON text."""
    return strict_json(kept) if kind == JSON and isinstance(kept, str) else kept
