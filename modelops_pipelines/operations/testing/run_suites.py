"""Suites of stored cases: run against a version, compared between versions, taken from the log."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import ConflictError, EvidenceError, InputError, UnknownError
from modelops_pipelines.core.evaluation.suites import RESERVED, Answered, Case, differences, failures, inputs_hash
from modelops_pipelines.core.models.classes import how_to_state, match_class, why_unknown
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME, ROW_ID, judging_rows
from modelops_pipelines.operations.lake.endpoint_tables import feature_types
from modelops_pipelines.operations.models.sandbox import DEADLINE, Predicted, predict_in_sandbox
from modelops_pipelines.operations.testing.suite_files import (
    Suite,
    read_suite_file,
    suite_path,
    suites_of,
    write_suite_file,
)
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.arrow_schemas import ARROW
from modelops_pipelines.store.lake.reader import session
from modelops_pipelines.store.state.release.suite_runs import VersionTest
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Compared:
    """Two runs of the same cases: for each case that failed in either, whether it is fixed, broken or still failing."""

    suite: str
    first: VersionTest
    second: VersionTest
    rows: Sequence[dict[str, str]]


def read_suite(stores: Stores, spec: EndpointSpec, suite: str) -> Suite:
    """Return a suite of the endpoint; raises UnknownError, or InputError naming file, line and column."""
    path = suite_path(stores.settings.suites, spec.name, suite)
    types = {name: str(kind) for name, kind in feature_types(stores, spec).items()}
    return read_suite_file(path, types, spec.task)


def suite_names(stores: Stores, spec: EndpointSpec, suite: str | None = None) -> list[str]:
    """Return the named suite, or all of the endpoint's; raises UnknownError when there is none."""
    names = [suite] if suite else suites_of(stores.settings.suites, spec.name)
    if not names:
        folder = stores.settings.suites / spec.name
        fix = f"Take one from the log: modelops model cases {spec.name} NAME --rows 100"
        raise UnknownError(f"Endpoint {spec.name!r} has no suite in {folder}", fix)
    return names


def run_suite(
    stores: Stores, spec: EndpointSpec, version: str, suite: str, actor: str, *, deadline: float = DEADLINE
) -> VersionTest:
    """Have a version answer a suite's cases, in a separate process; store and return the result.

    Raises PredictionError when the version crashes or times out, ModelError when it cannot be loaded, EvidenceError
    when its classes are unknown, so that no answer can be judged: then nothing is stored. A case on which the model
    raises has failed.
    """
    known = known_version(stores, spec, version)
    read = read_suite(stores, spec, suite)
    missing = [name for name in known.inputs if name not in read.features]
    if missing:
        problem = f"version {version} takes feature(s) {', '.join(missing)}, for which the suite has no column"
        raise InputError(f"{read.path}:1: {problem}", "Add the columns to the suite")
    columns = {name: [case.features[name] for case in read.cases] for name in known.inputs}
    rows = pa.table({name: _column(name, columns[name], kind) for name, kind in known.inputs.items()})
    predicted = predict_in_sandbox(known, spec, rows, deadline)
    _check_named(predicted, known.version)
    cases = [_named(case, predicted.classes) for case in read.cases]
    answers = [Answered(*one) for one in zip(predicted.predictions, predicted.scores, predicted.errors, strict=True)]
    failed = failures(cases, answers, spec.task)
    test = VersionTest(
        endpoint=spec.name,
        version=known.version,
        suite=suite,
        inputs_hash=inputs_hash(read.cases),
        cases=len(read.cases),
        passed=len(read.cases) - len(failed),
        failures=failed,
        seconds=predicted.seconds,
        actor=actor,
        at=stores.now(),
    )
    stores.version_tests.record(test)
    return test


def compare(stores: Stores, spec: EndpointSpec, first: str, second: str, suite: str) -> Compared:
    """Return what changed between the newest runs of two versions; raises EvidenceError for one that was not tested.

    Raises ConflictError when the runs were of different cases: these cannot be compared.
    """
    runs = [_newest(stores, spec, version, suite) for version in (first, second)]
    if runs[0].inputs_hash != runs[1].inputs_hash:
        hashes = " and ".join(run.inputs_hash[:12] for run in runs)
        raise ConflictError(
            f"Versions {first} and {second} were tested on different cases of {suite!r} (inputs hashes {hashes})",
            f"Test both again: modelops model test {spec.name} VERSION --suite {suite}",
        )
    return Compared(suite, runs[0], runs[1], differences(runs[0].failures, runs[1].failures))


