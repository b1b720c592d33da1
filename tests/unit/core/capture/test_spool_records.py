"""A record is written and read by one declaration; the lines that earlier releases wrote are read as they were."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.capture.spool_records import (
    FEEDBACK_FIELDS,
    LABEL_FIELDS,
    LATER_FIELDS,
    NOT_FINITE,
    OPTIONAL_KEYS,
    PREDICTION_FIELDS,
    Feedback,
    feedback_row,
    label_row,
    prediction_columns,
    prediction_record,
    response_columns,
    response_record,
)
from modelops_pipelines.core.ids import ENTROPY_BYTES, RequestId, new_request_id
from modelops_pipelines.core.tables.lake import INFERENCE_LOG
from modelops_pipelines.core.timestamps import EPOCH, from_micros, to_micros
from modelops_pipelines.store.spool.checksums import decode_line
from modelops_pipelines.store.spool.segments import encode

ID = "aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd"
ASKED = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
RECEIVED = ASKED + timedelta(milliseconds=7)
REQUEST = RequestId(ID, ASKED, 2)
TOO_LARGE = "09ced5ed0411bb0cec1e3d54ac35c9dde851f988b532144f0ce4beb788defd40"
ANSWERED: dict[str, Any] = {
    "request_id": ID,
    "event_time": ASKED,
    "received_at": RECEIVED,
    "model_version": "3",
    "variant": "champion",
    "rows": 2,
    "status": 200,
    "error_code": None,
    "latency_ms": 1.5,
    "user_id": "ann",
    "session_id": None,
    "client_request_id": "order-7",
    "source": "live",
    "key_id": "key-1",
    "prediction": ["0", "1"],
    "score": [0.25, 0.75],
    "features": {"distance": [500.0, None]},
}
OTHER: dict[str, Any] = {
    "request_id": "aadex5nb36taaaacgezdgnbvgy3r54saxy3judsq",
    "event_time": ASKED + timedelta(seconds=1),
    "received_at": RECEIVED + timedelta(seconds=1),
    "model_version": "4",
    "variant": "challenger",
    "rows": 3,
    "status": 500,
    "error_code": "prediction",
    "latency_ms": 2.5,
    "user_id": "bob",
    "session_id": "s-1",
    "client_request_id": "order-8",
    "source": "test",
    "key_id": "key-2",
    "prediction": ["1", "0"],
    "score": [0.5, 0.5],
    "features": {"weight": [1.0, 2.0]},
    "sampled": False,
    "payload_hash": TOO_LARGE,
    "request_params": '{"factor":2.0}',
    "cache_hit": True,
    "unanswered": [1],
}
HEAD = (
    b'{"id":"aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd","t":1772368215123456,"at":1772368215130456,"version":"3",'
    b'"variant":"champion","n":2,"status":200,"error":null,"ms":1.5,"user":"ann","session":null,"client":"order-7",'
    b'"source":"live",'
)
TAIL = b'"key":"key-1","p":["0","1"],"s":[0.25,0.75],'
OF_0_1 = HEAD + b'"f":{"distance":[500.0,null]},"p":["0","1"],"s":[0.25,0.75],"crc":"8f3169c7"}\n'
NOT_SAMPLED = HEAD + TAIL + b'"f":{},"sampled":false,"crc":"6c2a9b36"}\n'
TRUNCATED = HEAD + TAIL + b'"f":{},"truncated":true,"payload_hash":"' + TOO_LARGE.encode() + b'","crc":"67806aa6"}\n'
LABEL = (
    b'{"rows":[{"label_id":"67833519f4b72d84e90f075348d87338",'
    b'"prediction_id":"aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd-1",'
    b'"request_id":"aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd","row_index":1,"event_time":1772368215123456,'
    b'"label":"1","labelled_at":1772368215123456,"received_at":1772368215130456}],"crc":"b64c6ae1"}\n'
)
FEEDBACK = (
    b'{"rows":[{"feedback_id":"09ff9d3f00bbba8983069be4516e44bd",'
    b'"prediction_id":"aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd-0",'
    b'"request_id":"aadex5nb36taaaacgezdgnbvgy3r54saxy3judsd","row_index":0,"event_time":1772368215123456,'
    b'"rating":2,"thumbs":"down","comment":"no","corrected_label":"1","user_id":"ann","session_id":null,'
    b'"received_at":1772368215130456}],"crc":"350cc9bf"}\n'
)
READ = {
    "request_id": [ID, ID],
    "event_time": [ASKED, ASKED],
    "received_at": [RECEIVED, RECEIVED],
    "model_version": ["3", "3"],
    "variant": ["champion", "champion"],
    "latency_ms": [1.5, 1.5],
    "status": [200, 200],
    "error_code": [None, None],
    "user_id": ["ann", "ann"],
    "session_id": [None, None],
    "client_request_id": ["order-7", "order-7"],
    "source": ["live", "live"],
    "key_id": ["key-1", "key-1"],
    "sampled": [True, True],
    "truncated": [False, False],
    "payload_hash": [None, None],
    "request_params": [None, None],
    "cache_hit": [False, False],
    "prediction_id": [f"{ID}-0", f"{ID}-1"],
    "row_index": [0, 1],
    "prediction": ["0", "1"],
    "score": [0.25, 0.75],
}
NONE_KEPT: dict[str, Any] = {"features": {}}


def line_of(record: Any) -> Any:
    """Return the record as a reader of its line has it."""
    return decode_line(encode(record))


def test_a_line_of_release_0_1_is_read_without_what_came_later() -> None:
    expected = READ | {"distance": [500.0, None], "key_id": [None, None]}
    assert expected == prediction_columns(decode_line(OF_0_1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "kept", "read"),
    [
        (NOT_SAMPLED, NONE_KEPT | {"sampled": False}, {"sampled": [False, False]}),
        (
            TRUNCATED,
            NONE_KEPT | {"payload_hash": TOO_LARGE},
            {"truncated": [True, True], "payload_hash": [TOO_LARGE, TOO_LARGE]},
        ),
    ],
)
def test_a_prediction_is_written_in_the_bytes_of_before_and_read_from_them(
    line: bytes, kept: dict[str, Any], read: dict[str, Any]
) -> None:
    assert line == encode(prediction_record(**ANSWERED | kept))
    assert READ | read == prediction_columns(decode_line(line))  # type: ignore[arg-type]


def test_labels_and_feedback_are_written_in_the_bytes_of_before_and_read_from_them() -> None:
    assert LABEL == encode(response_record([label_row(REQUEST, 1, "1", ASKED, RECEIVED)]))
    said = Feedback(2, "down", "no", "1", "ann", None)
    assert FEEDBACK == encode(response_record([feedback_row(REQUEST, 0, said, RECEIVED)]))
    identity = {"prediction_id": [f"{ID}-1"], "request_id": [ID], "row_index": [1], "event_time": [ASKED]}
    times = {"labelled_at": [ASKED], "received_at": [RECEIVED]}
    label = {"label_id": ["67833519f4b72d84e90f075348d87338"], **identity, "label": ["1"], **times}
    assert label == response_columns(decode_line(LABEL))  # type: ignore[arg-type]
    read = response_columns(decode_line(FEEDBACK))  # type: ignore[arg-type]
    assert ([RECEIVED], [ASKED], ["down"]) == (read["received_at"], read["event_time"], read["thumbs"])


def test_every_declared_field_is_written_in_its_order_and_no_other_is() -> None:
    assert list(PREDICTION_FIELDS) == list(prediction_record(**OTHER))
    assert [key for key in PREDICTION_FIELDS if key not in OPTIONAL_KEYS - {"key"}] == list(
        prediction_record(**ANSWERED)
    )
    assert [one.name for one in LABEL_FIELDS] == list(label_row(REQUEST, 0, "1", ASKED, RECEIVED))
    assert [one.name for one in FEEDBACK_FIELDS] == list(feedback_row(REQUEST, 0, Feedback(1), RECEIVED))


@pytest.mark.parametrize("key", PREDICTION_FIELDS)
def test_every_declared_field_is_read(key: str) -> None:
    record, other = line_of(prediction_record(**ANSWERED)), line_of(prediction_record(**OTHER))
    changed = record | {key: other[key]}
    assert record.get(key) != changed[key]
    assert prediction_columns(record) != prediction_columns(changed)


@pytest.mark.parametrize("key", [key for key in PREDICTION_FIELDS if key not in OPTIONAL_KEYS])
def test_a_record_that_lacks_a_field_which_every_release_wrote_is_none(key: str) -> None:
    record = line_of(prediction_record(**ANSWERED))
    del record[key]
    with pytest.raises(KeyError, match=key):
        prediction_columns(record)


def test_a_record_and_its_segment_fill_every_column_of_the_log() -> None:
    columns = prediction_columns(line_of(prediction_record(**ANSWERED | NONE_KEPT)))
    assert {*INFERENCE_LOG.names} == {*columns, "worker", "segment", "date"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXTS
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.integers(-(10**15), 10**16).map(from_micros)
FEATURE_NAMES = TEXTS.filter(lambda name: name not in INFERENCE_LOG.names)


@st.composite
def said(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what may be said of a request."""
    rows = draw(st.integers(1, 5))
    moment, entropy = draw(MOMENTS), draw(st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES))

    def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(values, min_size=rows, max_size=rows)

    own = {
        "request_id": st.just(new_request_id("e", moment, rows, entropy, b"")).map(lambda request: request.text),
        "event_time": st.just(moment),
        "received_at": MOMENTS,
        "rows": st.just(rows),
        "status": st.integers(200, 599),
        "latency_ms": NUMBERS,
        "source": TEXTS,
        "prediction": st.none() | listed(TEXTS | NUMBERS),
        "score": st.none() | listed(NUMBERS),
        "features": st.dictionaries(FEATURE_NAMES, listed(st.none() | NUMBERS | TEXTS), max_size=3),
        "sampled": st.booleans(),
        "cache_hit": st.booleans(),
        "payload_hash": MAYBE,
        "unanswered": st.lists(st.integers(0, rows - 1), unique=True),
    }
    return draw(st.fixed_dictionaries({name: own.get(name, MAYBE) for name in OTHER}))


