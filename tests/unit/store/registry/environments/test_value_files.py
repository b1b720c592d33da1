"""Values that two Pythons exchange by files keep their bits and types, and need no memory for more than is looked at."""

from pathlib import Path

import numpy as np
import pandas as pd

from modelops_pipelines.store.registry.environments.value_files import read_values, write_values


def test_a_frame_and_weights_stay_what_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "x": [0.1, np.nan, -0.0],
            "n": np.array([1, 2**62, -3]),
            "t": ["a", None, "São"],
            "at": pd.to_datetime(["2026-01-01T00:00:00.000000", None, "2026-01-03T04:05:06.000007"]),
            "b": [True, False, True],
        }
    )
    weights = np.array([0.5, 1.0, 1.5])
    write_values(tmp_path, {"frame": frame, "weights": weights, "none": None})
    found = read_values(tmp_path)
    pd.testing.assert_frame_equal(frame, found["frame"])
    assert weights.tobytes() == found["weights"].tobytes()
    assert found["none"] is None
    found["frame"].loc[0, "x"] = 5.0  # a trainer may change its frame, and not the files
    assert 0.1 == read_values(tmp_path)["frame"]["x"][0]


def test_values_without_any_array_need_no_bytes(tmp_path: Path) -> None:
    write_values(tmp_path, {"weights": None})
    assert {"weights": None} == read_values(tmp_path)
    write_values(tmp_path, pd.DataFrame({"t": []}, dtype=object))
    assert ["t"] == list(read_values(tmp_path).columns)
