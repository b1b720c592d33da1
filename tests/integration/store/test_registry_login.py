"""A registry that asks for a login: who does not sign in is told so, and with which variables."""

from pathlib import Path

import pytest

from tests.support.command_line import modelops
from tests.support.login import login
from tests.support.project import make_project

WRONG = {"none": {}, "a wrong token": {"MLFLOW_TRACKING_TOKEN": "wrong"}}


@pytest.mark.parametrize("how", WRONG)
def test_who_does_not_sign_in_is_told_so(how: str, tmp_path: Path) -> None:
    with login() as asking:
        project = make_project(tmp_path / "project", MODELOPS_REGISTRY_URI=asking.uri)
        done = modelops(project, "deploy", "cancer", "1", **WRONG[how])
    assert (3, "") == (done.code, done.out)
    assert f"The model registry {asking.uri} does not permit this" in done.err
    assert "MLFLOW_TRACKING_USERNAME" in done.err
    assert asking.turned_away
