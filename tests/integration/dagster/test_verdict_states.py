"""Everything that shows a verdict has three states: passed, failed and not judged, which is neither."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest

from modelops_pipelines.assets.improve import GATE, gate_check
from modelops_pipelines.assets.metadata import asset_results, check_results, key, markdown_table, not_judged_rules
from modelops_pipelines.core.alerting.alerts import Verdict, with_states
from modelops_pipelines.core.evaluation.gate import FAIL, NOT_ENOUGH, PASS
from modelops_pipelines.core.tables.lake import DATA_QUALITY, DRIFT
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.reports.health_page import write_health_page
from modelops_pipelines.store.state.improve.gates import Gate
from tests.fakes.lake_rows import write
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.command_line import modelops
from tests.support.project import CANCER_YAML, Project, make_project
from tests.worlds.dagster_project import World, shown_of, world

RULES = "  alerts: [{kind: error_rate, above: 0.1}, {kind: quality, metric: brier_skill, below: 0}]\n"
STATES = {True: "passed", False: "failed", None: "not judged"}
WINDOW = "2026-03-01T22:00:00Z"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project", CANCER_YAML + RULES)
    made.stores.deployments.record_version(VERSION)
    yield made
    made.stores.database.close()


def verdict(passed: bool | None) -> Verdict:  # noqa: FBT001 - the verdict itself
    about = "not judged: 3 requests; a verdict needs 20" if passed is None else "error_rate 0.2"
    return Verdict("error_rate", "error_rate", "error", passed, None, None, 30, WINDOW, about)


def as_check(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    verdicts = [verdict(passed)]
    shown = check_results(project.spec, "service_metrics", verdicts)
    unjudged = not_judged_rules(verdicts)
    [made, *outputs] = asset_results(key(project.spec, "service_metrics"), {}, shown, unjudged)
    return f"{[one.passed for one in shown]} {made.metadata} {[type(one).__name__ for one in outputs]}"


def as_gate(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    word = {True: PASS, False: FAIL, None: NOT_ENOUGH}[passed]
    gate = Gate(project.spec.name, "2", "1", "data", "gate", word, {"reason": "a reason"}, START)
    shown, unjudged = gate_check(gate, dg.AssetKey(["cancer", "evaluation"]))
    return f"{[one.passed for one in shown]} {unjudged}"


def as_rule_on_the_page(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    raise_alerts(project.stores, project.spec.name, [verdict(passed)])
    page = write_health_page(project.stores, project.spec).read_text()
    rules = page.partition("<th>Newest verdict</th>")[2]
    return rules.partition('<th scope="row">error_rate</th><td><span class="chip')[2].partition("</tr>")[0]


def as_rule_in_the_command(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    raise_alerts(project.stores, project.spec.name, [verdict(passed)])
    return next(line for line in modelops(project, "alert", "rules", "cancer").out.splitlines() if "error_rate" in line)


def drift_rows(project: Project, passed: bool | None) -> None:  # noqa: FBT001
    drifted = None if passed is None else not passed
    row = {"window_start": START.replace(minute=0), "model_version": "1", "column": "x", "kind": "numeric", "n": 50}
    measured = {"statistic": "psi", "value": None if passed is None else 0.1, "threshold": 0.2, "n_reference": 100}
    write(project.stores, project.spec, DRIFT, [{**row, **measured, "drifted": drifted}])


def as_drift_in_the_command(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    drift_rows(project, passed)
    return modelops(project, "drift", "cancer").out.splitlines()[-1]


def as_drift_on_the_page(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    drift_rows(project, passed)
    page = write_health_page(project.stores, project.spec).read_text()
    return page.partition("<h2>Drift</h2>")[2].partition("<tbody>")[2].partition("</section>")[0]


def as_chunks_on_the_page(project: Project, passed: bool | None) -> str:  # noqa: FBT001
    hour = START.replace(minute=0)
    found = {"column": "x", "channel": "range", "value": 0.5, "reason": "x: unusual"} if passed is False else {}
    chunk = {"window_start": hour, "model_version": "1", "chunk": 0, "first_event": hour, "n": 9, "passed": passed}
    write(project.stores, project.spec, DATA_QUALITY, [{**chunk, **found}])
    page = write_health_page(project.stores, project.spec).read_text()
    return page.partition("<h2>Data quality</h2>")[2].partition("</figure>\n  </div>")[2].partition("</section>")[0]


def as_table_in_dagster(project: Project, passed: bool | None) -> str:  # noqa: FBT001 - the renderers' form
    return str(
        markdown_table([with_states({"n": 5, "passed": passed, "drifted": None if passed is None else not passed})])
    )


RENDERERS: list[Callable[[Project, bool | None], str]] = [
    as_check,
    as_gate,
    as_rule_on_the_page,
    as_rule_in_the_command,
    as_drift_in_the_command,
    as_drift_on_the_page,
    as_chunks_on_the_page,
    as_table_in_dagster,
]


@pytest.mark.parametrize("render", RENDERERS, ids=lambda one: one.__name__)
def test_not_judged_looks_neither_like_a_pass_nor_like_a_failure(
    project: Project, render: Callable[[Project, bool | None], str]
) -> None:
    shown = {passed: render(project, passed) for passed in STATES}
    assert 3 == len(set(shown.values())), shown
    assert "not judged" in shown[None].lower(), shown
    assert "not judged" not in (shown[True] + shown[False]).lower(), shown
    assert "True" not in shown[None]


def test_the_card_of_open_alerts_is_green_only_when_every_rule_was_judged(project: Project) -> None:
    def card() -> str:
        page = write_health_page(project.stores, project.spec).read_text()
        return page.partition("<h2>open alerts</h2>")[0].rpartition('<div class="card')[2]

    assert "good" not in card()
    raise_alerts(project.stores, "cancer", [verdict(True)])
    assert "good" not in card()
    other = replace(verdict(True), rule="quality_brier_skill", kind="quality")
    raise_alerts(project.stores, "cancer", [other])
    assert "good" in card()
    assert "rules not judged" not in write_health_page(project.stores, project.spec).read_text()


def test_no_drifted_column_is_not_said_of_columns_that_were_not_judged(project: Project) -> None:
    drift_rows(project, None)
    assert "; 1 of 1 were not judged." in modelops(project, "drift", "cancer", "--drifted").err
    drift_rows(project, True)
    assert "not judged" not in modelops(project, "drift", "cancer", "--drifted").err


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a project that answered three requests: too few for any rule."""
    with world(tmp_path_factory.mktemp("quiet"), yaml=CANCER_YAML + RULES) as made:
        made.project.stores.deployments.record_version(VERSION)
        records = [request_record("cancer", number, START + timedelta(minutes=number), 1) for number in range(3)]
        write_segment(made.project.stores, "cancer", "predictions", "w", records)
        yield made


