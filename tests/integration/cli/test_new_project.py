"""A new user's first quarter of an hour: a project outside the repository, with every process that it starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.command_line import NewUser, new_user
from tests.support.paths import ROOT
from tests.support.ports import listeners
from tests.support.waiting import wait_until

START_SECONDS, LOOP_SECONDS = 240, 180
TUMOUR = {"mean_radius": 14.1, "mean_texture": 19.3, "mean_smoothness": 0.1, "mean_concavity": 0.09}
TEMPLATES = ROOT / "modelops_pipelines" / "cli" / "templates"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> NewUser:
    return new_user(tmp_path_factory.mktemp("home of a new user"))


def test_the_template_s_workspace_and_dagster_yaml_are_the_repository_s_own() -> None:
    assert (TEMPLATES / "project" / "workspace.yaml").read_bytes() == (ROOT / "workspace.yaml").read_bytes()
    assert (TEMPLATES / "dagster.yaml").read_bytes() == (ROOT / "dagster.yaml").read_bytes()


@pytest.mark.slow
def test_a_new_project_serves_logs_by_dagster_s_own_sensors_and_ends_every_process(user: NewUser) -> None:
    with (user.folder / "up.log").open("wb") as log:
        up = subprocess.Popen(
            user.command("up", "--no-mlflow"), cwd=user.folder, env=user.environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "Up." in _said(user, up), START_SECONDS)
        family = descendants(up.pid)
        assert len(family) >= 3, "the gateway, Dagster's webserver and its daemon at the least"
        user.run("deploy", "tumours", "1")
        answer = predict(user)
        assert answer["model_version"] == "1"
        query = f"SELECT prediction_id, mean_radius FROM inference_log WHERE request_id = '{answer['request_id']}'"
        wait_until(lambda: user.rows(query), LOOP_SECONDS)
        assert user.rows(query) == [{"prediction_id": f"{answer['request_id']}-0", "mean_radius": 14.1}]
        wait_until(lambda: json.loads(user.run("metrics", "tumours", "--json")), LOOP_SECONDS)
        gateway = _gateway_of(up.pid, user.ports["GATEWAY"])
        os.kill(gateway, signal.SIGKILL)
        wait_until(lambda: "gateway ended (exit code -9) and is started again" in _said(user, up), 20)
        wait_until(lambda: _predicts(user), START_SECONDS)
        family |= descendants(up.pid)
        up.send_signal(signal.SIGTERM)
        assert up.wait(timeout=60) == 0, _said(user, None)
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(timeout=60)
    wait_until(lambda: not [pid for pid in family if alive(pid)], 20)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{user.ports['GATEWAY']}/health")


@pytest.mark.slow
def test_up_refuses_a_port_that_somebody_else_answers_on(user: NewUser) -> None:
    server = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(user.ports["DAGSTER"])])
    try:
        url = f"http://127.0.0.1:{user.ports['DAGSTER']}"
        wait_until(lambda: _answers(url), 20)
        command = user.command("up", "--no-mlflow")
        done = subprocess.run(
            command, cwd=user.folder, env=user.environment, capture_output=True, text=True, timeout=60
        )
    finally:
        server.terminate()
        server.wait()
    assert done.returncode == 3
    assert "of dagster is in use. Stop the process that listens there, or set MODELOPS_DAGSTER_PORT" in done.stderr


def _gateway_of(up: int, port: str) -> int:
    """Return the process that `up` has started to serve, by what it listens on: a spare one may have taken its place."""
    [gateway] = [pid for pid in listeners(int(port)) if _parent_of(pid) == up]
    return gateway


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _predicts(user: NewUser) -> bool:
    try:
        return predict(user)["model_version"] == "1"
    except (httpx.TransportError, KeyError):
        return False


def predict(user: NewUser) -> dict[str, object]:
    """Ask for one prediction over HTTP."""
    url = f"http://127.0.0.1:{user.ports['GATEWAY']}/endpoints/tumours/invocations"
    answer = httpx.post(url, json={"dataframe_records": [TUMOUR]}, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def descendants(pid: int) -> set[int]:
    """Return the ids of all processes below this one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = _parent_of(int(folder.name))
        except (OSError, ValueError):
            continue
    found, edge = set(), {pid}
    while edge := {child for child, parent in parents.items() if parent in edge} - found:
        found |= edge
    return found


def alive(pid: int) -> bool:
    """Return whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _said(user: NewUser, up: subprocess.Popen[bytes] | None) -> str:
    said = (user.folder / "up.log").read_text()
    assert up is None or up.poll() is None, f"it ended: {said[-2000:]}"
    return said
