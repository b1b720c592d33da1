"""Links, anchors and file names in the documentation lead somewhere; every page of the site can be found."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"])
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE = re.compile(r"`[^`]*`")
FILE = re.compile(r"`([a-z_]+/[a-z_/]*[a-z_]+\.(?:py|sql|toml|yaml))`")


def links_of(page: Path) -> Iterator[str]:
    """Return the links to other pages and files; code holds none."""
    text = CODE.sub("``", FENCE.sub("", page.read_text()))
    return (link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:"))


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return the page's anchors, as GitHub and the site make them of headings."""
    return frozenset(anchor_of(heading) for heading in HEADING.findall(FENCE.sub("", page.read_text())))


def anchor_of(heading: str) -> str:
    """Return a heading's anchor: lower case, hyphens for spaces, without other punctuation."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def leads_nowhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.is_file() or (bool(anchor) and anchor not in anchors_of(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    assert [link for link in links_of(page) if leads_nowhere(page, link)] == []


@pytest.mark.parametrize(
    ("link", "nowhere"),
    [
        ("docs/concepts.md", False),
        ("docs/concepts.md#event-time-and-windows", False),
        ("docs/concepts.md#no-such-heading", True),
        ("docs/no-such-page.md", True),
        ("docs", True),
    ],
)
def test_a_link_to_what_is_not_there_is_found(link: str, *, nowhere: bool) -> None:
    assert nowhere == leads_nowhere(ROOT / "README.md", link)


def test_every_file_that_the_architecture_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = FILE.findall(page)
    roots = (ROOT, ROOT / "modelops_pipelines")
    assert len(named) > 40
    assert [file for file in named if not any((root / file).is_file() for root in roots)] == []


def test_the_site_s_menu_has_every_page() -> None:
    menu = set(_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert {page.relative_to(ROOT).as_posix() for page in PAGES} == menu


def _pages(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _pages(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _pages(value)
