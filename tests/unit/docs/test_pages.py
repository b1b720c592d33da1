"""The pages say what is true: links lead somewhere, and what is generated is up to date."""

import re

import pytest

from docs.generate import FOLDER, pages
from modelops_pipelines.core.endpoints.validation.alerts import QUALITY_METRICS
from tests.fakes.gateway_routes import ROUTES
from tests.support.paths import ROOT

LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
ROUTE = re.compile(r"^\| `((?:GET|POST|DELETE) /[^`]*)` \| (\w+) \|", re.MULTILINE)
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


def test_the_table_of_quality_metrics_has_what_a_rule_may_name() -> None:
    page = (DOCS / "endpoints.md").read_text()
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (`.*) \|$", page.partition("| task | metrics of `quality` |")[2], re.MULTILINE)
    )
    assert {task: tuple(re.findall(r"`(\w+)`", rows[task])) for task in QUALITY_METRICS} == QUALITY_METRICS


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
)
def test_no_empty_line_cuts_a_table(page: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text(), re.MULTILINE)
    assert [table.splitlines()[0] for table in tables if not re.match(r".*\n\|[-:| ]+\|\n", table)] == []


def test_no_page_names_a_machine() -> None:
    found = [
        path.name
        for path in [*DOCS.glob("*.md"), *FOLDER.iterdir()]
        if re.search(r"/(home|root|tmp|work)/", path.read_text())
    ]
    assert found == []
