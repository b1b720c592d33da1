"""The classes of a version: where they are known from, whether all sources agree, and which class a label names.

A class has one text form, ``class_name``. No name is ever made up from the position of a score column.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from modelops_pipelines.core.errors import ModelError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.output_kinds import LABELS

CLASSES_TAG = "modelops.classes"
MODEL, FILES, METADATA, TAG, YAML = "model", "files", "metadata", "tag", "yaml"
_PRECEDENCE = (YAML, TAG, METADATA, FILES, MODEL)
"""Whose spelling is used: all sources agree on the classes, and positive_label stands in the same YAML."""
PLACES: Mapping[str, str] = {
    MODEL: "the loaded model's classes_",
    FILES: "the classes_ in the model's files",
    METADATA: "the model's metadata ('classes' in log_model)",
    TAG: f"the version's tag {CLASSES_TAG} in MLflow",
    YAML: "'classes' in the endpoint's YAML",
}
IN_CONFLICT = "conflict"
"""The source of the classes of a live version whose record and loaded model differ: they count as unknown."""
_FEWEST = 2
_WHOLE = re.compile(r"(-?\d+)\.0+")
_TRUTH = {"true": "1", "false": "0"}


def agree(model: str, version: str, sources: Mapping[str, Sequence[str] | None]) -> tuple[list[str] | None, str | None]:
    """Return the classes that all sources state, and the source whose names are used; (None, None) without any.

    ``sources`` has the classes by source, in the order of the score columns. Two lists agree also where one writes a
    class in another form (true for 1), or names the codes 0, 1, ... that the model was trained on. Raises ModelError,
    which names both sources, when two of them differ in another way.
    """
    given = {source: list(names) for source, names in sources.items() if names is not None}
    chosen = next((one for one in _PRECEDENCE if one in given), None)
    for source, names in given.items():
        if chosen is None or _same(names, given[chosen]) or _are_codes_of(names, given[chosen]):
            continue
        raise ModelError(
            f"Version {version} of model {model!r} has two lists of classes: {_shown(given[chosen])} in "
            f"{PLACES[chosen]}, {_shown(names)} in {PLACES[source]}",
            "Correct or remove one of them: the list is in the order of the model's score columns",
        )
    return (None, None) if chosen is None else (given[chosen], chosen)


def check_positive(model: str, version: str, classes: Sequence[str] | None, task: str, positive: str) -> None:
    """Raise ModelError when a binary classification's positive label is no class of the version; unknown ones pass."""
    if classes is None or task != "binary_classification" or positive in classes:
        return
    same = next((name for name in classes if fold(name) == fold(positive)), None)
    choices = f"'{same}'" if same else f"one of these, such as '{classes[-1]}'"
    raise ModelError(
        f"positive_label {positive!r} is not a class of version {version} of model {model!r}, whose classes are "
        f"{_shown(classes)}",
        f"Set 'positive_label' in the endpoint's YAML to {choices}",
    )


def match_class(label: object, classes: Iterable[str]) -> str | None:
    """Return the class that a label names, in the class's own form, or None: true, "True", 1 and 1.0 name the same."""
    known = list(classes)
    name = class_name(label)
    if name in known:
        return name
    alike = [one for one in known if fold(one) == fold(name)]
    return alike[0] if len(alike) == 1 else None


def fold(name: str) -> str:
    """Return the form in which two spellings of one class are equal: 1 for true and 1.0, 0 for false."""
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else _TRUTH.get(name.lower(), name)


def list_problem(names: Sequence[str]) -> str | None:
    """Return what is wrong with a stated list of classes, or None."""
    if len(names) < _FEWEST:
        return f"lists {len(names)} class(es), and a classification has at least {_FEWEST}"
    folded = [fold(name) for name in names]
    twice = next((name for place, name in enumerate(names) if folded.index(fold(name)) != place), None)
    return None if twice is None else f"lists the class '{twice}' twice"


def missing_classes(task: str, version: str, classes: Sequence[str] | None, output: str) -> str | None:
    """Return what to add to a version whose answers cannot be named: it gives scores, and its classes are unknown.

    None when nothing is missing.
    """
    if task == "regression" or classes is not None or output == LABELS:
        return None
    return f"No metric of classes is computed: {why_unknown(version)}. {how_to_state(version)}"


def why_unknown(version: str) -> str:
    """Return what is missing for a version whose classes are unknown."""
    return f"the classes of version {version} are unknown"


def how_to_state(version: str) -> str:
    """Return how to state the classes of a version."""
    return (
        f'Add "classes: [...]", in the order of the score columns, to the endpoint\'s YAML, or the tag {CLASSES_TAG} '
        f"to version {version} in MLflow and deploy it again"
    )


def _same(names: Sequence[str], others: Sequence[str]) -> bool:
    return list(map(fold, names)) == list(map(fold, others))


def _are_codes_of(names: Sequence[str], stated: Sequence[str]) -> bool:
    """Return whether the names are codes 0, 1, ... only, for which the other list has the names."""
    codes = [str(place) for place in range(len(stated))]
    return list(names) == codes and set(map(fold, stated)).isdisjoint(codes)


def _shown(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"[:300]
