"""Whatever is changed or removed by hand in the rows of what is served is found, and nothing that commands do is."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.errors import ConflictError, ModelOpsError, SchemaError
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.operations.governance.history_check import check_history, check_state
from modelops_pipelines.operations.release.commands import (
    archive,
    delete,
    deploy,
    restore,
    roll_back,
    shadow,
    start,
    stop,
)
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores
from tests.support.project import Project, copied_project, make_project
from tests.support.untried import versions_are_not_tried

WHO: dict[str, Any] = {"actor": "ann", "reason": "a test"}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose endpoint had a canary, a rollback, a stop, a start, a shadow and an archived version."""
    project = make_project(tmp_path_factory.mktemp("history") / "project")
    stores, spec = project.stores, project.spec
    for version in "12345":
        known = ModelVersion("tumours", version, "/nowhere", {"x": "float"}, ["0", "1"], None, None, NOW)
        stores.deployments.record_version(known)
    with versions_are_not_tried():
        deploy(stores, spec, "1", **WHO)
        deploy(stores, spec, "2", share=20, **WHO)
        roll_back(stores, spec, **WHO)
        deploy(stores, spec, "3", force=True, **WHO)
        stop(stores, spec, **WHO)
        start(stores, spec, **WHO)
        shadow(stores, spec, "2", **WHO)
        archive(stores, spec, "5", **WHO)
        archive(stores, spec, "4", **WHO)
        restore(stores, spec, "4", **WHO)
    stores.database.close()
    return project


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Iterator[Project]:
    copy = copied_project(made, tmp_path / "copy")
    yield copy
    copy.stores.database.close()


def run(project: Project, *statements: str) -> None:
    with closing(sqlite3.connect(project.stores.settings.home / "state.db")) as connected, connected:
        for statement in statements:
            connected.execute(statement)


def fault_of(stores: Stores) -> str:
    """Return what the checks find; empty when they find nothing."""
    found = []
    for check in (check_history, check_state):
        try:
            check(stores)
        except (ConflictError, SchemaError) as error:
            found.append(error.message)
    return "; ".join(found)


def _reseal(project: Project, change: Callable[[dict[str, Any]], None], number: int = 4) -> None:
    """Change an event and give it, all later ones and the head the hashes that they would have had."""
    with closing(sqlite3.connect(project.stores.settings.home / "state.db")) as connected, connected:
        connected.row_factory = sqlite3.Row
        previous = None
        for row in connected.execute("SELECT * FROM events ORDER BY number").fetchall():
            values = {**dict(row), "evidence": json.loads(row["evidence"])}
            if row["number"] == number:
                change(values)
            values["previous_hash"] = previous or values["previous_hash"]
            fields = {name: value for name, value in values.items() if name != "hash"}
            fields["at"] = datetime.fromtimestamp(values["at"] / 1e6, UTC)
            previous = Event(**fields).hash
            connected.execute(
                "UPDATE events SET reason = ?, evidence = ?, previous_hash = ?, hash = ? WHERE number = ?",
                (values["reason"], json.dumps(values["evidence"]), values["previous_hash"], previous, row["number"]),
            )
        connected.execute("UPDATE settings SET value = ? WHERE name = 'seal of the newest event'", (previous,))


def _cut(project: Project) -> None:
    """Remove the newest event, and make the head agree."""
    run(
        project,
        "DELETE FROM events WHERE number = (SELECT max(number) FROM events)",
        "UPDATE settings SET value = (SELECT hash FROM events ORDER BY number DESC LIMIT 1) "
        "WHERE name = 'seal of the newest event'",
    )


def _empty(project: Project) -> None:
    tables = ("events", "desired_state", "deployments", "model_versions", "archived_versions")
    run(project, *(f"DELETE FROM {table}" for table in tables), "DELETE FROM settings WHERE name LIKE '%event%'")


def _without_notes(project: Project) -> None:
    project.stores.event_notes.path.unlink()


def _sql(*statements: str) -> Callable[[Project], None]:
    return lambda project: run(project, *statements)


