"""What is live stays live: under faulty files, under configurations that cannot load, and through restarts with both."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.operations.endpoints.kept import kept_of
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.commands import deploy, roll_back
from tests.fakes.faulty_files import FAULTS, NOT_TOLD
from tests.fakes.model_kinds import add_endpoint, echo, put_live_as_it_is, typed
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.versions import record_as_foreign, register_as_own
from tests.support.waiting import wait_until

SECONDS = 30
TOLD = sorted(set(FAULTS) - NOT_TOLD)
ROW = rows_of(cancer_frame().head(1))[0]


@dataclass
class World:
    """A gateway with the endpoint ``cancer`` and its pickled neighbour ``typed``."""

    project: Project
    gateway: RunningGateway

    @property
    def file(self) -> Path:
        return self.project.folder / "endpoints" / "endpoint.yaml"

    def checks(self) -> dict[str, Any]:
        found: dict[str, Any] = self.gateway.client.get("/health").json()["checks"]
        return found

    def alerts(self, endpoint: str) -> list[str]:
        """Return the kinds of an endpoint's open alerts: no ingest runs here, so there may be one on capture."""
        return [alert.kind for alert in self.project.stores.alerts.find(endpoint, "open")]

    def problem(self, name: str) -> str | None:
        found: str | None = self.checks()["configurations"]["problems"].get(name)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("configurations") / "project")
    spec = add_endpoint(project, "typed", "  allow_pickle: true\n", task="multiclass")
    put_live_as_it_is(project, spec, typed(), echo())
    for rows in (569, 300):
        version = train_first(project, cancer_frame().head(rows)).version
        deploy(project.stores, project.spec, version, actor="test", reason="test", force=True)
    return project


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[RunningGateway]:
    with running_gateway(project) as running:
        yield running


@pytest.fixture
def world(project: Project, gateway: RunningGateway) -> Iterator[World]:
    world = World(project, gateway)
    wait_until(lambda: kept_of(project.stores.settings, "cancer") is not None, SECONDS)
    files = {path: path.read_text() for path in (project.folder / "endpoints").glob("*.yaml")}
    yield world
    _put_back(project, files)
    wait_until(lambda: not world.checks()["configurations"]["problems"], SECONDS)


def _put_back(project: Project, files: dict[Path, str]) -> None:
    for path in (project.folder / "endpoints").iterdir():
        if path.is_dir():
            path.rmdir()
        elif path.read_text() != files.get(path) if path.is_file() else True:
            path.unlink()
    for path, content in files.items():
        if not path.exists():
            path.write_text(content)


@contextmanager
def asked_all_along(gateway: RunningGateway, endpoint: str, row: dict[str, Any]) -> Iterator[list[int]]:
    """Ask for predictions without a pause while the block runs; yield the statuses."""
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(gateway.predict([row], endpoint).status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()


def _add(line: str) -> Callable[[str], str]:
    return lambda content: content + f"  {line}\n"


def _replace(old: str, new: str) -> Callable[[str], str]:
    return lambda content: content.replace(old, new)


HELD: dict[str, Callable[[str], str]] = {
    "row_wise": _add("row_wise: false"),
    "accept_pickles": _add(f"accept_pickles: [{'a' * 64}]"),
    "allow_pickle": _add("allow_pickle: true"),
    "classes": _add("classes: ['0', '1']"),
    "limits": _add("limits: {concurrent: 7}"),
}
REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "another model": (_replace("tumours", "growths"), "serves versions of model 'tumours', and its YAML names"),
    "another task": (_replace("binary_classification", "regression"), "its classes 0, 1, and the task is a regression"),
}


@pytest.mark.parametrize("edit", HELD.values(), ids=HELD)
def test_a_configuration_is_taken_over_without_one_refused_request(world: World, edit: Callable[[str], str]) -> None:
    settings = world.project.stores.settings
    with asked_all_along(world.gateway, "cancer", ROW) as statuses:
        world.file.write_text(edit(CANCER_YAML))
        wanted = read_endpoint(world.file)
        wait_until(lambda: (kept := kept_of(settings, "cancer")) is not None and kept.spec == wanted, SECONDS)
    assert {200} == set(statuses)


@pytest.mark.parametrize(("edit", "said"), REFUSED.values(), ids=REFUSED)
def test_a_configuration_that_cannot_be_served_is_refused_and_told(
    world: World, edit: Callable[[str], str], said: str
) -> None:
    with asked_all_along(world.gateway, "cancer", ROW) as statuses:
        world.file.write_text(edit(CANCER_YAML))
        wait_until(lambda: world.problem("cancer") is not None, SECONDS)
    assert {200} == set(statuses)
    assert said in str(world.problem("cancer"))
    shown = world.gateway.client.get("/endpoints/cancer").json()
    assert ("active", True) == (shown["status"], said in shown["problem"])
    wait_until(lambda: "configuration" in world.alerts("cancer"), SECONDS)
    world.file.write_text(CANCER_YAML)
    wait_until(lambda: world.problem("cancer") is None, SECONDS)
    wait_until(lambda: "configuration" not in world.alerts("cancer"), SECONDS)


