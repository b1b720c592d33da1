"""Plays a scene to a rule: requests and labels are captured, ingested, derived, judged and raised as for real."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from modelops_pipelines.core.alerting.alerts import PENDING, Alert
from modelops_pipelines.core.endpoints.alert_rules import SERVICE_KINDS, VOLUME_KINDS, AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.derivations import DERIVATIONS, derivation_of, judged_table, rule_kinds
from modelops_pipelines.core.windows import LENGTH
from modelops_pipelines.operations.testing.rule_trials.scenes import (
    FEWER_ROWS,
    MOST_ROWS,
    ORDINARY,
    ROWS,
    Scene,
    needs_history,
    needs_labels,
)
from modelops_pipelines.operations.testing.rule_trials.synthetic_rows import Records, Subject, window_records
from modelops_pipelines.operations.testing.rule_trials.throw_away import TrialStores, write_records

if TYPE_CHECKING:
    from modelops_pipelines.operations.lake.incremental import Recomputed
    from modelops_pipelines.store.stores import Stores

HISTORY_DAYS = 10
WINDOWS = 2
MOST_WINDOWS = 5
"""Windows that a scene goes on for while its alert waits for the rule's ``for``."""
ONE_REQUEST = Scene("one request", rows=1)
SETTLED = timedelta(minutes=10)
"""After the end of an hour all its requests are in the lake, and what they count is final."""
FIRST_HOUR = 10
MARGIN = 1.5
_TUESDAY = 1
_DAY = timedelta(days=1)
_WAITING = {"quality", "label_coverage"}
"""Kinds that are judged only when the label horizon has passed."""


@dataclass(frozen=True)
class Played:
    """What a scene did to a rule: whether its alert opened, the verdict that tells most, the channels to tell."""

    scene: Scene
    opened: bool
    passed: bool
    message: str
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Stage:
    """The times and the rows of a trial of one rule."""

    subject: Subject
    rule: AlertRule
    today: datetime

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint with this rule alone."""
        return replace(self.subject.spec, alerts=(self.rule,))

    @property
    def length(self) -> timedelta:
        """The length of a scene's windows: an hour for rules that judge hours, whatever the endpoint's window is."""
        return LENGTH["hour" if self.rule.kind in SERVICE_KINDS else self.subject.spec.window]

    @property
    def starts(self) -> datetime:
        """The first window of the scenes: a Tuesday, so long ago that all its labels have come."""
        day = self.today - self.subject.spec.label_horizon - MOST_WINDOWS * (self.waits + 2 * self.length)
        first = datetime.combine(day.date(), time(), UTC)
        first -= _DAY * ((first.weekday() - _TUESDAY) % 7)
        return first + (timedelta(hours=FIRST_HOUR) if self.length < _DAY else timedelta())

    @property
    def spans(self) -> int:
        """The hours of the span whose requests the rule counts; their number is spread over them."""
        over = self.rule.over or self.length
        return -(-over // self.length) if self.rule.kind in VOLUME_KINDS else 1

    @property
    def waits(self) -> timedelta:
        """How long the rule's verdict must fail before its alert opens."""
        return self.rule.for_ or timedelta()

    @property
    def rows(self) -> int:
        """The rows of an ordinary window: enough for a verdict."""
        ordinary, needed = (ROWS, self.subject.spec.drift.minimum) if needs_history(self.rule.kind) else (FEWER_ROWS, 0)
        return min(MOST_ROWS, max(ordinary, round(MARGIN * max(self.rule.minimum or 0, needed))))


def make_history(stores: TrialStores, stage: Stage) -> None:
    """Make the days before the scenes: two ordinary windows each, judged by no rule."""
    spec = replace(stage.subject.spec, alerts=())
    for day in range(HISTORY_DAYS, 0, -1):
        for number in range(WINDOWS if stage.length < _DAY else 1):
            window = stage.starts - day * _DAY + number * stage.length
            requests, labels = _records(stage, ORDINARY, window)
            write_records(stores, spec.name, "predictions", _name(window), requests)
            if needs_labels(stage.rule.kind):
                write_records(stores, spec.name, "labels", _name(window), labels)
    _ingest(stores, spec)
    _derive(stores, spec, [one.name for one in spec.derivations])


def play(stores: TrialStores, stage: Stage, scene: Scene) -> Played:
    """Play the scene's windows, and more of them where its alert waits for the rule's ``for``."""
    if stage.rule.kind in VOLUME_KINDS:
        _begin_traffic(stores, stage, scene)
    for number in range(MOST_WINDOWS):
        _play_window(stores, stage, scene, number)
        if number + 1 >= WINDOWS and not _is_pending(stores, stage):
            break
    return _played(stores, stage, scene)


def _begin_traffic(stores: TrialStores, stage: Stage, scene: Scene) -> None:
    """Send the scene's requests for a whole span before: of an endpoint's first hours no volume is judged."""
    for number in range(stage.spans, 0, -1):
        at = stage.starts - number * stage.length
        first = ONE_REQUEST if number == stage.spans and scene.rows == 0 else scene
        write_records(stores, stage.spec.name, "predictions", _name(at), _records(stage, first, at)[0])


