"""Parses an endpoint's YAML into its spec. Shapes only: ``core.endpoints.validate`` checks what the values mean."""

from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, cast

from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.endpoints.spec import (
    AlertRule,
    AliasPolicy,
    CapturePolicy,
    DriftMethod,
    DriftPolicy,
    DriftReference,
    EndpointSpec,
    Guard,
    Limits,
    Metric,
    Promotion,
    Retraining,
    Strategy,
    Task,
    UndecidedPolicy,
    Window,
    default_alerts,
    default_steps,
    with_defaults,
)
from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.maintenance.retention import REFERRING, Retention
from modelops_pipelines.operations.endpoints.yaml_positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml_types import (
    any_text,
    boolean,
    class_of,
    duration,
    duration_or_never,
    number,
    rate,
    text,
    whole,
    whole_or_all,
)

ENDPOINT_TYPE = "modelops_pipelines.ModelEndpoint"
_SECTIONS = (
    EndpointSpec,
    AlertRule,
    Retraining,
    Promotion,
    Guard,
    Limits,
    CapturePolicy,
    DriftPolicy,
    Metric,
    GateConfig,
    Retention,
)
_KEYS = {cls: tuple(f.name for f in fields(cls)) for cls in _SECTIONS}
_REQUIRED = {
    "name": "Add 'name', such as 'name: flights'",
    "model_name": "Add 'model_name', the name of the registered model",
    "task": "Add 'task', such as 'task: binary_classification'",
    "label": "Add 'label', the column that holds the true outcome",
}


def parse_endpoint(root: Place, report: Report) -> EndpointSpec | None:
    """Return the spec with a stand-in for each refused value, or None if there is nothing to read."""
    hints = dict.fromkeys(_KEYS[EndpointSpec], "Indent it under 'attributes'")
    document = report.section(root, ("type", "attributes"), hints)
    if "" in report.stand_ins:
        return None
    _check_type(document, report)
    if "attributes" not in document.places:
        report.refuse("attributes", "is missing", f"Add 'attributes' with {', '.join(_REQUIRED)}")
        return None
    place = document.places["attributes"]
    report.lines[""] = place.line
    attributes = report.section(Place(place.node, place.line, ""), _KEYS[EndpointSpec])
    if "" in report.stand_ins:
        return None
    return _spec(attributes, report)


def declared_type(root: Place) -> str:
    """Return the document's top-level ``type``, empty if it has none."""
    return Report("").section(root, ("type",)).take("type", text, "")


def _check_type(document: Section, report: Report) -> None:
    found = document.require("type", f"Add 'type: {ENDPOINT_TYPE}'")
    if found and found != ENDPOINT_TYPE:
        report.refuse("type", f"'{found}' is not an endpoint's type", suggestion(found, [ENDPOINT_TYPE]))


def _spec(at: Section, report: Report) -> EndpointSpec:
    required = {key: at.require(key, fix) for key, fix in _REQUIRED.items()}
    return EndpointSpec(
        name=required["name"],
        model_name=required["model_name"],
        task=cast("Task", required["task"]),
        label=required["label"],
        label_horizon=at.take("label_horizon", duration, EndpointSpec.label_horizon),
        window=cast("Window", at.take("window", text, str(EndpointSpec.window))),
        trainer=at.take("trainer", text, None),
        owners=at.texts("owners"),
        description=at.take("description", any_text, ""),
        features=at.texts("features"),
        positive_label=at.take("positive_label", text, EndpointSpec.positive_label),
        classes=at.texts("classes", class_of),
        allow_replay=at.take("allow_replay", boolean, default=False),
        allow_pickle=at.take("allow_pickle", boolean, default=False),
        accept_pickles=at.texts("accept_pickles"),
        row_wise=at.take("row_wise", boolean, EndpointSpec.row_wise),
        min_resident=at.take("min_resident", whole_or_all, EndpointSpec.min_resident),
        segments=at.texts("segments"),
        drift=_drift(at, report),
        metrics=tuple(_metric(place, report) for place in report.items(at.places["metrics"]))
        if "metrics" in at.places
        else (),
        alerts=_alerts(at, report, required["task"]),
        retraining=_retraining(at, report),
        promotion=_promotion(at, report),
        guard=_guard(at, report),
        gate=_gate(at, report),
        limits=_limits(at, report),
        capture=_capture(at, report),
        retention=_retention(at, report),
    )


def _drift(at: Section, report: Report) -> DriftPolicy:
    if "drift" not in at.places:
        return DriftPolicy()
    inner = report.section(at.places["drift"], _KEYS[DriftPolicy])
    return DriftPolicy(
        method=cast("DriftMethod", inner.take("method", text, str(DriftPolicy.method))),
        reference=cast("DriftReference", inner.take("reference", text, str(DriftPolicy.reference))),
        days=inner.take("days", whole, DriftPolicy.days),
        minimum=inner.take("minimum", whole, DriftPolicy.minimum),
    )


def _metric(place: Place, report: Report) -> Metric:
    metric = report.section(place, _KEYS[Metric])
    return Metric(
        name="" if place.path in report.stand_ins else metric.require("name", "Add 'name', such as 'name: late_share'"),
        sql=metric.take("sql", text, None),
        function=metric.take("function", text, None),
    )


