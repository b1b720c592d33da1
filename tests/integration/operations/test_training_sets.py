"""Training sets: what a person gave is split by the calendar as the log is, judges versions, and is never trained on."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.core.evaluation.gate import NOT_ENOUGH, GateConfig, is_evaluation_day
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.retraining.train import train_first
from modelops_pipelines.operations.improve.training.sets import (
    EVENT_TIME,
    ROW_ID,
    build_training_set,
    content_hash,
    evaluation_rows,
    freeze_frame,
    read_training_set,
    trained_part,
)
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 20
ROWS = len(cancer_frame())
"""What is given: the cancer frame over twenty days, of which four are evaluation days."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    yield made
    made.stores.database.close()


def given(days: int = DAYS, first: datetime = FIRST) -> Any:
    """Return the cancer frame with event times that go round the days."""
    frame = cancer_frame()
    return frame.assign(event_time=[first + timedelta(days=row % days) for row in range(len(frame))])


def an_evaluation_day() -> datetime:
    return next(day for n in range(5) if is_evaluation_day((day := FIRST + timedelta(days=n)).date(), 5))


def days_in(rows: Any) -> set[date]:
    return {moment.date() for moment in rows.column(EVENT_TIME).to_pylist()}


def evaluation_days() -> set[date]:
    return {day for n in range(DAYS) if is_evaluation_day(day := (FIRST + timedelta(days=n)).date(), 5)}


