"""Why a candidate that passed the gate waits for a person: a leak, or evaluation rows in its training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import HELD, NOT_ENOUGH, PASS, GateConfig, GateResult
from modelops_pipelines.core.evaluation.plausibility import Judged, Plausibility, Truth, judge_plausibility
from modelops_pipelines.operations.improve.training.overlap import count_trained_on
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Losses = Callable[["pd.DataFrame", Sequence[int]], Floats]
"""The losses of a version on rows, given their features and their positions among the evaluation rows."""
UNKNOWN = "unknown"
SHUFFLED_ROWS = 2000
SEED = 20_130_101


@dataclass(frozen=True, eq=False)
class Compared:
    """A candidate and the champion, with what they were compared on.

    ``frame`` has the features, ``days`` each row's day as an ordinal. ``losses`` are those of champion and candidate.
    ``losses_of`` computes the candidate's losses on other features; ``judge_on`` is the gate on some of the rows.
    """

    candidate: ModelVersion
    champion: ModelVersion
    rows: pa.Table
    frame: "pd.DataFrame"
    days: NDArray[np.int64]
    truth: Truth
    losses: tuple[Floats, Floats]
    losses_of: Losses
    judge_on: Callable[[NDArray[np.bool_]], GateResult]


def hold_numbers(stores: Stores, spec: EndpointSpec, compared: Compared, result: GateResult) -> dict[str, Any]:
    """Return the numbers to add to a verdict; ``held`` has the reasons why a pass waits for a person, if any."""
    trained_on = count_trained_on(stores, spec, compared.candidate, compared.rows)
    earlier = [gate.numbers for gate in stores.gates.of(spec.name) if gate.version != compared.candidate.version]
    plausible = plausibility_of(spec.gate, compared, result, earlier)
    numbers = {
        "training_rows": UNKNOWN if trained_on is None else trained_on,
        "champion_training_rows": count_trained_on(stores, spec, compared.champion, compared.rows),
        **plausible.numbers,
    }
    if result.verdict != PASS:
        return numbers
    unseen = _judge_unseen(compared) if trained_on is None else {}
    numbers |= unseen
    held = [*_training_reasons(compared, trained_on, unseen), *plausible.reasons]
    if plausible.reasons:
        column, before, after = carrying_column(compared)
        held.append(
            f"suspicious column: {column!r}; with its values shuffled the candidate's loss rises from {before:.4f} to "
            f"{after:.4f}"
        )
        numbers["suspicious_column"] = column
    return {**numbers, HELD: held} if held else numbers


def _judge_unseen(compared: Compared) -> dict[str, Any]:
    """Judge a version of unknown training on the rows that came after it was registered: it cannot have seen them."""
    registered = pa.scalar(compared.candidate.registered_at, pa.timestamp("us", "UTC"))
    later = np.asarray(pc.fill_null(pc.greater(compared.rows.column(EVENT_TIME), registered), fill_value=False))
    verdict = compared.judge_on(later).verdict if later.any() else NOT_ENOUGH
    return {"unseen_rows": int(later.sum()), "unseen_verdict": verdict}


def _training_reasons(compared: Compared, trained_on: int | None, unseen: Mapping[str, Any]) -> list[str]:
    version = compared.candidate.version
    if trained_on is None and unseen["unseen_verdict"] != PASS:
        rows, verdict = unseen["unseen_rows"], unseen["unseen_verdict"]
        known = f"on the {rows} rows after it was registered alone the verdict is '{verdict}'"
        unknown = "it cannot be known whether it was trained on the evaluation rows"
        return [f"version {version} was not trained by this project: {unknown}; {known}"]
    if trained_on:
        return [f"version {version} was trained on {trained_on} of the {len(compared.rows)} evaluation rows"]
    return []


def plausibility_of(
    config: GateConfig, compared: Compared, result: GateResult, past: Sequence[Mapping[str, Any]]
) -> Plausibility:
    """Return whether the candidate is too good, given the gate's result and the numbers of earlier verdicts."""
    regimes = (compared.days - int(compared.days.min())) // config.regime_days
    judged = [part.name for part in result.regimes if part.upper_bound is not None]
    first = date.fromordinal(int(compared.days.min()))
    numbers = [(date.fromisoformat(name[:10]) - first).days // config.regime_days for name in judged]
    columns = {name: compared.frame[name].to_numpy() for name in compared.candidate.inputs}
    return judge_plausibility(Judged(*compared.losses, compared.truth, regimes, numbers, compared.days, columns, past))


def carrying_column(compared: Compared) -> tuple[str, float, float]:
    """Return the column whose shuffling raises the candidate's loss most, and the loss before and after.

    On at most SHUFFLED_ROWS evenly spaced rows, with the same draws at every call.
    """
    places = range(0, len(compared.frame), max(1, -(-len(compared.frame) // SHUFFLED_ROWS)))
    sample, draw = compared.frame.iloc[list(places)], np.random.default_rng(SEED)
    before = float(compared.losses[1][list(places)].mean())
    after = {}
    for name in compared.candidate.inputs:
        shuffled = sample.copy()
        shuffled[name] = sample[name].to_numpy()[draw.permutation(len(sample))]
        losses = compared.losses_of(shuffled, places)
        after[name] = float(losses.mean()) if len(losses) else before  # it cannot answer values in another order
    column = max(after, key=lambda name: after[name])
    return column, before, after[column]
