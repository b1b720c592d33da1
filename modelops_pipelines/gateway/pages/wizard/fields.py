"""The wizard's form: its fields, the endpoint that they say, and which field a fault is of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from modelops_pipelines.core.access.teams import PREFIX
from modelops_pipelines.core.endpoints.alert_rules import default_alerts
from modelops_pipelines.core.endpoints.spec import ELSEWHERE, SERVED, TASKS, WINDOWS, EndpointSpec
from modelops_pipelines.core.errors import ConflictError, Fault, ForbiddenError, InputError, OnboardingError
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.http.remedies import for_callers
from modelops_pipelines.operations.endpoints.add import LIMITS, NewEndpoint

LONGEST = 1000
_HEAD, _RULE = re.compile(r"\w+"), re.compile(r"alerts\[(\d+)\]")


@dataclass(frozen=True)
class Field:
    """A field of the form; ``choices`` make it a list. ``default`` is what an empty one means, if it means a value."""

    name: str
    label: str
    about: str = ""
    default: str = ""
    choices: Sequence[str] = ()
    required: bool = False
    is_number: bool = False


CARRIED: Final = ("served", "model_name", "version")
"""What earlier pages have asked."""
FIELDS: Final = (
    Field("name", "Name", "of the endpoint, in addresses and tables: a-z, 0-9 and _", required=True),
    Field("task", "Task", "what the model does", choices=TASKS, required=True),
    Field("label", "Label", "the name of what turns out to be true, later", required=True),
    Field("owners", "Owners", "e-mail addresses and teams such as team:risk, with commas"),
    Field("description", "Description", "what it is for, in a sentence"),
    Field("label_horizon", "Labels come within", "such as 30m, 48h or 7d", default="48h"),
    Field("window", "Metrics are computed by", default=str(EndpointSpec.window), choices=WINDOWS),
    Field("positive_label", "Positive class", "whose score counts, of a binary classification", default="1"),
    Field("classes", "Classes", "in the order of the model's scores, with commas; needed where others serve it"),
    Field("error_rate", "Alert above this share of failed requests", "0 to 1", default="0.1", is_number=True),
    Field("latency_p95_ms", "Alert above this 95th percentile", "in milliseconds", default="10000", is_number=True),
)
"""The fields of the configuration, in the order of the form."""
NAMES: Final = (*CARRIED, *(field.name for field in FIELDS))


def given_in(source: Mapping[str, str]) -> dict[str, str]:
    """Return every field of a form or an address, without spaces around it; raises InputError for a long one."""
    given = {name: source.get(name, "").strip() for name in NAMES}
    long = next((name for name, value in given.items() if len(value) > LONGEST), None)
    if long is not None:
        raise InputError(f"The field {long!r} has {len(given[long])} characters", f"Use at most {LONGEST}")
    return {**given, "served": given["served"] or SERVED[0]}


def with_usual(given: Mapping[str, str], caller: Caller) -> dict[str, str]:
    """Return the fields of a new form, where the caller's own team is the owner."""
    teams = sorted(caller.teams or ())
    return {**given, "owners": given["owners"] or (f"{PREFIX}{teams[0]}" if teams else "")}


def endpoint_in(given: Mapping[str, str]) -> NewEndpoint:
    """Return the endpoint that the fields say. What is no number stays the text that it is: the check says which."""
    numbers = {name: _number(given[name]) for name in LIMITS}
    return NewEndpoint(
        name=given["name"],
        task=given["task"],
        label=given["label"],
        model_name=None if given["served"] == ELSEWHERE else given["model_name"],
        served=given["served"],
        owners=_parts(given["owners"]),
        description=given["description"],
        label_horizon=given["label_horizon"],
        window=given["window"],
        classes=_parts(given["classes"]),
        positive_label=given["positive_label"],
        **numbers,
    )


def faults_by_field(error: OnboardingError | ForbiddenError | ConflictError, task: str) -> dict[str, str]:
    """Return what is wrong and how to correct it, by the field that it is of."""
    if isinstance(error, ForbiddenError):
        return {"owners": str(error)}
    if isinstance(error, ConflictError):
        return {"name": f"{error.message}. {for_callers(error.remedy)}"}
    found: dict[str, str] = {}
    for fault in error.faults:
        found.setdefault(_field_of(fault, task), f"{fault.culprit} {fault.problem}. {fault.fix}")
    return found


def _field_of(fault: Fault, task: str) -> str:
    rule = _RULE.match(fault.culprit)
    if rule is not None:
        return default_alerts(task)[int(rule[1])].kind
    head = _HEAD.match(fault.culprit)
    return head[0] if head is not None else fault.culprit


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(text: str) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text
