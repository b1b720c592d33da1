"""Rules as fields of a form and back: nothing of a rule is lost, and what is no number is left to the check."""

from typing import Any

import pytest
from starlette.requests import Request

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.access.keyring import ANONYMOUS
from modelops_pipelines.gateway.pages.alerting.rule_form import fields_of, rule_in
from modelops_pipelines.gateway.pages.visits import Visit


def visit(**form: str) -> Visit:
    return Visit(ANONYMOUS, Request({"type": "http", "headers": []}), "browser", form=form)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "error_rate", "above": 0.1, "over": "1h"},
        {"kind": "latency", "percentile": 99.5, "above": 800.0, "for": "5m", "severity": "error", "minimum": 50},
        {"kind": "quality", "metric": "auc", "below": 0.7, "over": "7d", "name": "auc_low"},
        {"kind": "metric", "metric": "cost", "outside": [0.2, 0.4]},
        {"kind": "volume", "operator": "le", "threshold": 0.0},
        {"kind": "drift"},
        {"kind": "sql", "sql": "rules/late.sql", "operator": "ne", "threshold": 3.0},
        {"kind": "drift", "owner": "team:risk", "runbook": "https://x.example/a", "labels": {"team": "risk", "a": "b"}},
    ],
    ids=str,
)
def test_a_rule_comes_back_as_it_was(rule: dict[str, Any]) -> None:
    assert rule == rule_in(visit(**fields_of(rule)))


def test_gt_and_lt_are_above_and_below() -> None:
    fields = fields_of({"kind": "volume", "operator": "lt", "threshold": 5.0})
    assert {"kind": "volume", "below": 5.0} == rule_in(visit(**fields))


def test_what_is_no_number_stays_what_it_is() -> None:
    assert {"kind": "drift", "above": "much"} == rule_in(visit(kind="drift", condition="above", limit="much"))
    assert {"kind": "drift", "outside": [1, ""]} == rule_in(visit(kind="drift", condition="outside", limit="1"))


@pytest.mark.parametrize("labels", ["team", "=x", "a=b, c"])
def test_a_label_without_a_value_is_refused(labels: str) -> None:
    with pytest.raises(InputError, match="is not NAME=VALUE"):
        rule_in(visit(kind="drift", labels=labels))
