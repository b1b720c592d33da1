"""A test call, code to copy that is run as it stands, and the log that shows both."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest

from modelops_pipelines.core.access.api_keys import grant
from modelops_pipelines.operations.governance.api_keys import create_key
from modelops_pipelines.operations.models.client_snippets import curl_snippet, python_snippet, snippets
from modelops_pipelines.operations.models.example_request import example_row
from modelops_pipelines.operations.release.commands import deploy
from tests.support.command_line import Done, environment_of, modelops, refused
from tests.support.gateway import running_gateway
from tests.support.hostile_texts import HOSTILE
from tests.support.programs import MISSING, needs
from tests.support.project import Project, cancer_frame, make_project, train_first

PYTHON = [sys.executable, "-c"]
RUNS = {
    "--curl": ["bash", "-euc"],
    "--python": PYTHON,
    "--client": PYTHON,
    "--javascript": ["node", "--input-type=module", "-e"],
}
CATCHING = """\
const log = console.log, said = [];
console.log = () => {};
globalThis.fetch = async (_, sent) => {
  said.push(sent.body);
  return { ok: true, text: async () => "" };
};
"""
ROW = {"mean_radius": 14.1, "mean_texture": 19.3, "mean_smoothness": 0.1, "mean_concavity": 0.09}
OTHER_YAML = (
    "type: modelops_pipelines.ModelEndpoint\nattributes: {name: idle, model_name: m, task: regression, label: y}\n"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose gateway runs, with two versions that share the traffic."""
    project = make_project(tmp_path_factory.mktemp("trying") / "project")
    (project.folder / "endpoints" / "idle.yaml").write_text(OTHER_YAML)
    for rows, share in ((569, 100), (300, 10)):
        version = train_first(project, cancer_frame().head(rows)).version
        deploy(project.stores, project.spec, version, share=share, actor="ann", reason="test")
    with running_gateway(project):
        yield project


