"""Labels that are imported or matched while a backup is taken: a restored home has them once, after its next reading."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.capture.keyed_labels import RequestKey, keyed_row
from modelops_pipelines.operations.backup import take
from modelops_pipelines.operations.backup.restore import restore
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.capture.keyed_rows import append_keyed
from modelops_pipelines.operations.improve.labels import match_keyed as matching
from modelops_pipelines.operations.improve.labels.import_labels import import_labels
from tests.fakes.records import START, VERSION, write_segment
from tests.support.homes import home_elsewhere
from tests.support.imported_labels import BY_ID, NOW, UNTIL, ids, label_now, prediction, with_source, write_csv
from tests.support.project import Project, make_project

pytestmark = pytest.mark.usefixtures("untried_versions")


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = with_source(make_project(tmp_path / "origin"), BY_ID)
    made.stores.deployments.record_version(VERSION)
    write_segment(made.stores, "cancer", "predictions", "w1", [prediction(made, number) for number in range(6)])
    ingest(made.stores, made.spec, "predictions")
    monkeypatch.chdir(made.folder)
    return made


STEPS = {"noting tables": "cut_endpoint", "copying the state": "copy_state", "copying tables": "_save_tables"}


def interrupt(patched: pytest.MonkeyPatch, step: str, moment: str, work: Callable[[], object]) -> None:
    """Let another process do some work, once, before or after a step of the backup."""
    name = STEPS[step]
    original, done = getattr(take, name), []

    def interrupted(*given: Any) -> Any:
        if moment == "before" and not done:
            done.append(work())
        result = original(*given)
        if moment == "after" and not done:
            done.append(work())
        return result

    patched.setattr(take, name, interrupted)


def saved_and_restored(project: Project, folder: Path) -> Project:
    take.take_backup(project.stores, folder / "target")
    restore(folder / "target", folder / "restored")
    return home_elsewhere(project, folder / "restored")


def expected_of(project: Project) -> dict[str, str]:
    one, _, three, *_ = ids(project)
    return {one: "1", three: "0"}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_labels_read_while_a_backup_is_taken_are_read_again_after_a_restore(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    import_labels(origin.stores, origin.spec)

    def work() -> None:
        write_csv(origin.folder / "in/a.csv", "id,label,known", f"{ids(origin)[0]},1,2026-03-02")
        key = RequestKey("call 2")
        append_keyed(origin.stores, origin.spec, [keyed_row(key, "0", START, NOW, UNTIL)])
        import_labels(origin.stores, origin.spec)

    with monkeypatch.context() as patched:
        interrupt(patched, step, moment, work)
        project = saved_and_restored(origin, tmp_path)
    assert expected_of(origin) == label_now(origin)
    append_keyed(project.stores, project.spec, [keyed_row(RequestKey("call 2"), "0", START, NOW, UNTIL)])  # sent again
    import_labels(project.stores, project.spec)
    assert expected_of(origin) == label_now(project)
    assert 2 == project.stores.lake.rows("cancer", "labels")


def test_a_backup_between_a_decision_and_its_label_gives_the_label_after_a_restore(
    origin: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_keyed(origin.stores, origin.spec, [keyed_row(RequestKey("call 2"), "0", START, NOW, UNTIL)])
    projects = []
    original = matching.write_labels

    def write(*given: object) -> int:
        projects.append(saved_and_restored(origin, tmp_path))
        return original(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(matching, "write_labels", write)
        matching.match_keyed(origin.stores, origin.spec)
    [restored] = projects
    assert {} == label_now(restored)
    matching.match_keyed(restored.stores, restored.spec)
    assert {ids(origin)[2]: "0"} == label_now(restored) == label_now(origin)
