"""Nothing is written by a training that is refused, and a wrong first frame can be replaced, with a reason."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import InputError, ModelError, ModelOpsError, SchemaError
from modelops_pipelines.core.release.event_log import REPLACE_FRAME
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.retraining.train import replace_first_frame, train, train_first
from modelops_pipelines.operations.improve.training.sets import build_training_set, first_frame, read_training_set
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import START, label_row, request_record, write_segment
from tests.fakes.trainers import logistic
from tests.support.project import Project, cancer_frame, make_project

FRAME = cancer_frame()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project that is empty before each test, since what is refused writes nothing."""
    made = make_project(tmp_path_factory.mktemp("refused") / "project")
    yield made
    made.stores.database.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project")
    yield made
    made.stores.database.close()


def _raises(_frame: Any, _context: Any) -> Any:
    raise RuntimeError("no")


def _fits_numbers(frame: Any, _context: Any) -> Any:
    return frame.drop(columns=["benign"]).to_numpy(dtype=float)


def _keeps_a_cache(frame: Any, context: Any) -> Any:
    return logistic(frame, context).set_params(memory="/tmp/cache")


def _answers_nothing_usable(_frame: Any, _context: Any) -> Any:
    return object()


def _cannot_be_stored(_frame: Any, _context: Any) -> Any:
    import mlflow

    class Holding(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def __init__(self) -> None:
            self.file = Path("/dev/null").open("rb")  # noqa: SIM115 - what no pickle can hold

        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return [0.5] * len(model_input)

    return Holding()


def _with(**columns: Any) -> Any:
    return FRAME.assign(**columns)


REFUSED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "a column like the label but for capitals": ({}, _with(Benign="x"), logistic),
    "two columns that differ in capitals only": ({}, _with(size=1.0, Size=1.0), logistic),
    "no label": ({}, FRAME.drop(columns=["benign"]), logistic),
    "values of several types": ({}, _with(mixed=["a", 1] * 284 + ["b"]), logistic),
    "a monitored feature that is missing": ({"features": ("nothing",)}, FRAME, logistic),
    "a segment that is missing": ({"segments": ("nothing",)}, FRAME, logistic),
    "a trainer that raises": ({}, FRAME, _raises),
    "a model that keeps files": ({}, FRAME, _keeps_a_cache),
    "no model": ({}, FRAME, _answers_nothing_usable),
    "a model that only pickle can store": ({}, FRAME, _cannot_be_stored),
    "a model that nothing can store": ({"allow_pickle": True}, FRAME, _cannot_be_stored),
    "no trainer": ({"trainer": None}, FRAME, None),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_registers_no_version_and_freezes_no_frame(project: Project, case: str) -> None:
    changes, frame, trainer = REFUSED[case]
    with pytest.raises(ModelOpsError):
        train_first(project.stores, replace(project.spec, **changes), frame, trainer)
    assert _nothing(project) == _written(project)


def test_what_is_refused_is_told_with_its_name(project: Project) -> None:
    with pytest.raises(SchemaError, match="Benign of model 'tumours' are named like the label"):
        train_first(project.stores, project.spec, _with(Benign="x"))
    with pytest.raises(SchemaError, match="'mean_radius' and 'Mean_Radius' of model 'tumours' differ in capitals only"):
        train_first(project.stores, project.spec, _with(Mean_Radius="x"))
    with pytest.raises(ModelError, match="Pipeline has memory=") as refused:
        train_first(project.stores, project.spec, FRAME, _keeps_a_cache)
    assert "allow_pickle: true" in refused.value.remedy


def test_a_fault_of_the_data_is_told_by_its_columns_and_no_value(project: Project) -> None:
    frame = _with(city="Secret City", mean_radius=FRAME["mean_radius"].where(FRAME["mean_radius"] > 10))
    with pytest.raises(ModelError, match="could not convert") as refused:
        train_first(project.stores, project.spec, frame, _fits_numbers)
    assert "1 column(s) that are no numbers: city (object)" in refused.value.remedy
    assert f"1 with missing values: mean_radius ({(FRAME['mean_radius'] <= 10).sum()})" in refused.value.remedy
    assert "Secret" not in f"{refused.value} {refused.value.remedy}"


def test_rows_without_a_label_are_left_out_with_their_number(own: Project, caplog: pytest.LogCaptureFixture) -> None:
    labels = FRAME["benign"].where(FRAME.index >= 7)
    train_first(own.stores, own.spec, _with(benign=labels))
    assert "7 of 569 rows have no label: left out" in caplog.text


def test_a_retraining_that_is_refused_registers_no_version(own: Project) -> None:
    stores, spec = own.stores, own.spec
    deploy(stores, spec, train_first(stores, spec, FRAME).version, actor="ann", reason="first")
    _label(own)
    record = build_training_set(stores, spec)
    refusing = replace(spec, features=("nothing",))
    for changed, trainer in ((refusing, logistic), (spec, _raises), (spec, _keeps_a_cache)):
        with pytest.raises(ModelOpsError):
            train(stores, changed, record, trainer)
    assert ["1"] == stores.registry.versions("tumours")
    assert ["1"] == [one.version for one in stores.deployments.versions("tumours")]


def test_a_version_of_others_that_is_refused_is_not_recorded_by_deploy_or_evaluate(own: Project) -> None:
    stores, spec = own.stores, own.spec
    train_first(stores, spec, FRAME)
    deploy(stores, spec, "1", actor="ann", reason="first")
    inputs = FRAME.drop(columns=["benign"]).assign(Mean_Radius=1.0)
    prepared = stores.registry.prepare(_fitted(inputs), inputs, spec.task, allow_pickle=False)
    stores.registry.log(prepared, model_name="tumours", experiment="elsewhere", training_set="none", trainer="none")
    for act in (lambda: deploy(stores, spec, "2", actor="ann", reason="x"), lambda: evaluate(stores, spec, "2")):
        with pytest.raises(SchemaError, match="Mean_Radius"):
            act()
    assert stores.deployments.version("tumours", "2") is None
    assert stores.references.read("tumours", "2") is None
    assert [] == stores.gates.of("cancer")


def test_a_wrong_first_frame_is_replaced_with_a_reason_that_the_history_keeps(own: Project) -> None:
    stores, spec = own.stores, own.spec
    wrong, right = FRAME.assign(mean_radius=0.0), FRAME
    first = train_first(stores, spec, wrong)
    deploy(stores, spec, first.version, actor="ann", reason="first")
    later = train_first(stores, spec, right.head(300))
    assert first.training_set == _base(own)
    with pytest.raises(InputError, match="needs a reason"):
        replace_first_frame(stores, spec, right, actor="ann", reason=" ")
    with pytest.raises(SchemaError):
        replace_first_frame(stores, spec, _with(Mean_Radius="x"), actor="ann", reason="better")
    assert first.training_set == _base(own)
    version = replace_first_frame(stores, spec, right, actor="ann", reason="the radius was lost")
    assert version.version not in (first.version, later.version)
    assert version.training_set == _base(own)
    event = stores.deployments.events("cancer")[-1]
    assert (REPLACE_FRAME, "ann", "the radius was lost", "1") == (
        event.action,
        event.actor,
        event.reason,
        event.from_version,
    )
    assert {"frame": version.training_set, "replaced": first.training_set} == dict(event.evidence)
    assert version == replace_first_frame(stores, spec, right, actor="ann", reason="again")
    assert event == stores.deployments.events("cancer")[-1]
    _label(own)
    rows = read_training_set(stores, build_training_set(stores, spec))
    assert right["mean_radius"].tolist() == rows.column("mean_radius").to_pylist()[: len(right)]
    assert "1" == stores.deployments.desired("cancer").champion


def _base(project: Project) -> str | None:
    found = first_frame(project.stores, project.spec)
    return None if found is None else found.content_hash


def _fitted(inputs: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=10_000).fit(inputs, FRAME["benign"])


def _nothing(_project: Project) -> dict[str, Any]:
    return {"sets": [], "versions": [], "registered": [], "events": [], "files": []}


def _written(project: Project) -> dict[str, Any]:
    """Return what a training writes, apart from a run in MLflow's experiment."""
    stores, home = project.stores, project.stores.settings.home
    return {
        "sets": stores.training_sets.of("cancer"),
        "versions": stores.deployments.versions("tumours"),
        "registered": stores.registry.versions("tumours"),
        "events": stores.deployments.events(),
        "files": [path.name for part in ("lake", "references") for path in (home / part).rglob("*")],
    }


def _label(project: Project) -> None:
    """Let the log hold a labelled request of the champion, on a day that is trained on."""
    frame = FRAME.head(6)
    features = {name: frame[name].tolist() for name in frame.columns if name != "benign"}
    record = request_record("cancer", 1, START, 6, f=features)
    labels = [{"rows": [label_row(record, row, str(frame["benign"][row]), START) for row in range(6)]}]
    for stream, lines in (("predictions", [record]), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        ingest(project.stores, project.spec, stream)
