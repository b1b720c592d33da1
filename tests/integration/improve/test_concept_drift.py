"""Errors beyond those that the model itself expects are found on its own past, and the alert says if inputs moved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.store.state.capture.ingest_progress import Progress
from tests.fakes.lake_rows import write
from tests.support.project import Project, make_project

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RULE = AlertRule("quality", metric="excess_errors", above=0)
ROWS = 900
Series = list[tuple[float, float]]
"""By day: the share of errors, and the share that the scores expect."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.spec = replace(made.spec, window="day", label_horizon=timedelta(hours=36), alerts=(RULE,))
    return made


def steady(days: int, seed: int = 7) -> Series:
    """Return days of which the errors differ from the expected ones by noise that lasts for days."""
    draw, level, made = np.random.default_rng(seed), 0.0, []
    for _ in range(days):
        level = 0.4 * level + draw.normal(0, 0.03)
        made.append((0.2 + level, 0.2))
    return made


def store(project: Project, series: Series, *, drifted: bool = False, estimated: bool = True) -> list[datetime]:
    """Write the derived rows of days from FIRST on, and let the labels of all of them be in; return the days."""
    days = [FIRST + number * DAY for number in range(len(series))]
    rows: list[dict[str, Any]] = [{"window_start": day, "model_version": "1"} for day in days]
    of_labels = {"segment": WHOLE, "segment_value": "", "predictions": ROWS, "labelled": ROWS, "coverage": 1.0}
    counts = {"feedback": 0, "complaints": 0}
    quality = [
        {**row, **of_labels, **counts, "accuracy": 1 - errors} for row, (errors, _) in zip(rows, series, strict=True)
    ]
    write(project.stores, project.spec, QUALITY_METRICS, quality)
    estimate = {"predictions": ROWS, "scored": ROWS, "labelled": 5000}
    expected = [{**row, **estimate, "accuracy": 1 - expected} for row, (_, expected) in zip(rows, series, strict=True)]
    if estimated:
        write(project.stores, project.spec, ESTIMATED_QUALITY, expected)
    column = {"kind": "numeric", "statistic": "psi", "n": ROWS, "n_reference": 5000}
    drift = [
        {**row, **column, "column": name, "drifted": drifted and name == "a" and place == len(rows) - 1}
        for place, row in enumerate(rows)
        for name in ("a", "b", "score")
    ]
    write(project.stores, project.spec, DRIFT, drift)
    progress = Progress("cancer", days[-1] + DAY + project.spec.label_horizon, ROWS * len(days), ROWS * len(days))
    project.stores.ingest_progress.record(progress, project.stores.now())
    return days


def judged(project: Project, windows: list[datetime], spec: EndpointSpec | None = None) -> list[Verdict]:
    return judge_rules(project.stores, spec or project.spec, ["quality"], windows)


def failed(verdicts: list[Verdict]) -> list[str]:
    return [one.window for one in verdicts if one.passed is False]


def test_errors_that_the_scores_do_not_expect_fail_and_say_that_inputs_did_not_move(project: Project) -> None:
    days = store(project, [*steady(60), (0.36, 0.17), (0.35, 0.17)])
    verdict = judged(project, days)[-1]
    assert (False, 1800) == (verdict.passed, verdict.n)
    assert verdict.value == pytest.approx(0.185)
    assert verdict.message.startswith("concept drift: 35.5 % errors, where the model's scores expect 17.0 %; ")
    assert verdict.message.endswith("; inputs did not move: none of 2 columns drifted")
    assert "in 60 windows before, with a noise of " in verdict.message


def test_inputs_that_moved_are_named(project: Project) -> None:
    days = store(project, [*steady(60), (0.36, 0.17), (0.35, 0.17)], drifted=True)
    assert judged(project, days)[-1].message.endswith("; inputs moved too: a")


def test_inputs_that_became_harder_are_no_concept_drift(project: Project) -> None:
    days = store(project, [*steady(60), (0.36, 0.35), (0.35, 0.35)])
    assert [] == failed(judged(project, days))


def test_a_single_bad_day_is_none_either_and_the_message_says_how_much_days_vary(project: Project) -> None:
    days = store(project, [*steady(60), (0.2, 0.2), (0.30, 0.2)])
    verdict = judged(project, days)[-1]
    assert verdict.passed
    assert "; but it varies as much: " in verdict.message


def test_too_short_a_past_is_not_judged_with_its_numbers(project: Project) -> None:
    days = store(project, [*steady(20), (0.36, 0.17), (0.35, 0.17)])
    verdict = judged(project, days)[-1]
    expected = "not judged: 20 earlier and 2 new windows with excess_errors; 28 and 2 are needed"
    assert (None, expected) == (verdict.passed, verdict.message)


def test_windows_younger_than_the_label_horizon_are_not_judged_yet(project: Project) -> None:
    days = store(project, [*steady(60), (0.36, 0.17), (0.35, 0.17)])
    progress = project.stores.ingest_progress.of("cancer")
    assert progress.watermark is not None
    early = replace(progress, watermark=progress.watermark - timedelta(microseconds=1))
    project.stores.ingest_progress.record(early, project.stores.now())
    assert days[-1] not in {datetime.fromisoformat(one.window) for one in judged(project, days)}


def test_steady_years_raise_at_most_one_alert_a_year(project: Project) -> None:
    alerts = 0
    for seed in range(5):
        days = store(project, steady(200, seed))
        alerts += len(failed(judged(project, days)))
    assert alerts <= 2


def test_a_rule_may_say_its_own_span(project: Project) -> None:
    days = store(project, [*steady(60), (0.2, 0.2), (0.29, 0.2)])
    own = replace(project.spec, alerts=(replace(RULE, over=DAY),))
    assert [] == failed(judged(project, days))
    assert [text(days[-1])] == failed(judged(project, days, own))
