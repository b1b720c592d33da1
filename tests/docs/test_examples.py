"""The pages say what is true: examples run as they stand, and what is generated is up to date."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from docs.generate import FOLDER, pages
from tests.cli.support import START, NewUser, new_user
from tests.gateway.test_roles import ROUTES
from tests.support import ROOT, wait_until
from tests.warm import WarmProcess

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
ROUTE = re.compile(r"^\| `((?:GET|POST|DELETE) /[^`]*)` \| (\w+) \|", re.MULTILINE)
VARYING = frozenset({"request_id", "feedback_id", "key_id", "key", "created_at", "expires_at"})
DOCS = ROOT / "docs"


def test_the_reference_is_up_to_date() -> None:
    kept = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert kept == pages(), "run: python docs/generate.py"


@pytest.mark.parametrize("page", sorted(path.relative_to(DOCS).as_posix() for path in DOCS.glob("*.md")))
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    links = [link for link in LINK.findall((DOCS / page).read_text()) if not link.startswith("http")]
    assert [link for link in links if not (DOCS / page).parent.joinpath(link).exists()] == []


def test_the_gateway_s_table_has_every_route_with_its_role() -> None:
    told = ROUTE.findall((DOCS / "gateway.md").read_text())
    assert sorted(told) == sorted((route.name, route.role) for route in ROUTES)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewUser]:
    user = new_user(tmp_path_factory.mktemp("docs"))
    user.run("deploy", "tumours", "1")
    log = user.folder / "gateway.log"
    gateway = WarmProcess(START, "gateway", cwd=user.folder, env=user.environment, out=log, err=log)
    try:
        wait_until(lambda: _ready(user), 60)
        yield user
    finally:
        gateway.terminate()
        gateway.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples use curl")
def test_the_gateway_s_examples_answer_as_the_page_says(user: NewUser) -> None:
    blocks = BLOCK.findall((DOCS / "gateway.md").read_text())
    real: dict[str, str] = {}
    answer: Any = None
    for kind, content in blocks:
        if kind == "sh":
            answer = run(user, with_ids(content, real))
        else:
            expected = json.loads(content)
            real |= ids(expected, answer)
            assert without_varying(expected) == without_varying(answer)
    assert len(blocks) >= 8


def run(user: NewUser, commands: str) -> Any:
    """Run a block's commands against this project's gateway; return the JSON answered."""
    here = commands.replace("localhost:8000", f"127.0.0.1:{user.ports['GATEWAY']}")
    installed = f'modelops() {{ {shlex.join(user.command())} "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-euc", installed + here],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ids(expected: Any, answer: Any) -> dict[str, str]:
    """Return the request id that the page shows, with the one that was answered."""
    known = isinstance(expected, dict) and "request_id" in expected
    return {expected["request_id"]: answer["request_id"]} if known else {}


def with_ids(content: str, real: dict[str, str]) -> str:
    """Return the text with the page's ids replaced."""
    for shown, answered in real.items():
        content = content.replace(shown, answered)
    return content


def without_varying(value: Any) -> Any:
    """Return JSON with the type instead of what differs at each call, and floats to six digits."""
    if isinstance(value, dict):
        return {name: type(part).__name__ if name in VARYING else without_varying(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_varying(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value


def _ready(user: NewUser) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{user.ports['GATEWAY']}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_no_page_names_a_machine() -> None:
    found = [
        path.name
        for path in [*DOCS.glob("*.md"), *FOLDER.iterdir()]
        if re.search(r"/(home|root|tmp|work)/", path.read_text())
    ]
    assert found == []
