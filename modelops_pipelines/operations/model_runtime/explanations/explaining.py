"""How rows of one request are explained: which questions their model is asked, and what its answers say.

The steps are a generator, so that the gateway asks through the version's queue, as for any request, and a process
without a queue asks the model at once. A question is an ``ExactQuestion`` or ``Rows``; the reply to it is an ``Exact``
or ``Unfit``, or an ``Outcome``. An error of ours that a question ended with is thrown in.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelops_pipelines.core.endpoints.explain import AUTO, LINEAR, PERMUTATION, why_no_reference
from modelops_pipelines.core.errors import CrashError, ModelOpsError, PredictionError
from modelops_pipelines.core.explanations.explained import (
    FEWEST_LOGGED,
    PREDICTION,
    PROBABILITY,
    Explanation,
    agrees_with,
    seed_of,
    total_of,
)
from modelops_pipelines.core.explanations.permutations import Orders, draw_orders, estimate
from modelops_pipelines.core.models.input_forms import JSON, TENSOR, TENSORS
from modelops_pipelines.core.models.predictions import place_of
from modelops_pipelines.core.models.typed_columns import Columns
from modelops_pipelines.operations.model_runtime.loaded_model import Model, Outcome, Rows
from modelops_pipelines.store.registry.formats.contributions import NO_REFERENCE, Exact, Unfit

REFERENCES = 32
"""Reference rows that permutations are drawn against; each adds two orders of all columns."""
FEWEST_REFERENCES = 8
MOST_COLUMNS = 100
"""Columns of a model that is explained by permutations: rows to answer grow with their number."""
AT_ONCE = 1000
"""Rows of one question: other requests are answered between two of them."""
_SEVERAL = "it answers several numbers a row, and 'output' in the endpoint's YAML does not say which is the prediction"


@dataclass(frozen=True)
class ExactQuestion:
    """Rows whose exact contributions are asked for, with the reference rows."""

    columns: Columns
    reference: Columns | None


Question = ExactQuestion | Rows
Steps = Generator[Question, Any, list[Explanation]]


def why_unexplained(model: Model) -> str | None:
    """Return why no answer of a version can be explained by any method; None where one may."""
    form, task = model.form, model.spec.task
    if form.layout in (TENSOR, TENSORS) or JSON in form.kinds.values():
        return "it has inputs of which a value is no number, text, boolean or time"
    if task == "regression" and model.spec.output is None and model.outputs is not None and len(model.outputs) > 1:
        return _SEVERAL
    if task == "binary_classification" and model.version.classes is None:
        return "its classes are unknown"
    return None


def explaining(model: Model, rows: Rows, outcome: Outcome, reference: Columns | None, method: str) -> Steps:
    """Explain the answered rows of a request; each row has an explanation, or the reason why there is none.

    ``reference`` are the version's reference rows, None without any. ``method`` is that of the endpoint's YAML.
    """
    why = why_unexplained(model)
    if why is not None:
        return _without(rows.count, f"Version {model.version.version} cannot be explained: {why}")
    unfit = "the endpoint's YAML says 'method: permutation'"
    if method != PERMUTATION:
        try:
            found = yield ExactQuestion(rows.columns, reference)
        except ModelOpsError as error:
            return _without(rows.count, error.message)
        if isinstance(found, Exact) and method in (AUTO, found.method):
            return [_exact(model, rows, outcome, found, row) for row in range(rows.count)]
        unfit = found.why if isinstance(found, Unfit) else f"its own method is {found.method}"
        if unfit == NO_REFERENCE and method == LINEAR:
            return _without(rows.count, f"linear models are explained by reference rows, and {_lacking(model, 0)}")
        if method != AUTO:
            return _without(rows.count, f"Version {model.version.version} has no explanation by {method!r}: {unfit}")
    return (yield from _by_permutations(model, rows, outcome, reference))


def _without(rows: int, why: str) -> list[Explanation]:
    return [Explanation(reason=why)] * rows


def _exact(model: Model, rows: Rows, outcome: Outcome, found: Exact, row: int) -> Explanation:
    """Return a row's exact explanation; the reason instead where it does not add up to the answer that was given."""
    values = found.values[row]
    sums = values.sum(axis=1)
    of, answered = _class_of(model, len(values), sums), _answered(outcome, row)
    if isinstance(of, str):
        return Explanation(reason=of)
    mine = values[of.output] * of.sign
    total = total_of(float(mine[-1]), mine[:-1].tolist())
    if not np.isfinite(mine).all() or not agrees_with(found.scale, total, answered if of.is_answered else None):
        return Explanation(reason=f"its library's contributions add up to {total:.6g}, which is not what it answers")
    named = dict(zip(rows.columns, mine[:-1].tolist(), strict=True))
    return Explanation(None, found.method, found.scale, of.name, total, float(mine[-1]), named)


