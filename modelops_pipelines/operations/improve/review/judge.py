"""What a reviewer does with an item of the queue: takes it, and gives a verdict, which becomes a label."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from modelops_pipelines.core.capture.spool_records import Origin, label_row, withdrawal_row
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.improve.review.verdicts import (
    CONFIRM,
    CORRECT,
    DECIDED,
    DONE,
    OPEN,
    REJECT,
    Verdict,
    deciding,
)
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import match_class
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.improve.labels.write_labels import write_labels
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from modelops_pipelines.store.stores import Stores

SOURCE = "review"
"""The source of labels that reviewers gave."""
_INSTANT = timedelta(microseconds=1)


def item_numbered(stores: Stores, spec: EndpointSpec, number: int) -> ReviewItem:
    """Return an item; raises UnknownError when the endpoint's queue has none with this number."""
    found = stores.review_items.find(spec.name, number)
    if found is None:
        message = f"The review queue of {spec.name!r} has no item {number}"
        raise UnknownError(message, f"List the items: modelops review list {spec.name}")
    return found


def assign(stores: Stores, spec: EndpointSpec, number: int, assignee: str | None, *, force: bool = False) -> ReviewItem:
    """Set who judges an open item, or nobody; raises ConflictError for one that is done or another person's.

    With ``force`` it is taken from that person.
    """
    found = item_numbered(stores, spec, number)
    _require_open(spec, found)
    instead = {None, found.assignee, assignee} if force or assignee is None else {None, assignee}
    if not stores.review_items.assign(spec.name, number, assignee, instead_of=instead):
        now = item_numbered(stores, spec, number)
        _require_open(spec, now)
        message = f"Item {number} of {spec.name!r} is assigned to {now.assignee!r}"
        raise ConflictError(message, "Take another one, or assign it with force")
    return item_numbered(stores, spec, number)


def judge(
    stores: Stores,
    spec: EndpointSpec,
    number: int,
    verdict: str,
    reviewer: str,
    *,
    label: str | float | None = None,
    note: str | None = None,
) -> ReviewItem:
    """Record a reviewer's verdict on an item, and on the other open items of its prediction; return it as it is now.

    ``confirm``: the prediction is right; ``correct``: ``label`` is; ``reject``: it cannot be judged. When an item is
    decided (``core.improve.review.verdicts.deciding``), each verdict that decided it becomes a label of the source
    ``review`` with its reviewer as the author; a rejected item gives none. A reviewer may change the verdict while the
    item is open. Raises UnknownError, InputError for a label that is none, and ConflictError for an item that is done.
    """
    found = item_numbered(stores, spec, number)
    said = Verdict(reviewer, verdict, _label(stores, spec, found, verdict, label), stores.now(), note or None)
    changed = stores.review_verdicts.judge(spec.name, number, said) if found.status == OPEN else []
    if not changed:
        return _judged_before(stores, spec, number, said)
    _write(stores, spec, [item for item in changed if item.status == DECIDED])
    return item_numbered(stores, spec, number)


def _judged_before(stores: Stores, spec: EndpointSpec, number: int, said: Verdict) -> ReviewItem:
    """Return an item that is not open, if this reviewer said the same of it; raises ConflictError otherwise.

    So a verdict whose answer was lost can be sent again, and a label that was not written then is written now.
    """
    found = item_numbered(stores, spec, number)
    _write(stores, spec, [found] if found.status == DECIDED else [])
    given = stores.review_verdicts.on([number])[number]
    if not any((one.reviewer, one.outcome) == (said.reviewer, said.outcome) for one in given):
        _require_open(spec, found)
    return item_numbered(stores, spec, number)


def reopen(stores: Stores, spec: EndpointSpec, number: int, actor: str, note: str) -> ReviewItem:
    """Withdraw the labels of a done item, and let its prediction be judged anew; the verdicts stay in its detail.

    Killed at any instant and called again it ends in the same state. Raises UnknownError, InputError without a note,
    and ConflictError for an item that is not done.
    """
    found = item_numbered(stores, spec, number)
    if not note.strip():
        raise InputError("To judge an item again needs a reason", "Say what is wrong with its label")
    if found.status != DONE:
        raise ConflictError(
            f"Item {number} of {spec.name!r} is {found.status}", "Only an item that is done is reopened"
        )
    at_once = stores.review_items.of(spec.name, found.event_time, found.event_time + _INSTANT)
    done = [one for one in at_once if one.prediction_id == found.prediction_id and one.status == DONE]
    at = stores.now()
    rows = {row["label_id"]: row for row in _label_rows(stores, spec, done)}
    write_labels(stores, spec, [withdrawal_row(row, at) for row in rows.values()])
    stores.review_verdicts.reopen(spec.name, [item.id for item in done], {"actor": actor, "note": note, "at": text(at)})
    return item_numbered(stores, spec, number)