VARIANTS = "UPDATE desired_state SET variants = json_replace(variants, '$[0].{}', {})"
FOUND: dict[str, tuple[Callable[[Project], None], str]] = {
    "another champion": (_sql(VARIANTS.format("version", "'2'")), "endpoint 'cancer' serves 2 (champion, 100 %)"),
    "another share": (_sql(VARIANTS.format("share", "90")), "serves 3 (champion, 90 %)"),
    "another role": (_sql(VARIANTS.format("role", "'challenger'")), "serves 3 (challenger, 100 %)"),
    "another status": (_sql("UPDATE desired_state SET status = 'stopped'"), "[stopped, generation"),
    "a later generation": (_sql("UPDATE desired_state SET generation = 99"), "generation 99]"),
    "no state": (_sql("DELETE FROM desired_state"), "endpoint 'cancer' has events, and no state"),
    "a state without events": (
        _sql("INSERT INTO desired_state SELECT 'other', generation, variants, at, status FROM desired_state"),
        "endpoint 'other' has a state, and no event",
    ),
    "a version's record": (
        _sql("DELETE FROM model_versions WHERE version = '3'"),
        "version 3 was deployed, and has no",
    ),
    "all versions' records": (_sql("DELETE FROM model_versions"), "version 1 was deployed, and has no record"),
    "an archived version": (_sql("DELETE FROM archived_versions"), "version 5 of model 'tumours' is archived by its"),
    "a version archived by hand": (
        _sql("INSERT INTO archived_versions SELECT model_name, '1', at, actor, reason FROM archived_versions"),
        "version 1 of model 'tumours' is not archived by its events, and archived",
    ),
    "a deployment's record": (_sql("DELETE FROM deployments WHERE version = '1'"), "version 1 on 'cancer' (event 1)"),
    "the first event": (_sql("DELETE FROM events WHERE number = 1"), "fails its hash check from event 1 on"),
    "an event within": (_sql("DELETE FROM events WHERE number = 3"), "fails its hash check from event 3 on"),
    "all events": (_sql("DELETE FROM events"), "fails its hash check from event 1 on"),
    "an event's reason": (_sql("UPDATE events SET reason = 'x' WHERE number = 2"), "hash check from event 2 on"),
    "the head": (_sql("DELETE FROM settings WHERE name = 'seal of the newest event'"), "hash of the newest event was"),
    "another head": (_sql("UPDATE settings SET value = 'x' WHERE name LIKE 'seal of%'"), "fails its hash check"),
    "the newest event and its head": (_cut, "1 event(s) were removed or rewritten"),
    "the chain, written anew": (
        lambda project: _reseal(project, lambda event: event.update(reason="nobody asked")),
        "event(s) were removed or rewritten",
    ),
    "every row": (_empty, "10 event(s) were removed or rewritten"),
    "the second record": (_without_notes, "history.log, is missing or empty"),
    "evidence that is no JSON": (
        _sql("UPDATE events SET evidence = '{' WHERE number = 2"),
        "Event 2 of the history is",
    ),
    "evidence that is a list": (
        _sql("UPDATE events SET evidence = '[]' WHERE number = 2"),
        "Event 2 of the history is",
    ),
    "evidence that is a number": (_sql("UPDATE events SET evidence = 3 WHERE number = 2"), "Event 2 of the history is"),
    "a state within that is none": (
        _sql("UPDATE events SET evidence = '{\"live\": 3}' WHERE number = 2"),
        "Event 2 of the history is damaged",
    ),
    "a time that is none": (_sql("UPDATE events SET at = 'x' WHERE number = 2"), "Event 2 of the history is damaged"),
    "a time beyond all": (
        _sql(f"UPDATE events SET at = {2**62} WHERE number = 2"),
        "Event 2 of the history is damaged",
    ),
    "a generation that is none": (
        _sql("UPDATE events SET generation = 'x' WHERE number = 2"),
        "Event 2 of the history",
    ),
    "an action of bytes": (_sql("UPDATE events SET action = x'ff' WHERE number = 2"), "Event 2 of the history is"),
    "variants that are none": (_sql("UPDATE desired_state SET variants = '[3]'"), "A row of the state database is"),
    "variants that are no JSON": (_sql("UPDATE desired_state SET variants = '{'"), "A row of the state database is"),
}


def test_what_commands_do_is_found_right(project: Project) -> None:
    assert "" == fault_of(project.stores)
    delete(project.stores, project.spec, **WHO)
    assert "" == fault_of(project.stores)


@pytest.mark.parametrize(("harm", "said"), FOUND.values(), ids=FOUND)
def test_what_was_changed_by_hand_is_found(project: Project, harm: Callable[[Project], None], said: str) -> None:
    harm(project)
    assert said in fault_of(project.stores)


@pytest.mark.parametrize("number", range(1, 11))
def test_no_event_can_be_written_anew_with_all_hashes_after_it(project: Project, number: int) -> None:
    _reseal(project, lambda event: event.update(reason="nobody asked"), number)
    assert "event(s) were removed or rewritten" in fault_of(project.stores)


def test_a_damaged_event_is_told_by_every_command_that_reads_it(project: Project) -> None:
    run(project, "UPDATE events SET evidence = '{' WHERE number = 2")
    with pytest.raises(ModelOpsError, match="Event 2 of the history is damaged"):
        roll_back(project.stores, project.spec, **WHO)


def test_a_note_cut_short_by_a_crash_and_one_that_is_missing_are_no_fault(project: Project) -> None:
    path = project.stores.event_notes.path
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:9])
    delete(project.stores, project.spec, **WHO)
    assert "" == fault_of(project.stores)


def test_a_history_from_before_the_second_record_is_right_without_it(project: Project) -> None:
    project.stores.event_notes.path.unlink()
    run(project, "DELETE FROM settings WHERE name = 'events are noted beside the database'")
    assert "" == fault_of(project.stores)
