"""The list of estimators that touch nothing outside: each of the list is saved, judged, loaded and answers."""

import copy
import inspect
import io
import os.path
import re
import warnings
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.utils._param_validation import HasMethods, StrOptions

from modelops_pipelines.store.registry.model_loader import TRUSTED_TYPES
from modelops_pipelines.store.registry.safe_estimators import CALLING, ESTIMATORS, IN_PROCESSES, PARAMETERS, PARTS
from modelops_pipelines.store.registry.skops_files import judge
from tests.fakes.fitted_estimators import answer, class_of, fitted
from tests.support.audit_events import heard

_TOUCHING = re.compile(r"(open|os|subprocess|socket|shutil|tempfile|ctypes|import|exec|compile)\b")
_TELLING = re.compile(r"memory|cache|path$|file|folder|n_jobs|encoding|url|host|input$")
_BAD: dict[str, tuple[Any, ...]] = {
    "analyzer": (os.path.basename, "filename"),
    "encoding": ("idna", "../evil"),
    "func": (np.fromfile, os.path.basename),
    "importance_getter": ("__class__.__init__.__globals__", os.path.basename),
    "input": ("filename", "file"),
    "inverse_func": (np.fromfile, os.path.basename),
    "memory": ("/tmp/cache",),
    "n_jobs": (1_000_000,),
    "n_threads": (1_000_000,),
    "response_method": ("__setstate__",),
}
"""Values that must be refused; a text that is none of the parameter's is refused for every other."""
_REVIEWED = {
    "cache_size": "megabytes of memory, used by the fit",
    "constant": "a value to answer",
    "fit_path": "whether the fit keeps its path of coefficients",
    "outlier_label": "a value to answer",
    "pos_label": "a class",
    "scoring": "used by the fit only",
    "threshold": "a factor and 'mean' or 'median', parsed",
    "transform_input": "names of metadata for the fit",
    "verbose_feature_names_out": "a format of names",
}
"""Parameters of open texts that were read and found to touch nothing, whatever their text."""


def _touches(event: str, _: tuple[Any, ...]) -> bool:
    return _TOUCHING.match(event) is not None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", sorted(ESTIMATORS))
def test_each_listed_estimator_is_judged_safe_answers_as_before_and_touches_nothing(path: str) -> None:
    estimator, rows = fitted(path)
    stored = skops.io.dumps(estimator)
    assert judge(io.BytesIO(stored)) is None
    loaded = skops.io.loads(stored, trusted=sorted(TRUSTED_TYPES))
    expected, found = answer(estimator, rows), answer(loaded, rows)  # the first answer imports what it needs
    with heard(_touches) as touched:
        again = answer(loaded, rows)
    assert [] == touched
    for one in (found, again):
        np.testing.assert_allclose(_dense(one), _dense(expected))


def test_the_hook_sees_a_file_that_is_read(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("the secret")
    model = copy.copy(fitted("sklearn.feature_extraction.text.CountVectorizer")[0]).set_params(input="filename")
    loaded = skops.io.loads(skops.io.dumps(model), trusted=sorted(TRUSTED_TYPES))
    with heard(_touches) as touched:
        answer(loaded, [str(tmp_path / "secret")])
    assert any("secret" in one for one in touched)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("parameter", sorted(PARAMETERS))
def test_each_parameter_of_the_rules_is_refused_with_another_value(parameter: str) -> None:
    having = [path for path in ESTIMATORS if hasattr(fitted(path)[0], parameter)]
    assert having or parameter == "n_threads"  # a part's
    for path in having:
        name = path.rpartition(".")[2]
        processes = (2, -1) if parameter == "n_jobs" and name in IN_PROCESSES else ()
        for value in (*_BAD.get(parameter, ("none of these",)), *processes):
            assert (_judged_with(fitted(path)[0], parameter, value) or "").startswith(f"{name} has {parameter}=")


@pytest.mark.filterwarnings("ignore")
def test_a_function_is_refused_wherever_a_parameter_takes_one() -> None:
    taking = {
        (path, name)
        for path in ESTIMATORS
        for name, kinds in _constraints(path).items()
        if callable in kinds or name in CALLING
    }
    assert len(taking) > 50
    assert [] == [one for one in taking if _judged_with(fitted(one[0])[0], one[1], os.path.basename) is None]


def test_each_parameter_that_could_name_something_outside_has_a_rule_or_was_read() -> None:
    found = set()
    for path in ESTIMATORS:
        found |= {name for name, kinds in _constraints(path).items() if _is_open(kinds)}
        found |= {name for name in _parameters(path) if _TELLING.search(name)}
    assert set() == found - set(PARAMETERS) - set(_REVIEWED)
    assert set() == set(_REVIEWED) - found


def test_every_listed_class_exists_in_the_installed_scikit_learn() -> None:
    for path in sorted(ESTIMATORS | PARTS):
        assert isinstance(class_of(path), type)


def _judged_with(estimator: Any, parameter: str, value: Any) -> str | None:
    changed = copy.copy(estimator)
    changed.__dict__[parameter] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return judge(io.BytesIO(skops.io.dumps(changed)))


def _parameters(path: str) -> set[str]:
    return set(inspect.signature(class_of(path)).parameters)


def _constraints(path: str) -> dict[str, list[Any]]:
    found = getattr(class_of(path), "_parameter_constraints", {})
    return {name: kinds for name, kinds in found.items() if isinstance(kinds, list) and name in _parameters(path)}


def _is_open(kinds: list[Any]) -> bool:
    return any(
        kind is str
        or (isinstance(kind, HasMethods) and "cache" in kind.methods)
        or (isinstance(kind, StrOptions) and any("file" in option for option in kind.options))
        for kind in kinds
    )


def _dense(found: Any) -> Any:
    return found.toarray() if hasattr(found, "toarray") else np.asarray(found, dtype=float)
