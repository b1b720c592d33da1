"""Bodies in CSV and in the Open Inference Protocol's form, good and bad, for the endpoint that answers what it was given.

A good one is told with the answers to its rows, a bad one with the status, code, message and remedy of its refusal.
"""

import json
from typing import Any

from modelops_pipelines.core.ids import MAX_ROWS

Expected = tuple[int, str, str, str]

HEADER = "number,whole,flag,word,moment\n"
NAMES = ["number", "whole", "flag", "word", "moment"]
MOMENT = "2026-01-31T12:00:00Z"
ROW = f"1.5,2,true,Oslo,{MOMENT}\n"
ANSWER = "1.5 | 2 | True | Oslo | 2026-01-31 12:00:00"
LINES = "Send a header line with the features' names, then one line per row"
TYPE = "Send the type of the model's signature"
V2 = "Send 'inputs' as the Open Inference Protocol V2 defines them: name, shape, datatype, data"
NULL = "Send a value, or log the model with a float or an optional input for a feature that may be missing"


def _csv(row: str) -> bytes:
    return (HEADER + row).encode()


def _word(text: str) -> str:
    return ANSWER.replace("Oslo", text)


GOOD_CSV: dict[str, tuple[bytes, list[str]]] = {
    "a row": (_csv(ROW), [ANSWER]),
    "no line end at the end": (_csv(ROW.rstrip()), [ANSWER]),
    "a comma in quotes": (_csv(ROW.replace("Oslo", '"Oslo, Norge"')), [_word("Oslo, Norge")]),
    "quotes in quotes": (_csv(ROW.replace("Oslo", '"the ""big"" one"')), [_word('the "big" one')]),
    "a line end in quotes": (_csv(ROW.replace("Oslo", '"two\r\nlines"')), [_word("two\r\nlines")]),
    "carriage returns": ((HEADER + ROW + ROW).replace("\n", "\r\n").encode(), [ANSWER] * 2),
    "a byte order mark": (b"\xef\xbb\xbf" + _csv(ROW), [ANSWER]),
    "empty lines": (("\n" + HEADER + "\n" + ROW + "\r\n\n" + ROW + "\n").encode(), [ANSWER] * 2),
    "more than ASCII": (_csv(ROW.replace("Oslo", "東京 São 🗼")), [_word("東京 São 🗼")]),
    "another order, and a column too many": (
        f"id,moment,word,flag,whole,number\n7,{MOMENT},Oslo,true,2,1.5\n".encode(),
        [ANSWER],
    ),
    "text that looks like a number": (_csv(ROW.replace("Oslo", "007")), [_word("007")]),
    "text that looks like a null": (_csv(ROW.replace("Oslo", "NA")), [_word("NA")]),
    "blanks around text": (_csv(ROW.replace("Oslo", " Oslo ")), [_word(" Oslo ")]),
    "nulls by nothing": (_csv(",2,true,,\n"), ["nan | 2 | True | None | NaT"]),
    "nulls by name": (_csv("NaN,2,true,a,NA\nnull,2,true,a,None\n"), ["nan | 2 | True | a | NaT"] * 2),
    "numbers as they may be written": (
        _csv(f"1e3,+2,1,a,{MOMENT}\n-.5,2.0,FALSE,a,{MOMENT}\n"),
        ["1000.0 | 2 | True | a | 2026-01-31 12:00:00", "-0.5 | 2 | False | a | 2026-01-31 12:00:00"],
    ),
    "times of other places": (
        _csv("1,2,1,a,2026-01-31T13:00:00+01:00\n1,2,1,a,2026-01-31\n"),
        ["1.0 | 2 | True | a | 2026-01-31 12:00:00", "1.0 | 2 | True | a | 2026-01-31 00:00:00"],
    ),
}


def _refused(feature: str, shown: str, what: str, row: int = 0) -> Expected:
    return 422, "input", f"Feature '{feature}' in row {row} is {shown}, not {what}", TYPE


def _null(feature: str) -> Expected:
    return 422, "input", f"Feature '{feature}' in row 0 is null, which its type does not allow", NULL


def _no_utf8(byte: int) -> Expected:
    return 400, "malformed", f"The body is not in UTF-8 (byte {byte})", "Send the CSV in UTF-8"


def _no_line(line: int) -> Expected:
    remedy = "Close every quoted field, and double the quotes inside a field"
    return 400, "malformed", f"Line {line} of the CSV cannot be parsed", remedy


