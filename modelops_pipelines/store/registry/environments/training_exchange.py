"""What a training here and the trainer's process in its environment exchange: files in a folder, and how it ended.

Only the standard library: both sides run this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ORDER, OUTCOME, MODEL = "order.json", "outcome.json", "model"
"""Files in the folder of one training: what is to be trained, how it ended, and the saved model's folder."""
SAVED, RAISED, NO_MODEL, UNSAVED, NOT_FOUND, UNFIT = "saved", "raised", "no model", "not saved", "not found", "unfit"
"""How it ends: with a model; what the trainer raised; no model of it; one that cannot be stored; no trainer; and an
environment in which MLflow or pandas does not run."""
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class TrainingOrder:
    """What a trainer's process is told. ``folders`` are where its module and what that imports are found.

    ``context`` are the fields of a TrainingContext, without weights, as JSON has them: a date of the settings becomes
    its text. ``requirements`` are what the model is saved with.
    """

    trainer: str
    folders: Sequence[str]
    context: Mapping[str, Any]
    requirements: Sequence[str]
