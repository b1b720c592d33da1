"""What the monitoring of all endpoints has to do, by one look through the spool and one read of the state."""

from collections.abc import Sequence

from modelops_pipelines.core.capture.joint_runs import PendingWork
from modelops_pipelines.core.drift.schedule import is_due
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.ids import content_id
from modelops_pipelines.core.tables.derivations import DERIVATIONS
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.store.spool.waiting import Waiting, waiting_segments
from modelops_pipelines.store.state.capture.touched_windows import Marks
from modelops_pipelines.store.stores import Stores


def pending_work(stores: Stores, specs: Sequence[EndpointSpec]) -> dict[str, PendingWork]:
    """Return the work of each endpoint that has any. A window is pending when it is marked and due."""
    waiting = waiting_segments(stores.settings.spool)
    marks = stores.touched_windows.by_endpoint(one.name for one in DERIVATIONS if one.when_ended)
    with_any = [spec for spec in specs if spec.name in waiting or spec.name in marks]
    found = [_work(stores, spec, waiting.get(spec.name), marks.get(spec.name)) for spec in with_any]
    return {work.endpoint: work for work in found if work.segments or work.windows}


def _work(stores: Stores, spec: EndpointSpec, waiting: Waiting | None, marks: Marks | None) -> PendingWork:
    now = stores.now()
    windows = 0 if marks is None else max(0, marks.count - _not_yet_due(stores, spec, marks))
    if waiting is None:
        identity = f"pending {marks.newest if marks else 0}, {windows} in all"
        return PendingWork(spec.name, 0, windows, 0, 0.0, identity)
    waited = max(0.0, now.timestamp() - waiting.since)
    return PendingWork(spec.name, len(waiting.segments), windows, waiting.size, waited, content_id(*waiting.segments))


def _not_yet_due(stores: Stores, spec: EndpointSpec, marks: Marks) -> int:
    """Return the number of marked windows that have not ended yet."""
    now = stores.now()
    own = {one.name for one in spec.derivations}
    marked = [(table, window) for table, windows in marks.windows.items() if table in own for window in windows]
    return sum(not is_due(spec, table, window_of(window, spec.window), now) for table, window in marked)