def test_a_pickle_is_served_on_when_its_configuration_no_longer_accepts_it(world: World) -> None:
    path = world.project.folder / "endpoints" / "typed.yaml"
    row = world.gateway.client.get("/endpoints/typed/example").json()["dataframe_records"][0]
    with asked_all_along(world.gateway, "typed", row) as statuses:
        path.write_text(path.read_text().replace("allow_pickle: true", "allow_pickle: false"))
        wait_until(lambda: world.problem("typed") is not None, SECONDS)
    assert {200} == set(statuses)
    assert "is refused: its format can execute code" in str(world.problem("typed"))


def test_a_deploy_of_another_model_than_the_served_one_is_refused(world: World) -> None:
    world.file.write_text(CANCER_YAML.replace("tumours", "growths"))
    with pytest.raises(ConflictError, match="serves versions of model 'tumours', and its YAML names model 'growths'"):
        deploy(world.project.stores, read_endpoint(world.file), "1", actor="test", reason="test", force=True)


@pytest.mark.parametrize("fault", TOLD)
def test_a_faulty_file_is_told_and_its_endpoint_and_others_are_served_on(world: World, fault: str) -> None:
    FAULTS[fault](world.file)
    wait_until(lambda: world.problem("cancer") is not None, SECONDS)
    assert 200 == world.gateway.predict([ROW]).status_code
    assert "failed" not in {one["status"] for one in world.gateway.client.get("/endpoints").json()}
    world.file.unlink()
    world.file.write_text(CANCER_YAML)
    wait_until(lambda: world.problem("cancer") is None, SECONDS)


def test_a_rollback_of_an_endpoint_with_a_faulty_file_is_served(world: World) -> None:
    FAULTS["no YAML"](world.file)
    wait_until(lambda: world.problem("cancer") is not None, SECONDS)
    roll_back(world.project.stores, world.project.spec, actor="test", reason="test")
    assert 200 == world.gateway.predict([ROW]).status_code
    assert "1" == world.gateway.client.get("/endpoints/cancer").json()["version"]


def test_a_file_that_is_written_anew_leaves_its_endpoint_where_it_is(world: World) -> None:
    with asked_all_along(world.gateway, "cancer", ROW) as statuses:
        for _ in range(5):
            world.file.unlink()
            threading.Event().wait(0.3)
            world.file.write_text(CANCER_YAML)
    assert {200} == set(statuses)


def test_a_file_with_another_name_is_its_endpoint_s_when_it_gets_a_fault(world: World) -> None:
    renamed = world.file.rename(world.file.with_name("renamed.yaml"))
    settings = world.project.stores.settings
    wait_until(lambda: (kept := kept_of(settings, "cancer")) is not None and kept.file == "renamed.yaml", SECONDS)
    with asked_all_along(world.gateway, "cancer", ROW) as statuses:
        renamed.write_text("attributes: [")
        wait_until(lambda: world.problem("cancer") is not None, SECONDS)
        threading.Event().wait(3)
    assert {200} == set(statuses)


def test_an_endpoint_whose_file_is_removed_is_removed(world: World) -> None:
    extra = world.project.folder / "endpoints" / "extra.yaml"
    extra.write_text(CANCER_YAML.replace("cancer", "extra"))
    wait_until(lambda: kept_of(world.project.stores.settings, "extra") is not None, SECONDS)
    extra.unlink()
    wait_until(lambda: world.gateway.client.get("/endpoints/extra").status_code == 404, SECONDS)
    wait_until(lambda: kept_of(world.project.stores.settings, "extra") is None, SECONDS)


def test_a_gateway_starts_with_every_fault_at_once_and_serves_by_what_served_last(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    deploy(project.stores, project.spec, train_first(project).version, actor="test", reason="test")
    path = project.folder / "endpoints" / "endpoint.yaml"
    for number, fault in enumerate(FAULTS):
        other = project.folder / "endpoints" / f"other{number}.yaml"
        other.write_text(CANCER_YAML.replace("cancer", f"other{number}"))
        FAULTS[fault](other)
    for content in (CANCER_YAML.replace("tumours", "growths"), CANCER_YAML, "name: ["):
        path.write_text(content)
        with running_gateway(project) as gateway:
            assert 200 == gateway.predict([ROW]).status_code
            problems = gateway.client.get("/health").json()["checks"]["configurations"]["problems"]
            assert len(TOLD) + (content != CANCER_YAML) == len(problems)


def test_a_version_and_the_configuration_that_only_it_can_be_served_with_go_live_together(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    spec = add_endpoint(project, "typed", "  allow_pickle: true\n", task="multiclass")
    put_live_as_it_is(project, spec, typed(), echo())
    second = record_as_foreign(project, register_as_own(project, spec, echo(), typed()))
    path = project.folder / "endpoints" / "typed.yaml"
    with running_gateway(project) as gateway:
        row = gateway.client.get("/endpoints/typed/example").json()["dataframe_records"][0]
        path.write_text(path.read_text().replace("allow_pickle: true", f"accept_pickles: [{second.files_hash}]"))
        wait_until(lambda: "typed" in _problems(gateway), SECONDS)
        with asked_all_along(gateway, "typed", row) as statuses:
            deploy(project.stores, read_endpoint(path), second.version, actor="test", reason="test", force=True)
            wait_until(lambda: not _problems(gateway), SECONDS)
        assert {200} == set(statuses)
        assert second.version == gateway.client.get("/endpoints/typed").json()["version"]


def _problems(gateway: RunningGateway) -> dict[str, str]:
    found: dict[str, str] = gateway.client.get("/health").json()["checks"]["configurations"]["problems"]
    return found
