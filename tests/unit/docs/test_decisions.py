"""Each decision has a title, a status and a date, and its line in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\n"
    r"- Status: (?P<status>proposed|accepted|superseded by \d+)[^\n]*\n"
    r"- Date: (?P<date>\d{4}-\d{2}-\d{2})\n\n"
)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_begins_with_title_status_and_date_and_is_in_the_index(path: Path) -> None:
    head = HEAD.match(path.read_text())
    assert head is not None, "begin with '# N. Title', '- Status: ...' and '- Date: YYYY-MM-DD'"
    number, title, status, date = head.group("number", "title", "status", "date")
    assert path.name.startswith(f"{int(number):04d}-")
    line = f"| {number} | [{title}]({path.name}) | {status} | {date} | "
    assert line in (FOLDER / "README.md").read_text()


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)] == [path.name[:4] for path in DECISIONS]


def test_no_decision_refers_to_what_is_not_in_the_repository() -> None:
    foreign = re.compile(r"DESIGN\.md|\bfacts\b")
    assert [path.name for path in DECISIONS if foreign.search(path.read_text())] == []
