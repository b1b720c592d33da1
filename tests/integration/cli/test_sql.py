"""``modelops sql`` reads the lake and nothing else, and writes nothing."""

import pytest

from tests.support.command_line import Loop, modelops, refused
from tests.support.project import Project, train_first


def test_sql_knows_the_features_before_the_first_row_and_while_another_yaml_is_faulty(fresh: Project) -> None:
    train_first(fresh)
    query = "SELECT mean_radius FROM cancer.inference_log"
    assert modelops(fresh, "sql", query, "--json").json == []
    (fresh.folder / "endpoints" / "other.yaml").write_text("type: modelops_pipelines.ModelEndpoint\n")
    assert modelops(fresh, "sql", "SELECT 1 AS one", "--json").json == [{"one": 1}]


def test_sql_reads_tables_by_their_full_and_their_bare_names(loop: Loop) -> None:
    query = "SELECT count(*) AS n, min(request_id) AS id FROM {}"
    expected = [{"n": 569, "id": loop.request_id}]
    for name in ("cancer.inference_log", "inference_log"):
        assert modelops(loop.project, "sql", query.format(name), "--json").json == expected


def test_sql_loses_no_column_of_the_same_name(loop: Loop) -> None:
    rows = modelops(loop.project, "sql", "SELECT 1 AS a, 2 AS a, 3 AS a_1", "--json").json
    assert rows == [{"a": 1, "a_1": 2, "a_1_1": 3}]


def test_sql_works_beside_an_endpoint_whose_name_duckdb_keeps_for_itself(fresh: Project) -> None:
    yaml = (fresh.folder / "endpoints" / "endpoint.yaml").read_text()
    for name in ("main", "temp", "information_schema"):
        (fresh.folder / "endpoints" / f"{name}.yaml").write_text(yaml.replace("name: cancer", f"name: {name}"))
    for arguments in (["SELECT count(*) AS n FROM cancer.labels"], ["SELECT count(*) AS n FROM labels", "-e", "temp"]):
        assert modelops(fresh, "sql", *arguments, "--json").json == [{"n": 0}]


def test_sql_tells_duckdb_s_words_and_the_tables(loop: Loop) -> None:
    done = modelops(loop.project, "sql", "SELECT * FROM inference_logs")
    refused(done, "Table with name inference_logs does not exist")
    assert "Tables are ENDPOINT.TABLE; endpoints: cancer; tables: inference_log, labels" in done.err


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "FROM read_csv('/etc/passwd', columns = {{'a': 'VARCHAR'}})",
        "SELECT * FROM read_text('{lake}/../state.db')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
    ],
)
def test_sql_reads_nothing_beside_the_lake(loop: Loop, query: str) -> None:
    done = modelops(loop.project, "sql", query.format(lake=loop.project.stores.settings.lake))
    refused(done, "The query failed")
    assert "root:" not in done.out + done.err


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{lake}/x.csv'",
        "COPY (SELECT 1) TO '{lake}/../x.csv'",
        "EXPORT DATABASE '{lake}/x'",
        "ATTACH '{lake}/x.db'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/x.csv'",
        "SELECT 1; COPY (SELECT 1) TO '{lake}/x.csv'",
        "CREATE TABLE t AS SELECT 1",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "",
    ],
)
def test_sql_writes_nothing_not_even_in_the_lake(loop: Loop, query: str) -> None:
    lake = loop.project.stores.settings.lake
    before = sorted(lake.rglob("*"))
    done = modelops(loop.project, "sql", query.format(lake=lake))
    refused(done, "The query is not one SELECT")
    assert before == sorted(lake.rglob("*"))