@dataclass(frozen=True)
class _Of:
    """Which output is explained, of which class it is, its sign, and whether the answer's number is the same one's."""

    output: int
    name: str | None
    sign: float = 1.0
    is_answered: bool = True


def _class_of(model: Model, outputs: int, sums: NDArray[np.float64]) -> _Of | str:
    """Return the output of the positive class, or of the likeliest one where there are more than two.

    Of a regression's several outputs it is the endpoint's; the reason where none is.
    """
    classes, spec = model.version.classes, model.spec
    if spec.task == "regression":
        place = 0 if outputs == 1 else None if spec.output is None else place_of(spec.output, model.outputs, outputs)
        return _SEVERAL if place is None else _Of(place, None)
    likeliest = int(sums.argmax())
    if outputs > 1:
        positive = classes.index(spec.positive_label) if classes and spec.positive_label in classes else likeliest
        place = positive if spec.task == "binary_classification" else likeliest
        name = classes[place] if classes is not None and len(classes) == outputs else None
        return _Of(place, name, is_answered=False)
    is_first = bool(classes) and classes is not None and classes[0] == spec.positive_label
    return _Of(0, spec.positive_label, -1.0 if is_first else 1.0)


def _answered(outcome: Outcome, row: int) -> float | None:
    """Return a row's score, or its predicted number; None where the answer is a class alone."""
    found: Any = outcome.predictions[row] if outcome.scores is None else outcome.scores[row]
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _by_permutations(model: Model, rows: Rows, outcome: Outcome, reference: Columns | None) -> Steps:
    known = 0 if reference is None else len(next(iter(reference.values()), []))
    width = len(rows.columns)
    if reference is None or known < FEWEST_REFERENCES:
        return _without(
            rows.count, f"permutations need {FEWEST_REFERENCES} reference rows, and {_lacking(model, known)}"
        )
    if width > MOST_COLUMNS:
        return _without(rows.count, f"it has {width} columns, and permutations take at most {MOST_COLUMNS}")
    background = {name: values[:REFERENCES] for name, values in reference.items()}
    found: list[Explanation] = []
    for row in range(rows.count):
        mine = {name: values[row] for name, values in rows.columns.items()}
        try:
            found.append((yield from _one_row(model, mine, background, outcome, row, rows)))
        except CrashError as error:
            return [*found, *_without(rows.count - row, error.message)]
        except PredictionError as error:
            found.append(Explanation(reason=f"it fails on rows mixed of this and reference rows: {error.message}"))
        except ModelOpsError as error:  # out of time, for one: so are the rows that follow
            return [*found, *_without(rows.count - row, error.message)]
    return found


def _lacking(model: Model, known: int) -> str:
    """Return why a version has fewer reference rows than it needs, and what to do."""
    version, spec = model.version.version, model.spec
    never = why_no_reference(version, model.version.inputs, spec.capture.redacted_among(model.version.inputs))
    if never is not None:
        return f"{never}: of it there are none"
    if known:
        return f"version {version} has {known}: its training set had no more"
    return (
        f"version {version} has none yet: they are taken from its training set, or once {FEWEST_LOGGED} rows that it "
        f"answered are kept: within about a minute where Dagster runs, else on the gateway's host by modelops explain "
        f"run {spec.name}"
    )


