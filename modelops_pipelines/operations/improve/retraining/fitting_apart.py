"""Fits a trainer's model in an environment of the trainer's own, whose packages this project does not have.

The trainer is not imported here: its process, ``operations.model_runtime.environment.training``, gets the rows in
files, and the environment's MLflow saves the model there. Its answers are those of a version with this environment.
"""

import json
import site
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from modelops_pipelines.core.endpoints.improvement import TrainerEnvironment
from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError, TrainingError
from modelops_pipelines.core.foreign_text import QuotedError
from modelops_pipelines.core.improve.retraining import failures
from modelops_pipelines.core.improve.training.context import TrainingContext
from modelops_pipelines.core.models.predictions import interpret
from modelops_pipelines.operations.endpoints.check_functions import find_source
from modelops_pipelines.operations.endpoints.trainer_requirements import required_by
from modelops_pipelines.operations.improve.retraining.feature_importance import Answers
from modelops_pipelines.operations.improve.retraining.fitting import Fitted, described
from modelops_pipelines.operations.improve.training.frames import (
    as_frame,
    as_model_input,
    served_input,
    with_own_names,
)
from modelops_pipelines.operations.improve.training.sets import UnfrozenSet
from modelops_pipelines.operations.improve.training.weights import weights_of
from modelops_pipelines.operations.model_runtime.answers import answer_columns
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.operations.models.isolated_model import load_model, version_of
from modelops_pipelines.store.filesystem.scratch import scratch_folder
from modelops_pipelines.store.registry.environments import training_exchange as exchange
from modelops_pipelines.store.registry.environments.environments import FOLDER, Environments, Tell
from modelops_pipelines.store.registry.environments.requirements import Requirements
from modelops_pipelines.store.registry.environments.training_process import TrainingOutcome, run_trainer
from modelops_pipelines.store.registry.environments.uv_commands import Asker
from modelops_pipelines.store.registry.environments.value_files import write_values
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_AGAIN, _LISTED = "Write the trainer's environment in the endpoint's YAML", "requirements"
_CORRECT = "Correct 'trainer' in the endpoint's YAML"
_FAILURES = {
    exchange.RAISED: (
        "The trainer of {endpoint} raised {said}",
        "Correct the trainer, or the data: {about}",
        failures.RAISED,
    ),
    exchange.OUT_OF_MEMORY: (
        "The trainer of {endpoint} needs more memory than there is",
        "Use fewer rows",
        failures.OUT_OF_MEMORY,
    ),
    exchange.NO_MODEL: (
        "The trainer of {endpoint} returned a {said}, which cannot predict",
        "Return a fitted scikit-learn estimator, or a model of MLflow's pyfunc",
        failures.NO_MODEL,
    ),
    exchange.UNFIT: (
        "The environment of the trainer {trainer} cannot train ({said})",
        f"{_AGAIN} with mlflow and pandas that work together with its other requirements",
        failures.NO_ENVIRONMENT,
    ),
    exchange.NOT_FOUND: (
        "The trainer {trainer} cannot be imported in its environment ({said})",
        f"Add the package that it needs to its requirements, or: {_CORRECT}",
        None,
    ),
    exchange.UNSAVED: (
        "The trained model of {endpoint} cannot be stored in its environment ({said})",
        "Return a model without open files, locks or connections, which answers the rows that it was trained on",
        None,
    ),
    "": (
        "The trainer of {endpoint} ended its process (exit code {exit}) before it registered a version",
        "See what it printed",
        failures.CRASHED,
    ),
}
"""Message, remedy and kind of failure for each way in which a trainer's process ends without a model; "" is silence."""


