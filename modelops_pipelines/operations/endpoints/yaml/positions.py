"""Reads YAML with the line of every value. Single values: ``yaml_types``; their meaning: ``core.endpoints``."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

from modelops_pipelines.core.endpoints.issues import Issue, suggestion
from modelops_pipelines.core.errors import Fault
from modelops_pipelines.operations.endpoints.yaml.types import RefusedError, mapping, sequence, tag_of, text

T = TypeVar("T")
_FAST_LOADER = getattr(yaml, "CSafeLoader", None)
"""Eight times as fast as the one in Python; absent where PyYAML was built without it."""

_SYNTAX_FIXES = (
    ("another document", "Keep one endpoint per file, without '---'"),
    ("'\\t'", "Indent with spaces, not with tabs"),
    ("mapping values", "Quote text that contains ': ', and align the keys of one level"),
    ("undefined alias", "Quote text that starts with '*', or define the anchor before it"),
)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,}")
_QUOTED = re.compile(r"(['\"]).{4,}?\1")
_LONGEST_KEY = 40
_ADDRESS = (":", "/", "@", "?", "=")


@dataclass(frozen=True)
class Place:
    """A value, the line of its key, and its path such as ``alerts[1].metric``."""

    node: yaml.Node
    line: int
    path: str


@dataclass
class Report:
    """The faults of one file, the line of every path read so far, and the paths whose value is a stand-in."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=lambda: {"": 1})
    stand_ins: set[str] = field(default_factory=set)

    def line_of(self, path: str) -> int:
        """Return the line of the path, or of its nearest parent in the file."""
        while path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]

    def refuse(self, path: str, problem: str, fix: str, line: int | None = None) -> None:
        """Add a fault."""
        self.faults.append(Fault(self.file, line or self.line_of(path), path or "document", problem, fix))

    def add_issue(self, issue: Issue) -> None:
        """Add a fault, unless the value is a stand-in for a refused one."""
        if self.stand_ins.isdisjoint(_path_and_parents(issue.path)):
            self.refuse(issue.path, issue.problem, issue.fix)

    def read(self, place: Place, reader: Callable[[yaml.Node], T], default: T) -> T:
        """Return the value, or the default and a fault."""
        try:
            return reader(place.node)
        except RefusedError as refused:
            self.refuse(place.path, *self.words_of(refused), place.line)
            self.stand_ins.add(place.path)
            return default

    def words_of(self, refused: RefusedError) -> tuple[str, str]:
        """Return problem and fix of a refused value."""
        return refused.problem, refused.fix

    def items(self, place: Place) -> list[Place]:
        """Return the places of a list's items."""
        none: list[yaml.Node] = []
        nodes = self.read(place, sequence, none)
        places = [Place(node, node.start_mark.line + 1, f"{place.path}[{index}]") for index, node in enumerate(nodes)]
        self.lines |= {item.path: item.line for item in places}
        return places

    def section(self, place: Place, allowed: Sequence[str], hints: Mapping[str, str] | None = None) -> "Section":
        """Return the places of a mapping's keys; unknown keys and repeated ones become faults."""
        none: list[tuple[yaml.Node, yaml.Node]] = []
        found: dict[str, Place] = {}
        seen: dict[str, int] = {}
        for key_node, node in self.read(place, mapping, none):
            key, line = _key(key_node), key_node.start_mark.line + 1
            path = f"{place.path}.{key}" if place.path else key
            if key in seen:
                self.refuse(path, f"is already set on line {seen[key]}", "Keep one of them", line)
            elif key not in allowed:
                fix = (hints or {}).get(key) or suggestion(key, allowed)
                self.refuse(path, "is not a known key", fix, line)
            else:
                found[key] = Place(node, line, path)
                self.lines[path] = line
            seen.setdefault(key, line)
        return Section(self, place.path, found)

    def entries(self, place: Place) -> "Section":
        """Return the places of a mapping whose keys are names that the user chose."""
        none: list[tuple[yaml.Node, yaml.Node]] = []
        keys = [str(key.value) for key, _ in self.read(place, mapping, none) if isinstance(key, yaml.ScalarNode)]
        known = len(self.faults)
        found = self.section(place, keys)
        if place.path in self.stand_ins:
            del self.faults[known:]  # that it is no mapping was said above
        return found