def status_of(made: World, asset: str, check: str) -> str:
    """Return the state that Dagster's pages show for the newest execution of a check."""
    key = dg.AssetCheckKey(dg.AssetKey(["cancer", asset]), check)
    record = made.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    status: Any = asyncio.run(record.resolve_status(LoadingContextForTest(made.instance)))
    return str(status.value)


def test_dagster_shows_a_check_that_was_not_judged_as_skipped_and_the_asset_says_why(quiet: World) -> None:
    spec = read_endpoint(quiet.project.folder / "endpoints" / "endpoint.yaml")
    run = quiet.materialise(["inference_log", "labels", *spec.monitored])
    assert run.success
    skipped = {
        ("service_metrics", "error_rate"): "3 requests; a verdict needs 20",
        ("quality_metrics", "quality_brier_skill"): "not judged: ",
        ("labels", "nothing_rejected"): "this run read 0 records",
        ("labels", "joins_the_log"): "0 predictions with a label or feedback",
    }
    for (asset, check), reason in skipped.items():
        assert "SKIPPED" == status_of(quiet, asset, check)
        shown = shown_of(run, asset)
        assert reason in str(shown.metadata["not_judged"].value)
    for asset, check in (("inference_log", "nothing_rejected"), ("key_usage", "key_usage_complete")):
        assert "SUCCEEDED" == status_of(quiet, asset, check)
    assert GATE not in {said.check_name for said in run.get_asset_check_evaluations()}
