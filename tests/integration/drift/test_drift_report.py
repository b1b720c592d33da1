"""Evidently's report is drawn whatever the columns hold: small, with a reason for each column that it leaves out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelops_pipelines.core.errors import EvidenceError
from modelops_pipelines.core.release.desired_state import DesiredState, Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import DRIFT
from modelops_pipelines.core.windows import window_of
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.training.sets import freeze_frame
from modelops_pipelines.operations.reports import drift_report
from modelops_pipelines.operations.reports.drift_report import (
    COLUMNS,
    DriftReport,
    comparable,
    most_drifted,
    write_drift_report,
)
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import Project, make_project

ROWS = 1500
EVIL = "</script><script>alert('evil')</script>"
PLAIN = [f"x{n:02}" for n in range(60)]
ODD = ["constant", "gone", "holes", "endless", "carrier", "<b>bold"]
WINDOW = window_of(START, "hour")
WORST = "x41"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project whose window holds sixty plain columns and all that Evidently stumbles over."""
    made = make_project(tmp_path_factory.mktemp("report") / "project")
    kinds = {**dict.fromkeys([*PLAIN, *ODD], "float"), "carrier": "text"}
    frozen = freeze_frame(made.stores, made.spec, reference_frame().assign(benign=1))
    version = replace(VERSION, inputs=kinds, training_set=frozen.content_hash)
    made.stores.deployments.record_version(version)
    event = Event(1, "cancer", START, "ann", "deploy", None, "1", 1, "")
    made.stores.deployments.change(DesiredState("cancer"), [Variant("1", "champion", 100)], event)
    answers = {"p": ["1"] * ROWS, "s": [0.9] * ROWS, "f": window_features()}
    write_segment(made.stores, "cancer", "predictions", "w", [request_record("cancer", 1, START, ROWS, **answers)])
    ingest(made.stores, made.spec, "predictions")
    write_verdicts(made)
    yield made
    made.stores.database.close()


@pytest.fixture(scope="module")
def report(project: Project) -> DriftReport:
    return write_drift_report(project.stores, project.spec)


def reference_frame() -> pd.DataFrame:
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {name: random.normal(size=ROWS) for name in PLAIN}
    infinities = np.where(random.random(ROWS) < 0.3, np.inf, random.normal(size=ROWS))
    infinities[:9] = -np.inf
    odd = {
        "constant": 3.0,
        "gone": 1.0,
        "holes": infinities,
        "endless": np.where(random.random(ROWS) < 0.5, -np.inf, np.inf),
    }
    return pd.DataFrame(
        columns | odd | {"carrier": random.choice(["AA", "UA"], ROWS), "<b>bold": random.normal(size=ROWS)}
    )


