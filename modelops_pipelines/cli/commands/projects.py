"""Commands that create a project and check it."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path

import click

from modelops_pipelines.cli.exit_codes import EXIT_PERMANENT
from modelops_pipelines.cli.output import echo, json_option, show_rows
from modelops_pipelines.cli.project import project_settings
from modelops_pipelines.core.errors import ConflictError, ModelOpsError, NotReadyError
from modelops_pipelines.store.settings import Settings, own_registry
from modelops_pipelines.store.stores import Stores

LOW_DISK = 0.10
Finding = dict[str, object]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Create a project in FOLDER: an endpoint's YAML, its trainer, sample data, workspace.yaml and a README."""
    if folder.exists() and any(folder.iterdir()):
        raise ConflictError(f"{folder} is not empty", "Choose a new folder")
    with as_file(files("modelops_pipelines.cli") / "templates" / "project") as template:
        shutil.copytree(template, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    echo(f"Created {folder}. Next:\n  cd {folder}\n  python sample_data.py", err=True)
    echo("  modelops train tumours --data data.csv\n  modelops up", err=True)


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check this project and this machine. Each failed check states its remedy; exit code 3 if a check fails."""
    settings = project_settings()
    findings = [*_findings(settings), *_figures(settings)]
    show_rows(findings, as_json=as_json, empty="")
    sys.exit(0 if all(finding["ok"] for finding in findings) else EXIT_PERMANENT)


def _findings(settings: Settings) -> Iterator[Finding]:
    checks: dict[str, Callable[[Settings], str]] = {
        "home": _home,
        "state": _state,
        "history": _history,
        "serving": _serving,
        "models": _models,
        "registry": _registry,
        "endpoints": _endpoints,
        "disk": _disk,
        "spool": _spool,
        "services": _services,
        "gateway": _port("gateway_port"),
        "dagster": _port("dagster_port"),
        "mlflow": _port("mlflow_port"),
    }
    for name, check in checks.items():
        try:
            yield {"check": name, "ok": True, "found": check(settings)}
        except ModelOpsError as error:
            yield {"check": name, "ok": False, "found": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever stops a check is what it has found
            yield {"check": name, "ok": False, "found": f"The check itself failed ({type(error).__name__}: {error})"}


def _figures(settings: Settings) -> Iterator[Finding]:
    """Yield what the home takes and how it grows; the numbers are in the JSON alone."""
    from modelops_pipelines.operations.maintenance.home.figures import HomeFigures

    try:
        stores = Stores(settings)
        figures = HomeFigures(stores, stores.now()).all()
    except ModelOpsError:
        return  # the check of the home has told it
    for name, figure in figures.items():
        try:
            found = figure()
            yield {"check": name, "ok": found.ok, "found": found.found, "numbers": dict(found.numbers)}
        except ModelOpsError as error:
            yield {"check": name, "ok": False, "found": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever stops a figure is what it has found
            yield {"check": name, "ok": False, "found": f"The figure itself failed ({type(error).__name__}: {error})"}


def _home(settings: Settings) -> str:
    Stores(settings)
    return f"{settings.home} is writable"


def _state(settings: Settings) -> str:
    from modelops_pipelines.store.state.database import REVISION

    stores = Stores(settings)
    stores.database.check()
    generations, keys = len(stores.deployments.all_desired()), len(stores.keys.list())
    return f"revision {REVISION}, {generations} endpoint(s) deployed, {keys} key(s)"


def _history(settings: Settings) -> str:
    from modelops_pipelines.operations.governance.history_check import check_history

    return check_history(Stores(settings))


def _serving(settings: Settings) -> str:
    from modelops_pipelines.operations.governance.history_check import check_state

    return check_state(Stores(settings))


def _models(settings: Settings) -> str:
    from modelops_pipelines.operations.versions.copies import check_copies
    from modelops_pipelines.operations.versions.signed_versions import check_trust

    stores = Stores(settings)
    found = check_copies(stores)
    check_trust(stores)
    return found


def _registry(settings: Settings) -> str:
    from modelops_pipelines.store.registry.availability import registry_fault, shown_uri, unreachable
    from modelops_pipelines.store.registry.place import lead_registry_home

    lead_registry_home(settings)
    shown = shown_uri(settings.registry_uri)
    is_new = settings.registry_uri == own_registry(settings.home) and not (settings.home / "mlflow.db").exists()
    if is_new:
        return f"{shown} is made at the first training or deploy"
    fault = registry_fault(settings.registry_uri)
    if fault is not None:
        raise unreachable(settings.registry_uri, fault)
    return f"{shown} answers"


def _endpoints(settings: Settings) -> str:
    from modelops_pipelines.operations.endpoints.load import read_endpoints

    names = [spec.name for spec in read_endpoints(settings.endpoints)]
    return f"valid: {', '.join(names) or 'none'}"


def _disk(settings: Settings) -> str:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.is_dir())
    usage = shutil.disk_usage(folder)
    free = usage.free / usage.total
    if free < LOW_DISK:
        raise ConflictError(
            f"Only {free:.0%} of the disk under {settings.home} is free",
            "Free disk space, or move the home with MODELOPS_HOME",
        )
    return f"{usage.free / 2**30:.1f} GiB free"


def _spool(settings: Settings) -> str:
    sealed = list(settings.spool.glob("*/*/*/*.jsonl"))
    size = sum(path.stat().st_size for path in sealed)
    return f"{len(sealed)} sealed segment(s) not ingested yet, {size / 2**20:.1f} MiB"


def _services(settings: Settings) -> str:
    from modelops_pipelines.platforms.one_up import read_states, sentence_of
    from modelops_pipelines.platforms.service import WAITING

    up = read_states(settings.home)
    if up is None:
        return "modelops up does not run"
    waiting = [one["name"] for one in up["services"] if one["state"] == WAITING]
    said = "; ".join([f"modelops up is process {up['process']}", *map(sentence_of, up["services"])])
    if waiting:
        logs = ", ".join(str(settings.home / "logs" / f"{name}.log") for name in waiting)
        raise NotReadyError(said, f"Correct what the log says: {logs}")
    return said


def _port(name: str) -> Callable[[Settings], str]:
    def check(settings: Settings) -> str:
        port = getattr(settings, name)
        with socket.socket() as probe:
            probe.settimeout(1)
            in_use = probe.connect_ex((settings.host, port)) == 0
        return f"{settings.host}:{port} is in use" if in_use else f"{settings.host}:{port} is free"

    return check
