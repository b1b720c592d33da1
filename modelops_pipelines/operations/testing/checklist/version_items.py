"""Before a deployment: the version itself, as it was registered, tested and judged."""

from collections.abc import Mapping
from pathlib import Path

from modelops_pipelines.core.errors import InputError, ModelError, SchemaError
from modelops_pipelines.core.evaluation.suites import inputs_hash
from modelops_pipelines.core.models.classes import PLACES, missing_classes
from modelops_pipelines.core.release.checklist import (
    FAILED,
    PASSED,
    UNKNOWN,
    Finding,
    State,
    failed,
    passed,
    size,
    together,
    unknown,
)
from modelops_pipelines.core.release.desired_state import CHAMPION
from modelops_pipelines.core.release.event_log import ROLLBACK, UNDO, Event
from modelops_pipelines.core.tables.feature_columns import feature_of
from modelops_pipelines.core.tables.training import frozen_table
from modelops_pipelines.operations.lake.endpoint_tables import check_types, feature_types
from modelops_pipelines.operations.release.admission import forced_note, refusal_of
from modelops_pipelines.operations.testing.checklist.subject import Subject
from modelops_pipelines.operations.testing.checklist.words import at, names
from modelops_pipelines.operations.testing.suite_files import read_suite_file, suite_path, suites_of
from modelops_pipelines.operations.versions.environments import built_environment
from modelops_pipelines.operations.versions.signed_versions import trust_of
from modelops_pipelines.store.filesystem.folder_sizes import size_of
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.version_classes import for_endpoint
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.state.release.suite_runs import VersionTest

MOST_HASHED = 256 << 20
"""Larger files are not hashed for a checklist: that takes over half a second."""
MOST_SUITE = 4 << 20
_NOT_RECORDED = "it was not recorded here yet: its first deploy, test or evaluation does that"


def version(subject: Subject) -> Finding:
    """Judge whether the version is registered, and not archived."""
    archived = subject.stores.deployments.archived_at(subject.spec.model_name).get(subject.version)
    named = f"version {subject.version} of model {subject.spec.model_name!r}"
    if archived is not None:
        return failed(f"{named} was archived on {at(archived)}: it can serve no more")
    if subject.known is None:
        return passed(f"{named} is registered; {_NOT_RECORDED}")
    return passed(f"{named} was registered on {at(subject.known.registered_at)}, and is recorded here")


def files(subject: Subject) -> Finding:
    """Judge whether the version's files have the hash that was recorded."""
    return unknown(_NOT_RECORDED) if subject.known is None else files_of(subject.known)


def files_of(known: ModelVersion) -> Finding:
    """Judge whether a version's files have the hash that was recorded; large ones are not hashed."""
    if known.files_hash is None:
        return unknown(f"version {known.version} was recorded without a hash of its files")
    held = size_of(known.folder).bytes
    if held > MOST_HASHED:
        most = f"over {size(MOST_HASHED)}, and are not hashed here: a worker does that when it loads them"
        return unknown(f"the files of version {known.version} take {size(held)}, {most}")
    try:
        found = hash_files(known.folder)
    except (ModelError, OSError) as error:
        return failed(f"the files of version {known.version} cannot be read: {error}")
    recorded = known.files_hash[:12]
    if found != known.files_hash:
        return failed(f"the files of version {known.version} have the hash {found[:12]}, and {recorded} was recorded")
    return passed(f"the files of version {known.version} ({size(held)}) have the recorded hash {recorded}")


def trust(subject: Subject) -> Finding:
    """Judge whether the version may be loaded on the endpoint."""
    return unknown(_NOT_RECORDED) if subject.known is None else trust_found(subject, subject.known)


def trust_found(subject: Subject, known: ModelVersion) -> Finding:
    """Judge whether a version of the endpoint's model may be loaded on the endpoint."""
    found = trust_of(known, subject.spec)
    state: Mapping[bool | None, State] = {True: PASSED, False: FAILED, None: UNKNOWN}
    return Finding(state[found.loads], f"version {known.version}: {found.words}")


def inputs(subject: Subject) -> Finding:
    """Judge whether the version's signature is known, and fits the endpoint's log."""
    known = subject.known
    if known is None:
        return unknown(_NOT_RECORDED)
    try:
        check_types(subject.stores, subject.spec, known.inputs)
    except SchemaError as error:
        return failed(error.message)
    shown = names(f"{feature_of(name)} ({kind})" for name, kind in known.inputs.items())
    return passed(f"its signature has {len(known.inputs)} input(s), of the types in the log: {shown}")


def classes(subject: Subject) -> Finding:
    """Judge whether the version's classes are known, so that its quality can be measured."""
    if subject.known is None:
        return unknown(_NOT_RECORDED)
    if subject.spec.task == "regression":
        return passed("a regression has no classes: its predictions are numbers")
    try:
        found = for_endpoint(subject.known, subject.spec)
    except ModelError as error:
        return failed(error.message)
    missing = missing_classes(subject.spec.task, subject.version, found.classes, found.output)
    if missing is not None:
        return failed(missing)
    if found.classes is None:
        return passed("its predictions are the classes themselves")
    source = PLACES.get(str(found.classes_from), "its record")
    return passed(f"its {len(found.classes)} classes are {names(found.classes)}, from {source}")


