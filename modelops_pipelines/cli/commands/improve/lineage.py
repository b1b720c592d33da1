"""Commands on lineage: why a version is as it is, and where a piece of feedback went."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from modelops_pipelines.cli.output import cell, echo, json_option, show_value, table
from modelops_pipelines.cli.project import open_stores
from modelops_pipelines.operations.endpoints.lookup import endpoint_named

if TYPE_CHECKING:
    from modelops_pipelines.core.improve.lineage.answers import Counted, Placed, Where, Why

SHOWN_IDS = 10
_CHECKS = ("guard", "verdict", "message")
_ATTEMPTS = ("candidate", "attempt", "status", "failure", "seconds", "peak_mib", "started_at")
_ALERTS = ("alert", "rule", "opened_at", "message")
_CHANGES = ("at", "endpoint", "action", "from_version", "to_version", "share", "actor", "reason")
_TRIALS = ("at", "verdict", "share")
_GATE = ("at", "verdict", "champion")
_SETS = ("content_hash", "built_at", "position", "counts", "origin", "source_id", "left_out")
_STEPS = ("at", "action", "actor")


@click.command("why")
@click.argument("endpoint")
@click.argument("version")
@click.option("--all-feedback", is_flag=True, help="List every feedback id; JSON always does.")
@json_option
def why_version(endpoint: str, version: str, *, all_feedback: bool, as_json: bool) -> None:
    """Show why VERSION is as it is: its data and feedback, checks, training, signals, gate, trials, people."""
    from modelops_pipelines.operations.improve.lineage.why import why

    stores = open_stores()
    spec = endpoint_named(stores, endpoint)
    found = why(stores, spec, version, limit=None if as_json or all_feedback else SHOWN_IDS)
    if as_json:
        show_value(asdict(found), as_json=True)
        return
    echo("\n\n".join(f"{title}\n{body}" for title, body in _why_sections(found)))


@click.command("where")
@click.argument("endpoint")
@click.argument("feedback_id", metavar="ID")
@json_option
def where_feedback(endpoint: str, feedback_id: str, *, as_json: bool) -> None:
    """Show where the feedback ID went: its prediction, acceptance, training sets, versions, and what is live now."""
    from modelops_pipelines.operations.improve.lineage.where import where

    stores = open_stores()
    found = where(stores, endpoint_named(stores, endpoint), feedback_id)
    if as_json:
        show_value(asdict(found), as_json=True)
        return
    echo("\n\n".join(f"{title}\n{body}" for title, body in _where_sections(found)))


def _why_sections(found: "Why") -> Iterator[tuple[str, str]]:
    """Yield title and body of each section of the page."""
    whole = asdict(found)
    head = {"endpoint": found.endpoint, "registered": found.registered_at, "run": found.run_id}
    head |= {} if found.trust is None else {"trust": found.trust}
    yield f"VERSION {found.version} OF {found.model_name}", _lines({**head, "live": _live(found.live)})
    yield "DATA", _data(found)
    yield "FEEDBACK", _feedback(found)
    checks = [{"guard": one.guard, "verdict": one.verdict, "message": one.message} for one in found.checks]
    yield "CHECKS ON THE SET", _rows(checks, _CHECKS, found.unknown.get("checks"))
    yield "TRAINING", _rows(whole["attempts"], _ATTEMPTS, found.unknown.get("attempts"))
    yield "STARTED BY", _started(found)
    yield "GATE", _verdicts(whole["gate"], _GATE, "the gate has not judged it")
    yield "TRIALS", _verdicts(whole["trials"], _TRIALS, "it had no trial")
    yield "PEOPLE", _rows(whole["people"], ("name", "did", "times", "rows"), "nobody is recorded")
    yield "HISTORY", _rows(whole["changes"], _CHANGES, "it never served")


def _where_sections(found: "Where") -> Iterator[tuple[str, str]]:
    whole = asdict(found)
    state = f"deleted {cell(found.deleted_at)}" if found.is_deleted else "kept (not deleted)"
    counting = sum(one.counts for one in found.sets)
    head = {"prediction": found.prediction_id, "at": found.event_time, "answered by version": found.answered_by}
    lines = {**head, "received": found.received_at, "state": state}
    lines |= {"counts in": f"{counting} of {len(found.sets)} training set(s) below", "live": _live(found.live)}
    yield f"FEEDBACK {found.feedback_id} ON {found.endpoint}", _lines(lines, found.unknown.get("prediction_id"))
    accepted = found.accepted
    said = "no" if accepted is None else f"as label {accepted.label} by {accepted.actor} at {cell(accepted.at)}"
    yield "ACCEPTED", f"  {said}"
    yield "HISTORY", _rows(whole["steps"], _STEPS, "nobody has acted on it")
    sets = _rows(_shortened(whole["sets"]), _SETS, "no training set has read its prediction")
    unread = found.unknown.get("sets")
    yield "TRAINING SETS", sets if unread is None else f"{sets}\n  not known: {unread}"
    versions = [
        {
            "version": one.version,
            "training_set": one.training_set[:12],
            "registered": one.registered_at,
            "gate": one.verdict,
            "changes": ", ".join(f"{change.action} {cell(change.at)} by {change.actor}" for change in one.changes),
            "live": _live(one.live),
        }
        for one in found.versions
    ]
    yield "VERSIONS", _rows(versions, tuple(versions[0]) if versions else (), "no version was trained with it")


def _data(found: "Why") -> str:
    of, sources = found.training_set, found.sources
    if of is None:
        return _missing(found.unknown.get("training_set"))
    tables = ", ".join(f"{name} at version {version}" for name, version in sorted(of.tables.items()))
    known = {
        "training set": of.content_hash,
        "base": of.base_hash,
        "rows": of.rows,
        "built": of.built_at,
        "as of": of.as_of,
        "read from": tables or None,
        "trainer's code": of.code_hash,
        "configuration": of.yaml_hash,
    }
    if sources is None:
        return _lines(known, found.unknown.get("sources"))
    counted = {
        "rows from": _counted(sources.by_origin),
        "label sources": _counted(sources.label_sources),
        "authors": f"{sources.author_count}: {_counted(sources.authors)}" if sources.author_count else None,
        "keys": f"{sources.key_count}: {_counted(sources.keys)}" if sources.key_count else None,
        "left out": _counted(sources.left_out),
    }
    return _lines({**known, **counted}, found.unknown.get("sources"))


def _feedback(found: "Why") -> str:
    of = found.feedback
    if of is None:
        return _missing(found.unknown.get("feedback"))
    shown = "\n".join(f"  {one}" for one in of.ids)
    rest = of.total - len(of.ids)
    more = f"\n  and {rest} more: --all-feedback" if rest else ""
    return f"  {of.total} piece(s) count as a row's label" + (f"\n{shown}{more}" if of.ids else "")


def _started(found: "Why") -> str:
    start = found.started_by
    if start is None:
        return _missing(found.unknown.get("started_by"))
    head = _lines({"retraining": start.retraining, "at": start.at, "reason": start.reason, "signals": start.evidence})
    alerts = [asdict(one) for one in start.alerts]
    return f"{head}\n{_rows(alerts, _ALERTS, 'no alert is recorded')}"


def _verdicts(rows: Sequence[Mapping[str, Any]], names: Sequence[str], empty: str) -> str:
    """Return verdicts in a table, each with its plain numbers; the JSON has all of them."""
    shown = [{**{name: row[name] for name in names}, "numbers": _numbers(row["numbers"])} for row in rows]
    return _rows(shown, (*names, "numbers"), empty)


def _numbers(numbers: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in numbers.items() if isinstance(value, int | float | str)}
    return ", ".join(f"{name} {cell(value)}" for name, value in plain.items())


def _live(placed: "Sequence[Placed]") -> str:
    shown = (f"{one.role} of {one.endpoint} ({one.share} %{_inactive(one.status)})" for one in placed)
    return ", ".join(shown) or "no"


def _inactive(status: str) -> str:
    return "" if status == "active" else f", {status}"


def _counted(found: "Sequence[Counted]") -> str | None:
    return ", ".join(f"{one.name} {one.rows:,}" for one in found) or None


def _lines(values: Mapping[str, Any], unknown: str | None = None) -> str:
    width = max(len(name) for name in values)
    lines = [f"  {name:<{width}}  {cell(value)}" for name, value in values.items()]
    return "\n".join([*lines, *([] if unknown is None else [_missing(unknown)])])


def _rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str], empty: str | None) -> str:
    if not rows:
        return _missing(empty)
    shown = table([{name: row[name] for name in names} for row in rows])
    return "\n".join(f"  {line}" for line in shown.splitlines())


def _missing(why: str | None) -> str:
    return f"  none: {why}" if why else "  none"


def _shortened(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "content_hash": row["content_hash"][:12]} for row in rows]
