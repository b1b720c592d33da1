"""Programs that some tests need and that a machine may lack."""

import shutil

import pytest

MISSING = "missing program: "
"""How the reason of such a skip begins; ``tests/plugins/not_run.py`` goes by it."""


def needs(program: str, package: str | None = None) -> pytest.MarkDecorator:
    """Skip the test where the program is not on the PATH; ``package`` is what installs it."""
    reason = f"{MISSING}{program} (apt-get install {package or program})"
    return pytest.mark.skipif(shutil.which(program) is None, reason=reason)