UNLISTED = {"rows", "features", "unanswered"}


@given(said())
def test_what_is_said_of_a_request_is_read_back_as_it_was(given_: dict[str, Any]) -> None:
    rows = given_["rows"]
    expected = {name: [value] * rows for name, value in given_.items() if name not in UNLISTED}
    expected |= {name: given_[name] or [None] * rows for name in ("prediction", "score")}
    expected["error_code"] = [
        NOT_FINITE if row in given_["unanswered"] else given_["error_code"] for row in range(rows)
    ]
    expected |= {"truncated": [given_["payload_hash"] is not None] * rows, "row_index": list(range(rows))}
    expected["prediction_id"] = [f"{given_['request_id']}-{row}" for row in range(rows)]
    assert expected | given_["features"] == prediction_columns(line_of(prediction_record(**given_)))


@given(st.lists(st.tuples(TEXTS | NUMBERS, MOMENTS, MOMENTS), min_size=1, max_size=4))
def test_labels_are_read_back_as_they_were(labels: list[tuple[str | float, datetime, datetime]]) -> None:
    rows = [label_row(REQUEST, 1, *label) for label in labels]
    read = response_columns(line_of(response_record(rows)))
    assert labels == list(zip(read["label"], read["labelled_at"], read["received_at"], strict=True))
    declared = {one.name for one in LABEL_FIELDS}
    assert declared - LATER_FIELDS == {*read}