BAD_CSV: dict[str, tuple[bytes, Expected]] = {
    "nothing": (b"", (400, "malformed", "The body is empty", LINES)),
    "empty lines only": (b"\r\n\n", (400, "malformed", "The body is empty", LINES)),
    "no row": (HEADER.encode(), (422, "input", "The body has 0 rows", f"Send 1 to {MAX_ROWS} rows per request")),
    "too many rows": (
        _csv(ROW * (MAX_ROWS + 1)),
        (422, "input", f"The CSV has over {MAX_ROWS} rows", f"Send 1 to {MAX_ROWS} rows per request"),
    ),
    "no UTF-8": (_csv("1,2,1,S\xe3o,\n").decode().encode("latin-1"), _no_utf8(37)),
    "UTF-16": (_csv(ROW).decode().encode("utf-16"), _no_utf8(0)),
    "a quote that does not end": (_csv('1.5,2,true,"Oslo,x\n'), _no_line(2)),
    "text after a quote": (_csv('1.5,2,true,"Oslo"x,y\n'), _no_line(2)),
    "a missing column": (
        f"number,whole,flag,moment\n1.5,2,true,{MOMENT}\n".encode(),
        (422, "input", "Feature(s) word missing in the CSV's header line", LINES),
    ),
    "JSON": (
        b'{"dataframe_records": []}',
        (422, "input", f"Feature(s) {', '.join(NAMES)} missing in the CSV's header line", LINES),
    ),
    "a row too short": (
        _csv(ROW + "1.5,2\n"),
        (422, "input", "Row 1 of the CSV has 2 fields, the header line 5", LINES),
    ),
    "a row too long": (
        _csv(ROW.replace(",true", ",true,true")),
        (422, "input", "Row 0 of the CSV has 6 fields, the header line 5", LINES),
    ),
    "text for a number": (_csv(ROW + ROW.replace("1.5", "many")), _refused("number", "'many'", "a number", 1)),
    "infinity": (_csv(ROW.replace("1.5", "inf")), _refused("number", "'inf'", "a number")),
    "a number too large": (_csv(ROW.replace("1.5", "1e999")), _refused("number", "'1e999'", "a number")),
    "a number as Python has it": (_csv(ROW.replace("1.5", "1_5")), _refused("number", "'1_5'", "a number")),
    "digits of another script": (
        _csv(ROW.replace("1.5", "\u0661\u0662")),
        _refused("number", "'\u0661\u0662'", "a number"),
    ),
    "whole digits of another script": (_csv("1,\u0662,1,a,\n"), _refused("whole", "'\u0662'", "an integer")),
    "a fraction for a whole number": (_csv("1,2.5,1,a,\n"), _refused("whole", "2.5", "an integer")),
    "a whole number of over 64 bits": (_csv("1,1e19,1,a,\n"), _refused("whole", "1e+19", "an integer")),
    "a word for a truth value": (_csv("1,2,yes,a,\n"), _refused("flag", "'yes'", "true or false")),
    "no whole number": (_csv("1,,1,a,\n"), _null("whole")),
    "no truth value": (_csv("1,2,,a,\n"), _null("flag")),
    "no time": (_csv("1,2,1,a,noon\n"), _refused("moment", "'noon'", "a time in ISO 8601 from 1678 to 2261")),
    "a time that pandas does not know": (
        _csv("1,2,1,a,1492-10-12\n"),
        _refused("moment", "'1492-10-12'", "a time in ISO 8601 from 1678 to 2261"),
    ),
}

VALUES: dict[str, list[Any]] = {
    "number": [1.5, None],
    "whole": [2, 3.0],
    "flag": [True, False],
    "word": ["Oslo", None],
    "moment": [MOMENT, None],
}
ANSWERS = [ANSWER, "nan | 3 | False | None | NaT"]


def tensor(name: str, data: Any, shape: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)] if shape is None else shape, "datatype": "BYTES", "data": data}


def tensors(**changed: Any) -> list[dict[str, Any]]:
    """Return a tensor a feature; one that is given is put in the place of the feature's own, None leaves it out."""
    made = {name: changed.get(name, tensor(name, data)) for name, data in VALUES.items()}
    return [one for one in made.values() if one is not None]


_ROWS = [list(row) for row in zip(*VALUES.values(), strict=True)]
_FLAT = [value for row in _ROWS for value in row]
_NESTED = {name: tensor(name, [[value] for value in data], [2, 1]) for name, data in VALUES.items()}

GOOD_INFER: dict[str, dict[str, Any]] = {
    "a tensor a feature": {"inputs": tensors()},
    "tensors of one column": {"inputs": [tensor(name, data, [2, 1]) for name, data in VALUES.items()]},
    "tensors of one column, nested": {"inputs": list(_NESTED.values())},
    "both, in another order, and one too many": {"inputs": [tensor("x", [1]), *reversed(tensors(**_NESTED))]},
    "one matrix": {"inputs": [tensor("rows", _FLAT, [2, 5])]},
    "one matrix, nested": {"inputs": [tensor("rows", _ROWS, [2, 5])]},
    "all that the protocol has": {
        "id": "",
        "parameters": {"binary_data_output": False},
        "outputs": [{"name": "y"}],
        "inputs": tensors(),
    },
}


