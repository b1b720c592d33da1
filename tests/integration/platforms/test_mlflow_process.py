"""MLflow's server under `up`: one process that shows its page, answers its API, and refuses a foreign host."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from modelops_pipelines.platforms.local import running
from modelops_pipelines.platforms.marked_processes import commands_of_children, marked
from modelops_pipelines.platforms.process_costs import service_costs
from tests.support.project import make_project, put_blank_registry

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=5"


def answer(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as given:
        return bytes(given.read())


def test_one_process_serves_mlflow_and_protects_its_pages(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    put_blank_registry(project)
    settings = project.stores.settings
    with running(settings, project.folder) as platform:
        service = platform.start_mlflow()
        platform.wait([service], 120)
        assert b"<html" in answer(service.url)
        assert "Default" in {one["name"] for one in json.loads(answer(f"{service.url}{SEARCH}"))["experiments"]}
        with pytest.raises(urllib.error.HTTPError) as refused:
            answer(f"{service.url}{SEARCH}", Host="evil.example")
        assert 403 == refused.value.code
        assert [service.process.pid] == marked(service.child.mark)
        assert [] == commands_of_children(service.process.pid)
        [cost] = service_costs(settings.home, project.stores.now().timestamp())
        assert ("mlflow", 1) == (cost.service, cost.processes)
        assert cost.bytes > 50 << 20
        assert cost.cpu_seconds > 0.5