def passed_suites(subject: Subject) -> Finding:
    """Judge whether the version passed the newest run of each of the endpoint's suites, as the suites are now."""
    stores, spec = subject.stores, subject.spec
    suites = suites_of(stores.settings.suites, spec.name)
    if not suites:
        return unknown("the endpoint has no suite of stored cases")
    newest = {run.suite: run for run in stores.version_tests.of(spec.name, subject.version)}
    return together([_suite(subject, name, newest.get(name)) for name in suites])


def _suite(subject: Subject, name: str, run: VersionTest | None) -> Finding:
    if run is None:
        return unknown(f"suite {name}: never run on version {subject.version}")
    said = f"suite {name}: {run.passed} of {run.cases} cases passed on {at(run.at)}"
    if run.failed:
        return failed(said)
    changed = _why_changed(subject, suite_path(subject.stores.settings.suites, subject.spec.name, name), run)
    return passed(said) if changed is None else unknown(f"{said}, but {changed}")


def _why_changed(subject: Subject, path: Path, run: VersionTest) -> str | None:
    """Return why a run says nothing of the suite as it is now; None when it does."""
    held = size_of(path).bytes
    if held > MOST_SUITE:
        return f"its file ({size(held)}) is too large to tell whether it has changed since"
    types = {name: str(kind) for name, kind in feature_types(subject.stores, subject.spec).items()}
    try:
        cases = read_suite_file(path, types, subject.spec.task).cases
    except InputError as error:
        return f"its file has faults now: {error.message.splitlines()[0]}"
    return None if inputs_hash(cases) == run.inputs_hash else "its cases have changed since"


def gate(subject: Subject) -> Finding:
    """Judge whether the gate let the champion in; of another version, whether it would let it replace the champion."""
    place = subject.place
    if place is not None and place.role == CHAMPION:
        return _admitted(subject, place.by)
    if subject.state.champion is None:
        return unknown("the endpoint has no champion to compare it with: a first deploy needs no verdict of the gate")
    refused = refusal_of(subject.stores, subject.spec, subject.state, subject.version)
    if refused is not None:
        return failed(f"the gate does not let version {subject.version} replace the champion: {refused.reason}")
    newest = subject.stores.gates.newest(subject.spec.name, subject.version)
    if newest is None:
        return unknown("its verdict was removed a moment ago")
    said = f"its newest verdict, of {at(newest.at)}, is a pass against champion {newest.champion}"
    return passed(f"{said}: {newest.as_verdict.reason}")


def _admitted(subject: Subject, by: Event) -> Finding:
    """Judge the way by which the champion came in, from what the history kept of it."""
    done = f"{by.actor} made the {by.action} of version {subject.version} on {at(by.at)}"
    if by.evidence.get("forced"):
        note = forced_note(by.evidence) if "refused" in by.evidence else "forced"
        return failed(f"{done}, {note}; the reason given: {by.reason or 'none'}")
    if by.action in (ROLLBACK, UNDO):
        return passed(f"{done}: it had been let in before")
    verdict = by.evidence.get("verdict")
    if not isinstance(verdict, dict):
        return unknown(f"{done}, when the endpoint had no champion to compare it with")
    said = f"verdict '{verdict.get('verdict')}' of {verdict.get('at')} against champion {verdict.get('champion')}"
    return passed(f"{done}, by the {said}")


def training_set(subject: Subject) -> Finding:
    """Judge whether the set that the version was trained on is recorded, and kept: it can be built again by it."""
    stores, name, wanted = subject.stores, subject.spec.name, subject.known and subject.known.training_set
    if not wanted:
        return unknown("it names no training set: it was not trained here")
    record = next((one for one in stores.training_sets.of(name) if one.content_hash == wanted), None)
    if record is None:
        return unknown(f"its training set {wanted[:12]} is not recorded on this endpoint")
    table = frozen_table(record.content_hash)
    if stores.lake.table(name, table) is None:
        return failed(f"its training set {wanted[:12]}, of {at(record.at)}, was deleted: nothing can be built by it")
    held = stores.lake.rows(name, table)
    if held != record.rows:
        return failed(f"its training set {wanted[:12]} was frozen with {record.rows:,} rows, and has {held:,}")
    return passed(f"its training set {wanted[:12]}, frozen on {at(record.at)}, is kept with its {held:,} rows")


def drift_reference(subject: Subject) -> Finding:
    """Judge whether there is a reference that the version's drift is judged against."""
    try:
        found = subject.stores.references.read(subject.spec.model_name, subject.version)
    except (ValueError, LookupError, TypeError) as error:
        return failed(f"its reference cannot be read ({type(error).__name__})")
    if found is None:
        return unknown("it has no reference yet: one is made of its first requests, which nothing is compared with")
    return passed(f"its reference has {len(found.profiles)} columns, from {found.source}")


def environment(subject: Subject) -> Finding | None:
    """Judge whether the environment of an isolated endpoint's version is built; None for others, which need none."""
    if not subject.spec.is_isolated:
        return None
    if subject.known is None:
        return unknown(_NOT_RECORDED)
    try:
        path = built_environment(subject.stores, subject.known)
    except ModelError as error:
        return failed(error.message)
    if path is None:
        return failed("its environment is not built: a deploy builds it first, which takes minutes")
    return passed(f"its environment {path.name} is built")
