"""Every command against a real project, in a process of its own."""

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
import pytest

from docs.generate import help_texts
from modelops_pipelines.cli import project as opening
from modelops_pipelines.cli.main import COMMANDS, cli
from tests.support.command_line import Loop, modelops, refused
from tests.support.gateway import running_gateway
from tests.support.project import Project, cancer_frame, make_project, train_first
from tests.support.versions import record_as_foreign
from tests.support.waiting import wait_until
from tests.worlds.served import ERROR

GOLDEN_HELP = Path(__file__).parent / "help.txt"


# Help and usage


def test_the_help_of_every_command_is_as_reviewed() -> None:
    found = "\n\n".join(f"$ {name} --help\n{text}" for name, text in help_texts()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN_HELP.write_text(found)
    assert found == GOLDEN_HELP.read_text()


def test_the_short_help_is_the_first_sentence_of_no_missing_command() -> None:
    names = {name.split()[1] for name, _ in help_texts() if " " in name}
    assert names == set(COMMANDS)


def test_every_whole_number_that_a_command_takes_has_bounds_that_the_state_can_hold() -> None:
    numbers = list(_whole_numbers(cli, click.Context(cli)))
    assert len(numbers) > 10
    assert [] == [where for where, kind in numbers if not (isinstance(kind, click.IntRange) and kind.max is not None)]
    assert max(kind.max for _, kind in numbers if isinstance(kind, click.IntRange) and kind.max is not None) <= 2**53


def _whole_numbers(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.ParamType]]:
    for parameter in command.params:
        if isinstance(parameter.type, click.types.IntParamType):
            yield f"{command.name} {parameter.name}", parameter.type
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _whole_numbers(inner, click.Context(inner, parent=context))


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["metrics"],
        ["deploy", "cancer"],
        ["deploy", "cancer", "1", "--share", "0"],
        ["deploy", "cancer", "1", "--share", "many"],
        ["promote", "cancer", "2", "--force"],
        ["train", "cancer", "--data", "nowhere.csv"],
        ["drift", "cancer", "--windows", "0"],
        ["alert", "list", "--what"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_how_to_get_help(fresh: Project, arguments: list[str]) -> None:
    done = modelops(fresh, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "--help" in done.err


def test_the_version_is_the_package_s(fresh: Project) -> None:
    try:
        version = metadata.version("modelops_pipelines")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed here")
    assert modelops(fresh, "--version").out == f"modelops, version {version}\n"


# Endpoints


def test_endpoint_list_shows_what_is_configured_and_what_serves(loop: Loop) -> None:
    expected = {
        "endpoint": "cancer",
        "model": "tumours",
        "task": "binary_classification",
        "champion": "1",
        "challenger": None,
        "status": "active",
    }
    [row] = modelops(loop.project, "endpoint", "list", "--json").json
    assert row.pop("generation") >= 1
    assert row.pop("drift_unmonitored") == (
        "no window has been judged yet: one hour with requests has to be over, and Dagster has to run"
    )
    assert set(row.pop("alerts")) <= {"open", "acknowledged", "pending", "flapping"}
    assert {**expected, "problem": None, "to_add": None} == row
    head = modelops(loop.project, "endpoint", "list").out.splitlines()[0].split()
    assert head == [*expected, "generation", "problem", "alerts", "drift_unmonitored"]


def test_endpoint_show_gives_every_setting_with_its_default(loop: Loop) -> None:
    shown = modelops(loop.project, "endpoint", "show", "cancer", "--json").json
    assert (shown["label_horizon"], shown["window"], shown["promotion"]["strategy"]) == ("2d", "hour", "direct")
    assert shown["variants"] == [{"version": "1", "role": "champion", "share": 100}]
    assert "label_horizon" in modelops(loop.project, "endpoint", "show", "cancer").out


def test_endpoint_validate_accepts_what_is_right(loop: Loop) -> None:
    assert modelops(loop.project, "endpoint", "validate").out == "1 endpoint(s) are valid: cancer\n"
    [described] = modelops(loop.project, "endpoint", "validate", "endpoints/endpoint.yaml", "--json").json
    assert described["name"] == "cancer"


def test_endpoint_validate_names_file_line_culprit_and_fix(fresh: Project) -> None:
    path = fresh.folder / "endpoints" / "endpoint.yaml"
    path.write_text(path.read_text().replace("binary_classification", "binry_classification"))
    done = modelops(fresh, "endpoint", "validate", "endpoints/endpoint.yaml")
    assert done.code == 3
    expected = "endpoints/endpoint.yaml:5: task: 'binry_classification' is not a valid value. Did you mean 'binary_classification'?"
    assert expected in done.err


def test_an_endpoint_that_is_not_there_is_refused_by_every_command(loop: Loop) -> None:
    for arguments in (
        ["endpoint", "show", "cancr"],
        ["deploy", "cancr", "1"],
        ["promote", "cancr", "1"],
        ["rollback", "cancr"],
        ["history", "cancr"],
        ["retrain", "cancr"],
        ["metrics", "cancr"],
        ["drift", "cancr"],
        ["alert", "list", "--endpoint", "cancr"],
        ["sql", "SELECT 1", "-e", "cancr"],
        ["train", "cancr", "--data", str(loop.data)],
    ):
        refused(
            modelops(loop.project, *arguments), "There is no endpoint 'cancr' (known: cancer). Correct the name, or add"
        )


# Training and releases


def test_train_registers_a_version_and_says_what_comes_next(loop: Loop) -> None:
    done = modelops(loop.project, "train", "cancer", "--data", str(loop.data), "--json")
    assert done.code == 0
    assert done.json["inputs"] == dict.fromkeys(cancer_frame().columns[:-1], "float")
    assert f"modelops deploy cancer {done.json['version']}" in done.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "cannot be read as csv (No columns to parse from file). Correct the file"),
        ("binary.csv", b"\xff\xfe\x00", "cannot be read as csv"),
        ("torn.parquet", b"PAR1", "cannot be read as parquet"),
        ("data.json", b"{}", "is neither CSV nor Parquet. Give a .csv or a .parquet file"),
        ("other.csv", b"a,b\n1,2\n", "The data has no column 'benign', the label (it has: a, b)"),
    ],
)
def test_train_refuses_a_file_by_its_name(loop: Loop, name: str, content: bytes, message: str) -> None:
    path = loop.project.folder / name
    path.write_bytes(content)
    refused(modelops(loop.project, "train", "cancer", "--data", str(path)), message)


