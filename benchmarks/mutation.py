"""Mutation score of the tests of the critical modules: the gate, alerts, rollback, and the retraining trigger.

``python -m benchmarks.mutation [--module gate alerts ...] [--most N]``. Each mutant is one small fault - a comparison,
an operator, a number, a lost `not`, a return value, a deleted statement - put into a copy of the tree, on which
the module's tests run in a separate process. A mutant that no test detects survives and is printed.

Not mutated, because no promised behaviour changes: strings (the wording of messages), annotations, decorators,
docstrings, and the only assignment to a name (without it every use fails, which would inflate the score).
"""

import argparse
import ast
import copy
import importlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "modelops_pipelines"
CORE, OPERATIONS = f"{PACKAGE}/core", f"{PACKAGE}/operations"
UNIT_CORE, UNIT_OPERATIONS = "tests/unit/core", "tests/unit/operations"
MODULES = {
    "gate": (
        (
            f"{CORE}/evaluation/gate.py",
            f"{CORE}/evaluation/sanity_checks.py",
            f"{CORE}/evaluation/paired_comparison.py",
        ),
        tuple(f"{UNIT_CORE}/evaluation/test_{name}.py" for name in ("gate", "gate_parts", "sanity_checks")),
    ),
    "alerts": (
        (f"{CORE}/alerting/alerts.py", f"{OPERATIONS}/alerting/raise_alerts.py"),
        (f"{UNIT_CORE}/alerting/test_alerts.py", f"{UNIT_OPERATIONS}/alerting/test_raise_alerts.py"),
    ),
    "rollback": (
        (f"{CORE}/release/desired_state.py",),
        (
            "tests/endurance/test_random_walks.py",
            f"{UNIT_CORE}/release/test_traffic_split.py",
            f"{UNIT_CORE}/release/test_champions.py",
        ),
    ),
    "retraining": (
        (f"{CORE}/improve/retraining_trigger.py",),
        (f"{UNIT_CORE}/improve/test_retraining_trigger.py",),
    ),
    "releases": (
        (
            f"{CORE}/release/admission.py",
            *(f"{OPERATIONS}/release/{name}.py" for name in ("admission", "commands", "rollbacks")),
        ),
        (
            f"{UNIT_CORE}/release/test_admission.py",
            *(f"{UNIT_OPERATIONS}/release/test_{name}.py" for name in ("commands", "doors", "rollbacks")),
        ),
    ),
}
SECONDS = 30
EXAMPLES = 30
PRELOADED = ("numpy", "sqlalchemy", "alembic.command", "filelock", "yaml", "httpx", "hypothesis.stateful")
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list"}
OTHERS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}
Change = Callable[[ast.AST], None]


@dataclass(frozen=True)
class Mutant:
    """One fault: the file, the line, the change, and the file's whole text with the fault."""

    file: str
    line: int
    what: str
    text: str


def main() -> None:
    """Print each module's score and survivors; exit with 1 when a module's tests fail without a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", choices=sorted(MODULES), nargs="+", default=list(MODULES), help="default: all")
    parser.add_argument(
        "--most", type=int, help="maximum number of mutants per module, drawn at random with a fixed seed"
    )
    given = parser.parse_args()
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _copy_tree(tree)
        os.chdir(tree)
        for module in given.module:
            _score(module, tree, given.most)


def _score(module: str, tree: Path, most: int | None) -> None:
    files, tests = MODULES[module]
    if not _tests_fail(tree, tests, output=True):
        mutants = [mutant for file in files for mutant in mutants_of(file, (tree / file).read_text())]
        if most is not None and most < len(mutants):
            mutants = random.Random(0).sample(mutants, most)  # the same draw each time
        started = time.monotonic()
        survivors = [mutant for mutant in mutants if not _killed(mutant, tree, tests)]
        killed, took = len(mutants) - len(survivors), time.monotonic() - started
        print(f"{module}: {killed}/{len(mutants)} killed, {killed / len(mutants):.1%}, {took:.0f} s")
        for mutant in survivors:
            print(f"  {mutant.file}:{mutant.line}: {mutant.what}", flush=True)
    else:
        sys.exit(f"{module}: its tests fail without a fault")


def _copy_tree(tree: Path) -> None:
    """Copy the files that the tests need, with fewer examples per property."""
    for folder in (PACKAGE, "tests", "examples"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for path in (tree / "tests").rglob("test_*.py"):
        path.write_text(re.sub(r"max_examples=\d+", f"max_examples={EXAMPLES}", path.read_text()))


def _killed(mutant: Mutant, tree: Path, tests: tuple[str, ...]) -> bool:
    path = tree / mutant.file
    original = path.read_text()
    path.write_text(mutant.text)
    try:
        return _tests_fail(tree, tests)
    finally:
        path.write_text(original)


def _tests_fail(tree: Path, tests: tuple[str, ...], *, output: bool = False) -> bool:
    """Run the tests in a forked process; return whether they failed or took longer than SECONDS."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        _run_tests(tree, tests, output=output)
    return os.waitpid(child, 0)[1] != 0