def write_decided_labels(stores: Stores, spec: EndpointSpec) -> int:
    """Write the labels of decided items whose reviewer's process was lost before it could; return how many items."""
    left = stores.review_items.decided(spec.name)
    _write(stores, spec, left)
    return len(left)


def _write(stores: Stores, spec: EndpointSpec, decided: Sequence[ReviewItem]) -> None:
    """Write the labels of decided items, then mark these as done: each label has its content's id, so it is once."""
    if not decided:
        return
    distinct = {row["label_id"]: row for row in _label_rows(stores, spec, decided)}
    write_labels(stores, spec, list(distinct.values()))
    stores.review_items.finish(item.id for item in decided)


def _label_rows(stores: Stores, spec: EndpointSpec, items: Sequence[ReviewItem]) -> list[dict[str, Any]]:
    """Return the labels that the items give: one for each verdict that decided an item, none for a rejected one."""
    verdicts = stores.review_verdicts.on([item.id for item in items])
    given = [(item, one) for item in items for one in deciding(verdicts[item.id], item.wanted)]
    return [_row(spec, item, one) for item, one in given if one.label is not None]


def _row(spec: EndpointSpec, item: ReviewItem, verdict: Verdict) -> dict[str, Any]:
    request_text, _, row = item.prediction_id.rpartition("-")
    request = RequestId(request_text, item.event_time, int(row) + 1)
    label = float(str(verdict.label)) if spec.task == "regression" else str(verdict.label)
    return label_row(request, int(row), label, verdict.at, verdict.at, Origin(SOURCE, verdict.reviewer))


def _require_open(spec: EndpointSpec, item: ReviewItem) -> None:
    if item.status == OPEN:
        return
    what = "done" if item.status in (DECIDED, DONE) else item.status
    raise ConflictError(
        f"Item {item.id} of {spec.name!r} is {what}",
        f"To judge it again, first withdraw its labels: modelops review reopen {spec.name} {item.id} --note REASON",
    )


def _label(stores: Stores, spec: EndpointSpec, item: ReviewItem, verdict: str, label: str | float | None) -> str | None:
    """Return the true class or number that the verdict says, as text; None for reject."""
    if verdict not in (CONFIRM, CORRECT, REJECT):
        raise InputError(f"{verdict!r} is no verdict", "Use confirm, correct or reject")
    if (label is None) == (verdict == CORRECT):
        need = "needs the right label" if verdict == CORRECT else "takes no label"
        raise InputError(f"The verdict {verdict!r} {need}", "Give a label with 'correct', and only there")
    if verdict == REJECT:
        return None
    if verdict == CONFIRM:
        return _as_text(spec, item.detail["prediction"])
    return _checked(stores, spec, label)


def _as_text(spec: EndpointSpec, value: Any) -> str:
    return repr(float(value)) if spec.task == "regression" else class_name(value)


def _checked(stores: Stores, spec: EndpointSpec, label: str | float | None) -> str:
    """Return a given label as text; raises InputError for one that the task cannot have."""
    if spec.task == "regression":
        number = _number(label)
        if number is None:
            raise InputError(f"The label {str(label)[:60]!r} is not a number", "Send a number: the task is regression")
        return repr(number)
    known = known_classes(stores, spec)
    if isinstance(label, float) and label - label != 0:
        raise InputError(f"The label {str(label)!r} is not a class", "Send the class as a text or a finite number")
    found = match_class(label, known) if known else class_name(label)
    if found is None:
        shown = ", ".join(known)[:300]
        raise InputError(f"The label {str(label)[:60]!r} is not a class of the model", f"Send one of: {shown}")
    return found


def _number(label: str | float | None) -> float | None:
    try:
        number = float(str(label)) if not isinstance(label, bool) else float("nan")
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None


def known_classes(stores: Stores, spec: EndpointSpec) -> list[str]:
    """Return the classes that a label may name: those stated, else those of every recorded version."""
    recorded = [name for one in stores.deployments.versions(spec.model_name) for name in one.classes or ()]
    return list(dict.fromkeys([*spec.classes, *([] if spec.classes else recorded)]))
