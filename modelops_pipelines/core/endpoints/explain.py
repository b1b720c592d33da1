"""Whether and how an endpoint's predictions are explained: what its YAML says under ``explain``, and its issues."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from modelops_pipelines.core.endpoints.issues import Issue, one_of

ExplainMethod = Literal["auto", "tree", "linear", "permutation"]
EXPLAIN_METHODS: tuple[str, ...] = get_args(ExplainMethod)
AUTO: ExplainMethod = "auto"
TREE, LINEAR, PERMUTATION = "tree", "linear", "permutation"
ATTRIBUTION_DRIFT = "attribution_drift"
"""The kind of alert rule on drift of attributions."""
_NO_VALUE = "json"
"""The type of columns whose values are neither numbers, text, booleans nor times."""


@dataclass(frozen=True)
class ExplainPolicy:
    """How predictions are explained.

    ``method`` auto: exactly where the model's library can (``tree``, ``linear``), else by ``permutation``. ``sample``
    is the share of answered live rows that are explained from the log, after their answers; 0: on request only.
    """

    method: ExplainMethod = AUTO
    sample: float = 0.01


def why_no_reference(version: str, inputs: Mapping[str, str], redacted: Sequence[str]) -> str | None:
    """Return why a version never has reference rows, None where it may have some.

    ``inputs`` are its columns' types, ``redacted`` those of its features that are never written to disk.
    """
    if redacted:
        return f"version {version} takes {', '.join(redacted)}, which 'capture.redact' keeps from the disk"
    if _NO_VALUE in inputs.values():
        return f"version {version} has inputs of which a value is no number, text, boolean or time"
    return None


def unexplained_issues(kinds: Sequence[str], *, is_explained: bool) -> Iterator[Issue]:
    """Yield an issue of each alert rule that judges explanations of an endpoint that explains no rows by itself."""
    for index, kind in enumerate(kinds):
        if kind == ATTRIBUTION_DRIFT and not is_explained:
            problem = "judges explained rows, and this endpoint explains none by itself"
            yield Issue(f"alerts[{index}].kind", problem, "Add 'explain: {sample: 0.01}', or remove the rule")


def explain_issues(
    policy: ExplainPolicy | None, redacted: Collection[str], *, is_elsewhere: bool, row_wise: bool
) -> Iterator[Issue]:
    """Yield all issues of the section 'explain'; ``redacted`` are the features that the log does not keep."""
    if policy is None:
        return
    yield from one_of("explain.method", policy.method, EXPLAIN_METHODS)
    if not 0 <= policy.sample <= 1:
        problem = f"must be from 0 to 1, and is {policy.sample:g}"
        yield Issue("explain.sample", problem, "Set the share of answered rows that are explained, such as 0.01")
    elif policy.sample and redacted:
        problem = f"rows are explained from the log, which 'capture.redact' keeps {', '.join(sorted(redacted))} out of"
        yield Issue("explain.sample", problem, "Set 'sample: 0', which explains on request only")
    if is_elsewhere:
        yield Issue("explain", "an endpoint that is served elsewhere has no model here to ask", "Remove it")
    if not row_wise:
        problem = (
            "a row's answer depends on the other rows of its request ('row_wise: false'), so no column has a share"
        )
        yield Issue("explain", problem, "Remove it, or 'row_wise: false' where each row is answered by itself")
