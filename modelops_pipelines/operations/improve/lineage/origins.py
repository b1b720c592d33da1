"""Questions to a training set's table of origins: where its rows came from, and what became of one prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from modelops_pipelines.core.improve.lineage.answers import Counted, FeedbackIds, Sources
from modelops_pipelines.core.tables.training import FEEDBACK
from modelops_pipelines.store.lake import sql
from modelops_pipelines.store.lake.rows.origins import origins_of_sets
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

MOST_PEOPLE = 20
NO_ORIGINS = "was built before release 0.4, which is the first to record where each row came from"
_GATEWAY = "the gateway's route"
Row = dict[str, Any]


@dataclass(frozen=True)
class SetOrigins:
    """What a set's origins say: where its rows came from, the feedback that counts, and who reviewed."""

    sources: Sources
    feedback: FeedbackIds
    reviewers: Sequence[Counted]


def read_origins(stores: Stores, record: TrainingSet, after: str | None, limit: int | None) -> SetOrigins | None:
    """Return what a set's origins say, with its feedback after an id (all of it without a limit).

    None where they were never recorded, or are past their retention.
    """
    with origins_of_sets(stores.lake, record.endpoint, [record.content_hash]) as (connected, files):
        if not files:
            return None
        people = rows_of(connected, "lineage_people", {"most": MOST_PEOPLE})
        sources = _with_unlabelled(_sources(rows_of(connected, "lineage_counts", {}), people), record)
        reviewers = [Counted(one["name"], one["reviews"]) for one in people if one["reviews"]]
        return SetOrigins(sources, _feedback_page(connected, sources, after, limit), reviewers)


def _sources(counts: Sequence[Row], people: Sequence[Row]) -> Sources:
    authors, keys = ([one for one in people if one["kind"] == kind] for kind in ("author", "key"))
    within = [one for one in counts if one["is_in"]]
    return Sources(
        by_origin=_summed(within, "origin"),
        label_sources=_summed([{**one, "name": _source(one)} for one in within if one["origin"] != "provided"], "name"),
        authors=[Counted(one["name"], one["rows"]) for one in authors],
        author_count=authors[0]["total"] if authors else 0,
        keys=[Counted(one["name"], one["rows"]) for one in keys],
        key_count=keys[0]["total"] if keys else 0,
        left_out=_summed([one for one in counts if not one["is_in"]], "reason"),
    )


def _with_unlabelled(sources: Sources, record: TrainingSet) -> Sources:
    """Return the sources with all rows that were left out: those without a label are in the manifest only."""
    counts = (record.manifest or {}).get("counts") or {}
    left_out: Mapping[str, int] = counts.get("left_out") or {}
    if not left_out:
        return sources
    ordered = sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0]))
    return replace(sources, left_out=[Counted(reason, rows) for reason, rows in ordered])


def _feedback_page(
    connected: duckdb.DuckDBPyConnection, sources: Sources, after: str | None, limit: int | None
) -> FeedbackIds:
    total = next((one.rows for one in sources.by_origin if one.name == FEEDBACK), 0)
    most = total if limit is None else limit
    wanted = {"after": after or "", "most": most + 1}
    found = [row[0] for row in connected.execute(sql.named("lineage_feedback_ids"), wanted).fetchall()] if total else []
    return FeedbackIds(found[:most], total, found[most - 1] if len(found) > most else None)


def rows_of(connected: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> list[Row]:
    """Run a named query and return its rows; without Arrow, which takes long to import."""
    found = connected.execute(sql.named(query), parameters)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _source(row: Row) -> str:
    return str(row["source"] or (_GATEWAY if row["origin"] == "label" else row["origin"]))


def _summed(rows: Sequence[Row], name: str) -> list[Counted]:
    counts: dict[str, int] = {}
    for one in rows:
        key = str(one[name] or "not said")
        counts[key] = counts.get(key, 0) + one["rows"]
    return [Counted(key, count) for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
