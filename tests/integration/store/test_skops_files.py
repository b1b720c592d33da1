"""A skops file is judged by what skops would make of it, wherever in the file it is hidden."""

import copy
import io
import json
import os.path
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelops_pipelines.store.registry.skops_files import UNREADABLE, judge
from tests.fakes.fitted_estimators import CLASSES, NESTS, ROWS, TEXTS, fitted, nested

Edit = Callable[[dict[str, Any]], None]
REFUSED = 'CountVectorizer has input="filename", which may touch what is outside'


def test_the_content_of_a_file_is_answered_by_what_is_refused(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("hunter2")
    stored = skops.io.dumps(CountVectorizer(input="filename").fit([str(tmp_path / "secret")]))
    loaded = skops.io.loads(stored)  # skops has no objection
    assert ["hunter2"] == loaded.inverse_transform(loaded.transform([str(tmp_path / "secret")]))[0].tolist()
    assert REFUSED == judge(io.BytesIO(stored))


@pytest.mark.parametrize("where", NESTS)
def test_what_is_refused_is_refused_inside_of_others(where: str) -> None:
    assert judge(io.BytesIO(skops.io.dumps(nested(TfidfVectorizer(), where)))) is None
    found = judge(io.BytesIO(skops.io.dumps(nested(CountVectorizer(input="filename"), where))))
    assert REFUSED == found


@pytest.mark.parametrize("attribute", ["anything_", "_private", "estimators_", "coef_"])
def test_what_is_refused_is_refused_in_any_attribute_and_container(attribute: str) -> None:
    hidden = CountVectorizer(input="filename")
    for value in (hidden, [hidden], (1, hidden), {"x": hidden}, np.array([hidden, 1], dtype=object)):
        model = copy.copy(fitted("sklearn.linear_model._ridge.Ridge")[0])
        setattr(model, attribute, value)
        assert REFUSED == judge(io.BytesIO(skops.io.dumps(model)))


def test_an_attribute_wins_over_the_parameter_that_the_estimator_was_made_with() -> None:
    vectorizer = CountVectorizer(input="content").fit(TEXTS)
    vectorizer.__dict__["input"] = "filename"
    assert REFUSED == judge(io.BytesIO(skops.io.dumps(vectorizer)))


@pytest.mark.parametrize(
    "value",
    [os.path.basename, np.fromfile, np.load, partial(print, file=None), np.zeros(2).tofile, io.BytesIO, range(3)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_neither_data_nor_a_listed_estimator_is_refused(value: Any) -> None:
    model = Ridge().fit(ROWS, CLASSES)
    model.anything_ = value
    try:
        stored = skops.io.dumps(model)
    except Exception:  # noqa: BLE001 - not even skops stores it
        return
    assert judge(io.BytesIO(stored)) is not None


def _same_id_as_another_text(schema: dict[str, Any]) -> None:
    """Let the value of ``input`` be the one of another node, which comes first and has its ``__id__``."""
    attributes = schema["content"]["content"]
    first = {**attributes["input"], "content": json.dumps("filename")}
    schema["content"]["content"] = {"aaa": first, **attributes}


def _same_id_as_other_attributes(schema: dict[str, Any]) -> None:
    """Let the estimator's attributes be those of a dictionary before it, which is data there."""
    estimator = {key: schema[key] for key in ("__class__", "__module__", "__loader__", "content")}
    before = copy.deepcopy(estimator["content"])
    before["content"]["input"] = _text("filename")
    schema.update(__class__="list", __module__="builtins", __loader__="ListNode", content=[before, estimator])


def _attributes_as_json(schema: dict[str, Any]) -> None:
    schema["content"] = {**_text("x"), "content": json.dumps({"input": "filename"})}


def _attributes_of_another_kind(schema: dict[str, Any]) -> None:
    schema["content"].update(__class__="Bunch", __module__="sklearn.utils._bunch")


def _a_text_of_numpy(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["input"].update(
        __class__="str_", __module__="numpy", __loader__="NdArrayNode", type="numpy", file="x.npy"
    )


def _a_cached_node(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["input"]["__loader__"] = "CachedNode"


def _an_array_on_disk(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["aaa"] = {
        "__class__": "memmap", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "x",
    }  # fmt: skip


def _a_key_that_opens(schema: dict[str, Any]) -> None:
    schema["content"]["key_types"]["content"][0].update(__class__="memmap", __module__="numpy")


def _a_method(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["aaa"] = {
        **_text("x"), "__loader__": "MethodNode", "content": {"func": "decode", "obj": _text("x")},
    }  # fmt: skip


def _an_operator(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["aaa"] = {**_text("x"), "__module__": "operator", "__loader__": "OperatorFuncNode"}


def _an_old_protocol(schema: dict[str, Any]) -> None:
    schema["protocol"] = 0


def _a_loader_to_come(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["aaa"] = {**_text("x"), "__loader__": "NewNode"}


def _a_constructor(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["aaa"] = {
        "__class__": "ZoneInfo", "__module__": "zoneinfo", "__loader__": "ConstructorFromReduceNode",
        "content": _text("x"),
    }  # fmt: skip


def _a_method_to_call(schema: dict[str, Any]) -> None:
    schema["content"]["content"]["stack_method_"] = {
        "__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [_text("__setstate__")],
    }  # fmt: skip


CRAFTED = (
    *(_same_id_as_another_text, _same_id_as_other_attributes, _attributes_as_json, _attributes_of_another_kind),
    *(_a_text_of_numpy, _a_cached_node, _an_array_on_disk, _a_key_that_opens, _a_method, _an_operator),
    *(_an_old_protocol, _a_loader_to_come, _a_constructor, _a_method_to_call),
)


@pytest.mark.parametrize("edit", CRAFTED)
def test_a_crafted_file_is_refused(edit: Edit) -> None:
    stored = skops.io.dumps(CountVectorizer().fit(TEXTS))
    assert judge(io.BytesIO(stored)) is None
    assert judge(_edited(stored, edit)) is not None


@pytest.mark.parametrize("edit", [_same_id_as_another_text, _same_id_as_other_attributes])
def test_skops_takes_the_first_of_two_nodes_with_one_id(edit: Edit) -> None:
    """What the refusal of twins is for: skops loads these files, and the estimator reads files."""
    loaded = skops.io.load(_edited(skops.io.dumps(CountVectorizer().fit(TEXTS)), edit))
    assert "filename" == (loaded[1] if isinstance(loaded, list) else loaded).input


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"nothing", b"[" * 100_000, b'{"protocol": 2}'])
def test_a_damaged_file_is_one_that_cannot_be_judged(content: bytes) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("schema.json", content)
    try:
        assert judge(packed) is not None
    except UNREADABLE:
        return


def test_a_message_shows_little_of_a_strangers_text() -> None:
    vectorizer = CountVectorizer(input="\x1b[2J" + "x" * 100_000)
    found = judge(io.BytesIO(skops.io.dumps(vectorizer)))
    assert found is not None
    assert found.isprintable()
    assert len(found) < 250


def test_functions_of_the_list_are_allowed_where_they_belong() -> None:
    pipeline = make_pipeline(FunctionTransformer(np.log1p, inverse_func=np.expm1), LogisticRegression())
    assert judge(io.BytesIO(skops.io.dumps(pipeline.fit(ROWS, CLASSES)))) is None
    pipeline.steps[0][1].check_inverse = np.log1p
    assert judge(io.BytesIO(skops.io.dumps(pipeline))) is not None


def _text(value: str) -> dict[str, Any]:
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value)}


def _edited(stored: bytes, edit: Edit) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored)) as before, zipfile.ZipFile(packed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                edit(schema)
                content = json.dumps(schema).encode()
            after.writestr(name, content)
    return packed
