"""Wheels that are made here, for environments that are built without any package index, and who builds meanwhile."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

MODULES = {"__init__": "import sys\n"}


def make_wheel(folder: Path, name: str, version: str, modules: Mapping[str, str]) -> None:
    """Write a wheel of a package with these modules."""
    about = f"{name}-{version}.dist-info"
    files = {f"{name}/{module}.py": content for module, content in modules.items()}
    files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as opened:
        for path, content in files.items():
            opened.writestr(path, content)


def only_wheels(folder: Path, patched: pytest.MonkeyPatch) -> Path:
    """Let uv find the wheels of a folder and nothing else, in this process and what it starts; return the folder."""
    wheels = folder / "wheels"
    wheels.mkdir()
    patched.setenv("UV_FIND_LINKS", str(wheels))
    patched.setenv("UV_NO_INDEX", "1")
    patched.setenv("UV_CACHE_DIR", str(folder / "cache"))
    return wheels


def processes_with(part: str) -> dict[int, str]:
    """Return the processes whose command line has this text, with it; those of the test's own programs too."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if part in command:
            found[int(entry.name)] = command
    return found