def _one_row(
    model: Model, mine: dict[str, Any], background: Columns, outcome: Outcome, row: int, rows: Rows
) -> Generator[Question, Any, Explanation]:
    of = _explained_output(model, outcome, row)
    if isinstance(of, str):
        return Explanation(reason=of)
    count = len(next(iter(background.values())))
    orders = draw_orders(len(mine), count, seed_of(model.version.version, mine))
    answers: list[float] = []
    mixed = mixed_rows(mine, background, orders)
    for start in range(0, orders.rows, AT_ONCE):
        part = {name: values[start : start + AT_ONCE] for name, values in mixed.items()}
        size = min(AT_ONCE, orders.rows - start)
        answered: Outcome = yield Rows(part, size, digest=rows.digest, mark=rows.mark)
        numbers = [_number(answered, at, of.output) for at in range(size)]
        if None in numbers:
            return Explanation(reason="it gives no number for some rows mixed of this and reference rows")
        answers += [number for number in numbers if number is not None]
    estimated = estimate(orders, np.array(answers).reshape(len(orders.references), -1))
    named = dict(zip(mine, estimated.contributions.tolist(), strict=True))
    errors = None if estimated.errors is None else dict(zip(mine, estimated.errors.tolist(), strict=True))
    scale = PREDICTION if model.spec.task == "regression" else PROBABILITY
    total = total_of(estimated.base, list(named.values()))
    return Explanation(None, PERMUTATION, scale, of.name, total, estimated.base, named, errors)


def mixed_rows(mine: dict[str, Any], background: Columns, orders: Orders) -> Columns:
    """Return the rows that the model is asked about, order by order, each from a reference row to the explained one."""
    own = orders.own()
    places = np.repeat(orders.references, own.shape[1])
    mixed: Columns = {}
    for at, (name, value) in enumerate(mine.items()):
        theirs = np.empty(len(background[name]), dtype=object)
        theirs[:] = background[name]
        values = theirs[places]
        values[own[:, :, at].ravel()] = value
        mixed[name] = values.tolist()
    return mixed


def _explained_output(model: Model, outcome: Outcome, row: int) -> _Of | str:
    """Return which number of an answer is explained, or why it has none."""
    task, classes = model.spec.task, model.version.classes
    if row in outcome.unanswered:
        return "it gave no answer for this row"
    if task == "regression":
        is_several = isinstance(outcome.output[row], list | dict) and model.spec.output is None
        missing = _SEVERAL if is_several else "it answers no number"
        return missing if _answered(outcome, row) is None else _Of(-1, None)
    if outcome.scores is None or outcome.scores[row] is None:
        return "it answers classes without probabilities, of which nothing can be added up"
    if task == "binary_classification":
        return _Of(-1, model.spec.positive_label)
    answer = outcome.output[row]
    if not isinstance(answer, list):
        return "it answers no probability of each class"
    place = int(np.argmax(answer))
    return _Of(place, classes[place] if classes is not None and place < len(classes) else None)


def _number(outcome: Outcome, row: int, output: int) -> float | None:
    """Return the explained number of a row: the score or prediction for -1, else that of a class."""
    if output < 0:
        return _answered(outcome, row)
    answer = outcome.output[row]
    return float(answer[output]) if isinstance(answer, list) else None


def advance(steps: Steps, reply: Any = None, error: ModelOpsError | None = None) -> Question | list[Explanation]:
    """Give the steps the reply to their last question, or the error that it ended with; nothing at the beginning.

    Returns the next question, or at the end the rows' explanations.
    """
    try:
        return steps.send(reply) if error is None else steps.throw(error)
    except StopIteration as ended:
        found: list[Explanation] = ended.value
        return found


def explain_at_once(
    model: Model, rows: Rows, outcome: Outcome, reference: Columns | None, method: str
) -> list[Explanation]:
    """Return the rows' explanations, asking the model itself; it has no other caller."""
    steps = explaining(model, rows, outcome, reference, method)
    found = advance(steps)
    while not isinstance(found, list):
        try:
            reply = _reply(model, found)
        except ModelOpsError as error:
            found = advance(steps, error=error)
        else:
            found = advance(steps, reply)
    return found


def _reply(model: Model, question: Question) -> Exact | Unfit | Outcome:
    if isinstance(question, ExactQuestion):
        return model.explain(question.columns, question.reference)
    [answer] = model.answer([question])
    if isinstance(answer, Exception):
        raise answer
    return answer
