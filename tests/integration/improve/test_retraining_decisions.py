"""Whether to retrain is decided on what is stored: the harm of a drift, failures before, what was spent, ages."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.improvement import Retraining
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.operations.improve.retraining.decisions import decide_retraining, decide_retrainings
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.state.capture.ingest_progress import Progress
from tests.fakes.lake_rows import write
from tests.support.project import Project
from tests.worlds.trained import make_trained

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BEGAN, DAYS = 40, 50
RULES = Retraining(min_new_labels=100, cooldown=7 * DAY)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made, _ = make_trained(tmp_path / "project")
    made.spec = replace(
        made.spec, window="day", retraining=RULES, alerts=(AlertRule("drift"), AlertRule("quality", "auc"))
    )
    deploy(made.stores, made.spec, "1", actor="ann", reason="first")
    made.stores.ingest_progress.record(Progress("cancer", FIRST + DAYS * DAY, 10_000, 5_000), made.stores.now())
    yield made
    made.stores.database.close()


def open_alert(project: Project, rule: str, kind: str) -> None:
    verdict = Verdict(rule, kind, "error", False, 1.0, 0.0, 100, text(FIRST + BEGAN * DAY), "it failed")
    raise_alerts(project.stores, "cancer", [verdict])


def store_estimates(project: Project, loss_since: float, importance: float = 0.4) -> None:
    """Write an estimated loss of every day, another one since the drift began, and the drift of that day."""
    base = {"model_version": "1", "predictions": 900, "scored": 900, "labelled": 5000}
    losses = [0.4 + 0.01 * (day % 3) + (loss_since if day >= BEGAN else 0.0) for day in range(DAYS)]
    rows: list[dict[str, Any]] = [
        {**base, "window_start": FIRST + day * DAY, "log_loss": loss} for day, loss in enumerate(losses)
    ]
    write(project.stores, project.spec, ESTIMATED_QUALITY, rows)
    column = {"kind": "numeric", "statistic": "psi", "n": 900, "n_reference": 5000, "drifted": True}
    named = {"window_start": FIRST + BEGAN * DAY, "model_version": "1", "column": "mean_radius"}
    write(project.stores, project.spec, DRIFT, [{**column, **named, "importance": importance}])


def test_a_drift_without_harm_is_refused_with_the_numbers_that_say_so(project: Project) -> None:
    open_alert(project, "drift", "drift")
    store_estimates(project, loss_since=0.0)
    decision = decide_retraining(project.stores, project.spec)
    assert not decision.start
    assert decision.reason.startswith("drift does no harm: quality has not fallen (0 earlier and 0 new windows with ")
    assert "estimated log_loss 0.41" in decision.reason
    [signal] = decision.numbers["signals"]
    assert {"mean_radius": 0.4} == signal["numbers"]["columns"]


def test_a_drift_of_a_column_that_matters_with_a_worse_estimate_starts(project: Project) -> None:
    open_alert(project, "drift", "drift")
    store_estimates(project, loss_since=0.2)
    decision = decide_retraining(project.stores, project.spec)
    assert decision.start
    assert decision.reason.startswith("drift (drift of mean_radius 0.40 (importance); estimated log_loss 0.6")
    assert decision.reason.endswith("; 5000 new labels (at least 100)")


def test_a_drift_of_a_column_that_does_not_matter_is_refused(project: Project) -> None:
    open_alert(project, "drift", "drift")
    store_estimates(project, loss_since=0.2, importance=0.01)
    expected = "drift does no harm: no drifted column matters (largest importance 0.010, limit 0.05)"
    assert expected == decide_retraining(project.stores, project.spec).reason


def test_a_quality_alert_needs_no_harm_of_a_drift(project: Project) -> None:
    open_alert(project, "quality_auc", "quality")
    assert "quality_auc; 5000 new labels (at least 100)" == decide_retraining(project.stores, project.spec).reason


def test_signals_that_the_yaml_does_not_list_start_nothing(project: Project) -> None:
    open_alert(project, "quality_auc", "quality")
    aged = replace(project.spec, retraining=replace(RULES, signals=("age",), max_age=DAY * 3650))
    assert "no drift or quality alert is open" == decide_retraining(project.stores, aged).reason


def test_an_old_champion_is_a_signal_without_any_alert(project: Project) -> None:
    stores = project.stores
    stores.ingest_progress.record(Progress("cancer", stores.now() + 10 * DAY, 10_000, 5_000), stores.now())
    aged = replace(project.spec, retraining=replace(RULES, max_age=7 * DAY))
    [(_, decision)] = decide_retrainings(stores, [aged])
    assert (True, "age (champion's data ends 10 days ago, limit 7d); 5000 new labels (at least 100)") == (
        decision.start,
        decision.reason,
    )


def test_failures_and_spent_minutes_are_counted_from_what_is_stored(project: Project) -> None:
    stores = project.stores
    open_alert(project, "quality_auc", "quality")
    early = FIRST + (DAYS - 8) * DAY
    number = stores.retrainings.start("cancer", early, "quality_auc", stores.now())
    run = stores.training_runs.start("cancer", number, "trees", "abc", 1, stores.now())
    stores.training_runs.end(run, stores.now(), {"status": "failed", "failure": "timed out", "seconds": 60 * 700.0})
    stores.retrainings.fail("cancer", "timed out", stores.now())
    decision = decide_retraining(stores, project.spec)
    assert "1 retraining(s) in a row failed (latest: timed out): not again before 2026-02-26T00" in decision.reason
    stores.retrainings.finish("cancer", "abc", "2", stores.now())
    expected = "signal quality_auc, but the budget is spent: 700.0 of 600 minutes of training in 30d"
    assert expected == decide_retraining(stores, project.spec).reason


def test_the_latest_decision_is_kept_with_its_numbers_and_when_it_was_first_made(project: Project) -> None:
    stores = project.stores
    list(decide_retrainings(stores, [project.spec]))
    first = stores.retraining_decisions.of("cancer")
    assert first is not None
    assert (False, "no drift or quality alert is open") == (first.start, first.reason)
    list(decide_retrainings(stores, [project.spec]))
    assert first == stores.retraining_decisions.of("cancer")
    open_alert(project, "quality_auc", "quality")
    [(_, decision)] = decide_retrainings(stores, [project.spec])
    kept = stores.retraining_decisions.of("cancer")
    assert kept is not None
    assert (decision.start, decision.reason, dict(decision.numbers)) == (kept.start, kept.reason, kept.numbers)


def test_a_retraining_that_never_ended_counts_as_lost_when_the_next_one_starts(project: Project) -> None:
    stores = project.stores
    stores.retrainings.start("cancer", None, "drift", stores.now())
    stores.retrainings.start("cancer", None, "drift", stores.now(), {"signals": []})
    first, second = stores.retrainings.of("cancer")
    assert ("lost", None) == (first.failure, second.failure)
    assert first.ended_at is not None
    assert {"signals": []} == second.evidence
