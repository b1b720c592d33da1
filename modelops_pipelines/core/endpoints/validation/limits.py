"""Validate an endpoint's limits, capture policy and accepted pickles: issues by path, each with its fix."""

import re
from collections.abc import Collection, Iterator
from datetime import timedelta

from modelops_pipelines.core.access.rates import rate_problem
from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.issues import Issue, one_of, suggestion
from modelops_pipelines.core.endpoints.spec import MOST_RESIDENT, RUNTIMES, EndpointSpec, Limits
from modelops_pipelines.core.tables.feature_columns import column_of

CALLERS_FIELDS = ("user_id", "session_id", "client_request_id", "request_params")
RATES = ("per_key", "per_user", "endpoint")
LARGEST_MIB = 1024
LEAST_MEMORY_MIB = 512
"""What MLflow and its packages alone take of it is a few hundred."""
LONGEST_DEADLINE = timedelta(hours=1)
_HASH = re.compile(r"[0-9a-f]{64}")


def limits_and_capture_issues(
    spec: EndpointSpec, system_columns: Collection[str], known_features: Collection[str] | None
) -> Iterator[Issue]:
    """Yield all issues of the accepted pickles, what stays in memory, the limits and the capture policy of the spec."""
    yield from _pickle_issues(spec.accept_pickles)
    yield from _resident_issues(spec.min_resident)
    yield from one_of("runtime", spec.runtime, RUNTIMES)
    yield from _limit_issues(spec.limits)
    yield from _memory_issues(spec)
    yield from _capture_issues(spec)
    yield from _redact_issues(spec, system_columns, known_features)


def _pickle_issues(hashes: tuple[str, ...]) -> Iterator[Issue]:
    for index, found in enumerate(hashes):
        path = f"accept_pickles[{index}]"
        if not _HASH.fullmatch(found):
            problem = f"'{found}' is not a SHA-256 hash (64 hex digits in lower case)"
            yield Issue(path, problem, "Copy the hash from the error of the refused deployment")
        elif found in hashes[:index]:
            yield Issue(path, f"duplicates accept_pickles[{hashes.index(found)}]", "Keep one of them")


def _resident_issues(least: int) -> Iterator[Issue]:
    if not 0 <= least <= MOST_RESIDENT:
        problem = f"must be true, false, or a number from 0 to {MOST_RESIDENT}, and is {least}"
        fix = "Set 1 to keep the versions that answer in memory, true to keep the champion before them too"
        yield Issue("min_resident", problem, fix)


def _limit_issues(limits: Limits) -> Iterator[Issue]:
    for name in RATES:
        rate = getattr(limits, name)
        found = None if rate is None else rate_problem(rate)
        if found is not None:
            yield Issue(f"limits.{name}", *found)
    if limits.concurrent < 1:
        problem = f"must be at least 1, and is {limits.concurrent}"
        yield Issue("limits.concurrent", problem, "Set the most concurrent requests, such as 100")
    if limits.deadline > LONGEST_DEADLINE:
        problem = f"'{format_duration(limits.deadline)}' is too long"
        yield Issue("limits.deadline", problem, f"Set at most {format_duration(LONGEST_DEADLINE)}, such as 30s")
    if not 1 <= limits.body_mib <= LARGEST_MIB:
        problem = f"must be from 1 to {LARGEST_MIB}, and is {limits.body_mib}"
        yield Issue("limits.body_mib", problem, "Set the largest request body in MiB, such as 64")


def _memory_issues(spec: EndpointSpec) -> Iterator[Issue]:
    most = spec.limits.memory_mib
    if most is None:
        return
    if most < LEAST_MEMORY_MIB:
        problem = f"must be at least {LEAST_MEMORY_MIB}, and is {most}"
        yield Issue("limits.memory_mib", problem, "Set the most memory of a version's process in MiB, such as 2048")
    if not spec.is_isolated:
        problem = "applies to versions with 'runtime: isolated' only"
        yield Issue("limits.memory_mib", problem, "Add 'runtime: isolated', or remove it")


def _capture_issues(spec: EndpointSpec) -> Iterator[Issue]:
    if not 0 <= spec.capture.sample <= 1:
        problem = f"must be from 0 to 1, and is {spec.capture.sample:g}"
        yield Issue("capture.sample", problem, "Set the share of requests whose features are kept, such as 0.1")
    if spec.capture.max_kib < 1:
        problem = f"must be at least 1, and is {spec.capture.max_kib}"
        yield Issue("capture.max_kib", problem, "Set the largest size of one request's features in KiB, such as 4096")


def _redact_issues(
    spec: EndpointSpec, system_columns: Collection[str], known: Collection[str] | None
) -> Iterator[Issue]:
    names = spec.capture.redact
    for index, name in enumerate(names):
        path = f"capture.redact[{index}]"
        if name in names[:index]:
            yield Issue(path, f"duplicates capture.redact[{names.index(name)}]", "Keep one of them")
        elif name in CALLERS_FIELDS:
            continue
        elif name in spec.features:
            problem = f"'{name}' is one of 'features', and a redacted feature cannot be monitored"
            yield Issue(path, problem, "Remove it here, or from 'features'")
        elif name == spec.label:
            yield Issue(path, f"'{name}' is the label, which requests do not contain", "Remove it")
        elif name in system_columns:
            fix = f"Use features of the model (one of this name is '{column_of(name)}'), or {', '.join(CALLERS_FIELDS)}"
            yield Issue(path, f"'{name}' is a system column", fix)
        elif known is not None and name not in known:
            fix = suggestion(name, [*sorted(known), *CALLERS_FIELDS])
            yield Issue(path, f"the model has no input '{name}'", fix)
