"""Commands on signatures of versions: sign one, verify one."""

from dataclasses import asdict
from pathlib import Path

import click

from modelops_pipelines.cli.output import json_option, show_value
from modelops_pipelines.cli.project import open_stores

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("sign")
@click.argument("model_name", metavar="MODEL")
@click.argument("version")
@click.option("--key", "private", type=_FILE, required=True, help="Private key, a PEM file (P-256, P-384 or P-521).")
@json_option
def sign(model_name: str, version: str, private: Path, *, as_json: bool) -> None:
    """Sign all files of VERSION of the registered MODEL, and store the signature in the registry as the version's tag.

    Endpoints with the public key in 'trust.signed_by' then load the version, although it can execute code.
    """
    from modelops_pipelines.operations.versions.signed_versions import sign_version

    show_value(asdict(sign_version(open_stores(), model_name, version, private)), as_json=as_json)


@click.command("verify")
@click.argument("model_name", metavar="MODEL")
@click.argument("version")
@click.option(
    "--key",
    "keys",
    type=_FILE,
    multiple=True,
    help="Public key, a PEM file; may be given several times. Default: those that endpoints of MODEL trust.",
)
@json_option
def verify(model_name: str, version: str, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify that a key has signed all files of VERSION of the registered MODEL; exit code 3 if none has."""
    from modelops_pipelines.operations.versions.signed_versions import verify_version

    show_value(asdict(verify_version(open_stores(), model_name, version, keys)), as_json=as_json)
