"""The models of the serving benchmark: each is trained, registered and deployed in a separate project."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.ours import LIMITS
from benchmarks.peers.protocol import Job
from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.improve.retraining import train as trainers
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.store.registry.model_loader import TRUSTED_TYPES
from tests.fakes.trainers import logistic
from tests.support.project import Project, cancer_frame, make_project

_YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: binary_classification
  label: benign
  {limits}
"""


def forest(frame: Any, context: Any) -> Any:
    """Fit a hundred trees that use one thread."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, max_depth=8, n_jobs=1, random_state=context.seed)
    return model.fit(frame[list(context.features)], frame[context.label])


TRAINERS: Mapping[str, trainers.Trainer] = {"cancer": logistic, "forest": forest}


def make_job(name: str, folder: Path, workers: int) -> Job:
    """Train, register and deploy a model in an empty folder; create an API key, so that requests require one."""
    project = make_project(folder, _YAML.format(name=name, limits=LIMITS), MODELOPS_SEAL_AFTER_SECONDS="10")
    frame = cancer_frame()
    version = trainers.train_first(project.stores, project.spec, frame, TRAINERS[name])
    deploy(project.stores, project.spec, version.version, actor="benchmark", reason="benchmark")
    estimator = _estimator(Path(version.artifact_uri))
    rows = frame[list(version.inputs)].astype("float64")
    return Job(
        name=name,
        project=project,
        version=version,
        rows=rows.to_numpy().tolist(),
        answers=estimator.predict_proba(rows).tolist(),
        joblib=_as_joblib(estimator, folder),
        key=_key(project),
        workers=workers,
    )


def _estimator(artefacts: Path) -> Any:
    """Return the fitted estimator from a registered version's files."""
    import skops.io

    return skops.io.load(artefacts / "model.skops", trusted=list(TRUSTED_TYPES))


def _as_joblib(estimator: Any, folder: Path) -> Path:
    import joblib

    path = folder / "model.joblib"
    joblib.dump(estimator, path)
    return path


def _key(project: Project) -> str:
    wanted = grant("benchmark", ["predict"], endpoints=[project.spec.name])
    return create_key(project.stores, wanted, actor="benchmark").text
