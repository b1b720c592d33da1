"""Runs the guards on a training set, records their verdicts, and refuses to train on a set that fails."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from modelops_pipelines.core.endpoints.improvement import SET_GUARDS
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import EvidenceError, InputError, RefusedSetError
from modelops_pipelines.core.improve.guards.results import BLOCK, GuardResult, mode_of
from modelops_pipelines.operations.improve.guards.judge_rows import judge_rows
from modelops_pipelines.operations.improve.guards.log_sample import log_sample
from modelops_pipelines.operations.improve.guards.set_rows import set_before, set_rows
from modelops_pipelines.operations.improve.training.origins import has_origins, origins_of
from modelops_pipelines.operations.improve.training.sets import evaluation_rows, read_training_set
from modelops_pipelines.store.state.improve.set_checks import ACCEPTED, SetCheck
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores


def check_set(
    stores: Stores, spec: EndpointSpec, record: TrainingSet, rows: pa.Table, origins: pa.Table | None = None
) -> list[GuardResult]:
    """Judge a training set with every guard that is not off, record the verdicts, and return them.

    ``rows`` are the set's (row_id, event_time, features, label); ``origins`` those of ``training_origins``, None where
    they are not known. A verdict that a person accepted on the same set stays accepted. Where a statistic is computed
    on a sample, it is drawn with a fixed seed, so that the same set has the same verdicts.
    """
    of = set_rows(spec, rows, origins, set_before(stores, spec, record))
    results = judge_rows(of, log_sample(stores, of), _held_out(stores, spec))
    known = stores.set_checks.of(spec.name, record.content_hash)
    accepted = {one.guard: one for one in known if one.accepted_by is not None}
    checks = [_check(stores, spec, record, result) for result in results]
    stores.set_checks.record([_kept(check, accepted.get(check.guard)) for check in checks])
    return results


def check_frozen(stores: Stores, spec: EndpointSpec, record: TrainingSet) -> list[SetCheck]:
    """Judge a frozen set as ``check_set`` does, with its rows and origins from the lake; return what is recorded."""
    known = has_origins(stores, spec.name, record.content_hash)
    origins = origins_of(stores, spec.name, record.content_hash) if known else None
    check_set(stores, spec, record, read_training_set(stores, record), origins)
    return stores.set_checks.of(spec.name, record.content_hash)


def _held_out(stores: Stores, spec: EndpointSpec) -> pa.Table | None:
    try:
        return evaluation_rows(stores, spec)
    except EvidenceError:  # no version yet: nothing is evaluated
        return None


def refuse_failed(stores: Stores, spec: EndpointSpec, content_hash: str) -> None:
    """Raise RefusedSetError when a guard forbids training on the set, and no person accepted its verdict."""
    refusing = [one for one in stores.set_checks.of(spec.name, content_hash) if one.refuses]
    if refusing:
        told = "; ".join(f"{one.guard}: {one.message}" for one in refusing)
        options = " ".join(f"--accept-guard {one.guard}" for one in refusing)
        raise RefusedSetError(
            f"The training set {content_hash[:12]} of endpoint {spec.name!r} is refused by its guards. {told}",
            f"Correct the labels or columns, or, if they are right: modelops retrain {spec.name} {options} "
            "--reason REASON",
        )


def accept_guards(
    stores: Stores, spec: EndpointSpec, content_hash: str, guards: Sequence[str], *, actor: str, reason: str
) -> None:
    """Record that a person accepts the failed verdicts of guards on a set; it may then be trained on.

    Raises InputError for a guard that there is not, and without a reason. A guard that did not fail stays as it is.
    """
    require_reason(guards, reason)
    said = {"by": actor, "reason": reason, "at": stores.now().isoformat()}
    checks = stores.set_checks.of(spec.name, content_hash)
    stores.set_checks.record(
        [_with_acceptance(check, said) if check.refuses and check.guard in guards else check for check in checks]
    )


def require_reason(guards: Sequence[str], reason: str) -> None:
    """Raise InputError for a guard that there is not, and when one is accepted without a reason."""
    unknown = sorted(set(guards) - set(SET_GUARDS))
    if unknown:
        raise InputError(f"No guard is named {', '.join(unknown)}", f"Use one of: {', '.join(SET_GUARDS)}")
    if guards and not reason.strip():
        raise InputError("To accept a guard's verdict needs a reason", "Say why the set is right: --reason REASON")


def _check(stores: Stores, spec: EndpointSpec, record: TrainingSet, result: GuardResult) -> SetCheck:
    blocking = mode_of(spec, result.name) == BLOCK
    values = (result.name, result.passed, blocking, result.message, result.numbers, stores.now())
    return SetCheck(spec.name, record.content_hash, *values)


def _kept(check: SetCheck, before: SetCheck | None) -> SetCheck:
    """Return the verdict, accepted if the one before was, and this one is the same."""
    same = before is not None and check.refuses and before.message == check.message
    return _with_acceptance(check, before.numbers[ACCEPTED]) if before is not None and same else check


def _with_acceptance(check: SetCheck, said: Mapping[str, Any]) -> SetCheck:
    return replace(check, blocking=False, numbers={**check.numbers, ACCEPTED: dict(said)})