def _infer(message: str) -> Expected:
    return 422, "input", message, V2


def _shape(name: str) -> Expected:
    return _infer(f"The tensor '{name}' requires a 'shape' of one or two positive integers, and a list as 'data'")


_KEY = "The body is not an inference request: "
_ID = (422, "input", "The request's 'id' is not a text of at most 200 characters", "Shorten it, or leave it out")
_WORDS = VALUES["word"]

BAD_INFER: dict[str, tuple[Any, Expected]] = {
    "no inputs": ({}, _infer(f"{_KEY}'inputs' is not a list of tensors")),
    "inputs that are no list": ({"inputs": {"a": 1}}, _infer(f"{_KEY}'inputs' is not a list of tensors")),
    "a tensor that is no object": ({"inputs": [1]}, _infer(f"{_KEY}'inputs' is not a list of tensors")),
    "unknown keys": ({"inputs": tensors(), "b": 1, "a": 1}, _infer(f"{_KEY}the key(s) a, b are unknown")),
    "no tensor": ({"inputs": []}, _infer(f"No tensor for feature(s) {', '.join(NAMES)}")),
    "a missing tensor": ({"inputs": tensors(word=None)}, _infer("No tensor for feature(s) word")),
    "a tensor without a shape": ({"inputs": tensors(word={"name": "word", "data": _WORDS})}, _shape("word")),
    "a shape of text": ({"inputs": tensors(word=tensor("word", _WORDS, ["2"]))}, _shape("word")),
    "a shape of a fraction": ({"inputs": tensors(word=tensor("word", _WORDS, [2.0]))}, _shape("word")),
    "a shape of truth": ({"inputs": tensors(word=tensor("word", ["a"], [True]))}, _shape("word")),
    "a negative shape": ({"inputs": tensors(word=tensor("word", _WORDS, [-2]))}, _shape("word")),
    "a shape of nothing": ({"inputs": tensors(word=tensor("word", [], [0]))}, _shape("word")),
    "an empty shape": ({"inputs": tensors(word=tensor("word", _WORDS, []))}, _shape("word")),
    "a shape that is no list": ({"inputs": tensors(word=tensor("word", _WORDS, 2))}, _shape("word")),
    "data that are no list": ({"inputs": tensors(word=tensor("word", "ab", [2]))}, _shape("word")),
    "a huge shape": (
        {"inputs": tensors(word=tensor("word", _WORDS, [2**62]))},
        _infer(f"The tensor 'word' has 2 values, but its shape [{2**62}] requires {2**62}"),
    ),
    "a huge matrix": (
        {"inputs": [tensor("rows", _FLAT, [2**62, 5])]},
        _infer(f"The tensor 'rows' has 10 values, but its shape [{2**62}, 5] requires {5 * 2**62}"),
    ),
    "too few values": (
        {"inputs": tensors(word=tensor("word", ["Oslo"], [2]))},
        _infer("The tensor 'word' has 1 values, but its shape [2] requires 2"),
    ),
    "a feature of two columns": (
        {"inputs": tensors(word=tensor("word", _WORDS, [1, 2]))},
        _infer("The shape of tensor 'word' is not [rows] or [rows, 1]"),
    ),
    "a feature of three sizes": (
        {"inputs": tensors(word=tensor("word", _WORDS, [2, 1, 1]))},
        _infer("The shape of tensor 'word' is not [rows] or [rows, 1]"),
    ),
    "a matrix that is too narrow": (
        {"inputs": [tensor("rows", _FLAT[:8], [2, 4])]},
        _infer(f"No tensor for feature(s) {', '.join(NAMES)}"),
    ),
    "tensors of different lengths": (
        {"inputs": tensors(word=tensor("word", ["a"]))},
        (422, "input", "The tensors have different numbers of rows", "Send one value per row for each feature"),
    ),
    "text for a number": (
        {"inputs": tensors(number=tensor("number", [1.5, "2"]))},
        _refused("number", "'2'", "a number", 1),
    ),
    "a list for a text": ({"inputs": tensors(word=tensor("word", ["a", ["b"]]))}, _refused("word", "['b']", "text", 1)),
    "a whole number of over 64 bits": (
        {"inputs": tensors(whole=tensor("whole", [1, 10**30]))},
        _refused("whole", "1e+30", "an integer", 1),
    ),
    "an id that is no text": ({"id": 7, "inputs": tensors()}, _ID),
    "an id that is too long": ({"id": "x" * 201, "inputs": tensors()}, _ID),
    "a list": (
        [1],
        (
            400,
            "malformed",
            "The body is not a JSON object",
            'Send an object, for example {"dataframe_records": [{"feature": 1.0}]}',
        ),
    ),
}


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()
