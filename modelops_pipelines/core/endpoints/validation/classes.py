"""Validate what an endpoint says of its model's answers: classes, positive label, and which value is the prediction."""

from collections.abc import Iterator

from modelops_pipelines.core.endpoints.issues import Issue, suggestion
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.models.classes import fold, list_problem


def class_issues(spec: EndpointSpec) -> Iterator[Issue]:
    """Yield all issues of ``output``, ``classes`` and ``positive_label``."""
    if spec.output is not None and spec.task != "regression":
        yield Issue("output", "is for a regression that answers several values a row", "Remove it, or correct 'task'")
    if not spec.classes:
        return
    if spec.task == "regression":
        yield Issue("classes", "a regression has none", "Remove it, or correct 'task'")
        return
    problem = list_problem(spec.classes)
    if problem is not None:
        yield Issue("classes", problem, "List each class once, in the order of the model's score columns")
    elif spec.task == "binary_classification":
        yield from _binary_issues(spec)


def _binary_issues(spec: EndpointSpec) -> Iterator[Issue]:
    if len(spec.classes) > 2:  # noqa: PLR2004 - a binary classification has two classes
        yield Issue("classes", f"lists {len(spec.classes)} classes", "List two, or write 'task: multiclass'")
    elif spec.positive_label not in spec.classes:
        same = [name for name in spec.classes if fold(name) == fold(spec.positive_label)]
        problem = f"'{spec.positive_label}' is not one of 'classes': {', '.join(spec.classes)}"
        fix = f"Write it as in 'classes': '{same[0]}'" if same else suggestion(spec.positive_label, spec.classes)
        stated = spec.positive_label != EndpointSpec.positive_label
        yield Issue("positive_label", problem, fix) if stated else _default_issue(spec)


def _default_issue(spec: EndpointSpec) -> Issue:
    """Return the issue of a positive label that is left out, so that it has no line of its own."""
    problem = f"do not have the positive label '{spec.positive_label}', which is the default"
    return Issue("classes", problem, f"Add 'positive_label', such as 'positive_label: \"{spec.classes[-1]}\"'")
