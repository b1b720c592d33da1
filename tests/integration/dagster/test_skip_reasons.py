"""Why a tick started no run is told in few words, however many endpoints there are."""

from modelops_pipelines.sensors.skip_reasons import MOST_CHARACTERS, summary


def test_the_reason_of_one_endpoint_is_told_as_it_is() -> None:
    assert summary({}) == "there are no endpoints"
    assert summary({"cancer": "0 of 10 labels: wait"}) == "cancer: 0 of 10 labels: wait"


def test_the_same_reason_is_told_once_and_that_of_most_endpoints_first() -> None:
    same = {f"e{number}": "0 segments" for number in range(5)}
    assert summary({"a": "3 segments", **same}) == "e0, e1, e2 and 2 more: 0 segments; a: 3 segments"


def test_a_thousand_endpoints_take_no_more_room_than_a_dozen() -> None:
    alike = summary({f"endpoint_{number}": "0 segments" for number in range(1000)})
    assert alike == "endpoint_0, endpoint_1, endpoint_2 and 997 more: 0 segments"
    different = summary({f"e{number}": f"{number} of 5000 labels" for number in range(1000)})
    assert different.startswith("e0: 0 of 5000 labels; ")
    assert different.endswith("; 992 more endpoints have other reasons")
    assert len(summary({f"e{number}": f"{number} {'x' * 500}" for number in range(9)})) == MOST_CHARACTERS
