"""What columns contribute: the command line, the routes and the client say the same numbers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelops_pipelines.client.clients import Client
from modelops_pipelines.core.timestamps import to_micros
from modelops_pipelines.operations.capture.ingest import ingest
from modelops_pipelines.operations.release.commands import deploy
from tests.fakes.records import START, request_record, write_segment
from tests.support.command_line import modelops, refused
from tests.support.gateway import running_gateway
from tests.support.project import CANCER_YAML, Project, cancer_frame, make_project, rows_of, train_first
from tests.support.versions import answers_of

FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_concavity")
SAMPLE = "  explain: {sample: 1}\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project", CANCER_YAML + SAMPLE)
    version = train_first(made)
    deploy(made.stores, made.spec, version.version, actor="ann", reason="first")
    frame, answers = rows_of(cancer_frame().head(80)), answers_of(version, made.spec, cancer_frame().head(80))
    features = {name: [row[name] for row in frame] for name in FEATURES}
    record = request_record("cancer", 1, START, 80, f=features, **answers)
    record["at"] = to_micros(datetime.now(UTC))
    write_segment(made.stores, "cancer", "predictions", "w", [record])
    ingest(made.stores, made.spec, "predictions")
    yield made
    made.stores.database.close()


def test_command_route_and_client_agree_and_a_request_is_explained(project: Project) -> None:
    nothing = modelops(project, "explain", "cancer")
    assert (0, "No predictions of endpoint 'cancer' are explained yet.") == (
        nothing.code,
        (nothing.out + nothing.err).strip(),
    )
    done = modelops(project, "explain", "run", "cancer", "--json").json
    assert (80, 0) == (done["explained"], done["unexplained"])
    shown = modelops(project, "explain", "cancer", "--json").json
    drift = modelops(project, "explain", "drift", "cancer", "--json").json
    assert [1, 2, 3, 4] == [row["rank"] for row in shown]
    assert {*FEATURES} == {row["column"] for row in shown}
    with running_gateway(project) as gateway, Client(str(gateway.client.base_url)) as client:
        columns = list(client.attributions("cancer"))
        assert [row["column"] for row in shown] == [one.column for one in columns]
        assert [row["mean_absolute"] for row in shown] == [one.mean_absolute for one in columns]
        assert [row["share_reference"] for row in shown] == [one.share_reference for one in columns]
        [distance] = list(client.attribution_drift("cancer"))
        assert [(distance.distance, distance.excess, distance.n)] == [
            (row["distance"], row["excess"], row["n"]) for row in drift
        ]
        assert distance.distance is not None
        answer = client.predict("cancer", rows_of(cancer_frame().head(2)), explain=True)
        assert 2 == len(answer.explanations)
        assert {*FEATURES} == {*(answer.explanations[0].contributions or {})}
        assert () == client.predict("cancer", rows_of(cancer_frame().head(2))).explanations
    path = project.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text().replace(SAMPLE, "  explain: {sample: 0}\n"))
    taken = modelops(project, "explain", "run", "cancer", "--json").json
    assert (0, "200 rows of training set") == (taken["explained"], taken["references"][:24])
    path.write_text(CANCER_YAML)
    refused(modelops(project, "explain", "run", "cancer"), "explains no predictions")
