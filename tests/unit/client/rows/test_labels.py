"""Labels in every form are the same messages, and what is no label is refused before it is sent."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelops_pipelines.client.rows.labels import label_messages
from modelops_pipelines.core.errors import InputError

ROWS = [{"prediction_id": "a-0", "label": 1}, {"prediction_id": "a-1", "label": 0}]


def test_every_form_is_the_same() -> None:
    frame = pd.DataFrame(ROWS)
    for given in (ROWS, frame, frame.to_dict("list"), frame.to_records(index=False)):
        assert ROWS == label_messages(given)
    assert ROWS[:1] == label_messages(ROWS[0])


def test_fields_without_a_value_are_left_out() -> None:
    frame = pd.DataFrame(
        {
            "prediction_id": ["a-0", None],
            "client_request_id": [None, "mine"],
            "label": ["x", np.int64(3)],
            "labelled_at": pd.NaT,
        }
    )
    assert [{"prediction_id": "a-0", "label": "x"}, {"client_request_id": "mine", "label": 3}] == label_messages(frame)


def test_an_entity_is_an_object_and_its_time_has_its_offset() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    [message] = label_messages([{"entity": {"id": np.int64(7)}, "at": pd.Timestamp(at), "label": True}])
    assert {"entity": {"id": 7}, "at": "2026-03-01T12:00:00+00:00", "label": True} == message


@pytest.mark.parametrize("label", [None, math.nan, pd.NA, [1], {"a": 1}, math.inf, b"x"])
def test_what_is_no_label_is_refused(label: Any) -> None:
    with pytest.raises(InputError, match="Label 0"):
        label_messages([{"prediction_id": "a-0", "label": label}])


def test_a_row_without_a_label_and_a_time_without_a_zone_are_refused() -> None:
    with pytest.raises(InputError, match="Label 0 has no 'label'"):
        label_messages([{"prediction_id": "a-0"}])
    with pytest.raises(InputError, match="without a time zone"):
        label_messages([{"prediction_id": "a-0", "label": 1, "labelled_at": datetime(2026, 3, 1)}])  # noqa: DTZ001
