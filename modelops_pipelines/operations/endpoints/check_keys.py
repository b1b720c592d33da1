"""Checks the files of the public keys that an endpoint trusts, before any version is loaded by them."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from modelops_pipelines.core.endpoints.issues import Issue
from modelops_pipelines.core.errors import InputError


def key_issues(keys: Sequence[str], project: Path, faulty: Collection[str]) -> Iterator[Issue]:
    """Yield the issues with the keys' files, which are in the project; ``faulty`` are paths that have an issue."""
    if not keys:
        return
    from modelops_pipelines.store.registry.trust.public_keys import project_key  # most endpoints need no keys

    for index, key in enumerate(keys):
        path = f"trust.signed_by[{index}]"
        if path in faulty or not key:
            continue
        try:
            project_key(key, project)
        except InputError as error:
            yield Issue(path, error.message, error.remedy)
