"""A trainer in an environment of its own: another scikit-learn trains, is judged, deployed and served; failures are typed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
import sklearn

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelOpsError
from modelops_pipelines.core.evaluation.gate import PASS
from modelops_pipelines.core.improve.retraining.failures import failure_kind
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.evaluation.evaluate import evaluate
from modelops_pipelines.operations.improve.retraining.retrain import retrain
from modelops_pipelines.operations.improve.retraining.train import train
from modelops_pipelines.operations.improve.retraining.trainer_process import train_first_apart
from modelops_pipelines.operations.models.isolated_model import load_model
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.versions.environments import clean_environments, known_environments
from modelops_pipelines.store.registry.environments.environments import FOLDER, Environments
from modelops_pipelines.store.registry.environments.requirements import requirements_of
from modelops_pipelines.store.registry.environments.uv_commands import python_of
from modelops_pipelines.store.setting_names import SECRET_VARIABLES
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.fakes.records import label_row, request_record, write_segment
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, make_project
from tests.support.waiting import wait_until

WHO = {"actor": "ann", "reason": "test"}
OLD = "1.2.2"
COMMON = ("mlflow-skinny", "numpy<2", "pandas<3")
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 20
YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: cancer
  model_name: tumours
  task: binary_classification
  label: benign
  window: hour
  runtime: isolated
  allow_pickle: true
  trainer: own_trainers:{function}
  trainer_environment: {{requirements_file: {needs}}}
  retraining: {{{limits}}}
  gate: {{min_days: 4, min_rows: 100, min_regimes: 1, regime_min_rows: 100}}
"""
PROGRAM = """
    from pathlib import Path
    from modelops_pipelines.operations.endpoints.lookup import endpoint_named
    from modelops_pipelines.operations.improve.retraining.trainer_process import train_first_apart
    from modelops_pipelines.store.stores import Stores

    stores = Stores()
    train_first_apart(stores, endpoint_named(stores, "cancer", newest=True), Path("data.csv"), actor="ann")
"""
CANDIDATES = """
    candidates: [
      {name: old, trainer: "own_trainers:train"},
      {name: new, trainer: "own_trainers:train", environment: {requirements_file: new.txt}},
      {name: broken, trainer: "own_trainers:raising"}]"""
TRAINERS = """\
import os
import sys
import threading
import time
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from own_scaling import unchanged


def train(frame, context):
    print(f"trained by {sklearn.__version__} on {len(frame)} rows with {context.weights}")
    scaled = make_pipeline(FunctionTransformer(unchanged), StandardScaler())
    model = make_pipeline(scaled, LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def weak(frame, context):
    model = train(frame, context)
    return model.set_params(logisticregression__C=1e-4).fit(frame[list(context.features)], frame[context.label])


class Rule(mlflow.pyfunc.PythonModel):
    def __init__(self, limit):
        self.limit = limit

    def predict(self, context, model_input, params=None):
        return np.where(unchanged(model_input)["mean_radius"] < self.limit, 1, 0)


def rule(frame, context):
    print(f"weights {context.weights.shape} of mean {context.weights.mean():.3f}; {sys.stdin.read()!r}")
    print(dict(os.environ))
    return Rule(float(np.average(frame["mean_radius"], weights=context.weights)))


def raising(frame, context):
    raise ValueError("could not convert the rows")


def ending(frame, context):
    os._exit(7)


def empty(frame, context):
    return None


def greedy(frame, context):
    taken = []
    while True:
        taken.append(b"x" * (32 * 1024 * 1024))
        time.sleep(0.02)


def slow(frame, context):
    Path("slow.partial").write_text(str(os.getpid()))
    Path("slow.partial").rename("slow.pid")
    time.sleep(1000)


def unstorable(frame, context):
    model = train(frame, context)
    model.held = threading.Lock()
    return model
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project that is the folder of this process; its environment is built by the first training."""
    folder = tmp_path_factory.mktemp("trainer_environment")
    frame = cancer_frame()
    times = [FIRST + timedelta(days=row % DAYS) for row in range(len(frame))]
    frame.assign(event_time=times).to_csv(folder / "data.csv", index=False)
    (folder / "own_trainers.py").write_text(TRAINERS)
    (folder / "importing.py").write_text("import no_such_package\n\n\ndef train(frame, context):\n    return None\n")
    (folder / "own_scaling.py").write_text("def unchanged(frame):\n    return frame\n")
    (folder / "old.txt").write_text("\n".join([*COMMON, f"scikit-learn=={OLD}"]))
    (folder / "new.txt").write_text("\n".join([*COMMON, "scikit-learn==1.5.2"]))
    (folder / "none.txt").write_text("\n".join([*COMMON, "scikit-learn==99.0"]))
    (folder / "bare.txt").write_text("mlflow-skinny\nnumpy<2")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        made = make_project(folder / "project", YAML.format(function="weak", needs="old.txt", limits=""))
        yield made
        made.stores.database.close()


