"""Where classes are known from, whether the sources agree, and which class a label names."""

from typing import Any

import pytest

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.classes import (
    FILES,
    METADATA,
    MODEL,
    TAG,
    YAML,
    agree,
    check_positive,
    list_problem,
    match_class,
    missing_classes,
)
from modelops_pipelines.core.models.output_kinds import LABELS, PROBABILITIES, SCORES, UNKNOWN

BINARY = "binary_classification"
SOURCES = (MODEL, FILES, METADATA, TAG, YAML)


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_is_enough(source: str) -> None:
    assert (["b", "a"], source) == agree("m", "1", {**dict.fromkeys(SOURCES), source: ["b", "a"]})


def test_no_source_knows_nothing() -> None:
    assert (None, None) == agree("m", "1", dict.fromkeys(SOURCES))


@pytest.mark.parametrize("first", SOURCES)
@pytest.mark.parametrize("second", SOURCES)
def test_any_two_sources_that_differ_in_order_or_names_are_refused_and_both_named(first: str, second: str) -> None:
    if first == second:
        return
    for other in (["b", "a"], ["a", "b", "c"], ["a"], ["x", "y"], ["1", "0"]):
        with pytest.raises(ModelError) as refused:
            agree("m", "7", {first: ["a", "b"], second: other})
        assert "Version 7 of model 'm'" in refused.value.message
        assert "[a, b]" in refused.value.message
        assert f"[{', '.join(other)}]" in refused.value.message


@pytest.mark.parametrize("read", [MODEL, FILES, METADATA])
def test_what_is_stated_may_spell_a_class_in_another_way_or_name_a_code(read: str) -> None:
    assert (["False", "true"], YAML) == agree("m", "1", {read: ["0", "1"], YAML: ["False", "true"]})
    assert (["no", "yes"], TAG) == agree("m", "1", {read: ["0", "1"], TAG: ["no", "yes"]})
    assert (["no", "yes"], YAML) == agree("m", "1", {read: ["0", "1"], TAG: ["no", "yes"], YAML: ["no", "yes"]})


def test_codes_in_another_order_are_no_codes() -> None:
    with pytest.raises(ModelError, match="two lists of classes"):
        agree("m", "1", {MODEL: ["1", "0"], YAML: ["no", "yes"]})


@pytest.mark.parametrize(
    ("label", "classes", "named"),
    [
        (True, ["0", "1"], "1"),
        (1, ["0", "1"], "1"),
        (1.0, ["0", "1"], "1"),
        ("true", ["0", "1"], "1"),
        ("True", ["0", "1"], "1"),
        ("1.0", ["0", "1"], "1"),
        (False, ["False", "True"], "False"),
        (0, ["false", "true"], "false"),
        (3.0, ["3", "7"], "3"),
        ("a", ["a", "b"], "a"),
        ("A", ["a", "b"], None),
        (2, ["0", "1"], None),
        ("", ["a", "b"], None),
        ("true", ["True", "1", "0"], None),
        (1, ["True", "1", "0"], "1"),
    ],
)
def test_a_label_names_a_class_whatever_its_type(label: object, classes: list[str], named: str | None) -> None:
    assert named == match_class(label, classes)


def test_a_positive_label_that_is_no_class_is_refused_and_both_are_named() -> None:
    with pytest.raises(ModelError, match=r"'yes' is not a class of version 2 of model 'm', whose classes are \[0, 1\]"):
        check_positive("m", "2", ["0", "1"], BINARY, "yes")
    with pytest.raises(ModelError) as refused:
        check_positive("m", "2", ["0", "1"], BINARY, "true")
    assert "to '1'" in refused.value.remedy


@pytest.mark.parametrize(("classes", "task"), [(None, BINARY), (["a", "b", "c"], "multiclass"), (["1", "0"], BINARY)])
def test_a_positive_label_that_cannot_be_wrong_passes(classes: list[str] | None, task: str) -> None:
    check_positive("m", "2", classes, task, "1")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "b"], None),
        (["a"], "at least 2"),
        ([], "at least 2"),
        (["a", "b", "a"], "'a' twice"),
        (["1", "true"], "'true' twice"),
    ],
)
def test_a_list_of_classes_has_each_once(names: list[str], problem: str | None) -> None:
    found = list_problem(names)
    assert (problem is None) == (found is None)
    assert (problem or "") in (found or "")


@pytest.mark.parametrize("output", [PROBABILITIES, SCORES, UNKNOWN])
def test_what_is_missing_says_what_to_add_to_which_version(output: Any) -> None:
    missing = missing_classes(BINARY, "4", None, output)
    assert missing is not None
    assert "version 4" in missing
    assert "classes: [...]" in missing
    assert "modelops.classes" in missing


@pytest.mark.parametrize(
    ("task", "classes", "output"),
    [("regression", None, UNKNOWN), (BINARY, ["a", "b"], SCORES), (BINARY, None, LABELS)],
)
def test_nothing_is_missing_where_the_answer_names_a_class_itself(task: str, classes: Any, output: str) -> None:
    assert missing_classes(task, "4", classes, output) is None
