"""The asset of keys' usage in Dagster, and its check when something is missing."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa

from modelops_pipelines.core.tables.lake import KEY_USAGE
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.worlds.dagster_project import checks_of, world

HOUR = timedelta(hours=1)


def test_the_usage_of_keys_is_an_asset_whose_check_fails_when_any_is_missing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        stores = made.project.stores
        stores.deployments.record_version(VERSION)
        records = [request_record("cancer", n, START + n * HOUR, 1, key="a" * 10) for n in range(3)]
        write_segment(stores, "cancer", "predictions", "w", records)
        run = made.materialise(["inference_log", "key_usage"])
        [_, event] = run.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert (run.success, metadata["dagster/row_count"].value, metadata["windows"].value) == (True, 3, 3)
        assert "| 2026-03-01T22:00 | aaaaaaaaaa | 1 | 1 | 0 | 0 |" in metadata["newest"].value
        assert checks_of(run)["key_usage_complete"].passed
        stores.writer.replace_windows("cancer", KEY_USAGE, pa.Table.from_pylist([], schema=pa.schema([])), [START])
        check = checks_of(made.materialise(["key_usage"]))["key_usage_complete"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert check.description is not None
        assert "1 key(s) differ: aaaaaaaaaa: 2 counted, 3 in the log" in check.description
        asked = {"start": START.isoformat(), "end": (START + HOUR).isoformat()}
        assert checks_of(made.materialise(["key_usage"], config=asked))["key_usage_complete"].passed