def window_features() -> dict[str, list[Any]]:
    random = np.random.default_rng(2)
    columns: dict[str, list[Any]] = {name: random.normal(size=ROWS).tolist() for name in PLAIN}
    odd = {"constant": [3.0] * ROWS, "gone": [None] * ROWS, "holes": [None if n % 2 else 0.5 * n for n in range(ROWS)]}
    carriers = random.choice(["AA", "UA", EVIL], ROWS).tolist()
    return columns | odd | {"endless": [1.0] * ROWS, "carrier": carriers, "<b>bold": [1.0, 2.0] * (ROWS // 2)}


def write_verdicts(project: Project) -> None:
    """Write a verdict on each column; the odd ones drifted most."""
    names = [*ODD, WORST, *(name for name in PLAIN if name != WORST)]
    same = {
        "window_start": WINDOW,
        "model_version": "1",
        "kind": "numeric",
        "statistic": "wasserstein",
        "threshold": 0.1,
    }
    rows = [
        same | {"column": name, "value": 1 / (1 + n), "drifted": n < 9, "n": 1, "n_reference": 1, "date": WINDOW.date()}
        for n, name in enumerate(names)
    ]
    project.stores.writer.replace_windows("cancer", DRIFT, pa.Table.from_pylist(rows, arrow_schema(DRIFT)), [WINDOW])


def test_sixty_columns_and_odd_ones_are_a_page_under_five_megabytes(report: DriftReport) -> None:
    assert (ROWS, ROWS, WINDOW) == (report.rows, report.reference_rows, report.window)
    assert 100_000 < report.path.stat().st_size < 5_000_000


def test_no_figure_carries_a_template_along(report: DriftReport) -> None:
    assert '"colorbar": {"outlinewidth"' not in report.path.read_text()


def test_every_column_that_is_not_drawn_has_its_reason(report: DriftReport) -> None:
    others = {name: reason for name, reason in report.left_out.items() if name not in PLAIN}
    expected = {"gone": "every value of the window is null", "endless": "no value of the reference is finite"}
    assert expected == others
    assert 66 - 2 - COLUMNS == len(report.left_out) - len(expected)
    assert WORST not in report.left_out
    assert {f"only the {COLUMNS} most drifted columns are drawn"} == {
        report.left_out[n] for n in report.left_out if n in PLAIN
    }


def test_the_page_names_on_top_what_it_does_not_draw(report: DriftReport) -> None:
    note = report.path.read_text().partition("<body>")[2].partition("</div>")[0]
    for name, reason in report.left_out.items():
        assert name in note
        assert reason in note


def test_the_page_draws_the_columns_that_drifted_most(report: DriftReport) -> None:
    page = report.path.read_text()
    for name in ("constant", "holes", "carrier", WORST):
        assert f'"column_name": "{name}"' in page
    assert f'"column_name": "{PLAIN[-1]}"' not in page


def test_nobodys_text_ends_the_pages_script(report: DriftReport) -> None:
    page = report.path.read_text()
    assert EVIL not in page
    assert "<b>bold" not in page
    assert "\\u2039b>bold" in page or "\u2039b>bold" in page


def test_the_note_escapes_names_and_stands_only_where_something_is_left_out() -> None:
    assert "&lt;i&gt;: why." in drift_report._with_note("<body>", {"<i>": "why"})
    assert "<body>" == drift_report._with_note("<body>", {})


def test_a_column_that_evidently_fails_on_costs_no_other_column() -> None:
    steps = np.where(np.arange(200) % 2, 1e16, 1e16 + 2)  # too near to one another for numpy's histograms
    frame = pd.DataFrame({"plain": np.arange(200.0), "steps": steps, "name": ["a", "b"] * 100})
    page, failed = drift_report._draw_possible(frame, frame, 0.5)
    assert ["steps"] == list(failed)
    assert failed["steps"].startswith("Evidently fails on it (ValueError")
    assert page is not None
    assert '"column_name": "plain"' in page


def test_a_window_without_any_column_to_draw_is_told(project: Project) -> None:
    with pytest.raises(EvidenceError, match=r"nothing to compare in the window .*every value of the window is null"):
        write_drift_report(project.stores, replace(project.spec, features=("gone",)))


def test_columns_are_compared_where_both_sides_have_values() -> None:
    current = pd.DataFrame({"both": [1.0], "null": [None], "new": [1.0], "mixed": ["a"]})
    reference = pd.DataFrame({"both": [2.0], "null": [1.0], "old": [1.0], "mixed": [1.0]})
    columns, left_out = comparable(current, reference)
    assert ["both", "mixed"] == columns
    expected = {"null": "every value of the window is null", "new": "the reference has no such column"}
    assert expected | {"old": "the window has no such column"} == left_out


def test_without_verdicts_the_first_columns_are_drawn() -> None:
    assert (["b", "a"], {"c": "only the 2 most drifted columns are drawn"}) == most_drifted(["b", "a", "c"], [], 2)


def test_categories_beyond_the_most_frequent_are_one_and_none_is_lost() -> None:
    values = pd.Series([f"c{n}" for n in range(70) for _ in range(70 - n)] + [None])
    drawn = drift_report._categories(values)
    assert len(values) == len(drawn)
    assert drift_report.CATEGORIES + 1 == len({one for one in drawn if one is not None})
    assert drawn[-1] is None
    assert sum(range(1, 21)) == drawn.count("(other)")


@pytest.mark.parametrize("letter", ["a", "\u4e2d"])
def test_long_names_are_cut_and_stay_different(letter: str) -> None:
    drawn = drift_report._categories(pd.Series([f"{letter * 300}{n}" for n in range(9)]))
    assert 9 == len(set(drawn))
    assert max(len(str(name)) for name in drawn) < 70


def test_a_newer_window_without_answers_to_callers_leaves_the_newest_judged_one(project: Project) -> None:
    later = START + timedelta(days=2)
    refused = request_record("cancer", 7, later, 1, source="test")
    write_segment(project.stores, "cancer", "predictions", "v", [refused])
    ingest(project.stores, project.spec, "predictions")
    assert WINDOW == write_drift_report(project.stores, project.spec).window
    with pytest.raises(EvidenceError, match="nothing to compare in the window"):
        write_drift_report(project.stores, project.spec, window_of(later, project.spec.window))
