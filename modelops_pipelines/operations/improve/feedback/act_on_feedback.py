"""What people do with feedback: flag it for review, assign it, accept it as a label for training, delete it.

Each act is an event with who and when, in the same transaction as what it changes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from modelops_pipelines.core.capture.spool_records import deletion_row
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, InputError, UnknownError
from modelops_pipelines.core.ids import RequestId
from modelops_pipelines.core.improve.feedback.usable_label import Label, label_of, label_text
from modelops_pipelines.core.timestamps import from_micros, to_micros
from modelops_pipelines.operations.capture.pending_responses import write_responses
from modelops_pipelines.operations.improve.feedback.find_feedback import feedback_of, stored_feedback
from modelops_pipelines.store.state.improve.accepted_feedback import AcceptedFeedback
from modelops_pipelines.store.state.improve.feedback_events import ASSIGNED, DELETED, FLAGGED, UNFLAGGED, Act
from modelops_pipelines.store.stores import Stores

LONGEST_NOTE, LONGEST_NAME = 2_000, 200


def flag(stores: Stores, spec: EndpointSpec, feedback_id: str, actor: str, note: str | None = None) -> dict[str, Any]:
    """Flag feedback for review; return it. Flagged twice it is flagged, and the history has both.

    Raises UnknownError for unknown or deleted feedback, InputError for a note that is too long.
    """
    return _change(stores, spec, feedback_id, FLAGGED, actor, note)


def unflag(stores: Stores, spec: EndpointSpec, feedback_id: str, actor: str, note: str | None = None) -> dict[str, Any]:
    """Take the flag off; return the feedback. Raises the errors of ``flag``."""
    return _change(stores, spec, feedback_id, UNFLAGGED, actor, note)


def assign(
    stores: Stores, spec: EndpointSpec, feedback_id: str, actor: str, assignee: str | None, note: str | None = None
) -> dict[str, Any]:
    """Assign feedback to a person, or to nobody with None; return it. Raises the errors of ``flag``."""
    if assignee is not None and not (assignee.strip() and len(assignee) <= LONGEST_NAME):
        raise InputError(f"The assignee has {len(assignee)} characters", f"Give a name of 1 to {LONGEST_NAME}")
    return _change(stores, spec, feedback_id, ASSIGNED, actor, note, assignee)


def accept(
    stores: Stores,
    spec: EndpointSpec,
    feedback_id: str,
    actor: str,
    label: Label | None = None,
    note: str | None = None,
) -> tuple[AcceptedFeedback, bool]:
    """Accept feedback as a label of its prediction for training: exactly once, however many ask at the same time.

    The label is the one given, else the corrected one, else, with thumbs up, the prediction. Return what is accepted,
    and whether this call did it. Raises UnknownError for unknown or deleted feedback, InputError for a label of another
    kind, ConflictError for feedback that names no label, or that was accepted with another one.
    """
    _require_short(note)
    found = feedback_of(stores, spec, feedback_id)
    named = label_of(label, found["corrected_label"], found["thumbs"], found["prediction"])
    text = label_text(named, spec.task, known_classes(stores, spec))
    identity = (spec.name, feedback_id, found["prediction_id"], found["event_time"])
    wanted = AcceptedFeedback(*identity, text, stores.now(), actor)
    if stores.accepted_feedback.accept(wanted, note):
        return wanted, True
    known = stores.accepted_feedback.find(spec.name, feedback_id)
    if known is None:
        raise UnknownError(f"The feedback {feedback_id[:80]!r} was deleted", "Nothing can be done with it")
    if label is not None and known.label != text:
        raise ConflictError(
            f"This feedback was accepted with the label {known.label[:60]!r} by {known.actor}",
            "Send a label for the prediction: it counts more than feedback",
        )
    return known, False


def delete(stores: Stores, spec: EndpointSpec, feedback_id: str, actor: str) -> bool:
    """Delete feedback: on return nothing shows, counts or learns from it any more; return False when it was before.

    The state says so first, then the spool has the row that deletes it, durably. Killed in between and called again it
    ends in the same state. The content goes with the next maintenance. Raises UnknownError for unknown feedback.
    """
    about = _prediction_of_deleted(stores, spec, feedback_id)
    if about is None:
        found = stored_feedback(stores, spec, feedback_id)
        about = {"prediction_id": found["prediction_id"], "event_time": to_micros(found["event_time"])}
    now = stores.now()
    fresh = stores.feedback_marks.delete(Act(spec.name, feedback_id, DELETED, actor, now), about)
    request, _, row = about["prediction_id"].rpartition("-")
    identity = RequestId(request, from_micros(about["event_time"]), int(row) + 1)
    write_responses(stores, spec.name, "feedback", [deletion_row(identity, int(row), feedback_id, now)])
    return fresh


def history(stores: Stores, spec: EndpointSpec, feedback_id: str) -> list[dict[str, Any]]:
    """Return what was done with feedback, oldest first, also after its deletion; raises UnknownError."""
    events = stores.feedback_events.of(spec.name, feedback_id)
    if not events:
        stored_feedback(stores, spec, feedback_id)
    shown = ("at", "actor", "action", "note", "detail")
    return [{name: value for name, value in asdict(event).items() if name in shown} for event in events]


def known_classes(stores: Stores, spec: EndpointSpec) -> list[str]:
    """Return the classes that the YAML and the recorded versions name; none while those of a version are unknown."""
    recorded = [version.classes for version in stores.deployments.versions(spec.model_name)]
    if spec.task == "regression" or (not spec.classes and None in recorded):
        return []
    codes = [str(place) for place in range(len(spec.classes))]
    own = [names for names in recorded if names is not None and list(names) != codes]
    return list(dict.fromkeys([*spec.classes, *(name for names in own for name in names)]))


def _change(
    stores: Stores,
    spec: EndpointSpec,
    feedback_id: str,
    action: str,
    actor: str,
    note: str | None,
    assignee: str | None = None,
) -> dict[str, Any]:
    _require_short(note)
    stored_feedback(stores, spec, feedback_id)
    stores.feedback_marks.change(Act(spec.name, feedback_id, action, actor, stores.now(), note or None), assignee)
    return feedback_of(stores, spec, feedback_id)


def _require_short(note: str | None) -> None:
    if note is not None and len(note) > LONGEST_NOTE:
        raise InputError(f"The note has {len(note)} characters; at most {LONGEST_NOTE} are kept", "Shorten it")


def _prediction_of_deleted(stores: Stores, spec: EndpointSpec, feedback_id: str) -> Mapping[str, Any] | None:
    """Return what deleted feedback was about, as its history says; None for feedback that is not deleted."""
    events = [one for one in stores.feedback_events.of(spec.name, feedback_id) if one.action == DELETED]
    return events[-1].detail if events else None
