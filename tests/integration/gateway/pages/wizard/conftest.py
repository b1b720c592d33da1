"""A gateway with keys of several people and a registry of three models, and the steps of a person in the wizard."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest

from modelops_pipelines.core.access.api_keys import grant
from tests.support.browsing import UI, Browser, browser_of
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.project import CANCER_YAML, Project, make_project, train_first

LOANS_YAML = CANCER_YAML.replace("cancer", "loans").replace("tumours", "risk_scores") + '  owners: ["team:risk"]\n'
CHURN = {"model_name": "free_model", "version": "1", "name": "churn", "task": "binary_classification", "label": "left"}
REFUSED = {403, 404, 409, 422}
_ACTION, _FIELD = re.compile(r'<form[^>]*action="(/ui/[^"]+)"(.*?)</form>', re.DOTALL), re.compile(r"<input[^>]*>")
_CALL = re.compile(r'<pre id="call"[^>]*>(.*?)</pre>', re.DOTALL)


@dataclass
class Office:
    """A gateway with keys, a registry of three models, and two endpoints: nobody's, and team risk's."""

    gateway: RunningGateway
    project: Project
    keys: dict[str, str]

    @property
    def files(self) -> dict[str, bytes]:
        """The endpoints' files."""
        return {path.name: path.read_bytes() for path in (self.project.folder / "endpoints").iterdir()}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    project = make_project(tmp_path_factory.mktemp("wizard") / "project")
    (project.folder / "endpoints" / "loans.yaml").write_text(LOANS_YAML)
    trained = Path(train_first(project).artifact_uri)
    for name in ("free_model", "risk_scores"):
        project.stores.registry.register_folder(name, trained)
    store, now = project.stores.keys, project.stores.now()
    wanted = {
        "root": grant("root", ["admin"]),
        "ann": grant("ann", ["operate"]),
        "rita": grant("rita", ["read"]),
        "lead": grant("lead", ["operate"], team="risk"),
        "fred": grant("fred", ["operate"], team="fraud"),
        "part": grant("part", ["operate"], endpoints=["cancer"]),
    }
    keys = {name: store.create(one, now=now, actor="test").text for name, one in wanted.items()}
    with running_gateway(project, ready=False) as gateway:
        yield Office(gateway, project, keys)
    project.stores.database.close()


@pytest.fixture
def browser(office: Office) -> Iterator[Browser]:
    """A browser in which ann has signed in, who operates everything."""
    with browser_of(office.gateway) as made:
        made.sign_in(office.keys["ann"])
        yield made


@pytest.fixture(autouse=True)
def files_of_before(office: Office) -> Iterator[None]:
    """Take away what a test has written."""
    before = set(office.files)
    yield
    for name in set(office.files) - before:
        (office.project.folder / "endpoints" / name).unlink()


def follow(browser: Browser, words: str) -> None:
    """Follow the first link with these words."""
    assert browser.shown is not None
    found = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>{re.escape(words)}<', browser.shown.text)
    assert found is not None, (words, browser.text)
    browser.open(unescape(found[1]).removeprefix(UI))


def submit(browser: Browser, path: str, **filled: str) -> httpx.Response:
    """Send the form of the page that leads to this path, with its hidden fields, and what a person fills in."""
    assert browser.shown is not None
    forms = {unescape(action): inner for action, inner in _ACTION.findall(browser.shown.text)}
    hidden = (dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in _FIELD.findall(forms[f"{UI}{path}"]))
    given = {one["name"]: unescape(one.get("value", "")) for one in hidden if one.get("type") == "hidden"}
    return browser.send(path, **{name: value for name, value in given.items() if name != "token"}, **filled)


def downloaded(browser: Browser, fields: Mapping[str, str]) -> httpx.Response:
    browser.open("/new")
    return browser.send("/new/download", follow=False, **fields)


def call_on(browser: Browser, key: str) -> str:
    """Run the call that the page shows, and return what it printed."""
    assert browser.shown is not None
    [call] = _CALL.findall(browser.shown.text)
    environment = {"MODELOPS_API_KEY": key, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", unescape(call)], env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout
