"""Parses what an endpoint's YAML says about labels, reviews, training sets and retraining. Shapes only."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import yaml

from modelops_pipelines.core.endpoints.improvement import (
    SET_GUARDS,
    CandidateTrainer,
    LabelSource,
    Retraining,
    ReviewPolicy,
    TrainerEnvironment,
    TrainingPolicy,
)
from modelops_pipelines.operations.endpoints.yaml.positions import Place, Report, Section
from modelops_pipelines.operations.endpoints.yaml.types import boolean, duration, mapping, number, release, text, whole


def parse_label_sources(at: Section, report: Report) -> tuple[LabelSource, ...]:
    """Return the sources of labels; none where the YAML has none."""
    return tuple(_label_source(place, report) for place in _items(at, "label_sources", report))


def parse_training(at: Section, report: Report) -> TrainingPolicy:
    """Return the policy of training sets."""
    if "training" not in at.places:
        return TrainingPolicy()
    inner = report.section(at.places["training"], _keys(TrainingPolicy))
    return TrainingPolicy(
        labels=inner.texts("labels") if "labels" in inner.places else TrainingPolicy.labels,
        conflict=inner.take("conflict", text, TrainingPolicy.conflict),
        feedback=inner.take("feedback", text, TrainingPolicy.feedback),
        duplicates=inner.take("duplicates", text, TrainingPolicy.duplicates),
        weights=inner.take("weights", text, TrainingPolicy.weights),
        half_life=inner.take("half_life", duration, TrainingPolicy.half_life),
        guards=_guards(inner, report),
    )


def parse_retraining(at: Section, report: Report) -> Retraining | None:
    """Return when to retrain; None where the YAML does not say."""
    if "retraining" not in at.places:
        return None
    inner, default = report.section(at.places["retraining"], _keys(Retraining)), Retraining()
    return Retraining(
        min_new_labels=inner.take("min_new_labels", whole, default.min_new_labels),
        cooldown=inner.take("cooldown", duration, default.cooldown),
        automatic=inner.take("automatic", boolean, default.automatic),
        signals=inner.texts("signals") if "signals" in inner.places else default.signals,
        max_age=inner.take("max_age", duration, default.max_age),
        runs=inner.take("runs", whole, default.runs),
        minutes=inner.take("minutes", number, default.minutes),
        budget_over=inner.take("budget_over", duration, default.budget_over),
        time_limit=inner.take("time_limit", duration, default.time_limit),
        memory_mib=inner.take("memory_mib", whole, default.memory_mib),
        attempts=inner.take("attempts", whole, default.attempts),
        candidates=tuple(_candidate(place, report) for place in _items(inner, "candidates", report)),
    )


def parse_trainer_environment(at: Section, key: str, report: Report) -> TrainerEnvironment | None:
    """Return what a trainer needs that is not installed here; None where the YAML does not say."""
    if key not in at.places:
        return None
    inner = report.section(at.places[key], _keys(TrainerEnvironment))
    return TrainerEnvironment(
        requirements=inner.texts("requirements"),
        requirements_file=inner.take("requirements_file", text, None),
        python=inner.take("python", release, None),
    )


def parse_review(at: Section, report: Report) -> ReviewPolicy:
    """Return what is put into the review queue."""
    if "review" not in at.places:
        return ReviewPolicy()
    inner = report.section(at.places["review"], _keys(ReviewPolicy))
    return ReviewPolicy(
        reasons=inner.texts("reasons"),
        per_day=inner.take("per_day", whole, ReviewPolicy.per_day),
        random=inner.take("random", whole, ReviewPolicy.random),
        reviewers=inner.take("reviewers", whole, ReviewPolicy.reviewers),
        shared=inner.take("shared", number, ReviewPolicy.shared),
    )


def _label_source(place: Place, report: Report) -> LabelSource:
    inner = report.section(place, _keys(LabelSource))
    is_mapping = place.path not in report.stand_ins
    return LabelSource(
        name=inner.require("name", "Add 'name', such as 'name: warehouse'") if is_mapping else "",
        kind=inner.require("kind", "Add 'kind', such as 'kind: files'") if is_mapping else "",
        path=inner.take("path", text, None),
        query=inner.take("query", text, None),
        url_env=inner.take("url_env", text, None),
        label=inner.take("label", text, LabelSource.label),
        labelled_at=inner.take("labelled_at", text, None),
        prediction_id=inner.take("prediction_id", text, None),
        request_id=inner.take("request_id", text, None),
        row=inner.take("row", text, None),
        entity=inner.texts("entity"),
        time=inner.take("time", text, None),
        within=inner.take("within", duration, LabelSource.within),
        cursor=inner.take("cursor", text, None),
        overlap=inner.take("overlap", duration, LabelSource.overlap),
    )


def _candidate(place: Place, report: Report) -> CandidateTrainer:
    inner = report.section(place, _keys(CandidateTrainer))
    is_mapping = place.path not in report.stand_ins
    return CandidateTrainer(
        name=inner.require("name", "Add 'name', such as 'name: trees'") if is_mapping else "",
        trainer=inner.require("trainer", "Add 'trainer: module:function'") if is_mapping else "",
        settings=inner.take("settings", _plain, {}),
        environment=parse_trainer_environment(inner, "environment", report),
    )


def _guards(training: Section, report: Report) -> Mapping[str, str]:
    if "guards" not in training.places:
        return {}
    inner = report.section(training.places["guards"], SET_GUARDS)
    return {name: inner.take(name, text, "block") for name in inner.places}


def _plain(node: yaml.Node) -> Mapping[str, Any]:
    """Return a mapping of plain values, of any depth."""
    return {str(key.value): _value(value) for key, value in mapping(node)}


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _plain(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return yaml.safe_load(yaml.serialize(node))


def _items(at: Section, key: str, report: Report) -> list[Place]:
    return report.items(at.places[key]) if key in at.places else []


def _keys(section: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(section))
