"""Parses an endpoint's YAML into its spec. Shapes only: ``core.endpoints.validate`` checks what the values mean."""

from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, cast

from modelops_pipelines.core.endpoints.alert_rules import AlertRule, default_alerts, with_defaults
from modelops_pipelines.core.endpoints.cache import CachePolicy
from modelops_pipelines.core.endpoints.explain import ExplainMethod, ExplainPolicy
from modelops_pipelines.core.endpoints.issues import suggestion
from modelops_pipelines.core.endpoints.spec import (
    ELSEWHERE,
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
    Runtime,
    Served,
    Strategy,
    Task,
    UndecidedPolicy,
    Window,
    default_steps,
    model_elsewhere,
)
from modelops_pipelines.core.evaluation.gate import GateConfig
from modelops_pipelines.core.maintenance.retention import REFERRING, Retention
from modelops_pipelines.operations.endpoints.yaml.improvement import (
    parse_label_sources,
    parse_retraining,
    parse_review,
    parse_trainer_environment,
    parse_training,
)
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml.rules import read_rule
from modelops_pipelines.operations.endpoints.yaml.slos import parse_slos
from modelops_pipelines.operations.endpoints.yaml.trust import parse_trust
from modelops_pipelines.operations.endpoints.yaml.types import (
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
    Promotion,
    Guard,
    Limits,
    CapturePolicy,
    CachePolicy,
    DriftPolicy,
    ExplainPolicy,
    Metric,
    GateConfig,
    Retention,
)
_KEYS = {cls: tuple(f.name for f in fields(cls)) for cls in _SECTIONS}
_OF_DAGSTER = ("post_processing", "requirements", "template_vars_module")
"""What any component's YAML may say to Dagster beside its attributes."""
_REQUIRED = {
    "name": "Add 'name', such as 'name: flights'",
    "model_name": "Add 'model_name', the name of the registered model",
    "task": "Add 'task', such as 'task: binary_classification'",
    "label": "Add 'label', the column that holds the true outcome",
}


def parse_endpoint(root: Place, report: Report) -> EndpointSpec | None:
    """Return the spec with a stand-in for each refused value, or None if there is nothing to read."""
    hints = dict.fromkeys(_KEYS[EndpointSpec], "Indent it under 'attributes'")
    document = report.section(root, ("type", "attributes", *_OF_DAGSTER), hints)
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
    served = at.take("served", text, str(EndpointSpec.served))
    needed = {key: fix for key, fix in _REQUIRED.items() if served != ELSEWHERE or key != "model_name"}
    required = {key: at.require(key, fix) for key, fix in needed.items()}
    own = model_elsewhere(required["name"])
    if served == ELSEWHERE and at.take("model_name", text, own) != own:
        problem = "an endpoint that is served elsewhere has no registered model"
        report.refuse("model_name", problem, "Remove it: the log says which version made each prediction")
    return EndpointSpec(
        name=required["name"],
        model_name=required.get("model_name", own),
        task=cast("Task", required["task"]),
        label=required["label"],
        served=cast("Served", served),
        label_horizon=at.take("label_horizon", duration, EndpointSpec.label_horizon),
        window=cast("Window", at.take("window", text, str(EndpointSpec.window))),
        trainer=at.take("trainer", text, None),
        trainer_environment=parse_trainer_environment(at, "trainer_environment", report),
        owners=at.texts("owners"),
        tags=at.texts("tags"),
        description=at.take("description", any_text, ""),
        features=at.texts("features"),
        positive_label=at.take("positive_label", text, EndpointSpec.positive_label),
        classes=at.texts("classes", class_of),
        output=at.take("output", class_of, None),
        allow_replay=at.take("allow_replay", boolean, default=False),
        allow_pickle=at.take("allow_pickle", boolean, default=False),
        accept_pickles=at.texts("accept_pickles"),
        trust=parse_trust(at, report),
        row_wise=at.take("row_wise", boolean, EndpointSpec.row_wise),
        min_resident=at.take("min_resident", whole_or_all, EndpointSpec.min_resident),
        runtime=cast("Runtime", at.take("runtime", text, str(EndpointSpec.runtime))),
        segments=at.texts("segments"),
        drift=_drift(at, report),
        metrics=tuple(_metric(place, report) for place in report.items(at.places["metrics"]))
        if "metrics" in at.places
        else (),
        alerts=_alerts(at, report, required["task"]),
        slos=parse_slos(at, report),
        label_sources=parse_label_sources(at, report),
        review=parse_review(at, report),
        training=parse_training(at, report),
        retraining=parse_retraining(at, report),
        promotion=_promotion(at, report),
        guard=_guard(at, report),
        gate=_gate(at, report),
        limits=_limits(at, report),
        capture=_capture(at, report),
        cache=_cache(at, report),
        explain=_explain(at, report),
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
    return tuple(with_defaults(read_rule(place, report)) for place in report.items(at.places["alerts"]))


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
        memory_mib=inner.take("memory_mib", whole, None),
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


def _cache(at: Section, report: Report) -> CachePolicy | None:
    if "cache" not in at.places:
        return None
    inner = report.section(at.places["cache"], _KEYS[CachePolicy])
    return CachePolicy(
        ttl=inner.take("ttl", duration, CachePolicy.ttl),
        entries=inner.take("entries", whole, CachePolicy.entries),
        max_mib=inner.take("max_mib", whole, CachePolicy.max_mib),
    )


def _explain(at: Section, report: Report) -> ExplainPolicy | None:
    if "explain" not in at.places:
        return None
    inner = report.section(at.places["explain"], _KEYS[ExplainPolicy])
    return ExplainPolicy(
        method=cast("ExplainMethod", inner.take("method", text, str(ExplainPolicy.method))),
        sample=inner.take("sample", number, ExplainPolicy.sample),
    )


def _retention(at: Section, report: Report) -> Retention:
    if "retention" not in at.places:
        return Retention()
    inner = report.section(at.places["retention"], _KEYS[Retention])
    predictions = inner.take("predictions", duration_or_never, Retention.predictions)
    defaults = vars(Retention()) | dict.fromkeys(("predictions", *REFERRING), predictions)
    return Retention(**{key: inner.take(key, duration_or_never, default) for key, default in defaults.items()})
