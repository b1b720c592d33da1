"""Versions that are nowhere but in the state database: a deploy without a gateway does not try them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from modelops_pipelines.store.state.release.model_versions import ModelVersion


@contextmanager
def versions_are_not_tried() -> Iterator[None]:
    """Take every version as one that answers; what a trial finds is for test_trial.py and test_ways_of_answering.py."""
    from modelops_pipelines.operations.release import offline_proof  # heavy, and most files do without

    def take(version: ModelVersion, *_: Any) -> ModelVersion:
        return version

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(offline_proof, "try_version", take)
        yield