def _alerts(at: Section, report: Report, task: str) -> tuple[AlertRule, ...]:
    if "alerts" not in at.places:
        return default_alerts(task)
    return tuple(with_defaults(_alert(place, report)) for place in report.items(at.places["alerts"]))


def _alert(place: Place, report: Report) -> AlertRule:
    rule = report.section(place, _KEYS[AlertRule])
    return AlertRule(
        kind="" if place.path in report.stand_ins else rule.require("kind", "Add 'kind', such as 'kind: drift'"),
        metric=rule.take("metric", text, None),
        above=rule.take("above", number, None),
        below=rule.take("below", number, None),
        over=rule.take("over", duration, None),
        minimum=rule.take("minimum", whole, None),
    )


def _retraining(at: Section, report: Report) -> Retraining | None:
    if "retraining" not in at.places:
        return None
    inner = report.section(at.places["retraining"], _KEYS[Retraining])
    return Retraining(
        min_new_labels=inner.take("min_new_labels", whole, Retraining.min_new_labels),
        cooldown=inner.take("cooldown", duration, Retraining.cooldown),
        automatic=inner.take("automatic", boolean, Retraining.automatic),
    )


def _promotion(at: Section, report: Report) -> Promotion:
    if "promotion" not in at.places:
        return Promotion()
    inner = report.section(at.places["promotion"], _KEYS[Promotion])
    strategy = inner.take("strategy", text, str(Promotion.strategy))
    return Promotion(
        strategy=cast("Strategy", strategy),
        steps=_steps(inner, report, default_steps(strategy)),
        automatic=inner.take("automatic", boolean, Promotion.automatic),
        soak=inner.take("soak", duration, Promotion.soak),
        minimum=inner.take("minimum", whole, Promotion.minimum),
        aliases=cast("AliasPolicy", inner.take("aliases", text, str(Promotion.aliases))),
        undecided=cast("UndecidedPolicy", inner.take("undecided", text, str(Promotion.undecided))),
        ask_after=inner.take("ask_after", duration, Promotion.ask_after),
    )


def _guard(at: Section, report: Report) -> Guard:
    if "guard" not in at.places:
        return Guard()
    inner = report.section(at.places["guard"], _KEYS[Guard])
    return Guard(
        automatic=inner.take("automatic", boolean, Guard.automatic),
        false_alarms=inner.take("false_alarms", number, Guard.false_alarms),
        errors=inner.take("errors", number, Guard.errors),
        slower=inner.take("slower", number, Guard.slower),
        slow=inner.take("slow", number, Guard.slow),
        loss=inner.take("loss", number, Guard.loss),
        score_shift=inner.take("score_shift", number, Guard.score_shift),
        watch=inner.take("watch", duration, Guard.watch),
        probation=inner.take("probation", duration, Guard.probation),
    )


def _steps(promotion: Section, report: Report, default: tuple[int, ...]) -> tuple[int, ...]:
    if "steps" not in promotion.places:
        return default
    before = len(report.faults)
    steps = tuple(report.read(place, whole, 0) for place in report.items(promotion.places["steps"]))
    return steps if len(report.faults) == before else default


def _gate(at: Section, report: Report) -> GateConfig:
    if "gate" not in at.places:
        return GateConfig()
    inner = report.section(at.places["gate"], _KEYS[GateConfig])
    default = GateConfig()
    given: dict[str, Any] = {}
    for name, value in asdict(default).items():
        read: Any = duration if isinstance(value, timedelta) else whole if isinstance(value, int) else number
        given[name] = inner.take(name, read, value)
    return GateConfig(**given)


def _limits(at: Section, report: Report) -> Limits:
    if "limits" not in at.places:
        return Limits()
    inner = report.section(at.places["limits"], _KEYS[Limits])
    return Limits(
        per_key=inner.take("per_key", rate, None),
        per_user=inner.take("per_user", rate, None),
        endpoint=inner.take("endpoint", rate, None),
        concurrent=inner.take("concurrent", whole, Limits.concurrent),
        deadline=inner.take("deadline", duration, Limits.deadline),
        body_mib=inner.take("body_mib", whole, Limits.body_mib),
    )


def _capture(at: Section, report: Report) -> CapturePolicy:
    if "capture" not in at.places:
        return CapturePolicy()
    inner = report.section(at.places["capture"], _KEYS[CapturePolicy])
    return CapturePolicy(
        sample=inner.take("sample", number, CapturePolicy.sample),
        max_kib=inner.take("max_kib", whole, CapturePolicy.max_kib),
        redact=inner.texts("redact"),
    )


def _retention(at: Section, report: Report) -> Retention:
    if "retention" not in at.places:
        return Retention()
    inner = report.section(at.places["retention"], _KEYS[Retention])
    predictions = inner.take("predictions", duration_or_never, Retention.predictions)
    defaults = vars(Retention()) | dict.fromkeys(("predictions", *REFERRING), predictions)
    return Retention(**{key: inner.take(key, duration_or_never, default) for key, default in defaults.items()})
