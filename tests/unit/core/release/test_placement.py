"""Which place a version has on its endpoint, and which events gave it that."""

from typing import Any

from modelops_pipelines.core.release.event_log import Placement, placement
from tests.fakes.endpoint_history import Endpoint, event


def place_of(endpoint: Endpoint, version: str) -> tuple[Any, ...] | None:
    found = placement(endpoint.events, version)
    return None if found is None else (found.role, found.share, found.by.number, found.share_by.number)


def test_a_version_without_a_deployment_has_no_place() -> None:
    endpoint = Endpoint()
    assert placement(endpoint.events, "1") is None
    endpoint.deploy("1")
    assert placement(endpoint.events, "2") is None


def test_a_canary_keeps_its_place_while_its_share_grows_and_gets_another_as_champion() -> None:
    endpoint = Endpoint()
    endpoint.deploy("1")
    endpoint.deploy("2", 5)
    assert ("challenger", 5, 2, 2) == place_of(endpoint, "2")
    endpoint.deploy("2", 25)
    assert ("challenger", 25, 2, 3) == place_of(endpoint, "2")
    assert ("champion", 75, 1, 3) == place_of(endpoint, "1")
    endpoint.deploy("2")
    assert ("champion", 100, 4, 4) == place_of(endpoint, "2")
    assert place_of(endpoint, "1") is None


def test_a_rollback_takes_the_place_and_a_new_deployment_begins_anew() -> None:
    endpoint = Endpoint()
    for version in ("1", "2"):
        endpoint.deploy(version)
    endpoint.roll_back()
    assert (place_of(endpoint, "2"), ("champion", 100, 3, 3)) == (None, place_of(endpoint, "1"))
    endpoint.deploy("2")
    assert ("champion", 100, 4, 4) == place_of(endpoint, "2")


def test_events_of_earlier_releases_which_do_not_say_what_is_live_give_a_place_too() -> None:
    events = [event(1, to_version="1"), event(2, from_version="1", to_version="2", evidence={"share": 10})]
    assert Placement("challenger", 10, events[1], events[1]) == placement(events, "2")
    assert Placement("champion", 90, events[0], events[1]) == placement(events, "1")
