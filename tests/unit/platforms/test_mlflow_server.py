"""MLflow's server is one process unless the environment asks for what its second process is made for."""

import pytest

from modelops_pipelines.platforms.local import DEFAULTS
from modelops_pipelines.platforms.mlflow_server import serves_itself


def test_one_process_serves_as_up_starts_it() -> None:
    assert serves_itself(DEFAULTS)


@pytest.mark.parametrize(
    "wanted",
    [
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"},
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "1"},
        {"MLFLOW_STATIC_PREFIX": "/mlflow"},
        {"MLFLOW_EXPOSE_PROMETHEUS": "/tmp/metrics"},
    ],
)
def test_background_jobs_a_prefix_and_prometheus_are_left_to_its_own_command(wanted: dict[str, str]) -> None:
    assert not serves_itself({**DEFAULTS, **wanted})


def test_without_the_variable_mlflow_runs_its_jobs() -> None:
    assert not serves_itself({})
