"""A signed version in a running gateway: it answers, is shown, and ends with its key."""

import json
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.endpoints.kept import keep
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.versions.signed_versions import check_trust, sign_version
from tests.fakes import models_with_code as own
from tests.integration.models.signed_world import CRASHES, MODEL, WORDS, World, saved, world
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.waiting import wait_until

__all__ = ["saved", "world"]


def test_a_signed_version_answers_and_a_revoked_key_ends_it_with_its_process(world: World) -> None:
    folder = world.copied("served")
    entry = folder / "code" / "scaler" / "entry.py"
    entry.write_text(entry.read_text().replace("pass", "if frame['x'].iloc[0] == CRASHES: import os; os._exit(1)"))
    entry.write_text(f"CRASHES = {CRASHES}\n{entry.read_text()}")
    version = world.register(folder)
    sign_version(world.project.stores, MODEL, version, world.pair.private)
    stores, spec = world.project.stores, world.write()
    with running_gateway(world.project, ready=False, cwd=world.project.folder) as gateway:
        deploy(stores, spec, version, actor="ann", reason="test")
        check_trust(stores)
        [event] = stores.deployments.events("scaled")
        assert str(event.evidence["trust"]).startswith(WORDS)
        assert [2.0, 4.0, 6.0] == _answers(gateway)
        assert gateway.client.get("/endpoints/scaled").json()["trust"].startswith(WORDS)
        world.write("")
        wait_until(lambda: _problem(gateway) is not None, 60)
        assert "its format can execute code when it is loaded" in str(_problem(gateway))
        assert [2.0, 4.0, 6.0] == _answers(gateway)
        with pytest.raises(ConflictError, match="is not trusted any more: it would not load again"):
            check_trust(stores)
        assert gateway.predict([{"x": CRASHES}], "scaled").status_code >= 500
        wait_until(lambda: "could not be started again" in gateway.log.read_text(), 60)
        assert 503 == gateway.predict([{"x": 1.0}], "scaled").status_code


def test_a_restart_loads_nothing_by_a_revoked_key_and_serves_again_once_it_is_trusted(world: World) -> None:
    version = world.register(world.copied("restarted"))
    sign_version(world.project.stores, MODEL, version, world.pair.private)
    stores, spec = world.project.stores, world.write()
    deploy(stores, spec, version, actor="ann", reason="test")
    keep(stores.settings, spec, stores.settings.endpoints / "scaled.yaml")  # as a gateway does that served it
    world.write("")
    with running_gateway(world.project, ready=False, cwd=world.project.folder) as gateway:
        wait_until(lambda: _shown(gateway)["status"] == "failed", 60)
        assert "can execute code" in _shown(gateway)["problem"]
        assert 503 == gateway.predict([{"x": 1.0}], "scaled").status_code
        world.write()
        wait_until(lambda: _shown(gateway)["status"] == "active", 60)
        assert [2.0, 4.0, 6.0] == _answers(gateway)


def _shown(gateway: RunningGateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.client.get("/endpoints/scaled").json()
    return found


def _answers(gateway: RunningGateway) -> list[float]:
    answer = gateway.predict(own.FRAME.to_dict("records"), "scaled")
    assert 200 == answer.status_code, answer.text
    found: list[float] = json.loads(answer.text)["predictions"]
    return found


def _problem(gateway: RunningGateway) -> str | None:
    problems: dict[str, str] = gateway.client.get("/health").json()["checks"]["configurations"]["problems"]
    return problems.get("scaled")