def label(project: Project, at: datetime, rows: int = 6) -> None:
    """Let the log hold a labelled request of the champion."""
    frame = cancer_frame().head(rows)
    features = {name: frame[name].tolist() for name in frame.columns if name != "benign"}
    record = request_record("cancer", at.day, at, rows, f=features)
    labels = [{"rows": [label_row(record, row, str(frame["benign"][row]), at) for row in range(rows)]}]
    for stream, lines in (("predictions", [record]), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        ingest(project.stores, project.spec, stream)


def test_what_is_given_is_frozen_whole_and_trained_on_without_its_evaluation_days(project: Project) -> None:
    stores, spec = project.stores, project.spec
    version = train_first(stores, spec, given())
    base, part = stores.training_sets.of("cancer")
    assert (ROWS, None, base.content_hash) == (base.rows, base.base_hash, part.base_hash)
    assert part.content_hash == version.training_set
    rows = read_training_set(stores, part)
    assert evaluation_days().isdisjoint(days_in(rows))
    assert DAYS - 4 == len(days_in(rows))
    held = evaluation_rows(stores, spec)
    assert evaluation_days() == days_in(held)
    assert ROWS == len(rows) + len(held)
    counts = (part.manifest or {})["counts"]
    assert {"rows": len(rows), "provided": len(rows), "left_out": {"evaluation day": len(held)}} == {
        name: counts[name] for name in ("rows", "provided", "left_out")
    }


def test_later_sets_leave_the_bases_evaluation_days_out_too(project: Project) -> None:
    stores, spec = project.stores, project.spec
    train_first(stores, spec, given())
    label(project, FIRST + timedelta(days=DAYS))
    later = build_training_set(stores, spec)
    rows = read_training_set(stores, later)
    assert evaluation_days().isdisjoint(days_in(rows))
    base, part = stores.training_sets.of("cancer")[:2]
    assert (base.content_hash, part.rows + 6) == (later.base_hash, later.rows)


def test_both_versions_are_judged_on_the_bases_and_the_logs_evaluation_days(project: Project) -> None:
    stores, spec = project.stores, project.spec
    first = train_first(stores, spec, given())
    deploy(stores, spec, first.version, actor="ann", reason="first")
    alone = evaluate(stores, spec, first.version)
    held = sum(day in evaluation_days() for day in given()[EVENT_TIME].dt.date)
    assert (NOT_ENOUGH, held, 4) == (alone.verdict, alone.numbers["rows"], alone.numbers["days"])
    label(project, an_evaluation_day() + timedelta(days=DAYS))
    both = evaluate(stores, spec, first.version)
    assert (held + 6, 5) == (both.numbers["rows"], both.numbers["days"])
    rows = evaluation_rows(stores, spec)
    assert content_hash(rows) == both.data_hash != alone.data_hash
    assert "base-" == rows.column(ROW_ID)[0].as_py()[:5]


def test_a_feature_that_the_base_lacks_is_null_there(project: Project) -> None:
    stores, spec = project.stores, replace(project.spec, trainer="tests.fakes.trainers:mixed")
    train_first(stores, spec, given())
    with_more = given(first=FIRST + timedelta(days=DAYS)).assign(site="left", age=7)
    train_first(stores, spec, with_more)
    rows = evaluation_rows(stores, spec)
    assert [None] == rows.column("site").unique().to_pylist() == rows.column("age").unique().to_pylist()
    assert evaluation_days() == days_in(rows)


def test_the_same_frame_again_is_the_same_sets_and_the_same_version(project: Project) -> None:
    stores, spec = project.stores, project.spec
    first, again = (train_first(stores, spec, given()) for _ in range(2))
    assert first.version == again.version
    assert 2 == len(stores.training_sets.of("cancer"))
    base, part = stores.training_sets.of("cancer")
    before = read_training_set(stores, part)
    assert content_hash(before) == part.content_hash
    assert before.equals(read_training_set(stores, trained_part(stores, spec, base)))


def test_which_days_are_kept_is_the_endpoints_gate(project: Project) -> None:
    every_second = replace(project.spec, gate=GateConfig(every_nth_day=2))
    version = train_first(project.stores, every_second, given())
    sets = {one.content_hash: one for one in project.stores.training_sets.of("cancer")}
    rows = read_training_set(project.stores, sets[str(version.training_set)])
    assert DAYS / 2 == len(days_in(rows)) == len(days_in(evaluation_rows(project.stores, every_second)))


@pytest.mark.parametrize(
    "frame",
    [
        cancer_frame(),
        cancer_frame().assign(event_time=an_evaluation_day() + timedelta(days=1)),
    ],
    ids=["no event times", "a single day for training"],
)
def test_a_frame_without_evaluation_days_is_its_own_training_set(
    project: Project, frame: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "modelops.training"):
        version = train_first(project.stores, project.spec, frame)
    (base,) = project.stores.training_sets.of("cancer")
    assert (base.content_hash, ROWS) == (version.training_set, base.rows)
    assert 0 == len(evaluation_rows(project.stores, project.spec))
    assert [] == caplog.messages


def only_evaluation_days(frame: Any) -> Any:
    return frame.assign(event_time=an_evaluation_day())


def mostly_evaluation_days(frame: Any) -> Any:
    times = [an_evaluation_day() + timedelta(days=int(row % 20 >= 13)) for row in range(len(frame))]
    return frame.assign(event_time=times)


def a_class_only_on_evaluation_days(frame: Any) -> Any:
    times = [an_evaluation_day() + timedelta(days=1 - benign) for benign in frame["benign"]]
    return frame.assign(event_time=times).sort_values("benign").head(350)


@pytest.mark.parametrize(
    "arranged",
    [only_evaluation_days, mostly_evaluation_days, a_class_only_on_evaluation_days],
    ids=lambda f: f.__name__,
)
def test_a_frame_that_could_not_be_trained_on_without_its_evaluation_days_is_trained_on_whole_and_says_so(
    project: Project, caplog: pytest.LogCaptureFixture, arranged: Any
) -> None:
    frame = arranged(cancer_frame())
    version = train_first(project.stores, project.spec, frame)
    (base,) = project.stores.training_sets.of("cancer")
    assert (base.content_hash, len(frame)) == (version.training_set, base.rows)
    assert 0 == len(evaluation_rows(project.stores, project.spec))
    assert "cancer: all rows are trained on: without the evaluation days too few" in caplog.messages[0]


def test_what_is_held_out_is_told(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    train_first(project.stores, project.spec, given())
    held = len(evaluation_rows(project.stores, project.spec))
    told = f"cancer: {held} of {ROWS} rows fall on evaluation days: held out of training, used to evaluate versions"
    assert [told] == caplog.messages


def test_two_fifths_of_the_rows_are_enough_to_train_on_and_a_row_less_is_not(project: Project) -> None:
    frame = cancer_frame().head(100)
    for left, sets in ((40, 2), (39, 1)):
        times = [an_evaluation_day() + timedelta(days=int(row < left)) for row in range(100)]
        base = freeze_frame(project.stores, project.spec, frame.assign(event_time=times))
        part = trained_part(project.stores, project.spec, base)
        assert sets == len({base.content_hash, part.content_hash})


def test_a_regression_is_split_whatever_values_are_left(tmp_path: Path) -> None:
    yaml = CANCER_YAML.replace("binary_classification", "regression").replace("benign", "mean_radius")
    made = make_project(tmp_path / "numbers", yaml.replace("logistic", "linear"))
    train_first(made.stores, made.spec, given())
    assert evaluation_days() == days_in(evaluation_rows(made.stores, made.spec))
    made.stores.database.close()


def test_rows_without_an_event_time_are_trained_on_and_never_judge(project: Project) -> None:
    frame = given()
    frame.loc[frame.index % 2 == 0, EVENT_TIME] = pd.NaT
    version = train_first(project.stores, project.spec, frame)
    base, part = project.stores.training_sets.of("cancer")
    held = evaluation_rows(project.stores, project.spec)
    assert None not in held.column(EVENT_TIME).to_pylist()
    assert frame[EVENT_TIME].isna().sum() == read_training_set(project.stores, part).column(EVENT_TIME).null_count
    assert (part.content_hash, base.rows) == (version.training_set, part.rows + len(held))


def test_times_finer_than_a_microsecond_are_cut_to_it(project: Project) -> None:
    finer = given().assign(event_time=lambda frame: frame[EVENT_TIME] + pd.Timedelta(nanoseconds=854))
    as_texts = finer.assign(event_time=lambda frame: frame[EVENT_TIME].astype(str))
    frozen = [freeze_frame(project.stores, project.spec, frame) for frame in (finer, as_texts, given())]
    assert 1 == len({base.content_hash for base in frozen})


def test_texts_are_read_as_times_and_what_is_none_is_told(project: Project) -> None:
    stores, spec = project.stores, project.spec
    as_texts = given().assign(event_time=lambda frame: frame[EVENT_TIME].dt.strftime("%Y-%m-%d %H:%M:%S"))
    assert freeze_frame(stores, spec, given()).content_hash == freeze_frame(stores, spec, as_texts).content_hash
    with pytest.raises(InputError, match="The column 'event_time' cannot be read as times"):
        freeze_frame(stores, spec, given().assign(event_time="yesterday"))


def test_the_part_is_a_table_of_its_own(project: Project) -> None:
    train_first(project.stores, project.spec, given())
    for one in project.stores.training_sets.of("cancer"):
        assert project.stores.lake.path("cancer", frozen_table(one.content_hash)).exists()
