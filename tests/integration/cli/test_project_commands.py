"""The project and the machine: doctor, init, up and gateway, and a home or a port that cannot be used."""

import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.core.access.api_keys import Grant
from modelops_pipelines.core.errors import SettingsError
from tests.support.command_line import START, Loop, environment_of, modelops, refused
from tests.support.project import Project
from tests.support.waiting import wait_until


def test_doctor_finds_a_healthy_project_healthy(loop: Loop) -> None:
    done = modelops(loop.project, "doctor", "--json")
    assert (done.code, [finding["check"] for finding in done.json if not finding["ok"]]) == (0, [])
    assert "valid: cancer" in modelops(loop.project, "doctor").out


def test_doctor_tells_what_the_home_takes_and_how_it_grows(loop: Loop) -> None:
    found = {one["check"]: one for one in modelops(loop.project, "doctor", "--json").json}
    sizes = found["sizes"]["numbers"]
    assert sizes["bytes"] == sum(sizes["parts"].values())
    assert sizes["parts"]["lake"] > 1000
    assert found["growth"]["numbers"]["bytes_a_day"] is None
    assert found["growth"]["numbers"]["reason"] == "readings of two days are needed"
    assert found["growth"]["numbers"]["disk_free"] > 0
    assert found["files"]["found"].startswith("most files: cancer/")
    assert found["waiting"]["numbers"]["limit"] == 60.0
    assert found["runs"]["found"] == "Dagster has not run here"
    assert found["memory"]["found"] == "modelops up does not run"
    assert found["maintenance"]["found"].startswith("Maintenance did not run yet")
    assert found["backup"]["numbers"]["days"] is None
    assert found["backup"]["numbers"]["reason"] == "no backup of this home was taken with modelops backup"
    [reading] = loop.project.stores.readings.read()
    assert reading.total == sizes["bytes"]


def test_doctor_tells_the_age_of_the_newest_backup(fresh: Project, tmp_path: Path) -> None:
    for wanted in range(1, 4):
        assert modelops(fresh, "backup", str(tmp_path / "saved")).code == 0
        found = next(one for one in modelops(fresh, "doctor", "--json").json if one["check"] == "backup")
        assert found["ok"]
        assert f"in {tmp_path / 'saved'} (" in found["found"]
        assert found["numbers"]["target"] == str(tmp_path / "saved")
        assert (wanted < 3) is ("reason" in found["numbers"])
    assert found["numbers"]["limit"] == 2.0


def test_doctor_names_the_line_of_a_broken_yaml(fresh: Project) -> None:
    (fresh.folder / "endpoints" / "endpoint.yaml").write_text("type: modelops_pipelines.ModelEndpoint\nattributes: 3\n")
    done = modelops(fresh, "doctor", "--json")
    [found] = [finding["found"] for finding in done.json if not finding["ok"]]
    assert done.code == 3
    assert "endpoint.yaml:2: " in found
    assert "must be a mapping, but is a number (3)" in found


def test_doctor_tells_of_a_home_that_cannot_be_written(fresh: Project) -> None:
    (fresh.folder / "file").touch()
    done = modelops(fresh, "doctor", "--json", MODELOPS_HOME=str(fresh.folder / "file" / "home"))
    wrong = {finding["check"]: finding["found"] for finding in done.json if not finding["ok"]}
    assert done.code == 3
    assert list(wrong) == ["home", "state", "history", "serving", "models"]
    assert "is not writable (Not a directory). Give this user write access to it, or set MODELOPS_HOME" in wrong["home"]


def test_a_home_that_cannot_be_written_is_refused_by_every_command_that_needs_it(fresh: Project) -> None:
    (fresh.folder / "file").touch()
    home = str(fresh.folder / "file" / "home")
    for arguments in (["endpoint", "list"], ["history", "cancer"], ["alert", "list"], ["sql", "SELECT 1"]):
        refused(modelops(fresh, *arguments, MODELOPS_HOME=home), f"The home {home} is not writable (Not a directory)")


def test_a_wrong_setting_is_named_with_its_variable(fresh: Project) -> None:
    done = modelops(fresh, "doctor", MODELOPS_GATEWAY_PORT="abc")
    refused(done, "The setting gateway_port is 'abc'. Set MODELOPS_GATEWAY_PORT to a port")


def test_a_folder_without_a_project_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MODELOPS_HOME", "MODELOPS_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        SettingsError, match=r"There is no project in .* create one: modelops init FOLDER.* modelops endpoint add"
    ):
        open_stores()
    assert list(tmp_path.iterdir()) == []


