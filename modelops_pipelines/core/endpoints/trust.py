"""Whose models an endpoint loads although they can execute code: what its YAML says under ``trust``, and its issues."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelops_pipelines.core.endpoints.issues import Issue

MOST_KEYS = 16


@dataclass(frozen=True)
class Trust:
    """``signed_by`` are files of public keys, relative to the project: a version that one of them signed loads."""

    signed_by: tuple[str, ...] = ()

    def narrowed_to(self, newer: "Trust") -> "Trust":
        """Return the trust in those of its keys that ``newer`` names too."""
        return Trust(tuple(key for key in self.signed_by if key in newer.signed_by))


def trust_issues(trust: Trust) -> Iterator[Issue]:
    """Yield all issues of the section 'trust' that need no look at the files."""
    for index, key in enumerate(trust.signed_by):
        path = f"trust.signed_by[{index}]"
        if key.startswith("/") or ".." in key.split("/"):
            problem = f"'{key}' may lie outside of the project"
            yield Issue(path, problem, "Write a path inside the project's folder, such as keys/ci.pub")
        elif key in trust.signed_by[:index]:
            yield Issue(path, f"duplicates trust.signed_by[{trust.signed_by.index(key)}]", "Keep one of them")
    if len(trust.signed_by) > MOST_KEYS:
        problem = f"has {len(trust.signed_by)} keys, and at most {MOST_KEYS} are tried for a version"
        yield Issue("trust.signed_by", problem, "Remove the keys that sign nothing any more")