@dataclass
class DiscreetReport(Report):
    """The faults of one file, in words that quote no value, and no key that may be a secret."""

    def words_of(self, refused: RefusedError) -> tuple[str, str]:
        """Return problem and fix without the value."""
        return refused.discreet

    def refuse(self, path: str, problem: str, fix: str, line: int | None = None) -> None:
        """Add a fault; of a key that may be a secret only the place is told."""
        said = _QUOTED.sub("'...'", problem) if path in {"", "document"} else problem  # the words of YAML's own reader
        super().refuse(_shown(path), said, fix, line or self.line_of(path))


@dataclass(frozen=True)
class Section:
    """One mapping of the file."""

    report: Report
    path: str
    places: Mapping[str, Place]

    def take(self, key: str, reader: Callable[[yaml.Node], T], default: T) -> T:
        """Return the value of an optional key; the default when it is absent or, with a fault, refused."""
        place = self.places.get(key)
        return default if place is None else self.report.read(place, reader, default)

    def require(self, key: str, fix: str) -> str:
        """Return the text of a required key."""
        if key not in self.places:
            path = f"{self.path}.{key}" if self.path else key
            self.report.refuse(path, "is missing", fix)
            self.report.stand_ins.add(path)
        return self.take(key, text, "")

    def texts(self, key: str, reader: Callable[[yaml.Node], str] = text) -> tuple[str, ...]:
        """Return the texts of a list; a faulty item becomes an empty text, so that the positions stay."""
        places = self.report.items(self.places[key]) if key in self.places else []
        return tuple(self.report.read(place, reader, "") for place in places)


def may_hold_secret(text: str) -> bool:
    """Return whether a part of a text is long and has a digit, as tokens do."""
    return any(any(letter.isdigit() for letter in part) for part in _TOKEN.findall(text))


def may_be_secret(text: str) -> bool:
    """Return whether a key or name should not be quoted: it may hold a token, or is an address, or is long."""
    return len(text) > _LONGEST_KEY or any(sign in text for sign in _ADDRESS) or may_hold_secret(text)


def root_of(content: str, report: Report) -> Place | None:
    """Return the whole document; None, with a fault, if it is empty or not YAML."""
    try:
        node = _compose(content)
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(report, error)
        return None
    except yaml.YAMLError as error:
        report.refuse(
            "document",
            f"contains what YAML forbids: {str(error).splitlines()[0]}",
            "Save it as plain UTF-8 text",
        )
        return None
    except RecursionError:
        report.refuse("document", "is nested too deeply", "Write the keys of one endpoint only")
        return None
    if node is None or tag_of(node) == "null":
        report.refuse("document", "is empty", "Write 'type' and 'attributes', or start with: modelops endpoint add")
        return None
    return Place(node, node.start_mark.line + 1, "")


def _compose(content: str) -> yaml.Node | None:
    """Return the document's node; raises YAMLError as the slow reader does: its errors are those that we explain."""
    if _FAST_LOADER is not None:
        with suppress(yaml.YAMLError):
            found: yaml.Node | None = yaml.compose(content, Loader=_FAST_LOADER)
            return found
    slow: yaml.Node | None = yaml.compose(content, Loader=yaml.SafeLoader)
    return slow


def _refuse_syntax(report: Report, error: yaml.MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    fix = next(
        (fix for sign, fix in _SYNTAX_FIXES if sign in problem),
        "Close every bracket and quote, and align keys",
    )
    report.refuse("document", f"is not valid YAML: {problem}", fix, mark.line + 1 if mark else None)


def _path_and_parents(path: str) -> list[str]:
    return [path] + [path[: match.start()] for match in re.finditer(r"[.\[]", path)]


def _key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "?"


def _shown(path: str) -> str:
    """Return a path up to its first key that may be a secret."""
    pieces = re.split(r"(?=[.\[])", path)
    for index, piece in enumerate(pieces):
        if may_be_secret(piece):
            return "".join(pieces[:index]) + (".(a key)" if index else "(a key)")
    return path
