"""A prediction that others made and sent: names of features as the log keeps them, and texts and numbers that it can keep."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from modelops_pipelines.core.capture.elsewhere.mapping import LogMapping, check_names
from modelops_pipelines.core.capture.elsewhere.sent import Sent, recorded, types_of
from modelops_pipelines.core.capture.elsewhere.values import RefusedValueError, float_of, int_of
from modelops_pipelines.core.endpoints.spec import CapturePolicy, EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS

SPEC = EndpointSpec("fraud", "fraud", "binary_classification", "is_fraud", positive_label="yes", classes=("no", "yes"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENT = Sent("call-1", NOW, prediction="yes")


def made(sent: Sent, spec: EndpointSpec = SPEC) -> dict[str, Any]:
    return recorded(spec, sent, types_of(spec, sent, {}), b"secret", NOW, None).prediction["f"]


@pytest.mark.parametrize("name", [*sorted(SYSTEM_COLUMNS), "Status", "feature:date", "amount"])
def test_each_name_that_our_log_uses_is_kept_under_another_and_tells_the_feature(name: str) -> None:
    (column,) = made(replace(SENT, features={name: 2}))
    assert column.casefold() not in SYSTEM_COLUMNS
    assert name == feature_of(column)
    check_names(LogMapping(), SPEC, [name])


@pytest.mark.parametrize("hidden", ["date", "feature:date"])
def test_what_is_redacted_is_not_kept_by_either_of_its_names(hidden: str) -> None:
    spec = replace(SPEC, capture=CapturePolicy(redact=(hidden,)))
    assert ["amount"] == list(made(replace(SENT, features={"date": 1, "amount": 2}), spec))


@pytest.mark.parametrize("name", ["is_fraud", "", " \t", "a\0b", "\ud800", "x" * 201])
def test_a_name_that_no_column_can_have_is_refused_sent_and_imported(name: str) -> None:
    with pytest.raises(RefusedValueError, match="the name of the feature"):
        types_of(SPEC, replace(SENT, features={name: 1}), {})
    with pytest.raises(InputError, match="The name of the column"):
        check_names(LogMapping(), SPEC, [name])


@pytest.mark.parametrize("field", ["id", "version", "user", "session", "error"])
@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_a_database_cannot_keep_is_refused_by_its_field(field: str, text: str) -> None:
    with pytest.raises(RefusedValueError, match=f"the {field} is no text that can be kept"):
        made(replace(SENT, **{field: text}))


@pytest.mark.parametrize("read", [int_of, float_of])
def test_pythons_own_spelling_of_numbers_is_none_of_a_log(read: Any) -> None:
    assert 1000 == read("1000")
    with pytest.raises(RefusedValueError):
        read("1_000")
