"""Sampled rows of the log are explained once, by the version that answered, and summed up by column and window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import orjson
import pytest

from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.explain import ExplainPolicy
from modelops_pipelines.core.endpoints.spec import CapturePolicy, EndpointSpec
from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS, EXPLANATIONS
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_table
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.explanations.attributions import measure_attributions
from modelops_pipelines.operations.explanations.explain_log import Run, explain_log
from modelops_pipelines.operations.explanations.references import reference_of
from modelops_pipelines.operations.explanations.views import newest_attribution_drift, newest_attributions
from modelops_pipelines.operations.governance.erasure import erase_user
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.references.reference_rows import Contributed, ReferenceRows
from tests.fakes import moody_models as moody
from tests.fakes.records import START, request_record, write_segment
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first

FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")
LINEAR, MOODY = "1", "2"
_NAMES = (f"endpoint{number}" for number in count())


@dataclass
class Explained:
    """An endpoint of its own in the module's project, of which a share of the rows is explained."""

    project: Project
    spec: EndpointSpec
    estimator: Any
    sent: int = 0

    def send(self, rows: Sequence[int], hour: int = 0, version: str = LINEAR, **changes: Any) -> dict[str, Any]:
        """Log a request for these rows of the data, as if the version had answered it; ``hour`` is its window."""
        self.sent += 1
        scaled, user = changes.pop("scaled", {}), changes.pop("user", None)
        frame = cancer_frame().iloc[list(rows)].reset_index(drop=True)
        for name, factor in scaled.items():
            frame[name] = frame[name] * factor
        features = {name: [row[name] for row in rows_of(frame)] for name in FEATURES}
        scores = self.estimator.predict_proba(frame[list(FEATURES)])[:, 1].tolist()
        if version == MOODY:
            scores = (1 / (1 + np.exp(frame["mean_radius"] - 15))).tolist()
        answers = {"f": features, "s": scores, "p": [str(int(score >= 0.5)) for score in scores]}
        more = {**answers, "version": version, **changes}
        at = START + timedelta(hours=hour)
        record = request_record(self.spec.name, self.sent, at, len(rows), user=user, **more)
        record["at"] = to_micros(datetime.now(UTC))
        write_segment(self.project.stores, self.spec.name, "predictions", f"w{self.sent}", [record])
        ingest(self.project.stores, self.spec, "predictions")
        return record

    def run(self, most: int = 500, **more: Any) -> Run:
        return explain_log(self.project.stores, self.spec, most, **more)

    def rows(self, table: Table = EXPLANATIONS) -> list[dict[str, Any]]:
        with self.project.stores.lake.query(self.spec.name, [table]) as connected:
            found: list[dict[str, Any]] = connected.sql(f"SELECT * FROM {table.name}").to_arrow_table().to_pylist()
        return sorted(found, key=lambda row: [str(row[name]) for name in table.key])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Any]]:
    made = make_project(tmp_path_factory.mktemp("explained") / "project", CANCER_YAML + "  allow_pickle: true\n")
    first = train_first(made, cancer_frame())
    trainers.train_first(made.stores, made.spec, cancer_frame(), moody.moody())
    yield made, load_model(first, made.spec).get_raw_model()
    made.stores.database.close()


def endpoint(project: tuple[Project, Any], sample: float = 1.0, name: str | None = None, **more: Any) -> Explained:
    made, estimator = project
    spec = replace(made.spec, name=name or next(_NAMES), explain=ExplainPolicy(sample=sample), **more)
    deploy(made.stores, spec, LINEAR, actor="ann", reason="first")
    return Explained(made, spec, estimator)


def test_each_sampled_row_is_explained_once_by_the_version_that_answered_it(project: tuple[Project, Any]) -> None:
    made = endpoint(project)
    made.send(range(150))
    done = made.run()
    assert (150, 0, 0, 0) == (done.explained, done.unexplained, done.waiting, done.without_reference)
    rows = made.rows()
    assert 150 == len({row["prediction_id"] for row in rows})
    for row in rows:
        contributed = orjson.loads(row["contributions"])
        assert [*FEATURES] == [*contributed]
        assert np.isclose(row["base_value"] + sum(contributed.values()), row["value"])
        assert ("linear", "log-odds", "1", None, None) == tuple(
            row[name] for name in ("method", "scale", "class_name", "standard_errors", "reason")
        )
    assert 0 == made.run().explained
    made.send(range(10), hour=1)
    assert 10 == made.run().explained
    assert 160 == len(made.rows())


def test_the_contributions_are_those_of_the_row_that_was_asked(project: tuple[Project, Any]) -> None:
    made = endpoint(project)
    made.send(range(150))
    made.run()
    reference = made.project.stores.reference_rows.read(made.spec.name, "tumours", LINEAR)
    assert reference is not None
    steps, last = made.estimator[:-1], made.estimator[-1]
    frame = cancer_frame()[list(FEATURES)]
    means = steps.transform(type(frame)({name: reference.columns[name] for name in FEATURES})).mean(axis=0)
    expected = np.ravel(last.coef_) * (steps.transform(frame.head(150)) - means)
    found = {int(row["prediction_id"].rpartition("-")[2]): orjson.loads(row["contributions"]) for row in made.rows()}
    assert np.allclose(expected, [list(found[row].values()) for row in range(150)])


