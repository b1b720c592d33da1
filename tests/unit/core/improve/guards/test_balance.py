"""The classes of the new labels against those of earlier ones and of the log."""

from modelops_pipelines.core.improve.guards.balance import class_balance

BEFORE = {"0": 800, "1": 200}


def test_a_season_with_more_of_a_class_passes() -> None:
    assert class_balance({"0": 700, "1": 300}, BEFORE, {"0": 0.8, "1": 0.2}).passed is True


def test_classes_far_from_both_are_refused_with_the_shares() -> None:
    result = class_balance({"0": 200, "1": 800}, BEFORE, {"0": 0.75, "1": 0.25})
    assert result.passed is False
    assert "80.0 % of the new labels are '1', expected are 20.0 % and 25.0 %" in result.message


def test_classes_that_the_log_explains_pass() -> None:
    assert class_balance({"0": 200, "1": 800}, BEFORE, {"0": 0.25, "1": 0.75}).passed is True


def test_a_missing_class_is_named() -> None:
    result = class_balance({"0": 500}, BEFORE, {"0": 0.8, "1": 0.2})
    assert "no new label is '1', expected are 20.0 %" in result.message


def test_without_anything_to_compare_with_it_is_not_judged() -> None:
    assert class_balance({"0": 500}, None, None).passed is None
    assert class_balance({"0": 5}, BEFORE, None).passed is None
