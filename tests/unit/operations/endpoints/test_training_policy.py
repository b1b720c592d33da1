"""The policy of training sets in an endpoint's YAML: what is accepted, and every fault by line, culprit and fix."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.improvement import TrainingPolicy
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import read_endpoint
from tests.unit.operations.endpoints.onboarding_files import MINIMAL

FAULTS = {
    "no origin": ("labels: []", "training.labels: is empty. List the origins that count, the most trusted first"),
    "an unknown origin": ("labels: [review, lable]", "training.labels[1]: 'lable' is not a valid value. Did you mean"),
    "an origin twice": ("labels: [label, label]", "training.labels[1]: 'label' is there twice. Keep one of them"),
    "a conflict": ("conflict: oldest", "training.conflict: 'oldest' is not a valid value. Use one of: priority"),
    "feedback": ("feedback: all", "training.feedback: 'all' is not a valid value. Use one of: accepted"),
    "duplicates": ("duplicates: drp", "training.duplicates: 'drp' is not a valid value. Did you mean 'drop'?"),
    "weights": ("weights: ages", "training.weights: 'ages' is not a valid value. Did you mean 'age'?"),
    "a half-life": ("half_life: 1h", "training.half_life: '1h' is not a half-life of training rows. Set at least 1d"),
}


def policy_of(line: str, folder: Path) -> TrainingPolicy:
    path = folder / "flights.yaml"
    path.write_text(f"{MINIMAL}  training: {{{line}}}\n")
    return read_endpoint(path).training


@pytest.mark.parametrize(("line", "message"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_policy_is_refused_by_key_culprit_and_fix(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(OnboardingError) as caught:
        policy_of(line, tmp_path)
    (fault,) = caught.value.faults
    assert message in str(fault)


def test_a_policy_is_read_as_it_is_written(tmp_path: Path) -> None:
    written = "labels: [label], conflict: majority, feedback: none, duplicates: drop, weights: age, half_life: 30d"
    expected = TrainingPolicy(("label",), "majority", "none", "drop", "age", timedelta(days=30))
    assert expected == policy_of(written, tmp_path)
