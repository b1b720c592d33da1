"""Labels from elsewhere in the form in which the gateway stores them: a class of the model, or a number."""

from collections.abc import Callable
from decimal import Decimal
from math import isfinite

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.labels.source_rows import RowError
from modelops_pipelines.core.models.class_names import class_name
from modelops_pipelines.core.models.classes import match_class
from modelops_pipelines.store.stores import Stores

ToLabel = Callable[[object], str | float]


def label_reader(stores: Stores, spec: EndpointSpec) -> ToLabel:
    """Return the function that gives a label its stored form; it raises RowError for one that the model cannot have.

    A class must be one that the YAML states or any recorded version has; while the classes of a version are unknown,
    any is taken.
    """
    return _number if spec.task == "regression" else _class_reader(stores, spec)


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        raise RowError("the label is not a number")
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise RowError("the label is not a number") from None
    if not isfinite(number):
        raise RowError("the label is not a finite number")
    return number


def _class_reader(stores: Stores, spec: EndpointSpec) -> ToLabel:
    recorded = [version.classes for version in stores.deployments.versions(spec.model_name)]
    known = [*spec.classes, *(name for classes in recorded for name in classes or ())]
    unknown = not known or (not spec.classes and any(classes is None for classes in recorded))

    def read(given: object) -> str:
        value = given.strip() if isinstance(given, str) else given
        if isinstance(value, float) and not isfinite(value):
            raise RowError("the label is not a class")
        if unknown:
            return class_name(value)
        found = match_class(value, dict.fromkeys(known))
        if found is None:
            raise RowError(f"the label is not a class of the model ({len(set(known))} are known)")
        return found

    return read
