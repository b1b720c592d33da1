"""A proof holds for the files, the configuration and the record that it was found with, and is put aside while in use."""

from dataclasses import replace

import pytest

from modelops_pipelines.gateway.worker.kept_proofs import KeptProofs
from modelops_pipelines.operations.model_runtime.loading import Proven
from tests.support.project import Project
from tests.support.versions import two_versions

PROVEN = Proven("array", None, 0.3, ["0", "1"], "model", "probabilities", "probabilities", bytes=4096)


def test_it_is_found_again_and_not_while_it_is_in_use(trained: Project) -> None:
    proofs, (version, _) = KeptProofs(trained.stores.settings.home), two_versions(trained)
    assert proofs.take(version, trained.spec) is None
    proofs.keep(version, trained.spec, PROVEN)
    assert PROVEN == proofs.take(version, trained.spec)
    assert proofs.take(version, trained.spec) is None  # as after a load that ended the worker
    proofs.keep(version, trained.spec, PROVEN)
    assert PROVEN == proofs.take(version, trained.spec)


def test_what_is_served_differently_or_is_another_version_has_none(trained: Project) -> None:
    proofs, (first, second) = KeptProofs(trained.stores.settings.home), two_versions(trained)
    proofs.keep(first, trained.spec, PROVEN)
    for spec in (replace(trained.spec, row_wise=False), replace(trained.spec, positive_label="0")):
        assert proofs.take(first, spec) is None
    for version in (second, replace(first, classes=["no", "yes"]), replace(first, files_hash=None)):
        assert proofs.take(version, trained.spec) is None
    assert PROVEN == proofs.take(first, replace(trained.spec, description="another"))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"path": 1'])
def test_a_damaged_one_is_none(trained: Project, content: str) -> None:
    proofs, (version, _) = KeptProofs(trained.stores.settings.home), two_versions(trained)
    proofs.keep(version, trained.spec, PROVEN)
    [path] = (trained.stores.settings.home / "proofs").rglob("*.json")
    path.write_text(content)
    assert proofs.take(version, trained.spec) is None


def test_those_of_files_that_are_gone_are_removed(trained: Project) -> None:
    proofs, (first, second) = KeptProofs(trained.stores.settings.home), two_versions(trained)
    for version in (first, second):
        proofs.keep(version, trained.spec, PROVEN)
    first.folder.rename(first.folder.with_name("away"))
    proofs.clean()
    assert proofs.take(first, trained.spec) is None
    assert PROVEN == proofs.take(second, trained.spec)
