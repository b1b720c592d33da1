"""The job ``evaluate`` judges any registered version; steps of a retraining without the ones before say what to do."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest

from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import VERSION
from tests.support.project import CANCER_YAML, cancer_frame, train_first
from tests.worlds.dagster_project import START, World, failure_of, world

LOW = "  gate: {min_days: 4, min_rows: 50, min_regimes: 1, regime_min_rows: 50}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a project with a champion, and version 2, trained on wrong labels."""
    with world(tmp_path_factory.mktemp("evaluating"), yaml=CANCER_YAML + LOW) as made:
        frame = cancer_frame()
        frame = frame.assign(event_time=[START + timedelta(days=row % 60) for row in range(len(frame))])
        train_first(made.project, frame)
        train_first(made.project, frame.assign(benign=1 - frame["benign"]))
        deploy(made.project.stores, made.project.spec, "1", actor="ann", reason="first")
        yield made


def metadata_of(run: dg.ExecuteInProcessResult) -> dict[str, str]:
    [event] = [one for one in run.all_events if one.is_successful_output]
    return {name: str(value.value) for name, value in event.step_output_data.metadata.items()}


def test_a_version_that_fails_fails_the_run_with_the_numbers(made: World) -> None:
    run = made.run("evaluate", version="2")
    assert not run.success
    assert failure_of(run).startswith("Version 2: fail: ")
    gate = made.project.stores.gates.of("cancer")[-1]
    assert (FAIL, "2", "1") == (gate.verdict, gate.version, gate.champion)


def test_without_enough_evidence_the_run_succeeds_and_says_so(made: World) -> None:
    path = made.project.folder / "endpoints" / "endpoint.yaml"
    before = path.read_text()
    path.write_text(before.replace("min_rows: 50,", "min_rows: 5000,"))
    try:
        run = made.run("evaluate", version="2")
    finally:
        path.write_text(before)
    assert run.success
    assert NOT_ENOUGH == metadata_of(run)["verdict"]
    assert "but 5000 rows and 4 days are required" in metadata_of(run)["reason"]


@pytest.mark.parametrize(
    ("version", "message"), [("77", "77"), ("1", "Version 1 is the champion of 'cancer': there is nothing to compare")]
)
def test_what_cannot_be_judged_fails_with_its_reason(made: World, version: str, message: str) -> None:
    run = made.run("evaluate", version=version)
    assert not run.success
    assert message in failure_of(run)
    assert "IndexError" not in failure_of(run)


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        ("training_set", "No prediction of endpoint 'cancer' has a label yet. Send labels: "),
        ("candidate", "Endpoint 'cancer' has no training set to train on. Materialise cancer/training_set first, or "),
        ("evaluation", "Endpoint 'cancer' has no candidate to evaluate: it was never retrained. Materialise "),
    ],
)
def test_each_asset_of_a_retraining_says_what_it_lacks(
    tmp_path_factory: pytest.TempPathFactory, asset: str, message: str
) -> None:
    with world(tmp_path_factory.mktemp(asset)) as fresh:
        fresh.project.stores.deployments.record_version(VERSION)  # so that the log has features
        run = fresh.materialise([asset])
        assert not run.success
        assert failure_of(run).startswith(message)
