"""What a guard says of a training set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec

SEED = 20_130_101
"""The seed of every sample that a guard draws: the same set gives the same verdict."""
BLOCK, WARN, OFF = "block", "warn", "off"
GUARDS: Mapping[str, str] = {
    "share_of_one": "Fails when one of several API keys, users or authors supplied too many of the new labels.",
    "label_flips": "Fails when new labels, of all rows or of one segment or supplier, contradict a model of others.",
    "selection": "Fails when the labelled rows do not stand for the log: complaints only, or features without weights.",
    "class_balance": "Fails when a class is missing, or far more or less frequent than earlier and in the log.",
    "leakage": "Fails when a column knows the label, is from the future, or has another value than was served.",
    "duplicates": "Fails when rows to evaluate on are among the rows to train on, more often than by chance.",
    "text": "Fails when a text column has instructions to models, or personal data.",
}
"""What each guard on a training set judges."""


def mode_of(spec: EndpointSpec, guard: str) -> str:
    """Return what the endpoint's YAML says of a guard: block (also where it says nothing), warn, or off."""
    return spec.training.guards.get(guard, BLOCK)


@dataclass(frozen=True)
class GuardResult:
    """The verdict of one guard: ``passed`` is None, with the reason in ``message``, where it cannot judge.

    ``message`` says in words what was found, with its numbers, and never has a value of a row. ``numbers`` are plain
    values, as JSON has them.
    """

    name: str
    passed: bool | None
    message: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def not_judged(name: str, reason: str, numbers: Mapping[str, Any] | None = None) -> GuardResult:
    """Return the result of a guard that has too little to judge."""
    return GuardResult(name, None, f"not judged: {reason}", numbers or {})


def judged(name: str, problems: Iterable[str], otherwise: str, numbers: Mapping[str, Any]) -> GuardResult:
    """Return the result of a guard that fails when it found a problem; ``otherwise`` says what it found without one."""
    found = list(problems)
    return GuardResult(name, not found, "; ".join(found) if found else otherwise, numbers)


def verdict_in_words(passed: bool | None, accepted_by: str | None, accepted_for: str | None, *, blocking: bool) -> str:  # noqa: FBT001 - a column's value
    """Return a guard's verdict in words: whether it passed, and what a failure means for the set."""
    if passed is None:
        return "not judged"
    if passed:
        return "passed"
    if accepted_by is not None:
        return f"failed, accepted by {accepted_by}: {accepted_for}"
    return "failed: nothing is trained on the set" if blocking else "failed, a warning"


def percent(share: float) -> str:
    """Return a share as text."""
    return f"{100 * share:.1f} %"
