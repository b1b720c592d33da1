"""A real MLflow server as the registry: all of a release works on it, and without it what is live goes on."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelops_pipelines.core.errors import RegistryError, UnknownError
from modelops_pipelines.operations.release.commands import deploy, roll_back, sync_registry
from modelops_pipelines.store.registry.availability import registry_fault
from modelops_pipelines.store.settings import load_settings
from modelops_pipelines.store.stores import Stores
from tests.support.command_line import modelops
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, make_project, rows_of, train_first
from tests.support.registry_server import RegistryServer, registry_server

ROWS = rows_of(cancer_frame().head(2))
WHO = {"actor": "test", "reason": "test"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def project(server: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project on the server with two versions, of which the second is live."""
    folder = tmp_path_factory.mktemp("remote") / "project"
    project = make_project(folder, MODELOPS_REGISTRY_URI=server.uri)
    for rows in (569, 300):
        version = train_first(project, cancer_frame().head(rows))
        deploy(project.stores, project.spec, version.version, force=True, **WHO)
    sync_registry(project.stores, project.spec)
    return project


def anew(project: Project) -> Stores:
    """Return the project's stores as another process opens them."""
    return Stores(project.stores.settings)


def test_what_is_trained_is_on_the_server_and_served_from_here(project: Project) -> None:
    stores = anew(project)
    assert (["1", "2"], {"champion": "2"}) == (stores.registry.versions("tumours"), stores.registry.aliases("tumours"))
    assert stores.settings.models == stores.deployments.versions("tumours")[0].folder.parent
    assert [] == [path for path in stores.settings.models.iterdir() if path.name.startswith(".")]
    with running_gateway(project) as gateway:
        assert 200 == gateway.predict(ROWS).status_code
        assert gateway.client.get("/health").json()["checks"]["registry"]["ok"]


def test_a_version_that_others_registered_on_the_server_is_fetched_and_deployed(
    project: Project, tmp_path: Path
) -> None:
    other = make_project(tmp_path / "other", MODELOPS_REGISTRY_URI=project.stores.settings.registry_uri)
    change = deploy(other.stores, other.spec, "1", **WHO)
    assert ("1", True) == (change.to_version, change.changed)
    reference = other.stores.references.read("tumours", "1")
    assert reference is not None
    with pytest.raises(UnknownError, match=r"The registry has no version '99' of model 'tumours'.*its versions: 1, 2"):
        deploy(other.stores, other.spec, "99", **WHO)


def test_fetching_files_writes_nothing_between_the_lines_of_a_log(
    project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = make_project(tmp_path / "other", MODELOPS_REGISTRY_URI=project.stores.settings.registry_uri)
    assert other.stores.registry.describe("tumours", "2").folder.is_dir()
    assert "Downloading" not in capfd.readouterr().err


def test_while_the_server_is_down_what_is_live_goes_on_and_commands_say_so_soon(
    project: Project, server: RegistryServer, tmp_path: Path
) -> None:
    other = make_project(tmp_path / "other", MODELOPS_REGISTRY_URI=server.uri)
    server.end()
    try:
        began = time.monotonic()
        done = modelops(other, "deploy", "cancer", "1")
        seen = time.monotonic() - began
        doctor = {one["check"]: one for one in modelops(project, "doctor", "--json").json}
        with pytest.raises(RegistryError, match="does not answer"):
            train_first(replace(other, stores=anew(other)))
        with running_gateway(project) as gateway:
            assert "1" == roll_back(anew(project), project.spec, **WHO).to_version
            assert 200 == gateway.predict(ROWS).status_code
            assert not gateway.client.get("/health").json()["checks"]["registry"]["ok"]
            back = modelops(project, "deploy", "cancer", "2", "--force", "--reason", "test")
        assert (0, True) == (back.code, "its aliases follow" in back.err)
    finally:
        server.start()
    assert (4, "") == (done.code, done.out)
    assert f"The model registry {server.uri} does not answer" in done.err
    assert seen < 60
    assert not doctor["registry"]["ok"]
    assert "does not answer" in doctor["registry"]["found"]
    sync_registry(anew(project), project.spec)
    assert {"champion": "2"} == anew(project).registry.aliases("tumours")


def test_a_server_that_goes_while_it_is_asked_is_told_the_same(project: Project, server: RegistryServer) -> None:
    registry = anew(project).registry
    server.end()
    try:
        for ask in (
            lambda: registry.versions("tumours"),
            lambda: registry.aliases("tumours"),
            lambda: registry.describe("tumours", "1"),
            lambda: registry.versions_below("tumours", None, 5),
            lambda: registry.set_aliases("tumours", {"champion": "1"}),
        ):
            with pytest.raises(RegistryError, match="does not answer"):
                ask()
    finally:
        server.start()


def test_a_port_that_takes_connections_and_never_answers_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "TimeoutError" == registry_fault(uri, 0.2)
        with pytest.raises(RegistryError, match="does not answer"):
            _ = Stores(load_settings(tmp_path, {"MODELOPS_REGISTRY_URI": uri})).registry
