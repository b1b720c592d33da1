"""Rules of SQL files: a number or culprits, what the query sees, and whatever may be wrong with it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.alert_rules import AlertRule
from modelops_pipelines.operations.alerting.judges import sql_file
from modelops_pipelines.operations.alerting.judges.judge_rules import judge_rules
from modelops_pipelines.operations.capture.ingest import ingest
from tests.fakes.judged_steps import FAILED, FIRST, HOUR, captured, request
from tests.fakes.records import VERSION, label_row, write_segment
from tests.support.project import Project, make_project

SPAN = "event_time >= $start AND event_time < $end"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("queries") / "project"
    made = make_project(folder)
    made.stores.deployments.record_version(VERSION)
    spec = made.spec
    first = request(spec, FIRST, 3)
    captured(made, spec, [first, *(request(spec, FIRST, **FAILED) for _ in range(7))])
    captured(made, spec, [request(spec, FIRST + HOUR) for _ in range(10)])
    labels = [label_row(first, row, str(row % 2), FIRST + HOUR) for row in range(3)]
    write_segment(made.stores, spec.name, "labels", "w", [{"rows": labels}])
    assert [] == ingest(made.stores, spec, "labels").reasons
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        yield made
    made.stores.database.close()


def judged(project: Project, query: str, hours: int = 1, **given: Any) -> list[Verdict]:
    Path("rule.sql").write_text(query)
    rule = AlertRule("sql", given_name="own", sql="rule.sql", over=HOUR, **given)
    spec = replace(project.spec, alerts=(rule,))
    return judge_rules(project.stores, spec, ["sql"], [FIRST + n * HOUR for n in range(hours)])


def test_a_number_is_compared_and_its_span_has_bounds(project: Project) -> None:
    verdicts = judged(project, f"SELECT avg((status >= 500)::INT) FROM inference_log WHERE {SPAN}", 2, above=0.5)
    assert [(False, 0.7), (True, 0.0)] == [(one.passed, one.value) for one in verdicts]
    assert "own 0.7 is above 0.5 in the hour from 2026-03-02T00:00Z (8 requests)" == verdicts[0].message


def test_the_second_column_is_the_count_that_a_minimum_is_of(project: Project) -> None:
    query = f"SELECT avg(score), count(score) FROM inference_log WHERE {SPAN}"
    assert [(True, 3)] == [(one.passed, one.n) for one in judged(project, query, above=0.95, minimum=3)]
    [few] = judged(project, query, above=0.95, minimum=4)
    assert (None, "not judged: 3 rows; a verdict needs 4") == (few.passed, few.message)
    [without] = judged(project, "SELECT 1.0", above=0.5, minimum=9)
    assert (None, "not judged: 8 requests; a verdict needs 9") == (without.passed, without.message)
    [nothing] = judged(project, "SELECT sum(n) / sum(n), count(*) FROM (SELECT 1 AS n) WHERE false", above=1)
    assert (None, "not judged: 0 rows; a verdict needs 1") == (nothing.passed, nothing.message)


def test_rows_are_culprits_and_the_first_are_named(project: Project) -> None:
    query = f"SELECT status, count(*) AS n FROM inference_log WHERE {SPAN} AND status >= 500 GROUP BY status"
    failed, passed = judged(project, query, 2)
    assert (False, 1.0, 1) == (failed.passed, failed.value, failed.n)
    assert "own: 1 culprit in the hour from 2026-03-02T00:00Z: status=500, n=7" == failed.message
    assert (True, "own: no culprits in the hour from 2026-03-02T01:00Z") == (passed.passed, passed.message)
    [many] = judged(project, "SELECT i AS carrier FROM range(8) t(i)")
    assert many.message.endswith(": carrier=0; carrier=1; carrier=2; carrier=3; carrier=4; and 3 more")
    [most] = judged(project, "SELECT i FROM range(20000) t(i)")
    assert (10_000, True) == (most.n, "over 10000 culprits" in most.message)


def test_culprits_of_a_longer_span_say_when_it_ends_as_rules_on_numbers_do(project: Project) -> None:
    Path("rule.sql").write_text("SELECT 1 AS carrier")
    rule = AlertRule("sql", given_name="own", sql="rule.sql", over=3 * HOUR)
    [verdict] = judge_rules(project.stores, replace(project.spec, alerts=(rule,)), ["sql"], [FIRST])
    assert "own: 1 culprit over 3h to 2026-03-02T01:00Z: carrier=1" == verdict.message


def test_a_culprit_is_one_line_of_printable_text(project: Project) -> None:
    [verdict] = judged(project, "SELECT chr(27) || '[31m' || chr(10) || repeat('x', 500) AS \"a\nb\"")
    assert verdict.message.isprintable()
    assert verdict.message.endswith("x…")
    assert 200 > len(verdict.message)


def test_labels_are_seen_as_they_are_now(project: Project) -> None:
    query = f"SELECT count(*) FROM inference_log JOIN label_now USING (prediction_id) WHERE {SPAN} AND label = '1'"
    assert [1.0] == [one.value for one in judged(project, query, above=10)]


def test_the_days_before_are_seen(project: Project) -> None:
    query = "SELECT count(*) FROM inference_log WHERE event_time >= $start - INTERVAL 7 DAY AND event_time < $end"
    assert [10.0, 20.0] == [one.value for one in judged(project, query, 2, above=100)]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT count(*) FROM nothing", "the query failed: CatalogException: Table with name nothing does not exist"),
        (
            "SELECT carier FROM inference_log",
            'the query failed: BinderException: Referenced column "carier" not found in FROM clause!',
        ),
        ("SELECT 1 FROM", 'the query failed: ParserException: syntax error at or near "FROM"'),
        ("SELECT 1; SELECT 2", "the query failed: the file is not one SELECT"),
        ("CREATE TABLE t AS SELECT 1", "the query failed: the file is not one SELECT"),
        ("COPY (SELECT 1) TO 'out.csv'", "the query failed: the file is not one SELECT"),
        ("SELECT 1 WHERE false", "the query gave no row"),
        ("SELECT NULL", "the query gave null"),
        ("SELECT 'text'", "the query failed: it returned a str, which is not a number"),
        ("SELECT 'nan'::DOUBLE", "the query failed: it returned a number that is not finite"),
        ("SELECT 1 UNION ALL SELECT 2", "the query failed: it must return one row with one number"),
        ("SELECT 1, 2, 3", "the query failed: it must return one row with one number"),
        ("SELECT 1, 1e300", "the query failed: it returned the count 1e+300, which is not from 0 to 2^53"),
        ("SELECT 1, 2::HUGEINT**70", "the query failed: it returned the count 1.181e+21, which is not from 0 to 2^53"),
        ("SELECT 1, -1", "the query failed: it returned the count -1, which is not from 0 to 2^53"),
        ("SELECT 1, 'nan'::DOUBLE", "the query failed: it returned a number that is not finite"),
        ("SELECT INTERVAL 100000000 YEAR", "the query failed: OverflowError"),
        ("SELECT * FROM read_csv('/etc/passwd')", "the query failed: PermissionException"),
        ("SELECT * FROM read_text('rule.sql')", "the query failed: PermissionException"),
        ("SELECT $other", "the query failed: InvalidInputException"),
    ],
)
def test_what_is_wrong_with_a_query_is_why_it_is_not_judged(project: Project, query: str, why: str) -> None:
    [verdict] = judged(project, query, above=0.5)
    assert (None, None) == (verdict.passed, verdict.value)
    assert verdict.message.startswith(f"not judged: {why}"), verdict.message


def test_no_value_of_a_row_is_told_with_an_error(project: Project) -> None:
    [verdict] = judged(project, "SELECT prediction_id::INT FROM inference_log", above=0.5)
    assert "'" not in verdict.message
    assert verdict.message.startswith("not judged: the query failed: ConversionException")


def test_the_files_of_other_endpoints_cannot_be_read(project: Project) -> None:
    other = replace(project.spec, name="other")
    captured(project, other, [request(other, FIRST)])
    files = f"{project.stores.lake.path('other', 'inference_log')}/**/*.parquet"
    [verdict] = judged(project, f"SELECT count(*) FROM read_parquet('{files}')", above=0.5)
    assert verdict.message.startswith("not judged: the query failed: PermissionException")


def test_a_query_reads_the_rows_of_its_views_alone(project: Project) -> None:
    """Of the endpoint's own files: none of an older day, of an older version of a table, or of another table."""
    captured(project, project.spec, [request(project.spec, FIRST - timedelta(days=60))])
    folder = project.stores.lake.path(project.spec.name, "inference_log")
    [counted] = judged(project, "SELECT count(*) FROM inference_log", above=1000)
    assert 20 == counted.value
    one = min(folder.glob("**/*.parquet"))  # of the oldest day
    for source in (f"read_parquet('{folder}/**/*.parquet')", f"read_parquet('{one}')", f"glob('{folder}/**')"):
        [verdict] = judged(project, f"SELECT count(*) FROM {source} -- inference_log", above=1000)
        assert verdict.message.startswith("not judged: the query failed: PermissionException"), source


def test_a_query_that_does_not_end_is_ended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_file, "LONGEST", 0.2)
    [verdict] = judged(project, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b", above=0.5)
    assert (None, "not judged: the query took over 0 s") == (verdict.passed, verdict.message)


def test_a_file_that_is_gone_or_no_text_is_why_it_is_not_judged(project: Project) -> None:
    rule = AlertRule("sql", given_name="own", sql="gone.sql", over=HOUR)
    spec = replace(project.spec, alerts=(rule,))
    [verdict] = judge_rules(project.stores, spec, ["sql"], [FIRST])
    assert (None, "not judged: gone.sql cannot be read (FileNotFoundError)") == (verdict.passed, verdict.message)


def test_an_hour_without_a_request_is_not_asked_about(project: Project) -> None:
    rule = AlertRule("sql", given_name="own", sql="rule.sql", over=HOUR)
    [verdict] = judge_rules(project.stores, replace(project.spec, alerts=(rule,)), ["sql"], [FIRST - timedelta(days=9)])
    assert (None, "not judged: no window has changed") == (verdict.passed, verdict.message)