def _run_tests(tree: Path, tests: tuple[str, ...], *, output: bool) -> None:
    """Run the tests on the tree and end the process: 0 when all passed."""
    from hypothesis import Phase, settings

    if not output:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    found_is_enough = (Phase.explicit, Phase.generate)
    settings.register_profile(
        "mutants", max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=found_is_enough
    )
    settings.load_profile("mutants")
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path.insert(0, str(tree))
    options = ("-x", "-q", "--tb=short", "--disable-warnings", f"--basetemp={tree.parent / 'tests'}")
    code = pytest.main([*options, *tests])
    ours = [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]
    foreign = [name for name in ours if not str(sys.modules[name].__file__).startswith(str(tree))]
    assert ours, "the tests did not load the package"
    assert not foreign, f"modules from outside the copy: {foreign}"
    sys.stdout.flush()
    os._exit(int(code))


def mutants_of(file: str, text: str) -> Iterator[Mutant]:
    """Yield each mutant of a module."""
    tree = ast.parse(text)
    for place, node in enumerate(_nodes(tree)):
        for change in _changes(node):
            mutated = copy.deepcopy(tree)
            target = next(found for number, found in enumerate(_nodes(mutated)) if number == place)
            before = ast.unparse(target)
            change(target)
            after = ast.unparse(ast.fix_missing_locations(target))
            yield Mutant(file, getattr(node, "lineno", 0), _difference(before, after), ast.unparse(mutated))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may be mutated, always in the same order."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in SKIPPED_FIELDS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _nodes(child)


def _difference(before: str, after: str) -> str:
    """Return the first pair of lines that differ."""
    pairs = [(a.strip(), b.strip()) for a, b in zip(before.splitlines(), after.splitlines(), strict=False) if a != b]
    return "  ->  ".join(pairs[0]) if pairs else f"{before}  ->  {after}"


def _changes(node: ast.AST) -> Iterator[Change]:
    """Yield the faults for a node, each as a function that changes a copy of the node in place."""
    if isinstance(node, ast.Compare):
        yield from (_other_comparison(at, new) for at, op in enumerate(node.ops) for new in OTHERS[type(op)])
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign):
        yield from (_with("op", new()) for new in OTHERS.get(type(node.op), ()))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _with("operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield _with("op", ast.UAdd())
    elif isinstance(node, ast.Constant):
        yield from (_with("value", new) for new in _other_values(node.value))
    elif isinstance(node, ast.Return):
        yield from _other_returns(node)
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp):
        yield _with("test", ast.UnaryOp(ast.Not(), node.test))
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield from (_without(name, at) for at, line in enumerate(block) if _may_go(line, node))


def _other_values(value: object) -> tuple[object, ...]:
    if isinstance(value, bool):
        return (not value,)
    return (value + 1, value - 1) if isinstance(value, int | float) else ()


def _other_returns(node: ast.Return) -> Iterator[Change]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield _with("value", ast.Constant(None))
    if isinstance(node.value, ast.Compare | ast.BoolOp):
        yield _with("value", ast.UnaryOp(ast.Not(), node.value))


def _may_go(line: ast.stmt, block: ast.AST) -> bool:
    """Return whether deleting the statement is a fault to try."""
    if isinstance(line, ast.Expr):
        return not isinstance(line.value, ast.Constant)
    if isinstance(line, ast.Assign):
        return any(not isinstance(target, ast.Name) for target in line.targets) or not isinstance(
            block, ast.FunctionDef | ast.Module | ast.ClassDef
        )
    return isinstance(line, ast.AugAssign | ast.Raise | ast.Continue | ast.Break)


def _with(name: str, value: object) -> Change:
    return lambda node: setattr(node, name, value)


def _other_comparison(at: int, new: type[ast.AST]) -> Change:
    def change(node: ast.AST) -> None:
        node.ops[at] = new()  # type: ignore[attr-defined]

    return change


def _without(name: str, at: int) -> Change:
    def change(node: ast.AST) -> None:
        getattr(node, name)[at] = ast.Pass()

    return change


if __name__ == "__main__":
    main()
