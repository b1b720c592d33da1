"""The checks of objectives on the assets of metrics, budgets left as metadata, and the health score."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg

from modelops_pipelines.assets.derived import Further, Told
from modelops_pipelines.assets.metadata import (
    alerts_metadata,
    check_results,
    key,
    markdown_table,
    not_judged_rules,
)
from modelops_pipelines.core.alerting.objectives.slo_messages import share_text
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.spec import EndpointSpec, Slo
from modelops_pipelines.core.endpoints.validation.slos import QUALITY
from modelops_pipelines.core.tables.lake import QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.alerting.objectives.health_score import describe_health, health_score
from modelops_pipelines.operations.alerting.objectives.slos import SloState, describe_slo, judge_stored_slos
from modelops_pipelines.operations.reports.summaries import write_summary
from modelops_pipelines.store.stores import Stores

_PARTS = ("name", "points", "weight", "reason")


def _specs(spec: EndpointSpec, *, on_labels: bool) -> Sequence[dg.AssetCheckSpec]:
    asset = key(spec, _table(on_labels=on_labels))
    mine = [slo for slo in spec.slos if (slo.kind == QUALITY) == on_labels]
    return [dg.AssetCheckSpec(slo.name, asset=asset, description=_about(slo)) for slo in mine]


def _judge(stores: Stores, spec: EndpointSpec, *, on_labels: bool) -> Told:
    """Judge the objectives; show them, and with those on requests the health score, of which the overview is told."""
    judged = judge_stored_slos(stores, spec, on_labels=on_labels)
    shown: dict[str, Any] = {} if on_labels else _health(stores, spec)
    if judged.states:
        alerts = {f"slo_{name}": told for name, told in alerts_metadata(judged.changes).items()}
        table = markdown_table([describe_slo(one) for one in judged.states])
        shown |= {"objectives": table, **_left(judged.states), **alerts}
    checks = check_results(spec, _table(on_labels=on_labels), judged.verdicts)
    return Told(shown, checks, not_judged_rules(judged.verdicts))


def _health(stores: Stores, spec: EndpointSpec) -> dict[str, Any]:
    found = describe_health(health_score(stores, spec, stores.now()))
    write_summary(stores, spec, found)
    parts = markdown_table([{name: part[name] for name in _PARTS} for part in found["parts"]])
    score = {} if found["score"] is None else {"health_score": found["score"]}
    return {**score, "health": found["reason"], "health_parts": parts}


def _left(states: Sequence[SloState]) -> dict[str, float]:
    """Return the share of each budget that is left, which Dagster draws over time."""
    return {f"left_of_{one.slo.name}": one.budget.left for one in states if one.budget.left is not None}


def _table(*, on_labels: bool) -> str:
    return QUALITY_METRICS.name if on_labels else SERVICE_METRICS.name


def _about(slo: Slo) -> str:
    share = f"{share_text(slo.objective)} over {format_duration(slo.over)}"
    return f"Objective {slo.name}, {share}: fails when its error budget burns too fast"


ON_REQUESTS = Further(partial(_specs, on_labels=False), partial(_judge, on_labels=False))
ON_LABELS = Further(partial(_specs, on_labels=True), partial(_judge, on_labels=True))
