"""Requests that callers get wrong: what is sent, and the status, code, message and remedy that it is answered with.

``{cancer}`` and ``{fragile}`` stand for the request id of a prediction of that endpoint.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelops_pipelines.core.ids import MAX_ROWS

Expected = tuple[int, str, str, str]

ROW = {"mean_radius": 14.0, "mean_texture": 19.0, "mean_smoothness": 0.1, "mean_concavity": 0.1}
NAMES = ", ".join(ROW)
EXAMPLE = 'for example {"dataframe_records": [{"feature": 1.0}]}'
FIELDS = "See /docs for the fields of this route"
FORMS = "The body must have exactly one of dataframe_split, dataframe_records, inputs, instances"
ISSUED = "Send '<request_id>-<row>': the request id of the endpoint's response and the row number, counted from 0"
EVERY_FEATURE = "Send every feature of the model's signature (null where the value is not known)"
FUTURE = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def records(*rows: Any) -> dict[str, Any]:
    return {"dataframe_records": list(rows)}


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ROW.items() if key != name}


def _label(prediction: str, label: Any = 1, **more: Any) -> dict[str, Any]:
    return {"labels": [{"prediction_id": prediction, "label": label, **more}]}


def _forms(found: str) -> Expected:
    return 422, "input", f"{FORMS} (it has: {found})", f"Send one of them, {EXAMPLE}"


BAD_ROWS: dict[str, tuple[Any, Expected]] = {
    "a malformed body": (
        b"[1",
        (
            400,
            "malformed",
            "The body is not valid JSON (line 1, column 3)",
            f"Send JSON, {EXAMPLE}",
        ),
    ),
    "no object": ([ROW], (400, "malformed", "The body is not a JSON object", f"Send an object, {EXAMPLE}")),
    "no form": ({}, _forms("none")),
    "two forms": ({"inputs": [ROW], "instances": [ROW]}, _forms("inputs, instances")),
    "a form and a stranger": ({"inputs": [ROW], "rows": []}, _forms("inputs, rows")),
    "rows that are no list": (
        {"instances": 7},
        (422, "input", "instances is not a list of rows", f"Send a list of objects, {EXAMPLE}"),
    ),
    "a row without names": (
        {"inputs": [[1, 2, 3, 4]]},
        (422, "input", "Row 0 of inputs is not an object", f"Name the features, {EXAMPLE}"),
    ),
    "a null row": (
        records(ROW, None),
        (422, "input", "Row 1 of dataframe_records is not an object", f"Name the features, {EXAMPLE}"),
    ),
    "a split without data": (
        {"dataframe_split": {"columns": list(ROW)}},
        (
            422,
            "input",
            "dataframe_split requires 'columns' and 'data', both lists",
            "Send DataFrame.to_dict('split') of pandas",
        ),
    ),
    "a ragged split": (
        {"dataframe_split": {"columns": list(ROW), "data": [[1, 2, 3, 4], [1, 2, 3]]}},
        (422, "input", "Row 1 of dataframe_split does not have 4 values", "Send one value for each column"),
    ),
    "columns of different lengths": (
        {"inputs": {**{name: [1.0] for name in ROW}, "mean_texture": [1.0, 2.0]}},
        (
            422,
            "input",
            "The columns have different lengths (mean_radius 1, mean_texture 2, mean_smoothness 1, mean_concavity 1)",
            "Send one value per row in each column",
        ),
    ),
    "a missing feature": (
        records(ROW, _without("mean_texture")),
        (422, "input", "Feature(s) mean_texture missing in row 1", EVERY_FEATURE),
    ),
    "no feature at all": (
        {"dataframe_split": {"columns": ["radius"], "data": [[1]]}},
        (422, "input", f"Feature(s) {NAMES} missing", EVERY_FEATURE),
    ),
    "text for a number": (
        records(ROW, ROW | {"mean_radius": "14"}),
        (
            422,
            "input",
            "Feature 'mean_radius' in row 1 is '14', not a number",
            "Send the type of the model's signature",
        ),
    ),
    "a truth value for a number": (
        records(ROW | {"mean_radius": True}),
        (
            422,
            "input",
            "Feature 'mean_radius' in row 0 is True, not a number",
            "Send the type of the model's signature",
        ),
    ),
    "a list for a number": (
        records(ROW | {"mean_radius": [1]}),
        (422, "input", "Feature 'mean_radius' in row 0 is [1], not a number", "Send the type of the model's signature"),
    ),
    "no row": (records(), (422, "input", "The body has 0 rows", f"Send 1 to {MAX_ROWS} rows per request")),
    "65,536 rows": (
        {"inputs": {name: [1.0] * (MAX_ROWS + 1) for name in ROW}},
        (422, "input", f"The body has {MAX_ROWS + 1} rows", f"Send 1 to {MAX_ROWS} rows per request"),
    ),
}

TOO_EARLY = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00+00:01"]
BAD_TIMES: dict[str, tuple[str, str, str, str]] = {
    "where replay is not allowed": (
        "fragile",
        "2026-01-31T12:00:00Z",
        "Endpoint 'fragile' does not accept the header X-Event-Time",
        "Leave it out, or set 'allow_replay: true' in the endpoint's YAML",
    ),
    "in the future": (
        "cancer",
        FUTURE,
        f"X-Event-Time {FUTURE} is in the future",
        "Send a time at most 5 minutes ahead of the gateway's clock",
    ),
    **{
        f"of {given}": (
            "cancer",
            given,
            f"X-Event-Time {given} is before 1970",
            "Send a time from 1970-01-01T00:00:00Z on",
        )
        for given in TOO_EARLY
    },
    **{
        what: (
            "cancer",
            given,
            f"X-Event-Time is '{given}', not a time with an offset",
            "Send ISO 8601, for example 2026-01-31T12:00:00Z",
        )
        for what, given in {
            "that is none": "yesterday",
            "without an offset": "2026-01-31T12:00:00",
            "that its offset leads out of the calendar": "0001-01-01T00:00:00+14:00",
        }.items()
    },
}

UNKNOWN_ENDPOINT = (
    404,
    "unknown",
    "There is no endpoint 'nobody' (known: cancer, empty, fragile)",
    "Correct the name, or add the endpoint's YAML",
)


def not_made(prediction: str, endpoint: str = "cancer") -> Expected:
    return 404, "unknown", f"Endpoint '{endpoint}' never made the prediction '{prediction}'", ISSUED


BAD_RESPONSES: dict[str, tuple[str, Any, Expected]] = {
    "a label for an unknown prediction": ("cancer/labels", _label("nobody-0"), not_made("nobody-0")),
    "a label for an id that we could have made": ("cancer/labels", _label("a" * 40 + "-0"), not_made("a" * 40 + "-0")),
    "a label for a row beyond the request": ("cancer/labels", _label("{cancer}-1"), not_made("{cancer}-1")),
    "a label for a row that is no number": ("cancer/labels", _label("{cancer}-00"), not_made("{cancer}-00")),
    "a label without a row": ("cancer/labels", _label("{cancer}"), not_made("{cancer}")),
    "a label of another endpoint's prediction": ("cancer/labels", _label("{fragile}-0"), not_made("{fragile}-0")),
    "an id of endless digits": (
        "cancer/labels",
        _label("{cancer}-" + "9" * 5000),
        (422, "input", "labels.0.prediction_id: String should have at most 200 characters", FIELDS),
    ),
    "a label of an unknown class": (
        "cancer/labels",
        _label("{cancer}-0", "maybe"),
        (422, "input", "The label 'maybe' is not a class of the model", "Send one of: 0, 1"),
    ),
    **{
        f"a label that is {kind}": (
            "cancer/labels",
            _label("{cancer}-0", value),
            (422, "input", f"labels.0.label: The label is {kind}, and must be a text, a number, true or false", FIELDS),
        )
        for kind, value in {"null": None, "a list": [1], "an object": {"a": 1}}.items()
    },
    **{
        f"a corrected label that is {kind}": (
            "cancer/feedback",
            {"prediction_id": "{cancer}-0", "corrected_label": value},
            (
                422,
                "input",
                f"corrected_label: The label is {kind}, and must be a text, a number, true or false",
                FIELDS,
            ),
        )
        for kind, value in {"a list": [1], "an object": {"a": 1}}.items()
    },
    "a label that is too long": (
        "cancer/labels",
        _label("{cancer}-0", "x" * 201),
        (422, "input", "labels.0.label: The label has 201 characters, and may have 200", FIELDS),
    ),
    "a label of NaN": (
        "cancer/labels",
        b'{"labels": [{"prediction_id": "{cancer}-0", "label": NaN}]}',
        (422, "input", "The label 'nan' is not a class of the model", "Send one of: 0, 1"),
    ),
    "a label from the future": (
        "cancer/labels",
        _label("{cancer}-0", labelled_at=FUTURE),
        (
            422,
            "input",
            f"labelled_at {FUTURE} is in the future",
            "Send a time at most 5 minutes ahead of the gateway's clock",
        ),
    ),
    **{
        f"a label of {given}": (
            "cancer/labels",
            _label("{cancer}-0", labelled_at=given),
            (422, "input", f"labelled_at {given} is before 1970", "Send a time from 1970-01-01T00:00:00Z on"),
        )
        for given in TOO_EARLY
    },
    "no label": (
        "cancer/labels",
        {"labels": []},
        (422, "input", "labels: List should have at least 1 item after validation, not 0", FIELDS),
    ),
    "an unknown field of a label": (
        "cancer/labels",
        _label("{cancer}-0", colour="red"),
        (422, "input", "labels.0.colour: Extra inputs are not permitted", FIELDS),
    ),
    "labels that are not JSON": (
        "cancer/labels",
        b"{labels",
        (400, "malformed", "The body is not valid JSON", "Send a JSON object, see /docs"),
    ),
    "labels of an unknown endpoint": ("nobody/labels", _label("x-0"), UNKNOWN_ENDPOINT),
    "feedback that says nothing": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "user_id": "ann"},
        (422, "input", "The feedback is empty", "Send a rating, thumbs, comment, corrected_label or categories"),
    ),
    "a rating too high": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 6},
        (422, "input", "rating: Input should be less than or equal to 5", FIELDS),
    ),
    "a rating too low": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 0},
        (422, "input", "rating: Input should be greater than or equal to 1", FIELDS),
    ),
    "a rating that is text": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": "5"},
        (422, "input", "rating: Input should be a valid integer", FIELDS),
    ),
    "thumbs to the side": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "thumbs": "left"},
        (422, "input", "thumbs: Input should be 'up' or 'down'", FIELDS),
    ),
    "an unknown field of feedback": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 5, "stars": 5},
        (422, "input", "stars: Extra inputs are not permitted", FIELDS),
    ),
    "a comment too long": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "comment": "x" * 4097},
        (422, "input", "comment: String should have at most 4096 characters", FIELDS),
    ),
    "too many categories": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "categories": ["x"] * 21},
        (422, "input", "categories: List should have at most 20 items after validation, not 21", FIELDS),
    ),
    "a category that says nothing": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "categories": [""]},
        (422, "input", "categories.0: String should have at least 1 character", FIELDS),
    ),
    "feedback of tomorrow": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "rating": 5, "given_at": "2100-01-01T00:00:00Z"},
        (
            422,
            "input",
            "given_at 2100-01-01T00:00:00Z is in the future",
            "Send a time at most 5 minutes ahead of the gateway's clock",
        ),
    ),
    "a corrected label of an unknown class": (
        "cancer/feedback",
        {"prediction_id": "{cancer}-0", "corrected_label": "maybe"},
        (422, "input", "The label 'maybe' is not a class of the model", "Send one of: 0, 1"),
    ),
    "feedback for an unknown prediction": (
        "cancer/feedback",
        {"prediction_id": "nobody-0", "rating": 5},
        not_made("nobody-0"),
    ),
    "predictions of an unknown endpoint": ("nobody/invocations", records(ROW), UNKNOWN_ENDPOINT),
}

BAD_ADDRESSES: dict[str, tuple[str, str, Expected]] = {
    "an unknown route": ("GET", "/predict", (404, "unknown", "There is no route GET /predict", "See /docs")),
    "a method that a route does not have": (
        "DELETE",
        "/endpoints/cancer",
        (405, "unknown", "There is no route DELETE /endpoints/cancer", "See /docs"),
    ),
    "predictions asked for by GET": (
        "GET",
        "/endpoints/cancer/invocations",
        (405, "unknown", "There is no route GET /endpoints/cancer/invocations", "See /docs"),
    ),
    "an unknown endpoint": ("GET", "/endpoints/nobody", UNKNOWN_ENDPOINT),
    **{
        f"a window of {window!r}": (
            "GET",
            f"/endpoints/cancer/metrics?window={window}",
            (422, "input", f"The window '{window}' is not a duration up to 60m", "Use for example 30s, 5m or 1h"),
        )
        for window in ("soon", "0s", "61m", "-5m", "")
    },
}
