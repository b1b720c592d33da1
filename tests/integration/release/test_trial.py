"""A version that cannot serve never goes live, with or without a gateway, and whoever looks is told why."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from modelops_pipelines.cli.main import cli
from modelops_pipelines.core.errors import AcknowledgementError, ModelError
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.models.trial import try_version
from modelops_pipelines.operations.release.commands import deploy, roll_back
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes import moody_models as moody
from tests.support.command_line import enter_project
from tests.support.gateway import running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.versions import record_as_foreign
from tests.support.waiting import wait_until

WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
Command = Callable[..., click.testing.Result]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project", CANCER_YAML + "  allow_pickle: true\n")
    yield made
    made.stores.database.close()


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return how to run a command on the project in this process."""
    enter_project(project, monkeypatch)

    def run(*arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(cli, arguments)

    return run


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (moody.RAISE, "fails on its own input example (1 row): ValueError: … of … radii make no sense"),
        (moody.EXIT, "ended its process when it was tried (exit code 7): out of paper"),
        (moody.CRASH, "ended its process when it was tried (SIGSEGV)"),
    ],
)
def test_a_deploy_without_a_gateway_is_refused_and_changes_nothing(
    project: Project, command: Command, mood: float, why: str
) -> None:
    version = trained(project, mood)
    done = command("deploy", "cancer", version.version)
    assert isinstance(done.exception, ModelError)
    assert why in str(done.exception)
    state = project.stores.deployments.desired("cancer")
    assert (0, ()) == (state.generation, state.variants)
    [listed] = json.loads(command("endpoint", "list", "--json").stdout)
    shown = json.loads(command("endpoint", "show", "cancer", "--json").stdout)
    for found in (listed, shown):
        assert ("failed", True) == (found["status"], why in found["problem"])


@pytest.mark.usefixtures("cold_answering")
def test_a_version_that_hangs_is_refused_at_the_deadline(project: Project) -> None:
    version = trained(project, moody.HANG)
    with pytest.raises(ModelError, match="did not load and answer its example within 8 s; its process was killed"):
        try_version(version, project.spec, deadline=8)


@pytest.mark.usefixtures("cold_answering")
def test_a_version_that_answers_is_tried_as_a_command_starts_it(project: Project) -> None:
    version = train_first(project)
    tried = try_version(version, project.spec)
    assert (version.version, version.classes) == (tried.version, tried.classes)


def test_a_version_that_breaks_before_a_gateway_starts_is_pending_then_failed_with_its_error(
    project: Project, command: Command
) -> None:
    version = train_first(project)
    deploy(project.stores, project.spec, version.version, **WHO)
    [pending] = json.loads(command("endpoint", "list", "--json").stdout)
    assert ("1", "pending", "no gateway worker has served it yet") == (
        pending["champion"],
        pending["status"],
        pending["problem"],
    )
    next(Path(version.artifact_uri).glob("*.skops")).write_bytes(b"damaged")
    with running_gateway(project, ready=False) as gateway:
        wait_until(lambda: project.stores.deployments.desired("cancer").champion is None, 30)
        wait_until(lambda: gateway.client.get("/endpoints/cancer").json()["generation"] == 2, 30)
        served, health = gateway.client.get("/endpoints/cancer").json(), gateway.client.get("/health").json()
    [listed] = json.loads(command("endpoint", "list", "--json").stdout)
    shown = json.loads(command("endpoint", "show", "cancer", "--json").stdout)
    for found in (listed, shown, served):
        assert "failed" == found["status"]
        assert "has changed since it was recorded" in found["problem"]
    assert not health["checks"]["versions"]["ok"]
    assert "has changed since it was recorded" in health["checks"]["versions"]["failed"]["cancer"]


def test_the_cause_and_the_remedy_reach_the_one_who_deploys_to_a_running_gateway(project: Project) -> None:
    version = trained(project, moody.RAISE)
    with running_gateway(project, ready=False):
        wait_until(lambda: project.stores.deployments.acknowledgements("cancer", project.stores.now()), 30)
        with pytest.raises(AcknowledgementError) as refused:
            deploy(project.stores, project.spec, version.version, **WHO)
    assert "ValueError: … of … radii make no sense. Log a version that can predict" in refused.value.message
    assert "log" not in refused.value.remedy


def test_a_version_that_served_before_is_served_on_although_it_does_not_prove_itself(
    project: Project, command: Command
) -> None:
    version = train_first(project)
    deploy(project.stores, project.spec, version.version, **WHO)
    with running_gateway(project):
        wait_until(lambda: not project.stores.deployments.unsettled("cancer"), 30)
    example = Path(version.artifact_uri) / "input_example.json"
    names = json.loads(example.read_text())["columns"]
    example.write_text(json.dumps({"columns": names, "data": [[None] * len(names)]}))
    record_as_foreign(project, version)
    with running_gateway(project) as gateway:
        assert 200 == gateway.predict(rows_of(cancer_frame().head(2))).status_code
        assert "mlflow" == gateway.client.get("/endpoints/cancer").json()["way"]["path"]
        wait_until(lambda: "does not prove itself" in command("endpoint", "list").stdout, 30)


def test_a_rollback_without_a_gateway_does_not_try_what_served_before(project: Project) -> None:
    first, second = train_first(project), train_first(project, cancer_frame().head(400))
    deploy(project.stores, project.spec, first.version, **WHO)
    deploy(project.stores, project.spec, second.version, force=True, **WHO)
    next(Path(first.artifact_uri).glob("*.skops")).write_bytes(b"damaged")
    assert first.version == roll_back(project.stores, project.spec, **WHO).to_version


def trained(project: Project, mood: float) -> ModelVersion:
    """Register a version that always behaves so, once it is not in the process that trained it."""
    return trainers.train_first(project.stores, project.spec, cancer_frame(), moody.moody(mood))
