"""Dagster's page, which asks for no key, changes nothing where the gateway asks for one."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from modelops_pipelines.cli.commands.services import READ_ONLY, protect_dagster_page
from tests.support.ports import free_port
from tests.support.waiting import wait_until

PERMISSIONS = {"query": "{ permissions { permission value } }"}


@pytest.mark.parametrize(
    ("given", "has_keys", "expected"), [(None, True, "1"), (None, False, None), ("0", True, "0"), ("1", False, "1")]
)
def test_the_page_is_read_only_once_there_are_keys_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str | None, *, has_keys: bool
) -> None:
    monkeypatch.setenv(READ_ONLY, "")  # so that it is restored
    if given is None:
        monkeypatch.delenv(READ_ONLY)
    else:
        monkeypatch.setenv(READ_ONLY, given)
    protect_dagster_page(has_keys=has_keys)
    assert expected == os.environ.get(READ_ONLY)


def test_dagster_permits_nothing_that_changes_anything_under_this_variable(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "dagster_webserver", "--empty-workspace", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "yes", READ_ONLY: "1"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _permissions(port) is not None, 120)
        found = _permissions(port)
        assert found
        assert [name for name, permitted in found.items() if permitted] == []
    finally:
        process.terminate()
        process.wait(30)


def _permissions(port: int) -> dict[str, bool] | None:
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=PERMISSIONS, timeout=30)
    except httpx.TransportError:
        return None
    return {one["permission"]: one["value"] for one in answer.json()["data"]["permissions"]}
