"""The graph of derived tables, declared once: their sources, what marks their windows, when they are due, their rules.

Ingest marks windows and operations recompute them by this graph; Dagster's dependencies, checks and monitoring runs
are built from it.
A new derived table is one entry here (and its columns in ``lake``), one operation, and one asset line in
``components.model_endpoint``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from modelops_pipelines.core.tables.columns import Table
from modelops_pipelines.core.tables.explanations import ATTRIBUTION_DRIFT, ATTRIBUTIONS, EXPLANATIONS
from modelops_pipelines.core.tables.keyed_labels import KEYED_LABELS
from modelops_pipelines.core.tables.lake import (
    CUSTOM_METRICS,
    DAILY_PROFILES,
    DATA_QUALITY,
    DRIFT,
    ESTIMATED_QUALITY,
    FEEDBACK,
    INFERENCE_LOG,
    KEY_USAGE,
    LABELS,
    PROFILES,
    QUALITY_METRICS,
    REJECTS,
    SERVICE_METRICS,
    SHADOW_LOG,
    STREAMS,
)


@dataclass(frozen=True)
class RuleKind:
    """A kind of alert rule that judges a derived table.

    With ``value``, that column of the busiest version in each window is compared with the rule's threshold, given
    at least ``minimum`` rows by the column ``count``. Other kinds have a function in ``operations.alerting``.
    """

    name: str
    severity: Literal["error", "warning"] = "error"
    value: str | None = None
    count: str = "n"
    minimum: int = 1


@dataclass(frozen=True)
class Derivation:
    """A derived table's place in the graph.

    ``computed_from`` names the tables that its operation reads; a changed window of one of ``marked_by`` (by default
    all of these) marks the same window here. ``only_task``, ``only_with_metrics`` and ``only_explained`` limit it to
    endpoints of that task, with custom metrics, or that explain a share of their rows. ``hourly`` tables have hourly
    rows for any window size. With ``when_ended``, calibrated verdicts are computed only after their window has ended.
    ``companions`` are further tables that the same operation writes.
    """

    table: Table
    computed_from: tuple[str, ...]
    marked_by: tuple[str, ...] = ()
    judged_by: tuple[RuleKind, ...] = ()
    only_task: str | None = None
    only_with_metrics: bool = False
    only_explained: bool = False
    hourly: bool = False
    when_ended: bool = False
    companions: tuple[Table, ...] = ()

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def verdict_mark(self) -> str:
        """The consumer name that marks the table's windows as not judged yet."""
        return f"{self.name}.verdicts"

    @property
    def marks(self) -> tuple[str, ...]:
        """The tables whose changed windows mark the windows of this one."""
        return self.marked_by or self.computed_from


_LOG = INFERENCE_LOG.name
_RESPONSES = (_LOG, LABELS.name, FEEDBACK.name)
_SERVICE_RULES = (
    *(RuleKind(name) for name in ("error_rate", "availability", "latency_p95_ms", "latency", "sql")),
    *(RuleKind(name, "warning") for name in ("volume", "throughput")),
)
DERIVATIONS = (
    Derivation(SERVICE_METRICS, (_LOG,), judged_by=_SERVICE_RULES, hourly=True),
    Derivation(PROFILES, (_LOG,), hourly=True, companions=(DAILY_PROFILES,)),
    Derivation(DRIFT, (PROFILES.name,), judged_by=(RuleKind("drift", "warning"),), when_ended=True),
    Derivation(DATA_QUALITY, (_LOG, PROFILES.name), (PROFILES.name,), judged_by=(RuleKind("data_quality"),)),
    Derivation(QUALITY_METRICS, _RESPONSES, judged_by=(RuleKind("quality"), RuleKind("label_coverage", "warning"))),
    Derivation(
        ESTIMATED_QUALITY,
        (_LOG, QUALITY_METRICS.name),
        (_LOG,),
        judged_by=(RuleKind("estimated_quality", "warning", count="predictions"),),
        only_task="binary_classification",
    ),
    Derivation(CUSTOM_METRICS, _RESPONSES, judged_by=(RuleKind("metric"),), only_with_metrics=True),
    Derivation(KEY_USAGE, (_LOG,)),
    Derivation(
        ATTRIBUTION_DRIFT,
        (EXPLANATIONS.name,),
        judged_by=(RuleKind("attribution_drift", "warning", value="excess"),),
        only_explained=True,
        companions=(ATTRIBUTIONS,),
    ),
)


def derivations_for(task: str, *, own_metrics: bool, explained: bool = False) -> tuple[Derivation, ...]:
    """Return the derived tables of an endpoint, with or without custom metrics and explanations, in order."""
    return tuple(
        one
        for one in DERIVATIONS
        if one.only_task in {None, task}
        and (own_metrics or not one.only_with_metrics)
        and (explained or not one.only_explained)
    )


def derivation_of(table: str) -> Derivation:
    """Return the declaration of a derived table; raises KeyError for another name."""
    return {one.name: one for one in DERIVATIONS}[table]


def dependents_of(derivations: Sequence[Derivation], table: str) -> tuple[str, ...]:
    """Return the names of the derived tables whose windows are marked when those of ``table`` change."""
    return tuple(one.name for one in derivations if table in one.marks)


def direct_sources(derivation: Derivation) -> list[str]:
    """Return the tables it is computed from, without those that another source depends on anyway."""
    indirect = {further for name in derivation.computed_from for further in _sources(name)}
    return [name for name in derivation.computed_from if name not in indirect]


def _sources(name: str) -> set[str]:
    """Return all direct and indirect sources of a table; labels, feedback and explanations come after the log."""
    if name in {LABELS.name, FEEDBACK.name, EXPLANATIONS.name}:
        return {_LOG}
    direct = {one.name: one.computed_from for one in DERIVATIONS}.get(name, ())
    return {*direct, *(further for one in direct for further in _sources(one))}


def rule_kinds() -> dict[str, RuleKind]:
    """Return every kind of alert rule that judges a derived table, by name."""
    return {kind.name: kind for one in DERIVATIONS for kind in one.judged_by}


def judged_table(kind: str) -> Table:
    """Return the table that rules of a kind judge; raises KeyError for an unknown kind."""
    return {known.name: one.table for one in DERIVATIONS for known in one.judged_by}[kind]


def lake_tables() -> Iterator[Table]:
    """Yield every table of the lake, the captured ones first."""
    yield from (*STREAMS.values(), KEYED_LABELS, REJECTS)
    for one in DERIVATIONS:
        yield from (one.table, *one.companions)
    yield from (SHADOW_LOG, EXPLANATIONS)
