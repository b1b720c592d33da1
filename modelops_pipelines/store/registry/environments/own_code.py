"""Runs a module of ours in an environment that has no package of ours: only this folder is found there, by its name."""

from pathlib import Path

from modelops_pipelines.store.registry.environments.uv_commands import python_of

_BOOT = (
    "import sys, types; own = types.ModuleType('modelops_pipelines'); own.__path__ = [sys.argv[1]]; "
    "sys.modules[own.__name__] = own; import importlib; importlib.import_module(sys.argv[2]).main(*sys.argv[3:])"
)


def command_in(environment: Path, module: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return what runs ``main`` of a module with these arguments; ``options`` are those of Python itself."""
    own = str(Path(__file__).parents[3])
    return [str(python_of(environment)), "-I", *options, "-c", _BOOT, own, module, *arguments]