@given(
    st.builds(
        Feedback,
        st.none() | st.integers(1, 5),
        MAYBE,
        MAYBE,
        MAYBE | NUMBERS,
        MAYBE,
        MAYBE,
        st.just(()) | st.tuples(st.text()),
    ),
    MOMENTS,
)
def test_feedback_is_read_back_as_it_was(feedback: Feedback, moment: datetime) -> None:
    read = response_columns(line_of(response_record([feedback_row(REQUEST, 0, feedback, moment)])))
    said = vars(feedback) | {
        "categories": json.dumps(sorted({*feedback.categories}), ensure_ascii=False) if feedback.categories else None
    }
    assert {name: value for name, value in said.items() if value is not None} == {
        name: read[name][0] for name in said if read.get(name, [None])[0] is not None
    }
    assert ([moment], [ASKED]) == (read["received_at"], read["event_time"])
    declared = {one.name for one in FEEDBACK_FIELDS}
    assert declared - LATER_FIELDS <= {*read} <= declared


@given(MOMENTS)
def test_a_moment_is_kept_to_the_microsecond(moment: datetime) -> None:
    assert moment == from_micros(to_micros(moment))
    assert moment - EPOCH == timedelta(microseconds=to_micros(moment))


def test_features_that_are_json_already_go_in_as_they_are() -> None:
    as_json = orjson.Fragment(orjson.dumps(ANSWERED["features"]))
    assert encode(prediction_record(**ANSWERED)) == encode(prediction_record(**ANSWERED | {"features": as_json}))
