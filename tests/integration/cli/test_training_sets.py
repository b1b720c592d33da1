"""What ``modelops training-set`` shows and builds, and what ``rebuild`` says of a log that changed."""

from collections.abc import Iterator

import pytest

from modelops_pipelines.core.tables.training import frozen_table
from tests.support.command_line import modelops
from tests.support.project import Project
from tests.worlds.labelled_year import capture, captured, make_labelled


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_labelled(tmp_path_factory.mktemp("sets") / "project")
    capture(made, captured(20))
    yield made
    made.stores.database.close()


def test_a_set_is_built_as_of_a_time_listed_and_shown(project: Project) -> None:
    none = modelops(project, "training-set", "list", "cancer")
    assert (0, "") == (none.code, none.out)
    assert "has no training set yet: modelops training-set build cancer" in none.err
    built = modelops(project, "training-set", "build", "cancer", "--as-of", "2025-01-15T00:00:00Z", "--json").json
    assert "2025-01-15T00:00:00Z" == built["manifest"]["as_of"]
    assert built["rows"] == built["manifest"]["counts"]["rows"] > 0
    (listed,) = modelops(project, "training-set", "list", "cancer", "--json").json
    assert (built["content_hash"], built["left_out"]) == (listed["content_hash"], listed["left_out"])
    shown = modelops(project, "training-set", "show", "cancer", built["content_hash"][:8])
    assert built["content_hash"] in shown.out
    assert "evaluation day" in shown.out


def test_a_set_is_rebuilt_and_a_changed_log_is_told(project: Project) -> None:
    built = modelops(project, "training-set", "build", "cancer", "--json").json["content_hash"]
    found = modelops(project, "training-set", "rebuild", "cancer", built, "--json").json
    assert (True, [], None) == (found["identical"], found["missing"], found["unknown"])
    log = project.stores.lake.table("cancer", "inference_log")
    assert log is not None
    log.update(updates={"x": "x + 1"})
    changed = modelops(project, "training-set", "rebuild", "cancer", built[:10])
    assert 3 == changed.code
    assert "does not give the set" in changed.err
    assert "Build a new one: modelops training-set build cancer" in changed.err


def test_a_frozen_set_that_was_changed_is_told(project: Project) -> None:
    built = modelops(project, "training-set", "build", "cancer", "--json").json["content_hash"]
    frozen = project.stores.lake.table("cancer", frozen_table(built))
    assert frozen is not None
    frozen.update(updates={"x": "x + 1"})
    changed = modelops(project, "training-set", "rebuild", "cancer", built, "--json")
    assert (3, False, "changed") == (changed.code, changed.json["identical"], changed.json["frozen"])
    assert f"The frozen table of the set {built} was changed" in changed.err
    assert "Restore it from a backup" in changed.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("show", "cancer", "abc"), 3, "Give at least 6"),
        (("show", "cancer", "0123456789"), 3, "has no training set '0123456789'"),
        (("build", "cancer", "--as-of", "soon"), 2, "is not a time"),
        (
            ("build", "cancer", "--as-of", "2200-01-01"),
            3,
            "The time 2200-01-01T00:00:00Z of the training set is in the future",
        ),
        (("build", "cancer", "--as-of", "2024-01-01"), 3, "No prediction of endpoint 'cancer' has a label yet"),
    ],
)
def test_what_cannot_be_shown_or_built_is_told(
    project: Project, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = modelops(project, "training-set", *arguments)
    assert code == done.code
    assert told in done.err