def test_a_share_is_chosen_by_the_predictions_ids_and_the_rest_stays_unexplained(project: tuple[Project, Any]) -> None:
    made = endpoint(project, sample=0.2)
    made.send(range(500))
    done = made.run(most=40)
    assert 40 == done.explained
    assert 60 <= 40 + done.waiting <= 140
    assert done.waiting == made.run().explained
    assert (0, 0) == (made.run().explained, made.run().waiting)


def test_rows_wait_for_reference_rows_which_a_training_set_or_a_hundred_answers_are(
    project: tuple[Project, Any],
) -> None:
    made = endpoint(project)
    made.send(range(60))
    assert (0, 60) == (made.run().explained, made.run().without_reference)
    made.send(range(60, 120))
    assert (120, 0) == (made.run().explained, made.run().without_reference)
    known = made.project.stores.reference_rows.read(made.spec.name, "tumours", LINEAR)
    assert known is not None
    assert "of the first 120 rows that version 1 answered" in known.source
    trained = endpoint(project, name="cancer")
    version = trained.project.stores.deployments.version("tumours", LINEAR)
    assert version is not None
    of_training = reference_of(trained.project.stores, trained.spec, version)
    assert isinstance(of_training, ReferenceRows)
    assert 200 == len(of_training.ids)
    assert of_training.source.startswith("200 rows of training set ")


def test_a_version_that_crashes_leaves_a_reason_and_no_number(project: tuple[Project, Any]) -> None:
    made = endpoint(project, classes=("0", "1"))
    made.send(range(120), version=MOODY)
    assert (120, 0) == (made.run().explained, made.run().unexplained)
    assert {("permutation", "probability")} == {(row["method"], row["scale"]) for row in made.rows()}
    crash = {**{name: [1.0] for name in FEATURES}, "mean_radius": [moody.CRASH]}
    made.send([0], hour=2, version=MOODY, f=crash)
    done = made.run()
    assert (0, 1) == (done.explained, done.unexplained)
    assert "crashed" in str(done.reason)
    [failed] = [row for row in made.rows() if row["reason"] is not None]
    assert {None} == {failed[name] for name in ("method", "value", "base_value", "contributions", "standard_errors")}
    assert 0 == made.run().unexplained  # it is not tried again


