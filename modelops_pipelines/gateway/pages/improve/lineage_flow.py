"""Lineage as boxes and steps: where a piece of feedback went, and why a version is as it is."""

from collections.abc import Iterable, Sequence

from modelops_pipelines.core.evaluation.gate import FAIL, PASS
from modelops_pipelines.core.improve.lineage.answers import Placed, SetHolding, Where, Why
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.reports.flow_chart import Box, Tone, flow_chart

WHERE_COLUMNS = ("Prediction", "Feedback", "Label", "Training sets", "Versions", "Serves now")
WHY_COLUMNS = ("Labels and signals", "Training set", "Training", "Version", "Verdicts", "Serves now")
_SHORT = 12


class _Flow:
    """Boxes, and the steps between them."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.steps: list[tuple[str, str]] = []

    def add(self, box: Box, after: Iterable[str] = ()) -> str:
        """Add a box with a step from each of those before it, by their keys; return its key."""
        self.boxes.append(box)
        self.steps += [(one, box.key) for one in after]
        return box.key

    def add_live(self, placed: Sequence[Placed], after: Iterable[str] | None = None) -> None:
        """Add a box for each place in which a version answers, after the version's own box unless others are given."""
        column = len(WHY_COLUMNS) - 1
        for one in placed:
            said = f"{one.role}, {one.share} %, {one.status}"
            box = Box(f"live {one.endpoint} {one.version} {one.role}", column, one.endpoint, said, tone="good")
            self.add(box, after or [_version(one.version)])


def where_picture(found: Where, versions: str) -> str:
    """Return the picture of where feedback went; before its number, ``versions`` is the address of a version's page."""
    flow = _Flow()
    answered = f"answered by version {found.answered_by}" if found.answered_by else "not in the log"
    prediction = flow.add(Box("prediction", 0, (found.prediction_id or "not known")[:_SHORT], answered))
    state = "deleted" if found.is_deleted else f"received {text(found.received_at)}" if found.received_at else ""
    feedback = Box("feedback", 1, found.feedback_id[:_SHORT], state, tone="bad" if found.is_deleted else "")
    last = flow.add(feedback, [prediction])
    if found.accepted is not None:
        by = f"accepted by {found.accepted.actor}"
        last = flow.add(Box("label", 2, f"label {found.accepted.label}", by, tone="good"), [last])
    for holding in found.sets:
        flow.add(_set_box(holding), [last])
    for one in found.versions:
        name, verdict = _version(one.version), f"the gate: {one.verdict}" if one.verdict else "not judged"
        flow.add(Box(name, 4, name, verdict, versions + one.version), [one.training_set])
    flow.add_live(found.live)
    return flow_chart("Where the feedback went", WHERE_COLUMNS, flow.boxes, flow.steps)


def why_picture(found: Why) -> str:
    """Return the picture of why a version is as it is."""
    flow, version = _Flow(), _version(found.version)
    before = [*_add_set(flow, found), *_add_start(flow, found)]
    for number, one in enumerate(found.attempts):
        took = "" if one.seconds is None else f", {one.seconds:.1f} s"
        box = Box(f"attempt {number}", 2, one.candidate, f"{one.status}{took}", tone="bad" if one.failure else "")
        flow.add(box, before)
    trained = [f"attempt {n}" for n, one in enumerate(found.attempts) if one.version == found.version]
    flow.add(Box(version, 3, version, f"of {found.model_name}", tone="good" if found.live else ""), trained or before)
    judged = [
        flow.add(Box(f"gate {n}", 4, f"gate: {one.verdict}", text(one.at), tone=_tone(one.verdict)), [version])
        for n, one in enumerate(found.gate)
    ]
    for n, trial in enumerate(found.trials):
        said = f"trial at {trial.share} %: {trial.verdict}"
        judged.append(flow.add(Box(f"trial {n}", 4, said, text(trial.at), tone=_tone(trial.verdict)), [version]))
    flow.add_live(found.live, judged)
    return flow_chart(f"Why {version} is as it is", WHY_COLUMNS, flow.boxes, flow.steps)


def _add_set(flow: _Flow, found: Why) -> list[str]:
    """Add the training set after the sources of its labels; return its key in a list, or none."""
    if found.training_set is None:
        return []
    labels = [
        flow.add(Box(f"labels {one.name}", 0, one.name.replace("_", " "), f"{one.rows:,} labels"))
        for one in (found.sources.label_sources if found.sources else ())
    ]
    of = found.training_set
    return [flow.add(Box("set", 1, of.content_hash[:_SHORT], f"{of.rows:,} rows"), labels)]


def _add_start(flow: _Flow, found: Why) -> list[str]:
    """Add the retraining after the alerts that it names; return its key in a list, or none."""
    if found.started_by is None:
        return []
    alerts = [
        flow.add(Box(f"alert {one.alert}", 0, one.rule, f"alert {one.alert}", tone="bad"))
        for one in found.started_by.alerts
    ]
    return [flow.add(Box("start", 1, f"retraining {found.started_by.retraining}", found.started_by.reason), alerts)]


def _set_box(holding: SetHolding) -> Box:
    if holding.counts:
        said = "its label counts"
    elif holding.left_out is not None:
        said = f"left out: {holding.left_out}"
    else:
        said = f"another label: {holding.origin}"
    return Box(holding.content_hash, 3, holding.content_hash[:_SHORT], said, tone="good" if holding.counts else "")


def _version(number: str) -> str:
    return f"version {number}"


def _tone(verdict: str) -> Tone:
    return "good" if verdict == PASS else "bad" if verdict == FAIL else ""