def suite_from_log(
    stores: Stores,
    spec: EndpointSpec,
    name: str,
    rows: int,
    *,
    tolerance: float | None = None,
    overwrite: bool = False,
) -> Suite:
    """Write a suite of labelled rows of the log, each expecting its label; the same log gives the same suite.

    A regression's cases need a ``tolerance``. Raises ConflictError when the suite exists, EvidenceError when no row has
    a label, InputError for features that a suite cannot have.
    """
    path = suite_path(stores.settings.suites, spec.name, name)
    if path.exists() and not overwrite:
        raise ConflictError(f"The suite {path} already exists", "Choose another name, or use --overwrite")
    if (spec.task == "regression") != (tolerance is not None):
        raise InputError(
            "A regression's suite needs a tolerance; other tasks take none", "Add --tolerance, or leave it out"
        )
    features = _features(stores, spec)
    cases = [_case(row, features, tolerance) for row in _labelled(stores, spec, features, rows)]
    if not cases:
        raise EvidenceError(f"No prediction of endpoint {spec.name!r} has a label yet", "Send labels first")
    write_suite_file(path, features, cases)
    return read_suite(stores, spec, name)


def _check_named(predicted: Predicted, version: str) -> None:
    """Raise EvidenceError when the version answered without naming classes."""
    answers = zip(predicted.predictions, predicted.errors, strict=True)
    if any(prediction is None and error is None for prediction, error in answers):
        raise EvidenceError(f"No case can be judged: {why_unknown(version)}", how_to_state(version))


def _named(case: Case, classes: Sequence[str] | None) -> Case:
    """Return the case with its class as the version names it; one that is no class of the version will fail."""
    if classes is None or case.tolerance is not None or case.expected is None:
        return case
    return replace(case, expected=match_class(case.expected, classes) or case.expected)


def _newest(stores: Stores, spec: EndpointSpec, version: str, suite: str) -> VersionTest:
    found = stores.version_tests.of(spec.name, version, suite)
    if not found:
        fix = f"Test it: modelops model test {spec.name} {version} --suite {suite}"
        raise EvidenceError(f"Version {version} was never tested with suite {suite!r}", fix)
    return found[-1]


def _column(name: str, values: list[Any], kind: str) -> pa.Array:
    try:
        return pa.array(values, ARROW[kind])  # type: ignore[index]
    except (pa.ArrowException, OverflowError) as error:
        raise InputError(
            f"Feature {name!r} has a value that does not fit its type {kind} ({error})", "Correct the value"
        ) from error


def _features(stores: Stores, spec: EndpointSpec) -> list[str]:
    """Return the champion's features, else those of all versions; raises InputError for one that no suite can have."""
    champion = stores.deployments.desired(spec.name).champion
    known = None if champion is None else stores.deployments.version(spec.model_name, champion)
    features = list(feature_types(stores, spec) if known is None else known.inputs)
    if RESERVED & set(features):
        message = f"Feature(s) {', '.join(sorted(RESERVED & set(features)))} are named like a suite's own column"
        raise InputError(message, "Rename them in the model's signature")
    redacted = [name for name in features if name in spec.capture.redact]
    if redacted:
        raise InputError(
            f"Feature(s) {', '.join(redacted)} are not in the log: 'capture.redact' removes them",
            "Write the suite by hand",
        )
    return features


def _labelled(stores: Stores, spec: EndpointSpec, features: Sequence[str], rows: int) -> list[dict[str, Any]]:
    if not features:
        return []
    labelled = judging_rows(stores, spec).select([ROW_ID, EVENT_TIME, *features, spec.label])
    with session(None) as connected:
        connected.register("labelled", labelled.rename_columns(["prediction_id", EVENT_TIME, *features, "label"]))
        sample = connected.sql(sql.named("labelled_sample"), params={"rows": rows})
        found: list[dict[str, Any]] = sample.to_arrow_table().to_pylist()
    return found


def _case(row: dict[str, Any], features: Sequence[str], tolerance: float | None) -> Case:
    label = float(row["label"]) if tolerance is not None else str(row["label"])
    return Case(row["prediction_id"], {name: row[name] for name in features}, label, tolerance)