def test_init_makes_a_valid_project_and_touches_no_folder_that_holds_something(fresh: Project) -> None:
    made = modelops(fresh, "init", "mine")
    assert (made.code, made.out) == (0, "")
    assert "modelops train tumours --data data.csv" in made.err
    refused(modelops(fresh, "init", "mine"), "mine is not empty. Choose a new folder")
    assert sorted(path.name for path in (fresh.folder / "mine").iterdir()) == [
        "README.md",
        "endpoints",
        "sample_data.py",
        "trainer.py",
        "workspace.yaml",
    ]


def test_a_state_database_that_is_locked_ends_with_4(loop: Loop) -> None:
    code = f"import modelops_pipelines.store.state.faults as d; d.BUSY_SECONDS = 0.1; {START}"
    with sqlite3.connect(loop.project.stores.settings.home / "state.db", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        done = subprocess.run(
            [sys.executable, "-c", code, "deploy", "cancer", "2", "--share", "10"],
            cwd=loop.project.folder,
            env=environment_of(loop.project),
            capture_output=True,
            text=True,
            timeout=60,
        )
        holder.execute("ROLLBACK")
    assert done.returncode == 4
    assert "has been locked by another process" in done.stderr


# The gateway


@pytest.fixture
def taken(fresh: Project) -> Iterator[Project]:
    with socket.create_server(("127.0.0.1", int(fresh.environment["MODELOPS_GATEWAY_PORT"]))):
        yield fresh


def test_gateway_refuses_a_port_that_is_in_use(taken: Project) -> None:
    port = taken.environment["MODELOPS_GATEWAY_PORT"]
    done = modelops(taken, "gateway")
    refused(done, f"127.0.0.1:{port} is in use. Stop the process that listens there, or set MODELOPS_GATEWAY_PORT")


def test_up_refuses_a_port_in_use(taken: Project) -> None:
    refused(
        modelops(taken, "up"),
        "is in use. Stop the process that listens there, or set MODELOPS_GATEWAY_PORT to another port",
    )


def test_gateway_says_where_it_listens_and_ends_on_sigterm(fresh: Project) -> None:
    url = f"http://127.0.0.1:{fresh.environment['MODELOPS_GATEWAY_PORT']}"
    process = subprocess.Popen(
        [sys.executable, "-c", START, "gateway"],
        cwd=fresh.folder,
        env=environment_of(fresh),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert f"The gateway will listen on {url}/docs" in process.stderr.readline()
    wait_until(lambda: _listens(int(fresh.environment["MODELOPS_GATEWAY_PORT"])), 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    process.stderr.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# A state that is gone or damaged


STATE_COMMANDS = (
    ["doctor", "--json"],
    ["endpoint", "list"],
    ["history", "cancer"],
    ["deployments"],
    ["alert", "list"],
    ["key", "list"],
    ["key", "create", "new", "--role", "admin"],
    ["deploy", "cancer", "1"],
    ["rollback", "cancer"],
    ["gateway"],
    ["up", "--no-mlflow"],
)


@pytest.mark.parametrize("damage", ["removed", "emptied", "garbage"])
def test_every_command_says_what_became_of_the_state(fresh: Project, damage: str) -> None:
    stores, now = fresh.stores, fresh.stores.now()
    stores.keys.create(Grant("ann", ("admin",)), now=now, actor="test")
    stores.database.close()
    path = stores.settings.home / "state.db"
    _damage(path, damage)
    before = path.read_bytes() if path.exists() else None
    for arguments in STATE_COMMANDS:
        done = modelops(fresh, *arguments)
        assert done.code == 3, (arguments, done)
        assert "The state database " in done.out + done.err
        assert "estore it from a backup" in done.out + done.err
    assert before == (path.read_bytes() if path.exists() else None)


def test_keys_that_are_gone_are_told_until_there_is_one_again(fresh: Project) -> None:
    fresh.stores.keys.create(Grant("ann", ("admin",)), now=fresh.stores.now(), actor="test")
    with contextlib.closing(sqlite3.connect(fresh.stores.settings.home / "state.db")) as connected, connected:
        connected.execute("DELETE FROM keys")
    for arguments in (["doctor", "--json"], ["key", "list"], ["gateway"]):
        done = modelops(fresh, *arguments)
        assert (done.code, "has lost its API keys" in done.out + done.err) == (3, True), done
    assert modelops(fresh, "key", "create", "new", "--role", "admin").code == 0
    assert modelops(fresh, "doctor").code == 0


def _damage(path: Path, damage: str) -> None:
    for one in path.parent.glob("state.db*"):
        one.unlink()
    if damage != "removed":
        path.write_bytes(b"" if damage == "emptied" else b"no database, but a text of some length" * 200)
