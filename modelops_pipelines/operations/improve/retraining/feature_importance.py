"""Feature importance: how much a model's answers depend on each feature. Weights the severity of drift."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ROWS = 1000
SEED = 20_130_101
Answers = Callable[["pd.DataFrame"], tuple[list[Any], Sequence[float] | None]]


def importance_of(answers: Answers, inputs: "pd.DataFrame") -> dict[str, float]:
    """Return each feature's share of the change in the answers when its values are shuffled; the shares add up to 1.

    Permutation importance (Breiman 2001, Random Forests, section 10) with the mean absolute change of the answer in
    place of the loss, so that no label is needed: a score changes by its difference, a class by 0 or 1. On ROWS evenly
    spaced rows, the same at every call. Empty where nothing changes the answers.
    """
    sample = inputs.iloc[:: max(1, -(-len(inputs) // ROWS))]
    draw = np.random.default_rng(SEED)
    before = answers(sample)
    changes = {}
    for name in sample.columns:
        shuffled = sample.copy()
        shuffled[name] = sample[name].to_numpy()[draw.permutation(len(sample))]
        changes[str(name)] = _change(before, answers(shuffled))
    total = sum(changes.values())
    return {name: change / total for name, change in changes.items()} if total > 0 else {}


def _change(before: tuple[list[Any], Sequence[float] | None], after: tuple[list[Any], Sequence[float] | None]) -> float:
    """Return the mean absolute change of the scores, or of the predictions where there are none."""
    if before[1] is not None and after[1] is not None:
        return float(np.mean(np.abs(np.asarray(before[1]) - np.asarray(after[1]))))
    if all(isinstance(value, int | float) for value in (*before[0], *after[0])):
        return float(np.mean(np.abs(np.asarray(before[0], float) - np.asarray(after[0], float))))
    return float(np.mean([a != b for a, b in zip(before[0], after[0], strict=True)]))
