"""The scenes of rules, and the synthetic requests that they are made of."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import fit_profile
from modelops_pipelines.core.tables.derivations import rule_kinds
from modelops_pipelines.operations.testing.rule_trials.scenes import MOST_ROWS, ORDINARY, Scene, scenes_of
from modelops_pipelines.operations.testing.rule_trials.synthetic_rows import Subject, drawing, window_records
from tests.fakes.records import START

HOUR = timedelta(hours=1)
SPEC = EndpointSpec("cancer", "tumours", "binary_classification", "benign")
SUBJECT = Subject(SPEC, "1", ["0", "1"], {"x": drawing("float", None), "c": drawing("text", None)})
ROWS = 200


def records(scene: Scene, subject: Subject = SUBJECT) -> tuple[Sequence[dict], Sequence[dict]]:
    return window_records(subject, scene, START, HOUR, ROWS)


def share_of_right_labels(scene: Scene) -> float:
    requests, labels = records(scene)
    answers = {f"{one['id']}-0": one["p"][0] for one in requests}
    given = {row["prediction_id"]: row["label"] for label in labels for row in label["rows"]}
    return sum(answers[key] == label for key, label in given.items()) / len(given)


@pytest.mark.parametrize("kind", sorted(rule_kinds()))
def test_every_kind_of_rule_has_scenes_and_the_first_is_an_ordinary_one(kind: str) -> None:
    scenes = scenes_of(AlertRule(kind, metric="auc", above=0.5))
    assert scenes[0] == ORDINARY
    assert len(scenes) > 1
    assert all((scene.rows or 0) <= MOST_ROWS for scene in scenes)


def test_the_same_window_has_the_same_requests() -> None:
    assert records(ORDINARY) == records(ORDINARY)


def test_ordinary_requests_are_answered_and_all_are_labelled() -> None:
    requests, labels = records(ORDINARY)
    assert {200} == {one["status"] for one in requests}
    assert ROWS == len(requests) == len(labels) == len({one["id"] for one in requests})
    assert 0.8 < share_of_right_labels(ORDINARY) < 1.0


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_as_many_requests_fail_as_the_scene_says_and_they_have_no_label(share: float) -> None:
    requests, labels = records(Scene("failing", failed=share))
    failed = sum(one["status"] == 500 for one in requests)
    assert round(share * ROWS) == failed
    assert ROWS - failed == len(labels)


def test_labels_follow_the_scene() -> None:
    assert share_of_right_labels(Scene("right", labels="right")) == 1.0
    assert share_of_right_labels(Scene("wrong", labels="wrong")) == 0.0
    assert 0.35 < share_of_right_labels(Scene("chance", labels="chance")) < 0.65


def test_the_labels_of_a_regression_are_off_by_as_much_as_the_scene_says() -> None:
    subject = replace(SUBJECT, spec=replace(SPEC, task="regression"), classes=())
    requests, labels = records(Scene("off", labels="off", off=3.0), subject)
    off = {row["label"] - one["p"][0] for one, label in zip(requests, labels, strict=True) for row in label["rows"]}
    assert all(abs(by - 3.0) < 1e-9 for by in off)


def test_values_are_like_those_of_the_training_set() -> None:
    trained = np.random.default_rng(1).uniform(100, 200, 1000)
    known = replace(SUBJECT, features={"x": drawing("float", fit_profile("x", trained, "numeric"))})
    ordinary = [one["f"]["x"][0] for one in records(ORDINARY, known)[0]]
    shifted = [one["f"]["x"][0] for one in records(Scene("shifted", shift=20.0), known)[0]]
    assert all(100 <= value <= 200 for value in ordinary)
    assert all(value > 600 for value in shifted)


@pytest.mark.parametrize("kind", ["float", "int", "text", "bool", "timestamp"])
def test_a_feature_of_every_type_is_drawn_with_and_without_a_shift(kind: str) -> None:
    types = {"float": float, "int": int, "text": str, "bool": bool, "timestamp": int}
    subject = replace(SUBJECT, features={"x": drawing(kind, None)})
    for scene in (ORDINARY, Scene("shifted", shift=20.0)):
        assert {types[kind]} == {type(one["f"]["x"][0]) for one in records(scene, subject)[0]}
