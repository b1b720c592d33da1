"""Judges the metric ``excess_errors``: errors beyond those that the model itself expects, which is concept drift.

A window's excess is its estimated accuracy (from the scores, calibrated on earlier labels) minus the accuracy on its
labels. Inputs that became harder raise both, and no rule fails. A rule fails when the mean excess of its windows is
beyond the threshold and above the excess of the windows before by more than these vary (``core.metrics.fall``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import fsum

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.alerts import EXCESS_ERRORS
from modelops_pipelines.core.improve.retraining.harm import mattering
from modelops_pipelines.core.metrics.fall import Fall, Needed, judge_fall
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, QUALITY_METRICS, WHOLE
from modelops_pipelines.core.windows import LENGTH, text, with_earlier
from modelops_pipelines.operations.alerting.judges.thresholds import (
    Rows,
    mature_windows,
    not_judged,
    rows_of_busiest_version,
    stored_rows,
    threshold_verdict,
    trailing_windows,
)
from modelops_pipelines.operations.metrics.estimated_quality import estimated_rows
from modelops_pipelines.store.stores import Stores

OVER = {"day": timedelta(days=2), "hour": timedelta(hours=24)}
"""The span that a rule without ``over`` judges: a single stormy day is no changed concept."""
BEFORE = {"day": 365, "hour": 56 * 24}
"""Windows before, of which the usual excess and its noise are taken."""
FEWEST_BEFORE = 28
_NAMED = 5
Excess = Mapping[datetime, tuple[float, float, int]]
"""By window: the share of errors on the labels, the share that the scores expect, and the labelled rows."""


def judge_excess_errors(
    stores: Stores, spec: EndpointSpec, rule: AlertRule, windows: Sequence[datetime], minimum: int
) -> list[Verdict]:
    """Judge the windows older than the label horizon; ``minimum`` is the fewest labelled rows of a window that counts.

    Reads stored rows of the derived tables alone, so that a year of windows costs no scan of the log.
    """
    mature = mature_windows(stores, spec, windows)
    if not mature:
        return []
    asked = with_earlier(mature, BEFORE[spec.window] * LENGTH[spec.window], spec.window)
    known = excess_by_window(stores, spec, asked)
    counted = {window: found for window, found in known.items() if found[2] >= minimum}
    return [_verdict(stores, spec, rule, window, counted) for window in mature]


def excess_by_window(stores: Stores, spec: EndpointSpec, windows: Sequence[datetime]) -> Excess:
    """Return the observed and the expected errors of each window's busiest version, where both are known."""
    labelled = [row for row in stored_rows(stores, spec, QUALITY_METRICS, windows) if row["segment"] == WHOLE]
    estimated = stored_rows(stores, spec, ESTIMATED_QUALITY, windows)
    missing = {row["window_start"] for row in labelled} - {row["window_start"] for row in estimated}
    if missing:  # log and labels came at once: this table is computed before that one
        estimated += estimated_rows(stores, spec, sorted(missing))
    expected = _by_version(estimated)
    found: dict[datetime, tuple[float, float, int]] = {}
    for window in sorted({row["window_start"] for row in labelled}):
        mine = [row for row in labelled if row["window_start"] == window]
        [row] = rows_of_busiest_version(mine, "predictions")[:1]
        estimate = expected.get((window, row["model_version"]))
        if row["accuracy"] is not None and estimate is not None:
            found[window] = (1 - row["accuracy"], 1 - estimate, row["labelled"])
    return found


def _by_version(rows: Rows) -> dict[tuple[datetime, str], float]:
    known = [row for row in rows if row["accuracy"] is not None]
    return {(row["window_start"], row["model_version"]): row["accuracy"] for row in known}


def _verdict(stores: Stores, spec: EndpointSpec, rule: AlertRule, window: datetime, known: Excess) -> Verdict:
    span = trailing_windows(window, rule.over or OVER[spec.window], spec.window)
    since = [known[one] for one in span if one in known]
    n = sum(labelled for _, _, labelled in since)
    earliest = window - BEFORE[spec.window] * LENGTH[spec.window]
    before = [errors - expected for one, (errors, expected, _) in known.items() if earliest <= one < span[0]]
    needed = Needed(FEWEST_BEFORE, len(span), len(span))
    excess = [errors - expected for errors, expected, _ in since]
    fall = judge_fall(EXCESS_ERRORS, before, excess, lower_is_better=True, needed=needed)
    if fall.fallen is None or fall.since is None:
        return not_judged(rule, text(window), n, fall.why)
    over = replace(rule, over=rule.over or OVER[spec.window])
    verdict = threshold_verdict(over, window, fall.since, n, "labelled rows", spec.window)
    if verdict.passed is not False:
        return verdict
    if not fall.fallen:
        message = f"{verdict.message}; but it varies as much: {_noise_words(fall)}"
        return replace(verdict, passed=True, message=message)
    errors, expected = (fsum(one[part] for one in since) / len(since) for part in (0, 1))
    message = (
        f"concept drift: {100 * errors:.1f} % errors, where the model's scores expect {100 * expected:.1f} %; "
        f"{verdict.message}; {_noise_words(fall)}; {_inputs_words(stores, spec, span)}"
    )
    return replace(verdict, message=message)


def _noise_words(fall: Fall) -> str:
    return f"{fall.before:+.3f} in {fall.windows_before} windows before, with a noise of {fall.noise:.3f}"


def _inputs_words(stores: Stores, spec: EndpointSpec, span: Sequence[datetime]) -> str:
    """Return whether inputs that matter to the model moved in the windows, by the stored verdicts on drift."""
    answers = {"prediction", "score"}
    rows = [row for row in stored_rows(stores, spec, DRIFT, span) if row["column"] not in answers]
    judged = {row["column"] for row in rows if row["drifted"] is not None}
    drifted = {row["column"]: row["importance"] for row in rows if row["drifted"]}
    serious = sorted(mattering(drifted))
    if serious:
        more = f" and {len(serious) - _NAMED} more" if len(serious) > _NAMED else ""
        return f"inputs moved too: {', '.join(serious[:_NAMED])}{more}"
    if not judged:
        return "whether inputs moved is not judged yet"
    if drifted:
        named = ", ".join(f"{name} (importance {drifted[name]:.3f})" for name in sorted(drifted)[:_NAMED])
        return f"inputs did not move: of {len(judged)} columns only such drifted as hardly matter to the model: {named}"
    return f"inputs did not move: none of {len(judged)} columns drifted"
