"""What labels an endpoint takes: the classes of its versions, whatever its state; and where these are unknown, it says so."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.release.desired_state import ACTIVE, CHAMPION, DELETED, STOPPED, DesiredState, Variant
from modelops_pipelines.gateway.worker.class_names import class_of_label, why_unchecked
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint

NO_CLASS = ["maybe", 2, -1, 0.5, "", " 1", "1 ", math.nan, math.inf]
CLASSES = ("0", "1")


def served(
    status: Any, *, recorded: Sequence[str] = (), stated: Sequence[str] = (), live: bool = False
) -> ServedEndpoint:
    """Return an endpoint in a state; a live one's champion is not loaded, so that its classes are not known."""
    spec = EndpointSpec("any", "any", "binary_classification", "label", classes=tuple(stated))
    variants = (Variant("1", CHAMPION, 100),) if live else ()
    return ServedEndpoint(spec, DesiredState("any", 1, variants, status), {}, recorded_classes=tuple(recorded))


@pytest.mark.parametrize("status", [STOPPED, DELETED, ACTIVE])
@pytest.mark.parametrize(
    "known", [{"recorded": CLASSES}, {"stated": CLASSES}, {"recorded": CLASSES, "stated": CLASSES}]
)
@pytest.mark.parametrize("label", NO_CLASS)
def test_an_endpoint_that_answers_nothing_takes_no_label_that_is_no_class(
    status: Any, known: dict[str, Sequence[str]], label: Any
) -> None:
    with pytest.raises(InputError, match="is not a class of the model"):
        class_of_label(served(status, **known), label)
    assert why_unchecked(served(status, **known)) is None


@pytest.mark.parametrize("status", [STOPPED, DELETED, ACTIVE])
@pytest.mark.parametrize("label", [1, 1.0, True, "1", "1.0", "true"])
def test_it_takes_the_late_labels_of_what_it_answered(status: Any, label: Any) -> None:
    assert "1" == class_of_label(served(status, recorded=CLASSES), label)


@pytest.mark.parametrize("live", [False, True])
def test_where_no_class_is_known_any_name_is_taken_and_the_response_says_so(live: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    unknown = served(ACTIVE, live=live)
    assert "maybe" == class_of_label(unknown, "maybe")
    assert "ny label is accepted" in str(why_unchecked(unknown))


@pytest.mark.parametrize("label", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_no_class_anywhere(label: float) -> None:
    with pytest.raises(InputError, match="is not a class"):
        class_of_label(served(ACTIVE), label)
