"""An alert rule as the fields of a form, and back: the keys of the YAML, with a choice of conditions and its limits."""

from collections.abc import Mapping
from typing import Any, Final

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.gateway.pages.visits import Visit

ABOVE, BELOW, OUTSIDE, NONE = "above", "below", "outside", ""
CONDITIONS: Final = (
    (ABOVE, "above"),
    (BELOW, "below"),
    ("ge", "at or above"),
    ("le", "at or below"),
    ("eq", "equal to"),
    ("ne", "different from"),
    (OUTSIDE, "outside a band"),
    (NONE, "as the kind has it"),
)
"""When a value fails: the choice of the form, and its words."""
TEXTS: Final = ("name", "kind", "metric", "over", "severity", "for", "owner", "runbook", "sql")
NUMBERS: Final = ("percentile", "minimum")
FIELDS: Final = (*TEXTS, *NUMBERS, "condition", "limit", "highest", "labels")
_LONGEST = 2000


def rule_in(visit: Visit) -> dict[str, Any]:
    """Return the rule of the form by the keys of the YAML; raises InputError for a label that is none.

    What is not a number stays the text that it is: the check of the rule says which key wants one.
    """
    rule: dict[str, Any] = {name: given for name in TEXTS if (given := visit.text(name, _LONGEST))}
    rule |= {name: _number(given) for name in NUMBERS if (given := visit.text(name, _LONGEST))}
    rule |= _condition(visit.text("condition"), visit.text("limit"), visit.text("highest"))
    labels = _labels(visit.text("labels"))
    return rule | ({"labels": labels} if labels else {})


def fields_in(visit: Visit) -> dict[str, str]:
    """Return the fields as they were filled in, to be shown again."""
    return {name: visit.text(name, _LONGEST) for name in FIELDS}


def fields_of(rule: Mapping[str, Any]) -> dict[str, str]:
    """Return the form's fields of a rule by the keys of the YAML, as ``describe_rule`` writes it."""
    fields = {name: _shown(rule.get(name)) for name in (*TEXTS, *NUMBERS)}
    condition, limit, highest = NONE, "", ""
    if OUTSIDE in rule:
        lowest, *rest = rule[OUTSIDE]
        condition, limit, highest = OUTSIDE, _shown(lowest), _shown(rest[-1] if rest else lowest)
    elif "operator" in rule:
        choice = {"gt": ABOVE, "lt": BELOW}.get(rule["operator"], str(rule["operator"]))
        condition, limit = choice, _shown(rule.get("threshold"))
    else:
        condition = next((name for name in (ABOVE, BELOW) if name in rule), NONE)
        limit = _shown(rule.get(condition))
    labels = ", ".join(f"{name}={value}" for name, value in (rule.get("labels") or {}).items())
    return {**fields, "condition": condition, "limit": limit, "highest": highest, "labels": labels}


def _condition(condition: str, limit: str, highest: str) -> dict[str, Any]:
    if not limit or condition == NONE:
        return {}
    if condition == OUTSIDE:
        return {OUTSIDE: [_number(limit), _number(highest)]}
    return {condition: _number(limit)} if condition in {ABOVE, BELOW} else _compared(condition, limit)


def _compared(operator: str, limit: str) -> dict[str, Any]:
    return {"operator": operator, "threshold": _number(limit)}


def _labels(text: str) -> dict[str, str]:
    pairs = [one.strip().partition("=") for one in text.split(",") if one.strip()]
    wrong = next((name for name, equals, _ in pairs if not (name and equals)), None)
    if wrong is not None:
        raise InputError(f"The label {wrong[:80]!r} is not NAME=VALUE", "Write for example team=risk, site=a")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _number(text: str) -> int | float | str:
    for reader in (int, float):
        try:
            return reader(text)
        except ValueError:
            continue
    return text


def _shown(value: object) -> str:
    return "" if value is None else str(value)
