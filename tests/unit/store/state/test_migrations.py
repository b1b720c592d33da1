"""The migrations are found wherever the package is installed."""

from pathlib import Path

import pytest

from modelops_pipelines.store.state.migrations.run import config_for


@pytest.mark.parametrize("folder", ["/plain/folder", "/a % folder", "/100%/%(here)s"])
def test_the_folder_of_the_migrations_may_have_any_name(folder: str) -> None:
    assert folder == config_for(Path(folder)).get_main_option("script_location")
