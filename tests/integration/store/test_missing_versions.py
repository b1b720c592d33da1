"""A version that the registry does not have is told with those that it has, or with the setting of the registry."""

from pathlib import Path

import pytest

from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.store.registry.client import Registry
from modelops_pipelines.store.settings import load_settings


def said(registry: Registry, model: str, version: str) -> str:
    with pytest.raises(UnknownError, match=f"The registry has no version '{version}' of model '{model}'") as missing:
        registry.describe(model, version)
    return missing.value.remedy


def test_the_remedy_names_the_versions_or_the_setting_and_no_folder(tmp_path: Path) -> None:
    own = Registry(load_settings(tmp_path, {}))
    own._ensure_model("tumours")
    for _ in range(12):
        own._client.create_model_version("tumours", (tmp_path / "model").as_uri())
    mine = str(load_settings(tmp_path, {}).registry_uri)
    other = Registry(load_settings(tmp_path / "other", {"MODELOPS_REGISTRY_URI": mine}))
    for registry in (own, other):
        for version in ("99", "latest"):
            assert "Use one of its versions: 3, 4, 5, 6, 7, 8, 9, 10, 11, 12" == said(registry, "tumours", version)
    remedies = [said(registry, "tumors", "1") for registry in (own, other)]
    assert ["It is the home's own", "It has no version of"] == [remedy[:20] for remedy in remedies]
    assert all("'registry_uri'" in remedy and str(tmp_path) not in remedy for remedy in remedies)