def test_another_release_trains_is_judged_deployed_and_served(project: Project) -> None:
    stores, spec = project.stores, project.spec
    first = train_first_apart(stores, spec, Path("data.csv"), actor="ann")
    [run] = stores.training_runs.of("cancer")
    assert f"trained by {OLD} on" in Path(str(run.output)).read_text()
    assert OLD != sklearn.__version__
    assert f"scikit-learn=={OLD}" in (first.folder / "requirements.txt").read_text().splitlines()
    assert (["0", "1"], True) == (first.classes, first.trained_here)
    reference = stores.references.read("tumours", first.version)
    assert reference is not None
    assert pytest.approx(1.0) == sum(reference.importance.values())
    assert {"prediction", "score"} <= set(reference.profiles)
    deploy(stores, spec, first.version, **WHO)
    rows = cancer_frame().drop(columns="benign").head(20)
    with running_gateway(project) as gateway:
        answer = gateway.predict(rows.to_dict("records"), "cancer")
        assert answer.status_code == 200, answer.text
        assert _says_itself(project, first, json.dumps(rows.to_dict("list"))) == answer.json()["predictions"]
    [known] = known_environments(stores)
    assert [("tumours", "1")] == [(one.model, one.version) for one in known.versions]
    assert ("cancer",) == known.trainers, "it trains where its versions answer: one environment serves both"

    again = next(one for one in stores.training_sets.of("cancer") if one.content_hash == first.training_set)
    assert first.version == train(stores, spec, again).version, "what was trained is not trained again"
    _log_answers(project)
    competing = _with(project, limits=CANDIDATES)
    *_, judged = retrain(stores, competing, "test")
    assert PASS == judged.record.verdict, judged.record.numbers
    old, new = stores.deployments.versions("tumours")[-2:]
    assert old.training_set == new.training_set, "the same rows, and other requirements"
    assert {OLD, "1.5.2"} == {_scikit_learn_of(one) for one in (old, new)}
    runs = {one.candidate: one for one in stores.training_runs.of("cancer")}
    assert ("trained", "trained", "failed") == tuple(runs[name].status for name in ("old", "new", "broken"))
    past = stores.retrainings.latest("cancer")
    assert past is not None
    assert past.evidence is not None
    assert {"old", "new"} == {one["candidate"] for one in past.evidence["candidates"]}
    gate = evaluate(stores, competing, new.version)
    assert (PASS, first.version) == (gate.verdict, gate.champion), gate.numbers
    deploy(stores, competing, new.version, **WHO)
    with running_gateway(project) as gateway:
        answer = gateway.predict(rows.to_dict("records"), "cancer")
        assert (200, new.version) == (answer.status_code, answer.json()["model_version"])
        assert _says_itself(project, new, json.dumps(rows.to_dict("list"))) == answer.json()["predictions"]
    assert 2 == len(known_environments(stores))


def test_a_model_of_own_code_is_stored_with_it_and_its_trainer_sees_no_secret_of_ours(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _with(project, function="own_trainers:rule", more="  training: {weights: balance}\n  classes: [0, 1]\n")
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, f"hidden-{name}")
    monkeypatch.setenv("WAREHOUSE_URL", "the user's own")
    version = train_first_apart(project.stores, spec, Path("data.csv"), actor="ann")
    printed = Path(str(project.stores.training_runs.of("cancer")[-1].output)).read_text()
    assert "weights (456,) of mean 1.000; ''" in printed
    assert "'WAREHOUSE_URL': \"the user's own\"" in printed
    assert "hidden-" not in printed
    reference = project.stores.references.read("tumours", version.version)
    assert reference is not None
    assert {"mean_radius": 1.0} == {name: share for name, share in reference.importance.items() if share}
    model = load_model(version, spec)
    frame = cancer_frame().drop(columns="benign")
    assert {0, 1} == set(model.predict(frame).tolist())


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        ("own_trainers:raising", "raised", "The trainer of 'cancer' raised ValueError: could not convert the rows"),
        ("own_trainers:ending", "crashed", "ended its process (exit code 7) before it registered a version"),
        ("own_trainers:empty", "no model", "returned a NoneType, which cannot predict"),
        ("own_trainers:unstorable", "refused", "The trained model of 'cancer' cannot be stored in its environment"),
        ("importing:train", "refused", "The trainer importing:train cannot be imported in its environment"),
    ],
)
def test_a_permanent_failure_has_its_kind_and_is_never_tried_again(
    project: Project, function: str, kind: str, words: str
) -> None:
    before = project.stores.deployments.versions("tumours")
    spec = _with(project, function=function, limits="attempts: 3")
    error = _failure(project, spec)
    assert kind == failure_kind(error)
    assert words in error.message
    run = project.stores.training_runs.of("cancer")[-1]
    assert ("failed", kind, 1) == (run.status, run.failure, run.attempt)
    if kind == "raised":
        printed = Path(str(run.output)).read_text()
        assert "own_trainers.py" in printed, "the traceback in the environment is in the output"
    assert before == project.stores.deployments.versions("tumours")


