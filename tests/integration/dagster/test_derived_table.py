"""A new derived table is one entry of the graph, one operation and one asset line: all the rest follows."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from modelops_pipelines.assets.derived import Derived, derived_asset
from modelops_pipelines.components.model_endpoint import DERIVED_ASSETS
from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.tables import derivations
from modelops_pipelines.core.tables.columns import Table, column, integer, moment, number, text
from modelops_pipelines.core.tables.derivations import Derivation, RuleKind
from modelops_pipelines.operations.lake.endpoint_tables import log_table
from modelops_pipelines.operations.lake.incremental import Range, Recomputed, Windows, dates_of, recompute
from modelops_pipelines.operations.lake.queries import query_lake
from modelops_pipelines.store.lake.arrow_schemas import arrow_schema
from modelops_pipelines.store.stores import Stores
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import checks_of, shown_of, world

MEAN_SCORES = Table(
    "mean_scores",
    "The mean score per window and version.",
    (
        moment("window_start", "start of the window"),
        text("model_version", "the version that answered"),
        integer("n", "rows answered", "rows"),
        number("mean_score?", "mean of the scores"),
        column("date", "date", "UTC day of the window"),
    ),
    ("window_start", "model_version"),
)
ENTRY = Derivation(MEAN_SCORES, ("inference_log",), judged_by=(RuleKind("mean_score", value="mean_score"),))
YAML = CANCER_YAML + "  alerts: [{kind: mean_score, above: 0.5}]\n"


def measure_mean_scores(stores: Stores, spec: EndpointSpec, backfill: Range | None = None) -> Recomputed:
    def compute(windows: Windows) -> pa.Table:
        with stores.lake.query(spec.name, [log_table(stores, spec)], dates_of(windows)) as connected:
            found = connected.execute(
                "SELECT date_trunc('hour', event_time) w, model_version, count(*), avg(score) FROM inference_log "
                "WHERE list_contains($windows, date_trunc('hour', event_time)) GROUP BY ALL",
                {"windows": list(windows)},
            ).fetchall()
        names = [one.name for one in MEAN_SCORES.columns]
        rows = [dict(zip(names, (*row, row[0].date()), strict=True)) for row in found]
        return pa.Table.from_pylist(rows, schema=arrow_schema(MEAN_SCORES))

    return recompute(stores, spec, MEAN_SCORES, compute, backfill=backfill)


def mean_scores_for(spec: EndpointSpec) -> object:
    return derived_asset(spec, Derived(MEAN_SCORES, measure_mean_scores, MEAN_SCORES.names))


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivations, "DERIVATIONS", (*derivations.DERIVATIONS, ENTRY))
    monkeypatch.setitem(DERIVED_ASSETS, MEAN_SCORES.name, mean_scores_for)


@pytest.mark.usefixtures("declared")
def test_a_declared_table_is_computed_marked_judged_and_shown(tmp_path: Path) -> None:
    with world(tmp_path, yaml=YAML) as made:
        stores, spec = made.project.stores, made.project.spec
        stores.deployments.record_version(VERSION)
        for number_, score in enumerate((0.9, 0.2)):
            record = request_record("cancer", number_, START + timedelta(hours=number_), 4, s=[score] * 4)
            write_segment(stores, "cancer", "predictions", "w", [record])

        assert "mean_scores" in spec.monitored
        done = made.materialise(["inference_log", "mean_scores"])

        assert done.success
        shown = shown_of(done, "mean_scores")
        assert "0.9" in shown.metadata["newest"].value
        assert 2 == shown.metadata["windows"].value
        rows = query_lake(stores, "select mean_score from cancer.mean_scores order by window_start")
        assert [0.9, 0.2] == [pytest.approx(row["mean_score"]) for row in rows]
        check = checks_of(done)["mean_score"]
        assert not check.passed
        assert "mean_score 0.9 is above 0.5" in str(check.description)
        [alert] = stores.alerts.find("cancer", OPEN)
        assert ("mean_score", "mean_score") == (alert.rule, alert.kind)

        late = request_record("cancer", 9, START + timedelta(hours=1), 4, s=[0.6] * 4)
        write_segment(stores, "cancer", "predictions", "another", [late])
        again = made.materialise(["inference_log", "mean_scores"])
        shown = shown_of(again, "mean_scores")
        assert 1 == shown.metadata["windows"].value
        rows = query_lake(stores, "select mean_score from cancer.mean_scores order by window_start")
        assert [0.9, 0.4] == [pytest.approx(row["mean_score"]) for row in rows]