def _play_window(stores: TrialStores, stage: Stage, scene: Scene, number: int) -> None:
    """Play one window and judge it. The clock moves by the rule's ``for`` each time.

    Where rules wait for labels, a later request comes first: it shows that the label horizon has passed.
    """
    spec, length = stage.spec, stage.length
    window = stage.starts + number * length
    requests, labels = _records(stage, scene, window)
    write_records(stores, spec.name, "predictions", _name(window), requests)
    stores.moment = window + length + SETTLED + number * stage.waits
    if stage.rule.kind in _WAITING:
        later = window + spec.label_horizon + 2 * length
        write_records(stores, spec.name, "predictions", _name(later), _records(stage, ONE_REQUEST, later)[0])
        stores.moment = later + length + number * stage.waits
        _ingest(stores, spec)
    if needs_labels(stage.rule.kind):
        write_records(stores, spec.name, "labels", _name(window), labels)
    _judge(stores, spec)


def _judge(stores: TrialStores, spec: EndpointSpec) -> None:
    """Ingest what was captured, derive the tables that the rule needs, judge it and raise its alert."""
    from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
    from modelops_pipelines.operations.alerting.judges.quiet_hours import QuietHours

    _ingest(stores, spec)
    [rule] = spec.alerts
    table = judged_table(rule.kind)
    _derive(stores, spec, sources_of(table.name))
    judge_table(stores, spec, table)
    QuietHours().judge(stores, [spec], stores.now())


def sources_of(table: str) -> set[str]:
    """Return a derived table and all derived tables that it is computed from."""
    derived = {one.name for one in DERIVATIONS}
    sources = {name for name in derivation_of(table).computed_from if name in derived}
    return {table, *(further for name in sources for further in sources_of(name))}


def is_tried(kind: str) -> bool:
    """Return whether rules of a kind judge what synthetic requests can give."""
    return kind in rule_kinds()


def _records(stage: Stage, scene: Scene, window: datetime) -> tuple[Records, Records]:
    """Return the requests and the labels of a window."""
    rows = -(-(stage.rows if scene.rows is None else scene.rows) // stage.spans)
    lasts = min(stage.length, timedelta(hours=WINDOWS))
    starts = window + (timedelta() if stage.length < _DAY else timedelta(hours=FIRST_HOUR))
    return window_records(stage.subject, scene, starts, lasts, rows)


def _name(window: datetime) -> str:
    return str(int(window.timestamp()))


def _ingest(stores: "Stores", spec: EndpointSpec) -> None:
    from modelops_pipelines.operations.capture.ingest import ingest

    for stream in ("predictions", "labels"):
        ingest(stores, spec, stream)


def _derive(stores: "Stores", spec: EndpointSpec, wanted: Sequence[str] | set[str]) -> None:
    operations = _operations()
    for one in spec.derivations:
        if one.name in wanted and one.name in operations:
            operations[one.name](stores, spec)


def _operations() -> Mapping[str, "Callable[[Stores, EndpointSpec], Recomputed]"]:
    from modelops_pipelines.operations.drift.data_quality import check_data_quality
    from modelops_pipelines.operations.drift.detect import detect_drift
    from modelops_pipelines.operations.drift.profiles import profile_windows
    from modelops_pipelines.operations.metrics.custom import measure_custom
    from modelops_pipelines.operations.metrics.estimated_quality import estimate_quality
    from modelops_pipelines.operations.metrics.quality import measure_quality
    from modelops_pipelines.operations.metrics.service import measure_service

    return {
        "service_metrics": measure_service,
        "profiles": profile_windows,
        "drift": detect_drift,
        "data_quality": check_data_quality,
        "quality_metrics": measure_quality,
        "estimated_quality": estimate_quality,
        "custom_metrics": measure_custom,
    }


def _alert_of(stores: "Stores", stage: Stage) -> Alert | None:
    return next((one for one in stores.alerts.find(stage.spec.name) if one.rule == stage.rule.name), None)


def _is_pending(stores: "Stores", stage: Stage) -> bool:
    alert = _alert_of(stores, stage)
    return alert is not None and alert.status == PENDING


def _played(stores: TrialStores, stage: Stage, scene: Scene) -> Played:
    alert = _alert_of(stores, stage)
    opened = alert is not None and alert.status != PENDING
    verdicts = stores.verdicts.find(stage.spec.name, stage.rule.kind)
    judged = [one for one in verdicts if one.rule == stage.rule.name]
    shown = [one for one in judged if one.passed is not None] or judged
    message = alert.message if alert is not None and opened else shown[-1].message if shown else "no verdict"
    passed = not opened and any(one.passed for one in judged) and not any(one.passed is False for one in judged)
    return Played(scene, opened, passed, message, _told(stores, alert))


def _told(stores: TrialStores, alert: Alert | None) -> Sequence[str]:
    """Return the channels that would be told of the alert, by the routes of alerting.yaml."""
    waiting = stores.messages.waiting(stores.moment + _DAY)
    return sorted({one.channel for one in waiting if alert is not None and one.alert.id == alert.id})