def test_what_cannot_be_installed_is_told_before_anything_runs(project: Project) -> None:
    error = _failure(project, _with(project, needs="none.txt"))
    assert "no environment" == failure_kind(error)
    assert "The environment of the trainer own_trainers:train cannot be built for scikit-learn ==99.0" in error.message
    assert (
        "Write the trainer's environment in the endpoint's YAML with requirements that can be installed" in error.remedy
    )
    run = project.stores.training_runs.of("cancer")[-1]
    assert ("failed", "no environment", None) == (run.status, run.failure, run.peak_mib)


def test_limits_of_memory_and_time_hold_in_the_environment(project: Project) -> None:
    spec = _with(project, function="own_trainers:greedy", limits="memory_mib: 1400")
    error = _failure(project, spec)
    assert ("out of memory", True) == (failure_kind(error), "more than 1400 MiB" in error.message)
    error = _failure(project, _with(project, function="own_trainers:slow", limits="time_limit: 45s"))
    assert "timed out" == failure_kind(error)
    pid = int(Path("slow.pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20)


def test_nothing_of_a_trainer_stays_when_its_retraining_is_killed(project: Project) -> None:
    _with(project, function="own_trainers:slow")
    Path("slow.pid").unlink(missing_ok=True)
    environment = {**os.environ, **project.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", dedent(PROGRAM)], env=environment) as parent:
        wait_until(Path("slow.pid").exists, 120)
        pid = int(Path("slow.pid").read_text())
        assert [True] == [one.environment.in_use for one in known_environments(project.stores) if one.trainers]
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 60)
    wait_until(lambda: not any(one.environment.in_use for one in known_environments(project.stores)), 20)


def test_an_environment_without_pandas_is_told_as_such_and_removed_when_nobody_names_it(project: Project) -> None:
    _with(project, needs="old.txt")
    clean_environments(project.stores, 0)
    before = {one.environment.hash for one in known_environments(project.stores)}
    error = _failure(project, _with(project, needs="bare.txt"))
    assert "no environment" == failure_kind(error)
    assert "cannot train (ModuleNotFoundError" in error.message
    added = {one.environment.hash for one in known_environments(project.stores)} - before
    assert [] == clean_environments(project.stores, 0), "the YAML names it"
    _with(project, needs="old.txt")
    assert added == set(clean_environments(project.stores, 0))


def _with(
    project: Project, *, function: str = "own_trainers:train", needs: str = "old.txt", limits: str = "", more: str = ""
) -> EndpointSpec:
    """Return the endpoint after its YAML was written anew."""
    path = project.folder / "endpoints" / "endpoint.yaml"
    content = YAML.replace("own_trainers:{function}", function).format(needs=needs, limits=limits)
    path.write_text(content + more)
    return read_endpoint(path)


def _failure(project: Project, spec: EndpointSpec) -> ModelOpsError:
    with pytest.raises(ModelOpsError) as failed:
        train_first_apart(project.stores, spec, Path("data.csv"), actor="ann")
    return failed.value


def _says_itself(project: Project, version: ModelVersion, rows: str) -> list[list[float]]:
    """Return what the environment's own Python answers, without anything of ours."""
    wanted = requirements_of(version.folder, "the version")
    environment = Environments(project.stores.settings.home / FOLDER).find(wanted)
    assert environment is not None, "it was trained there"
    code = "import json, mlflow, pandas, sys\n"
    code += f"model = mlflow.pyfunc.load_model({str(version.folder)!r})\n"
    code += "print(json.dumps(model.predict(pandas.DataFrame(json.loads(sys.argv[1]))).tolist()))"
    variables = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"}
    command = [str(python_of(environment)), "-I", "-c", code, rows]
    told = subprocess.run(command, env=variables, capture_output=True, check=True, cwd="/")
    answers: list[list[float]] = json.loads(told.stdout.splitlines()[-1])
    return answers


def _scikit_learn_of(version: ModelVersion) -> str:
    lines = (version.folder / "requirements.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith("scikit-learn=="))


def _log_answers(project: Project) -> None:
    """Have the log hold rows that are new, answered and labelled."""
    at, some = FIRST + timedelta(days=DAYS), cancer_frame().head(6)
    features = {name: some[name].tolist() for name in some.columns if name != "benign"}
    record = request_record("cancer", 1, at, len(some), f=features)
    labels = [{"rows": [label_row(record, row, str(some["benign"][row]), at) for row in range(len(some))]}]
    for stream, lines in (("predictions", [record]), ("labels", labels)):
        write_segment(project.stores, "cancer", stream, "w", lines)
        ingest(project.stores, project.spec, stream)
