"""Signatures that were made of a registered version are kept beside its copy, for as long as that."""

import os
from pathlib import Path

from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.model_copies import ModelCopies
from modelops_pipelines.store.registry.trust.public_keys import read_key
from modelops_pipelines.store.registry.trust.signing import sign_folder
from modelops_pipelines.store.registry.trust.trusted_versions import (
    Files,
    Trusted,
    find_trust,
    keep_signature,
    signatures_beside,
    try_signature,
)
from tests.fakes.signing_keys import Pair, make_pair


def test_they_change_nothing_of_the_copy_and_are_found_by_each_key(tmp_path: Path) -> None:
    copies, first, second = ModelCopies(tmp_path / "models"), make_pair(tmp_path), make_pair(tmp_path, "second")
    folder, files_hash = _copied(copies, tmp_path, "one")
    for pair in (first, second):
        _keep(folder, pair)
    assert copies.is_whole(files_hash)
    files = Files(folder, files_hash, signatures_beside(folder))
    for pair in (first, second):
        found = find_trust(files, [pair.public.name], tmp_path)
        assert isinstance(found, Trusted)
        assert ("the registry", pair.public.name) == (found.place, found.key.path)


def test_they_go_with_the_copy_and_are_not_told_as_one(tmp_path: Path) -> None:
    copies, pair = ModelCopies(tmp_path / "models"), make_pair(tmp_path)
    needed, unneeded = (_copied(copies, tmp_path, name) for name in ("one", "two"))
    for folder, _ in (needed, unneeded):
        _keep(folder, pair)
        for path in (folder, signatures_beside(folder)):
            os.utime(path, (0, 0))
    assert [unneeded[1]] == copies.clean({needed[1]})
    assert {needed[1], signatures_beside(needed[0]).name} == {path.name for path in (tmp_path / "models").iterdir()}


def _copied(copies: ModelCopies, folder: Path, name: str) -> tuple[Path, str]:
    source = folder / "sources" / name
    source.mkdir(parents=True)
    (source / "MLmodel").write_text(name)
    return copies.keep(source)


def _keep(folder: Path, pair: Pair) -> None:
    content = sign_folder(folder, pair.private)
    files = Files(folder, hash_files(folder), signatures_beside(folder))
    trusted = try_signature(content, read_key(pair.public), files, "here")
    assert isinstance(trusted, Trusted)
    keep_signature(folder, trusted, content)