def _untold(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class TrainerApart:
    """A trainer, ``module:function``, that runs in an environment of its own."""

    trainer: str
    environment: TrainerEnvironment

    def identity(self, stores: Stores, spec: EndpointSpec, settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - as TrainerHere has it
        """Return what tells it from other trainers: its source, its settings, and the releases that it runs with."""
        source = _source_of(self.trainer).read_bytes().decode(errors="replace")
        needed = self.releases(stores)
        named = [self.trainer, json.dumps(dict(settings), sort_keys=True, default=str)]
        return [source, *named, needed.python, *needed.packages]

    def releases(self, stores: Stores, tell: Tell = _untold) -> Requirements:
        """Return the releases of all packages that it runs with; found once for what it requires.

        Raises TrainingError where there are none, BusyError when another process looks for them for too long.
        """
        return _installable(lambda: self._environments(stores).resolve(self._required(), self._asker(), tell))

    def prepared(self, stores: Stores, tell: Tell = _untold) -> Path:
        """Return the environment's folder, built first where it is not there; raises what ``releases`` raises.

        ModelError where there is no such trainer: then nothing is built.
        """
        module_folders(self.trainer)
        needed = self.releases(stores, tell)
        return _installable(lambda: self._environments(stores).ensure(needed, self._asker(), tell))

    def fit(self, stores: Stores, spec: EndpointSpec, of: UnfrozenSet, settings: Mapping[str, Any]) -> Fitted:
        """Train on a set; raises ModelError when the trainer raises, crashes, or makes no model."""
        environment, needed = self.prepared(stores), self.releases(stores)
        with scratch_folder() as folder:
            frame = _frame(spec, of)
            features = tuple(name for name in frame.columns if name != spec.label)
            write_values(folder, {"frame": frame, "weights": weights_of(stores, spec, of.rows)})
            about = described(frame)
            del frame  # the trainer's process has it now, and memory is limited for both together
            context = _context(TrainingContext(spec.name, spec.task, spec.label, features, settings=dict(settings)))
            order = exchange.TrainingOrder(self.trainer, module_folders(self.trainer), context, _pinned(needed))
            outcome = run_trainer(environment, folder, order)
            if outcome.kind != exchange.SAVED:
                raise self._failure(spec, outcome, about)
            version = stores.registry.describe_saved(spec.model_name, folder / exchange.MODEL)
        return _fitted(spec, version, as_model_input(_frame(spec, of)[list(features)]))

    def _environments(self, stores: Stores) -> Environments:
        return Environments(stores.settings.home / FOLDER)

    def _required(self) -> Requirements:
        return required_by(self.environment, Path.cwd())

    def _asker(self) -> Asker:
        return Asker(f"the trainer {self.trainer}", _AGAIN, _LISTED)

    def _failure(self, spec: EndpointSpec, outcome: TrainingOutcome, about: str) -> ModelError:
        """Return the error of a training that made no model, of the same kind as that of a trainer that runs here."""
        problem, remedy, kind = _FAILURES.get(str(outcome.kind), _FAILURES[""])
        known = {"endpoint": repr(spec.name), "trainer": self.trainer, "said": outcome.text, "exit": outcome.exit}
        told = problem.format(**known), remedy.format(about=about)
        return ModelError(*told) if kind is None else TrainingError(*told, kind)


def _fitted(spec: EndpointSpec, version: ModelVersion, inputs: "pd.DataFrame") -> Fitted:
    from modelops_pipelines.store.registry.prepared_models import SavedModel  # loads MLflow

    model = load_model(version, spec)
    return Fitted(
        inputs,
        _answers(spec, model, version_of(model, version, spec)),
        lambda: SavedModel(version.inputs, version.folder),
    )


def _answers(spec: EndpointSpec, model: Any, version: ModelVersion) -> Answers:
    """Return what answers as the gateway would."""
    form, names = form_of_version(version), answer_columns(version, spec.task)

    def answered(frame: "pd.DataFrame") -> tuple[list[Any], list[float] | None]:
        try:
            output = model.predict(served_input(frame[list(version.inputs)], form))
        except (QuotedError, ChildProcessError) as error:
            raise TrainingError(
                f"The model that the trainer of {spec.name!r} made fails on its training rows ({error})",
                "Correct the trainer: its model must answer what it was trained on",
                failures.NO_MODEL,
            ) from error
        return interpret(spec.task, output, len(frame), names, spec.positive_label, version.output, spec.output)

    return answered


def _frame(spec: EndpointSpec, of: UnfrozenSet) -> "pd.DataFrame":
    return with_own_names(spec, as_frame(spec, of.rows))


def _context(context: TrainingContext) -> dict[str, Any]:
    return {name: value for name, value in vars(context).items() if name != "weights"}


def _pinned(needed: Requirements) -> list[str]:
    """Return the lines as MLflow writes them."""
    return [line.replace(" ==", "==") for line in needed.packages]


def _source_of(trainer: str) -> Path:
    """Return the file of a trainer's module, which is not imported; raises ModelError where there is none to run."""
    found = find_source(trainer.partition(":")[0], Path.cwd())
    if isinstance(found, Issue):
        raise ModelError(f"The trainer {trainer} cannot be found: {found.problem}", f"{found.fix}, or: {_CORRECT}")
    return found


def module_folders(trainer: str) -> list[str]:
    """Return where the trainer's process finds its module and what that imports: the project, and the module's root.

    Raises ModelError for a module among this project's packages: none of them may be imported there.
    """
    file, module = _source_of(trainer), trainer.partition(":")[0]
    above = module.count(".") + (1 if file.name == "__init__.py" else 0)
    root = file.resolve().parents[above]
    if any(root == Path(folder).resolve() for folder in _package_folders()):
        raise ModelError(
            f"The trainer {trainer} is installed among this project's packages, which its environment does not have",
            "Add its package to the environment's requirements, and name a function of the project that calls it",
        )
    return list(dict.fromkeys([str(Path.cwd()), str(root)]))


def _package_folders() -> set[str]:
    named = sysconfig.get_paths()
    return {
        *site.getsitepackages(),
        site.getusersitepackages(),
        *(named[one] for one in ("purelib", "platlib", "stdlib")),
    }


def _installable(act: Callable[[], T]) -> T:
    """Return what needs an environment returns; a requirement that cannot be had is a failure of the training."""
    try:
        return act()
    except TrainingError:
        raise
    except ModelError as error:
        raise TrainingError(error.message, error.remedy, failures.NO_ENVIRONMENT) from error