def test_deploy_promote_and_rollback_tell_what_they_did_and_the_history_keeps_it(fresh: Project) -> None:
    train_first(fresh)
    train_first(fresh, cancer_frame().head(400))
    first = modelops(fresh, "deploy", "cancer", "1", "--reason", "first")
    assert first.out.startswith("cancer: deploy nothing -> 1 (100 % of the traffic, generation 1); no gateway is run")
    again = modelops(fresh, "deploy", "cancer", "1")
    assert again.out == "cancer: version 1 is already live; nothing changed\n"
    shared = modelops(fresh, "deploy", "cancer", "2", "--share", "10", "--json").json
    assert (shared["share"], shared["from_version"], shared["changed"]) == (10, "1", True)
    refused(
        modelops(fresh, "promote", "cancer", "2"),
        "refuses version 2 of 'cancer' against champion 1: it was never evaluated",
    )
    forced = modelops(fresh, "promote", "cancer", "2", "--force", "--reason", "we know better")
    assert "promote 1 -> 2 (100 % of the traffic" in forced.out
    assert "forced past the gate: it was never evaluated" in forced.out
    rolled = modelops(fresh, "rollback", "cancer", "--reason", "we did not")
    assert rolled.err.startswith(
        "cancer: would rollback 2 -> 1 (100 % of the traffic, generation 4); version 1 was champ"
    )
    assert "rollback 2 -> 1" in rolled.out
    events = modelops(fresh, "history", "cancer", "--json").json
    assert [(e["action"], e["to_version"], e["reason"]) for e in events] == [
        ("deploy", "1", "first"),
        ("deploy", "2", ""),
        ("promote", "2", "we know better"),
        ("rollback", "1", "we did not"),
    ]
    assert [e["previous_hash"] for e in events[1:]] == [e["hash"] for e in events[:-1]]
    assert events[2]["evidence"]["forced"] is True
    shown = modelops(fresh, "history", "cancer").out.splitlines()
    assert (5, "gate", ["-", "-", "forced", "-"]) == (
        len(shown),
        shown[0].split()[-1],
        [line.split()[-1] for line in shown[1:]],
    )


