"""Parses the objectives of an endpoint's YAML. Shapes only: ``core.endpoints.validation.slos`` checks the values."""

from dataclasses import fields
from math import nan

from modelops_pipelines.core.endpoints.spec import Slo
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml.types import duration, number, text, whole

_KEYS = tuple(field.name for field in fields(Slo))


def parse_slos(at: Section, report: Report) -> tuple[Slo, ...]:
    """Return the objectives; none where the YAML has none."""
    if "slos" not in at.places:
        return ()
    return tuple(_slo(place, report) for place in report.items(at.places["slos"]))


def _slo(place: Place, report: Report) -> Slo:
    slo = report.section(place, _KEYS)
    is_mapping = place.path not in report.stand_ins
    if is_mapping and "objective" not in slo.places:
        path = f"{place.path}.objective"
        report.refuse(path, "is missing", "Add the share of good events, such as 'objective: 0.99'")
        report.stand_ins.add(path)
    return Slo(
        kind=slo.require("kind", "Add 'kind', such as 'kind: availability'") if is_mapping else "",
        objective=slo.take("objective", number, nan),
        over=slo.take("over", duration, Slo.over),
        under_ms=slo.take("under_ms", number, None),
        metric=slo.take("metric", text, None),
        at_least=slo.take("at_least", number, None),
        at_most=slo.take("at_most", number, None),
        minimum=slo.take("minimum", whole, None),
        severity=slo.take("severity", text, Slo.severity),
        owner=slo.take("owner", text, None),
        runbook=slo.take("runbook", text, None),
    )
