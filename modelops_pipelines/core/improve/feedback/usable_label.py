"""The label that a piece of feedback gives its prediction when it is accepted for training."""

import math
from collections.abc import Sequence

from modelops_pipelines.core.errors import ConflictError, InputError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import match_class

Label = str | int | float | bool
NO_LABEL = "Give the true label: --label LABEL"


def label_of(given: Label | None, corrected: str | float | None, thumbs: str | None, prediction: object) -> Label:
    """Return the label: the one ``given`` by who accepts, else the corrected one, else the prediction with thumbs up.

    Raises ConflictError where there is none of them: a rating, a comment or thumbs down name no truth.
    """
    if given is not None:
        return given
    if corrected is not None:
        return corrected
    if thumbs != "up":
        raise ConflictError(
            "This feedback names no true label: it has neither a corrected label nor thumbs up", NO_LABEL
        )
    if not isinstance(prediction, str | int | float):
        raise ConflictError("The prediction that this feedback praises is not in the log, or has no class", NO_LABEL)
    return prediction


def label_text(label: Label, task: str, classes: Sequence[str]) -> str:
    """Return a label as the state keeps it: a class in its own spelling, or a number with all its digits.

    ``classes`` are the known ones; without any every class is taken. Raises InputError for a label of another kind.
    """
    if task == "regression":
        return _number_text(label)
    if isinstance(label, float) and not math.isfinite(label):
        raise InputError(f"The label {label} is not a class", "Give the class as a text or a finite number")
    found = match_class(label, classes) if classes else class_name(label)
    if not found:
        shown = ", ".join(classes)[:300]
        raise InputError(f"The label {str(label)[:60]!r} is not a class of the model", f"Give one of: {shown}")
    return found


def _number_text(label: Label) -> str:
    try:
        number = math.nan if isinstance(label, bool) else float(label)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(
            f"The label {str(label)[:60]!r} is not a number", "Give a finite number: the task is regression"
        )
    return repr(number)