def test_a_deploy_over_a_champion_asks_the_gate_and_a_rollback_is_undone(fresh: Project) -> None:
    train_first(fresh)
    train_first(fresh, cancer_frame().head(400))
    modelops(fresh, "deploy", "cancer", "1")
    for more in ((), ("--dry-run",)):
        refused(
            modelops(fresh, "deploy", "cancer", "2", *more), "The gate refuses version 2 of 'cancer' against champion 1"
        )
    silent = modelops(fresh, "deploy", "cancer", "2", "--force")
    assert (2, True) == (silent.code, "--force requires --reason" in silent.err)
    modelops(fresh, "deploy", "cancer", "2", "--force", "--reason", "we know better")
    modelops(fresh, "rollback", "cancer", "--reason", "we did not")
    again = modelops(fresh, "rollback", "cancer")
    refused(again, "has no earlier champion to roll back to. cancer: version 2 was rolled back on ")
    assert "To return to it: modelops rollback cancer --undo --reason TEXT" in again.err
    told = modelops(fresh, "rollback", "cancer", "--undo", "--dry-run").out
    assert "would undo 1 -> 2 (100 % of the traffic, generation 4); version 2 was rolled back on" in told
    for wrong in (("--undo",), ("--undo", "--to", "1", "--reason", "x"), ("--force", "--reason", "x")):
        assert 2 == modelops(fresh, "rollback", "cancer", *wrong).code
    undone = modelops(fresh, "rollback", "cancer", "--undo", "--reason", "we did", "--json")
    assert ("undo", "2") == (undone.json["action"], undone.json["to_version"])
    assert "would undo 1 -> 2" in undone.err


def test_a_second_rollback_in_a_row_says_that_it_goes_further_back(fresh: Project) -> None:
    for rows in (569, 400, 300):
        version = train_first(fresh, cancer_frame().head(rows)).version
        modelops(fresh, "deploy", "cancer", version, "--force", "--reason", "newer")
    modelops(fresh, "rollback", "cancer", "--reason", "slow")
    second = modelops(fresh, "rollback", "cancer", "--reason", "slow")
    assert "The newest release is a rollback already. cancer: version 3 was rolled back on" in second.err
    assert "rollback 2 -> 1" in second.out


def test_what_cannot_be_released_is_refused_with_the_fix(loop: Loop) -> None:
    refused(modelops(loop.project, "deploy", "cancer", "99"), "The registry has no version '99' of model 'tumours'")
    refused(modelops(loop.project, "deploy", "cancer", "latest"), "The registry has no version 'latest'")
    refused(
        modelops(loop.project, "deploy", "cancer", "1", "--share", "10"),
        "has no other champion to share the traffic with version 1. Deploy a version with all traffic first",
    )
    refused(
        modelops(loop.project, "rollback", "cancer", "--to", "9"), "Version 9 is not an earlier champion of endpoint"
    )


def test_a_version_that_no_worker_can_serve_ends_with_4_and_the_old_one_stays(fresh: Project) -> None:
    train_first(fresh)
    broken = train_first(fresh, cancer_frame().head(400))
    modelops(fresh, "deploy", "cancer", "1")
    next(broken.folder.glob("*.skops")).write_bytes(b"damaged")
    record_as_foreign(fresh, broken)
    with running_gateway(fresh):
        wait_until(lambda: fresh.stores.deployments.acknowledgements("cancer", fresh.stores.now()), 30)
        done = modelops(fresh, "deploy", "cancer", broken.version, "--force", "--reason", "a test")
    assert done.code == 4
    assert f"A gateway worker cannot serve version {broken.version} of 'cancer'" in done.err
    assert "version 1 was restored" in done.err
    assert modelops(fresh, "endpoint", "list", "--json").json[0]["champion"] == "1"


def test_retrain_judges_a_candidate_and_changes_nothing_that_is_live(loop: Loop) -> None:
    done = modelops(loop.project, "retrain", "cancer", "--reason", "a test", "--json")
    if done.code == 3:  # today is one of the days that are kept for evaluation
        assert "No prediction of endpoint 'cancer' has a label yet" in done.err
        return
    assert ", since " in done.err  # a training takes longer than the second after which it is told
    assert done.json["verdict"] == "not enough evidence"
    assert modelops(loop.project, "endpoint", "list", "--json").json[0]["champion"] == "1"


def test_retrain_without_labels_says_how_to_send_some(fresh: Project) -> None:
    train_first(fresh)
    refused(modelops(fresh, "retrain", "cancer"), "has a label yet. Send labels: POST /endpoints/")


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4321")

    monkeypatch.setattr(opening.getpass, "getuser", nameless)
    assert opening.actor() == f"cli:user-{os.getuid()}"


