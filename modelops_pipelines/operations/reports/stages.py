"""Where the loop stands: one line on each of its stages, summed over endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.core.endpoints.spec import ELSEWHERE
from modelops_pipelines.core.release.desired_state import ACTIVE

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Stage:
    """A stage of the loop: its name, what there is of it, more of that, and good, warn, bad or "" as its tone."""

    name: str
    value: str
    note: str
    tone: str = ""


def stages_of(rows: Rows) -> list[Stage]:
    """Return the stages serve, log, measure, alert, improve and release, from the rows of ``overview``."""
    return [_serve(rows), _log(rows), _measure(rows), _alert(rows), _improve(rows), _release(rows)]


def _serve(rows: Rows) -> Stage:
    serving, failed = (sum(row["status"] == status for row in rows) for status in (ACTIVE, "failed"))
    elsewhere = sum(row["status"] == ELSEWHERE for row in rows)
    notes = [f"{failed} failed"] if failed else []
    notes += [f"{elsewhere} served elsewhere"] if elsewhere else []
    tone = "bad" if failed else "good" if serving else ""
    return Stage("serve", f"{serving} of {len(rows)} serve", ", ".join(notes) or "none failed", tone)


def _log(rows: Rows) -> Stage:
    traffic = [row["summary"]["traffic"] for row in rows if row["summary"] is not None]
    requests, errors = (sum(one[name] for one in traffic) for name in ("requests", "server_errors"))
    tone = "" if not requests else "bad" if errors > requests / 100 else "warn" if errors else "good"
    return Stage("log", f"{requests:,} requests", f"in 24 h, {errors:,} failed", tone)


def _measure(rows: Rows) -> Stage:
    measured = [row["measured_at"] for row in rows if row["measured_at"] is not None]
    note = f"newest {max(measured)[:16].replace('T', ' ')} UTC" if measured else "Dagster measures them"
    return Stage("measure", f"{len(measured)} of {len(rows)} measured", note, "good" if measured else "")


def _alert(rows: Rows) -> Stage:
    waiting, taken = (sum(row[name] for row in rows) for name in ("open_alerts", "acknowledged_alerts"))
    return Stage("alert", f"{waiting} open", f"{taken} acknowledged", "bad" if waiting else "good" if rows else "")


def _improve(rows: Rows) -> Stage:
    waiting = sum(row["waiting_reviews"] for row in rows)
    drifted = sum(bool((row["summary"] or {}).get("drift") and row["summary"]["drift"]["drifted"]) for row in rows)
    note = f"{drifted} with drift" if drifted else "no drift"
    return Stage("improve", f"{waiting} to review", note, "warn" if waiting or drifted else "")


def _release(rows: Rows) -> Stage:
    trials = [trial for row in rows for trial in row["trials"]]
    shadows = sum(trial["role"] == "shadow" for trial in trials)
    return Stage("release", f"{len(trials) - shadows} on trial", f"{shadows} in shadow")
