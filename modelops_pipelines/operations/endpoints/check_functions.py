"""Checks from its source whether a user's function can be imported and called: no code of it is run."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from modelops_pipelines.core.endpoints.issues import Issue, suggestion

_HERE = ""
TRAINER = ("frame", "context")
METRIC = ("frame",)
"""The positional arguments of a trainer and of a metric."""


def function_issues(
    named: str, folder: Path, path: str, arguments: Sequence[str], *, imports: bool = True
) -> Iterator[Issue]:
    """Yield the issues with ``module:function``, which is searched in the folder and on the path.

    ``path`` is the key of the YAML that names it. Without ``imports`` what it imports is not searched: it does not run
    with the packages of this project.
    """
    for issue in _issues(named, folder, arguments, imports=imports):
        yield replace(issue, path=path)


def find_source(module: str, folder: Path) -> Path | Issue:
    """Return the file of a module, searched in the folder and on the path as Python would; no code is run.

    An issue, without a path, where there is none.
    """
    return _find_module(module, folder)


def _issues(named: str, folder: Path, arguments: Sequence[str], *, imports: bool) -> Iterator[Issue]:
    module, _, function = named.partition(":")
    found = _find_module(module, folder)
    if isinstance(found, Issue):
        yield found
        return
    shown = found.relative_to(folder) if found.is_relative_to(folder) else found
    tree = _parsed(found, shown)
    if isinstance(tree, Issue):
        yield tree
        return
    yield from _function_issues(tree, shown, function, arguments)
    if imports:
        yield from _import_issues(tree, shown, folder)


def _parsed(path: Path, shown: Path) -> ast.Module | Issue:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        return Issue(_HERE, f"{shown}:{error.lineno or 1} is not valid Python: {error.msg}", "Fix that line")
    except (ValueError, OSError) as error:
        return Issue(_HERE, f"{shown} cannot be read: {error}", "Fix its source")


def _find_module(module: str, folder: Path) -> Path | Issue:
    """Find the module's source by searching its packages one by one: ``find_spec`` alone would run them."""
    parts = module.split(".")
    spec = _find_root(parts[0], folder)
    for index, part in enumerate(parts[1:], start=1):
        if spec is None or spec.submodule_search_locations is None:
            return _not_found(parts[:index], spec, folder)
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    if spec is None:
        return _not_found(parts, spec, folder)
    if spec.origin is None or not spec.origin.endswith(".py"):
        return Issue(_HERE, f"'{module}' has no Python source", "Name the module that defines the function")
    return Path(spec.origin)


def _not_found(parts: list[str], spec: ModuleSpec | None, folder: Path) -> Issue:
    name = ".".join(parts)
    if spec is not None:
        return Issue(
            _HERE, f"'{name}' is a module, not a package", "Write module:function, with one ':' before the function"
        )
    fix = f"Create it under {folder}, install it, or run from a folder where it can be imported"
    return Issue(_HERE, f"there is no module '{name}'", fix)


def _find_root(name: str, folder: Path) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, [str(folder), *sys.path])
    if spec is not None:
        return spec
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # a module put into sys.modules by hand has no spec; it can still be imported
        return ModuleSpec(name, loader=None)


def _function_issues(tree: ast.Module, path: Path, name: str, arguments: Sequence[str]) -> Iterator[Issue]:
    signature = f"({', '.join(arguments)})"
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    function = functions.get(name)
    if function is None:
        fix = suggestion(name, list(functions)) if functions else f"Define 'def {name}{signature}' there"
        yield Issue(_HERE, f"{path} defines no function '{name}' at its top level", fix)
    elif isinstance(function, ast.AsyncFunctionDef):
        yield Issue(_HERE, f"{path}:{function.lineno} is async", f"Write 'def {name}{signature}'")
    elif not _takes(function.args, len(arguments)):
        count = {1: "one positional argument", 2: "two positional arguments"}[len(arguments)]
        problem = f"{path}:{function.lineno} cannot be called with {count}"
        yield Issue(_HERE, problem, f"Write 'def {name}{signature}'")


def _takes(arguments: ast.arguments, given: int) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    free = all(default is not None for default in arguments.kw_defaults)
    return free and needed <= given and (positional >= given or arguments.vararg is not None)


def _import_issues(tree: ast.Module, path: Path, folder: Path) -> Iterator[Issue]:
    checked: set[str] = set()
    for node in tree.body:
        for root in _imported_roots(node):
            if root not in checked and _find_root(root, folder) is None:
                problem = f"{path}:{node.lineno} imports '{root}', which is not installed"
                yield Issue(_HERE, problem, f"Install the package that provides '{root}'")
            checked.add(root)


def _imported_roots(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []
