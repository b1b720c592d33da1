"""A message that lists some of its alerts is seen by those who may see all of them."""

from datetime import UTC, datetime
from typing import Any

from modelops_pipelines.core.alerting.messages import PENDING, Message
from modelops_pipelines.operations.alerting.views.dead_letters import dead_letters
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def given_up(stores: Stores, name: str, content: dict[str, Any]) -> None:
    stores.messages.add(Message(name, 0, "ops", "credit", NOW, {"title": name, **content}, PENDING, 0, NOW), [])
    stores.messages.give_up(name, "500", NOW)


def test_what_a_message_leaves_out_of_its_list_counts_too(tmp_path) -> None:  # type: ignore[no-untyped-def]
    stores = Stores(load_settings(tmp_path, {"MODELOPS_HOME": str(tmp_path / "home")}))
    listed = [{"alert_id": 1, "endpoint": "credit"}]
    given_up(stores, "one", {"alerts": listed, "changes": listed})
    given_up(stores, "several", {"alerts": listed, "changes": [*listed, {"alert_id": 2, "endpoint": "adverts"}]})
    given_up(stores, "older", {"alerts": listed})
    assert {"one", "older"} == {one["message_id"] for one in dead_letters(stores, lambda name: name == "credit")}
    assert {"one", "several", "older"} == {one["message_id"] for one in dead_letters(stores)}
