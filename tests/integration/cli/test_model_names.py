"""Every name of a model that is accepted works in every command; others are refused where they are written."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validate import ValidationContext, endpoint_issues
from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS
from modelops_pipelines.store.registry.client import _of_model
from tests.support.command_line import modelops
from tests.support.project import CANCER_YAML, cancer_frame, make_project, train_first

NAMES = ["o'neil %_*?[a] ünï-#&=;,.~|<b>`$x`", 'the "best" {one} \u540d @1 OR name=1 --', "-rf"]
REFUSED = [
    "a\nb",
    "a\tb",
    "a\x00b",
    "a\x1b[31mb",
    "a\\b",
    "'\"",
    ".",
    "..",
    "...",
    "..a",
    "x" * 201,
    "é" * 101,
    "a/b",
    "a:b",
    " a",
    "a ",
]
NUMBERS = ("1", "2")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_works_with_an_accepted_name(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("named") / "project"
    project = make_project(folder, CANCER_YAML.replace("tumours", json.dumps(name, ensure_ascii=False)))
    assert name == project.spec.model_name
    for rows in (569, 300):
        train_first(project, cancer_frame().head(rows))
    for arguments in (
        ["deploy", "cancer", "1"],
        ["deploy", "cancer", "2", "--force", "--reason", "test"],
        ["rollback", "cancer", "--yes"],
        ["endpoint", "list"],
        ["endpoint", "show", "cancer"],
        ["endpoint", "validate"],
        ["model", "list", "cancer"],
        ["history", "cancer"],
        ["shadow", "start", "cancer", "2"],
        ["shadow", "end", "cancer"],
        ["doctor"],
    ):
        done = modelops(project, *arguments)
        assert 0 == done.code, (arguments, done)
    assert {"1", "2"} == {
        one["version"] for one in modelops(project, "model", "list", "cancer", "--json").json["items"]
    }
    registry = project.stores.registry
    assert (["1", "2"], "2") == (registry.versions(name), registry.aliases(name)["champion"])
    home = project.stores.settings.home
    assert ["installation.json", "maintenance.json", "sizes.json"] == sorted(path.name for path in home.glob("*.json"))


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_some_command_could_not_use_is_refused_at_the_first(name: str) -> None:
    assert _is_refused(name)


@settings(max_examples=300)
@given(st.text(min_size=1, max_size=60))
@example("'")
@example('"')
def test_mlflow_accepts_every_accepted_name_and_reads_its_filter_as_that_name(name: str) -> None:
    from mlflow.utils.search_utils import SearchModelVersionUtils
    from mlflow.utils.validation import _validate_model_name

    if not _is_refused(name):
        _validate_model_name(name)
        [parsed] = SearchModelVersionUtils.parse_search_filter(_of_model(name))
        assert name == parsed["value"]


def _is_refused(name: str) -> bool:
    spec = EndpointSpec("cancer", name, "binary_classification", "benign")
    return any(issue.path == "model_name" for issue in endpoint_issues(spec, ValidationContext(SYSTEM_COLUMNS, None)))