def test_a_run_killed_between_its_steps_is_done_again_and_no_window_is_lost(
    project: tuple[Project, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = endpoint(project)
    made.send(range(120))
    stores = made.project.stores
    with monkeypatch.context() as killed:
        killed.setattr(stores.writer, "append_once", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            made.run()
    assert [] == made.rows()
    with monkeypatch.context() as killed:
        import modelops_pipelines.operations.explanations.explain_log as module

        before = module._pass_on_marks
        calls = count()
        killed.setattr(module, "_pass_on_marks", lambda *given: before(*given) if next(calls) == 0 else _kill())
        with pytest.raises(KeyboardInterrupt):
            made.run()
    assert 120 == len(made.rows())
    assert 0 == made.run().explained
    assert [START.replace(minute=0, second=0, microsecond=0)] == list(measure_attributions(stores, made.spec).windows)


def _kill() -> None:
    raise KeyboardInterrupt


def test_columns_are_summed_up_by_window_and_compared_with_the_reference_rows(project: tuple[Project, Any]) -> None:
    rule = AlertRule("attribution_drift", above=0.05)
    made = endpoint(project, alerts=(rule,))
    stores = made.project.stores
    made.send(range(200))
    made.run()  # these are the reference
    made.send(range(200, 400), hour=1)
    made.send(range(200, 400), hour=2, scaled={"mean_texture": 3.0})
    made.send(range(20), hour=3)
    made.run(most=1000)
    measure_attributions(stores, made.spec)
    rows = newest_attributions(stores, made.spec)
    assert 16 == len(rows)
    by_window: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_window.setdefault(row["window_start"], []).append(row)
    assert sorted(by_window, reverse=True) == list(by_window)
    for mine in by_window.values():
        assert [1, 2, 3, 4] == [row["rank"] for row in mine]
        assert np.isclose(1, sum(row["share"] for row in mine))
        assert np.isclose(1, sum(row["share_reference"] for row in mine))
    explained = [
        orjson.loads(row["contributions"]) for row in made.rows() if row["event_time"] < START + timedelta(hours=1)
    ]
    for row in by_window[min(by_window)]:
        sizes = [abs(one[row["column"]]) for one in explained]
        assert np.isclose(np.mean(sizes), row["mean_absolute"])
    few, shifted, same, first = newest_attribution_drift(stores, made.spec)
    assert (None, 20) == (few["distance"], few["n"])
    assert "a distance needs 50 of each" in few["reason"]
    assert shifted["excess"] > 0.1
    assert ("mean_texture", 200) == (shifted["column"], shifted["n_reference"])
    assert shifted["change"] > 0.1
    assert (0.0, 0.0) == (same["excess"], first["excess"])
    verdicts = judge_table(stores, made.spec, ATTRIBUTION_DRIFT).verdicts
    assert [True, True, False, None] == [one.passed for one in verdicts]
    assert [] == list(measure_attributions(stores, made.spec).windows)


def test_an_erasure_takes_explanations_sums_and_reference_rows_with_it(project: tuple[Project, Any]) -> None:
    made = endpoint(project)
    stores = made.project.stores
    mine = made.send(range(60), user="ann")
    made.send(range(60, 160), user="bob")
    made.run()
    measure_attributions(stores, made.spec)
    before = stores.reference_rows.read(made.spec.name, "tumours", LINEAR)
    assert before is not None
    assert any(one.startswith(mine["id"]) for one in before.ids)
    [erased] = erase_user(stores, "ann", [made.spec], "test")
    assert (60, 60) == (erased.rows["explanations"], erased.rows["inference_log"])
    assert 100 == len(made.rows())
    assert stores.reference_rows.read(made.spec.name, "tumours", LINEAR) is None
    assert [] == made.rows(ATTRIBUTIONS)
    made.send(range(5))
    made.run()
    measure_attributions(stores, made.spec)
    assert {105} == {row["n"] for row in made.rows(ATTRIBUTIONS)}
    after = stores.reference_rows.read(made.spec.name, "tumours", LINEAR)
    assert after is not None
    assert not any(one.startswith(mine["id"]) for one in after.ids)


def test_on_request_only_the_reference_rows_are_taken_and_nothing_is_explained(project: tuple[Project, Any]) -> None:
    made = endpoint(project, sample=0)
    made.send(range(60))
    done = made.run()
    assert (0, 0, 0) == (done.explained, done.unexplained, done.waiting)
    assert "version 1 was not trained here, and 60 of its answered rows are kept: 100 are needed" == done.references
    made.send(range(60, 120))
    assert "200 of the first 120 rows that version 1 answered (120)" == made.run().references
    assert [] == made.rows()
    known = made.project.stores.reference_rows.read(made.spec.name, "tumours", LINEAR)
    assert known is not None
    assert known.contributed is None


def test_values_of_a_redacted_feature_are_in_no_reference_and_no_explanation(project: tuple[Project, Any]) -> None:
    before = endpoint(project)
    before.send(range(120))
    before.run()
    stores, redacting = before.project.stores, replace(before.spec, capture=CapturePolicy(redact=("mean_texture",)))
    assert stores.reference_rows.read(redacting.name, "tumours", LINEAR) is not None
    before.spec = redacting
    before.send(range(30), hour=1)
    done = before.run()
    assert (0, 30) == (done.explained, done.without_reference)
    assert "version 1 takes mean_texture, which 'capture.redact' keeps from the disk" == done.references
    assert stores.reference_rows.read(redacting.name, "tumours", LINEAR) is None
    trained = endpoint(project, sample=0, name="cancer", capture=redacting.capture)
    assert done.references == trained.run().references
    assert stores.reference_rows.read("cancer", "tumours", LINEAR) is None


def test_a_row_that_its_logged_features_do_not_give_again_has_a_reason(project: tuple[Project, Any]) -> None:
    """It was redacted when the row was answered: the log's null is not what the version saw."""
    made = endpoint(project, classes=("0", "1"))
    made.send(range(120), version=MOODY)
    frame = cancer_frame().head(3)
    hidden = {name: frame[name].tolist() for name in FEATURES} | {"mean_radius": [None, 15.0, 15.0]}
    made.send(range(3), hour=1, version=MOODY, f=hidden, s=[0.5, 0.5, 0.25])
    done = made.run()
    assert (121, 2) == (done.explained, done.unexplained)
    reasons = sorted(row["reason"] for row in made.rows() if row["reason"] is not None)
    assert "the version does not answer the logged features by 0.25 again, as it did" == reasons[1]
    assert "it gave no answer for this row" == reasons[0]


def test_reference_rows_that_were_explained_of_another_output_are_explained_anew(project: tuple[Project, Any]) -> None:
    made = endpoint(project)
    made.send(range(120))
    made.run()
    store = made.project.stores.reference_rows
    known = store.read(made.spec.name, "tumours", LINEAR)
    assert known is not None
    assert known.contributed is not None
    other = Contributed("linear", "log-odds", {name: [0.0] * 120 for name in FEATURES}, "high")
    store.write(made.spec.name, "tumours", LINEAR, known.explained(other))
    made.run()
    assert known == store.read(made.spec.name, "tumours", LINEAR)