# Reading


def test_metrics_shows_traffic_and_quality(loop: Loop) -> None:
    [row] = modelops(loop.project, "metrics", "cancer", "--json").json
    assert (row["requests"], row["predictions"], row["labelled"], row["server_errors"]) == (1, 569, 569, 0)
    assert row["accuracy"] > 0.9
    assert row["latency_p95_ms"] == pytest.approx(row["latency_mean_ms"], rel=0.0101)  # of one request
    assert (row["availability"], row["errors"]) == (1.0, {})
    assert "accuracy" in modelops(loop.project, "metrics", "cancer", "--windows", "1").out


def test_a_report_is_one_page_where_it_is_asked_for(loop: Loop, tmp_path: Path) -> None:
    done = modelops(loop.project, "report", "cancer", "--output", str(tmp_path / "cancer.html"), "--json").json
    page = (tmp_path / "cancer.html").read_text()
    assert done == {"report": str(tmp_path / "cancer.html")}
    assert "cancer" in page
    assert "Content-Security-Policy" in page


def test_a_report_of_an_endpoint_without_requests_says_so_and_names_the_home(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    told = modelops(project, "report", "cancer")
    assert (project.stores.settings.reports / "cancer" / "health.html").is_file()
    assert f"no requests to 'cancer' were measured in the home {project.stores.settings.home}" in told.err


def test_a_query_that_comes_with_the_project_and_one_in_a_file_are_run_by_name(loop: Loop, tmp_path: Path) -> None:
    [hour] = modelops(loop.project, "sql", "--file", "health_hourly", "--json").json
    assert (hour["requests"], hour["predictions"], hour["server_errors"]) == (1, 569, 0)
    [day] = modelops(loop.project, "sql", "-f", "health_daily.sql", "-e", "cancer", "--json").json
    assert (day["labelled"], day["accuracy"] > 0.9) == (569, True)
    (tmp_path / "own.sql").write_text("SELECT count(*) AS n FROM labels")
    assert modelops(loop.project, "sql", "-f", str(tmp_path / "own.sql"), "--json").json == [{"n": 569}]
    refused(modelops(loop.project, "sql", "-f", "nothing.sql"), "The query nothing.sql cannot be read")
    both = modelops(loop.project, "sql", "SELECT 1", "-f", "health_daily")
    assert "Give either a query or --file" in both.err


def test_drift_shows_a_row_a_column(loop: Loop) -> None:
    rows = modelops(loop.project, "drift", "cancer", "--json").json
    assert sorted(row["column"] for row in rows) == sorted([*cancer_frame().columns[:-1], "prediction", "score"])
    assert {row["drifted"] for row in rows} == {False}
    assert " no " in modelops(loop.project, "drift", "cancer").out


def test_alert_list_shows_what_is_open(loop: Loop) -> None:
    [alert] = modelops(loop.project, "alert", "list", "--json").json
    assert (alert["rule"], alert["status"], alert["message"]) == ("error_rate", "open", ERROR.message)
    assert modelops(loop.project, "alert", "list", "--endpoint", "cancer", "--all").out.count("error_rate") == 2


def test_an_empty_listing_is_an_empty_list_and_a_word_on_stderr(fresh: Project) -> None:
    train_first(fresh)
    for arguments, word in (
        (["history", "cancer"], "Endpoint 'cancer' has no changes yet."),
        (["metrics", "cancer"], "Endpoint 'cancer' has no metrics yet."),
        (["drift", "cancer"], "Endpoint 'cancer' has no drift verdicts yet."),
        (["alert", "list"], "There are no open alerts."),
        (["sql", "SELECT * FROM labels", "-e", "cancer"], "The query returned no rows."),
    ):
        done = modelops(fresh, *arguments)
        assert (done.code, done.out, done.err) == (0, "", word + "\n")
        assert modelops(fresh, *arguments, "--json").json == []


def test_json_is_the_same_at_every_call(loop: Loop) -> None:
    for arguments in (
        ["endpoint", "show", "cancer"],
        ["history", "cancer"],
        ["metrics", "cancer"],
        ["drift", "cancer"],
    ):
        first = modelops(loop.project, *arguments, "--json")
        assert first.out == modelops(loop.project, *arguments, "--json").out
