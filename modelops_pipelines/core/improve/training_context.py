"""The context that a trainer receives with its frame."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingContext:
    """The second argument of every trainer.

    ``features`` are the columns to fit on, in the order in which the gateway will send them; ``label`` is the
    column to predict. Use ``seed`` for every random choice, so that the same training set gives the same model.
    """

    endpoint: str
    task: str
    label: str
    features: tuple[str, ...]
    seed: int = 0