def run(command: list[str], project: Project, **environment: str) -> Done:
    done = subprocess.run(
        command, env=environment_of(project) | environment, capture_output=True, text=True, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def snippet(project: Project, kind: str, **environment: str) -> Done:
    """Print the endpoint's snippet and run it."""
    printed = modelops(project, "snippet", "cancer", kind)
    assert (printed.code, printed.err) == (0, "")
    return run([*RUNS[kind], printed.out], project, **environment)


# A test call


def test_a_test_call_sends_the_champion_s_own_example_and_prints_its_answer(served: Project) -> None:
    answer = modelops(served, "try", "cancer", "--json").json
    assert len(answer["predictions"]) == 1
    assert answer["model_version"] in {"1", "2"}
    done = modelops(served, "try", "cancer")
    assert done.code == 0
    assert len(json.loads(done.out)) == 2
    assert "logged as a test request with id" in done.err


def test_a_test_call_is_in_the_log_as_one(served: Project) -> None:
    answer = modelops(served, "try", "cancer", "--json").json
    found = modelops(served, "logs", "cancer", "--request-id", answer["request_id"], "--json").json
    [row] = found["rows"]
    assert (row["source"], row["status"], found["ingested_up_to"], found["complete"]) == ("test", 200, None, True)
    version = served.stores.deployments.version("tumours", "1")
    assert version is not None
    assert row["features"] == example_row(version)


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_version_asked_for_is_the_one_that_answers(served: Project, version: str) -> None:
    assert modelops(served, "try", "cancer", "--version", version, "--json").json["model_version"] == version


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("row.json", json.dumps(ROW), 1),
        ("rows.json", json.dumps([ROW, ROW]), 2),
        ("split.json", json.dumps({"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())] * 3}}), 3),
        ("rows.csv", f"{','.join(ROW)}\n{','.join(map(str, ROW.values()))}\n", 1),
    ],
)
def test_a_row_may_come_from_a_file_in_any_form(served: Project, name: str, content: str, rows: int) -> None:
    (served.folder / name).write_text(content)
    assert len(modelops(served, "try", "cancer", "--file", name).out.splitlines()) == rows


def test_a_row_may_be_given_by_hand(served: Project) -> None:
    answers = [
        modelops(served, "try", "cancer", "--version", "1", "--row", json.dumps(row)).out for row in (ROW, [ROW])
    ]
    assert answers[0] == answers[1] != ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "There is no endpoint 'nobody' (known: cancer, idle)"),
        (["cancer", "--row", "{"], "--row is not JSON. Give for example"),
        (["cancer", "--row", '{"mean_radius": 1}'], "Feature(s) mean_texture, mean_smoothness, mean_concavity missing"),
        (["cancer", "--row", "7"], "The body is not a JSON object"),
        (["cancer", "--explain"], "Endpoint 'cancer' explains no predictions"),
        (["cancer", "--version", "7"], "does not serve version '7' (it serves: 1 (champion), 2 (challenger))"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_the_reason(served: Project, arguments: list[str], message: str) -> None:
    refused(modelops(served, "try", *arguments), message)


def test_a_row_and_a_file_at_once_are_wrong_usage(served: Project) -> None:
    (served.folder / "row.json").write_text("{}")
    assert modelops(served, "try", "cancer", "--row", "{}", "--file", "row.json").code == 2


def test_an_endpoint_that_serves_nothing_says_how_to_deploy(served: Project) -> None:
    for command in ("try", "snippet"):
        done = modelops(served, command, "idle")
        assert (done.code, done.out) == (4, "")
        assert "Endpoint 'idle' serves no version yet. Deploy one: " in done.err
        assert "modelops deploy idle VERSION" in done.err


def test_a_gateway_that_is_down_is_told_with_how_to_start_it(served: Project) -> None:
    done = modelops(served, "try", "cancer", MODELOPS_GATEWAY_PORT="1")
    assert (done.code, done.out) == (4, "")
    assert "No gateway answers at http://127.0.0.1:1 (Connection refused)" in done.err
    assert "Start the gateway: modelops up" in done.err


@pytest.mark.parametrize("status", [200, 404, 500])
def test_something_else_at_the_gateway_s_address_is_told_apart(served: Project, status: int) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the handler's own name for it
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the handler's own signature
            pass

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.handle_request, daemon=True).start()
        done = modelops(served, "try", "cancer", MODELOPS_GATEWAY_PORT=str(server.server_port))
    assert (done.code, done.out) == (4, "")
    assert "There is no modelops gateway at http" in done.err
    assert "Set MODELOPS_GATEWAY_PORT to the gateway's port, or start the gateway: modelops up" in done.err


# Code to copy


def has_programs(kind: str) -> None:
    """Skip the test where the program that runs a snippet is missing."""
    for program, package, of in (("curl", "curl", "--curl"), ("node", "nodejs", "--javascript")):
        if kind == of and shutil.which(program) is None:
            pytest.skip(f"{MISSING}{program} (apt-get install {package})")


def test_the_shell_s_snippet_is_the_usual_one(served: Project) -> None:
    assert modelops(served, "snippet", "cancer").out == modelops(served, "snippet", "cancer", "--curl").out


@pytest.mark.parametrize("kind", RUNS)
def test_a_snippet_runs_as_it_is_printed(served: Project, kind: str) -> None:
    has_programs(kind)
    done = snippet(served, kind)
    assert (done.code, done.err) == (0, "")
    assert "model_version" in done.out
    assert "API_KEY" not in modelops(served, "snippet", "cancer", kind).out


@pytest.mark.parametrize("kind", RUNS)
def test_where_a_key_is_needed_it_comes_from_the_environment(tmp_path: Path, kind: str) -> None:
    has_programs(kind)
    project = make_project(tmp_path / "project")
    deploy(project.stores, project.spec, train_first(project).version, actor="ann", reason="test", force=True)
    key = create_key(project.stores, grant("ci", ["predict"]), actor="test").text
    with running_gateway(project):
        assert snippet(project, kind, MODELOPS_API_KEY=key).code == 0
        assert snippet(project, kind, MODELOPS_API_KEY="wrong").code != 0
        assert modelops(project, "try", "cancer", MODELOPS_API_KEY=key).code == 0
        refused(modelops(project, "try", "cancer"), "An API key is required. Set MODELOPS_API_KEY to a key")


AWKWARD = {"dataframe_records": [{"it's": 'a "quote" $HOME `id` \\ é\n', "none": None, "flag": True, "n": 1.5}]}


def test_an_awkward_row_is_quoted_for_the_shell_and_for_python() -> None:
    words = shlex.split(curl_snippet("http://h/e", AWKWARD, with_key=True))
    assert json.loads(words[-1]) == AWKWARD
    assert "X-API-Key: $MODELOPS_API_KEY" in words
    names: dict[str, Any] = {}
    program = python_snippet("http://h/e", AWKWARD, with_key=True).partition("request =")[0]
    exec(program, names)
    assert names["body"] == AWKWARD


HARD = [
    *HOSTILE,
    *("".join(chr(place) for place in range(start, start + 64)) for start in range(0, 320, 64)),
    *(
        "'",
        '"',
        "\\",
        "\\'",
        "'" * 3,
        '"' * 3,
        "$(id)",
        "${HOME}",
        "!!",
        "<!--",
        "]]>",
        "{{ x }}",
        "é" * 300,
        "a b " * 99,
    ),
    *(2**53 + 1, -(2**63), 0.1 + 0.2, 5e-324, 1e308, -0.0, True, None),
]
BODIES = [
    *({"dataframe_records": [{"text": one, "other": 1}, {"other": None, "text": [one]}]} for one in HARD),
    *({"dataframe_records": [{one: 1}]} for one in HARD if isinstance(one, str)),
    {"dataframe_records": [{"__proto__": 1, "constructor": 2}], "params": {"it's": {"$x": "`y`"}}},
]
"""Bodies with whatever some language takes for something else, as values and as names."""


def codes(language: str) -> list[str]:
    """Return the code for each body."""
    return [snippets("http://h", "it's", body, with_key=True)[language] for body in BODIES]


def as_json(bodies: list[Any]) -> list[str]:
    """Return texts that are equal where bodies are, also in the types and the order of what they hold."""
    return [json.dumps(body) for body in bodies]


def test_every_body_is_quoted_for_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "all.sh"
    head = 'set -eu\nMODELOPS_API_KEY=k\ncurl() { printf "%s\\0" "${@: -1}"; }\n'
    script.write_text(head + "".join(codes("curl")))
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=True, timeout=60)
    assert as_json(BODIES) == as_json([json.loads(said) for said in done.stdout.split("\0")[:-1]])


