"""The context that a trainer receives with its frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingContext:
    """The second argument of every trainer.

    ``features`` are the columns to fit on, in the order in which the gateway will send them; ``label`` is the
    column to predict. Use ``seed`` for every random choice, so that the same training set gives the same model.
    ``settings`` are those of the candidate in ``retraining.candidates``; empty for the endpoint's own trainer.
    ``weights`` has a weight for each row of the frame, in its order and with a mean of 1, as a NumPy array of floats;
    None unless the endpoint's ``training.weights`` asks for them.
    """

    endpoint: str
    task: str
    label: str
    features: tuple[str, ...]
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Any = field(default=None, compare=False)
