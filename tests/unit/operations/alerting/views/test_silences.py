"""Which silences a key for some endpoints may make and see."""

import pytest

from modelops_pipelines.operations.alerting.views.silences import concerns, is_within

OWN = frozenset({"flights", "fl"})


@pytest.mark.parametrize(
    ("matchers", "makes", "sees"),
    [
        ({"endpoint": "flights"}, True, True),
        ({"endpoint": "flights", "rule": "drift"}, True, True),
        ({"endpoint": "flight?"}, False, True),
        ({"endpoint": "*"}, False, True),
        ({"rule": "drift"}, False, True),
        ({"endpoint": "cancer"}, False, False),
        ({"endpoint": "[f]lights"}, False, False),
        ({}, False, True),
    ],
)
def test_a_key_makes_silences_of_its_own_endpoints_and_sees_those_that_concern_them(
    matchers: dict[str, str],
    makes: bool,  # noqa: FBT001 - what the table says
    sees: bool,  # noqa: FBT001
) -> None:
    assert (makes, sees) == (is_within(matchers, OWN), concerns(matchers, OWN))
    assert (True, True) == (is_within(matchers, None), concerns(matchers, None))