def test_every_body_is_quoted_for_python() -> None:
    found = []
    for code in codes("Python"):
        names: dict[str, Any] = {}
        exec(code.partition("request =")[0], names)
        found.append(names["body"])
    assert as_json(BODIES) == as_json(found)


def test_every_body_is_quoted_for_our_own_client() -> None:
    sent: list[Any] = []

    class Client:
        def __init__(self, url: str) -> None:
            assert url == "http://h"

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def predict(self, endpoint: str, rows: Any, **more: Any) -> None:
            assert endpoint == "it's"
            sent.append({"dataframe_records": rows, **more})

    for code in codes("Python client"):
        exec(code.partition("\n")[2], {"Client": Client, "print": str})
    assert as_json(BODIES) == as_json(sent)


@needs("node", "nodejs")
def test_every_body_is_quoted_for_javascript_also_within_a_page(tmp_path: Path) -> None:
    written = codes("JavaScript")
    assert not any("<" in code for code in written)
    parts = "".join(f"await (async () => {{\n{code}}})();\n" for code in written)
    script = tmp_path / "all.mjs"
    script.write_text(f"{CATCHING}{parts}log(JSON.stringify(said));\n")
    done = subprocess.run(["node", script], capture_output=True, text=True, check=True, timeout=60)
    assert as_json(BODIES) == as_json([json.loads(said) for said in json.loads(done.stdout)])


# The log


def test_logs_show_a_row_a_line_and_how_fresh_they_are(served: Project) -> None:
    modelops(served, "try", "cancer")
    done = modelops(served, "logs", "cancer", "--limit", "1")
    header, row = done.out.splitlines()
    assert header.split() == [
        "event_time",
        "prediction_id",
        "version",
        "status",
        "prediction",
        "score",
        "ms",
        "user",
        "source",
        "cache_hit",
    ]
    assert row.split()[4] == "200"
    assert "1 row(s), nothing is ingested yet." in done.err


def test_logs_without_a_row_say_so(served: Project) -> None:
    done = modelops(served, "logs", "idle")
    assert (done.code, done.out) == (0, "")
    assert "There are no rows since" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--limit", "1001"], 2, "1001 is not in the range"),
        (["--since", "soon"], 3, "'soon' is not a duration of at most 30d. Use for example 15m, 24h or 7d"),
        (["--status", "bad"], 2, "'bad' is not one of"),
        (["--request-id", "x"], 3, "'x' is not a request id"),
    ],
)
def test_logs_that_cannot_be_asked_for_are_refused(
    served: Project, arguments: list[str], code: int, message: str
) -> None:
    done = modelops(served, "logs", "cancer", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
