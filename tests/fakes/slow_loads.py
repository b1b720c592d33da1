"""Loads of versions that take as long as a test says, or fail; what they return answers with the version's name."""

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.release.desired_state import DesiredState, variants_of
from modelops_pipelines.gateway.model_runtime.batching import Batcher
from modelops_pipelines.gateway.model_runtime.source import Source, describe_unloaded
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.version_processes import Loaded
from modelops_pipelines.operations.model_runtime.loaded_model import Model
from modelops_pipelines.operations.model_runtime.prediction_paths import PredictionPath
from modelops_pipelines.store.state.release.model_versions import ModelVersion

BYTES = 10
START = datetime(2026, 1, 1, tzinfo=UTC)


class SlowLoads:
    """The part of ``VersionProcesses`` that loads: each load takes ``seconds``; ``failing`` models cannot be loaded."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.failing = seconds, set[str]()
        self.loads: Counter[str] = Counter()
        self.ended: list[PredictionPath] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def load(self, source: Source, spec: EndpointSpec) -> Loaded:
        with self._lock:
            self.loads[spec.name] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
        if spec.name in self.failing:
            raise ModelError(f"the files of {spec.name} are gone", "put them back")
        path = PredictionPath(lambda columns: np.zeros(len(next(iter(columns.values())))), "array", None, 1.0)
        return Loaded(Model(source.version, path, spec, bytes=BYTES), source, source.version)

    def end(self, path: PredictionPath) -> None:
        self.ended.append(path)


def absent_endpoint(name: str, folder: Path, **spec: int) -> ServedEndpoint:
    """Return an endpoint whose champion is not in memory; its files are a folder that exists."""
    version = ModelVersion(name, "1", str(folder), {"x": "float"}, None, None, None, START)
    declared = replace(EndpointSpec(name, name, "regression", "y"), **spec)
    batcher = Batcher(describe_unloaded(version, declared), None, Source(version))
    return ServedEndpoint(declared, DesiredState(name, 1, variants_of("1")), {"1": batcher})
