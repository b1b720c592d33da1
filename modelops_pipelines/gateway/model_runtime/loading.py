"""Loads a version: its files, a warm-up on its input example, and the choice of its prediction path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.output_kinds import UNKNOWN
from modelops_pipelines.gateway.model_runtime.frames import example_of
from modelops_pipelines.gateway.model_runtime.prediction_paths import (
    KnownPath,
    PredictionPath,
    choose_path,
    restore_path,
)
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.state.release.deployments import ModelVersion


def load_path(
    version: ModelVersion, spec: EndpointSpec, known: KnownPath | None = None, *, data_only: bool = False
) -> PredictionPath:
    """Load a version in this process and return how it predicts; raises ModelError.

    ``known`` is the path that another process has chosen for the same files: nothing is probed then. ``data_only``
    refuses files that could execute code, even accepted ones.
    """
    model = load_model(version, spec, data_only=data_only)
    folder = Path(version.artifact_uri.removeprefix("file://"))
    _warm_up(model.predict, version, folder)
    if known is not None:
        return restore_path(model, folder, version.inputs, known)
    return choose_path(model, folder, version.inputs, row_wise=spec.row_wise and version.output != UNKNOWN)


def _warm_up(predict: Callable[[Any], Any], version: ModelVersion, folder: Path) -> None:
    """Predict once on the model's input example, if it has one; raises ModelError when that fails."""
    try:
        example = example_of(folder)
        if example is not None:
            predict(example)
    except Exception as error:  # the model's code may raise anything
        raise ModelError(
            f"Version {version.version} of {version.model_name!r} fails on its own input example "
            f"({type(error).__name__})",
            "Log a version that can predict its input example",
        ) from error
