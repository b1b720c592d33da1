"""Models that execute code load by the signature of a trusted key, from real MLflow, and by no other."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from modelops_pipelines.core.errors import ConflictError, InputError, ModelError
from modelops_pipelines.operations.improve.lineage.why import why
from modelops_pipelines.operations.release.commands import deploy
from modelops_pipelines.operations.versions.known_version import known_version
from modelops_pipelines.operations.versions.signed_versions import (
    how_trusted,
    sign_version,
    verify_version,
)
from modelops_pipelines.store.registry.client import SIGNATURE_TAG
from modelops_pipelines.store.registry.model_loader import load_model
from modelops_pipelines.store.registry.trust.signing import sign_folder
from modelops_pipelines.store.registry.trust.trusted_versions import SIGNATURE
from tests.fakes.hostile_models import EVIL
from tests.fakes.signing_keys import Pair
from tests.integration.models.signed_world import MODEL, World, saved, world
from tests.support.command_line import modelops, refused

__all__ = ["saved", "world"]


def _sign_as_ci_does(folder: Path, pair: Pair) -> None:
    tool = [sys.executable, "-m", "model_signing", "sign", "key", str(folder)]
    done = subprocess.run(
        [*tool, "--signature", str(folder / SIGNATURE), "--private_key", str(pair.private)],
        capture_output=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr


def test_a_folder_that_ci_signed_before_it_is_registered_loads_and_is_shown(world: World) -> None:
    folder = world.copied("signed")
    _sign_as_ci_does(folder, world.pair)
    version = world.register(folder)
    spec = world.write()
    known = world.loaded(version)
    assert world.marker.exists()
    words = f"trusted by signature of keys/ci.pub (fingerprint {verify_version(world.project.stores, MODEL, version, ()).fingerprint[:16]})"
    assert words == how_trusted(known, spec)
    assert words == why(world.project.stores, spec, version).trust


def test_a_registered_version_is_signed_where_it_is_and_its_hash_stays(world: World) -> None:
    version = world.register(world.copied("plain"))
    before = known_version(world.project.stores, world.write(), version)
    said = world.refusal(version)
    assert said.message.endswith("its format can execute code when it is loaded, and no key has signed it")
    assert said.remedy.startswith(f"Sign it: modelops model sign '{MODEL}' {version} --key FILE; or: ")
    made = sign_version(world.project.stores, MODEL, version, world.pair.private)
    assert (before.files_hash, "the registry") == (made.files_hash, made.place)
    assert {"MLmodel", "code/scaler/factors.py"} < set(made.files)
    assert before == world.loaded(version)
    copy = str(world.client.copy_model_version(f"models:/{MODEL}/{version}", MODEL).version)
    assert before.files_hash == world.loaded(copy).files_hash


def test_a_signature_that_somebody_else_put_into_the_registry_is_fetched_for_the_deploy(world: World) -> None:
    folder = world.copied("elsewhere")
    version = world.register(folder)
    world.refusal(version)
    world.client.set_model_version_tag(MODEL, version, SIGNATURE_TAG, sign_folder(folder, world.pair.private).decode())
    world.loaded(version)
    world.client.delete_model_version_tag(MODEL, version, SIGNATURE_TAG)
    world.loaded(version)  # what was verified is kept beside the copy


def _tagged(world: World, content: bytes | str) -> str:
    version = world.register(world.copied("tagged"))
    text = content if isinstance(content, str) else content.decode()
    world.client.set_model_version_tag(MODEL, version, SIGNATURE_TAG, text)
    return version


def _signed_then(world: World, change: Callable[[Path], object]) -> str:
    folder = world.copied("changed")
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.pair.private))
    change(folder)
    return world.register(folder)


def _wrong_key(world: World) -> str:
    folder = world.copied("wrong")
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.other.private))
    return world.register(folder)


def _replayed(world: World) -> str:
    good = world.copied("good")
    content = sign_folder(good, world.pair.private)
    return _signed_then(
        world,
        lambda folder: (
            (folder / "code" / "scaler" / "factors.py").write_text(f"FACTOR = 3.0\n{EVIL}"),
            (folder / SIGNATURE).write_bytes(content),
        ),
    )


def _code(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "code" / "scaler" / "factors.py").write_text(text)


def _other_loader(folder: Path) -> None:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    described["flavors"]["python_function"]["loader_module"] = "os"
    (folder / "MLmodel").write_text(yaml.safe_dump(described))


HOSTILE: dict[str, tuple[Callable[[World], str], str]] = {
    "signed by another key": (_wrong_key, "its signature is not of keys/ci.pub (fingerprint "),
    "another version's signature": (_replayed, "is of other files: 'code/scaler/factors.py' was changed"),
    "stripped": (lambda world: _signed_then(world, lambda folder: (folder / SIGNATURE).unlink()), "no key has signed it"),
    "another loader": (lambda world: _signed_then(world, _other_loader), "'MLmodel' was changed"),
    "a changed file": (lambda world: _signed_then(world, _code(EVIL)), "'code/scaler/factors.py' was changed"),
    "an added file": (
        lambda world: _signed_then(world, lambda folder: (folder / "code" / "numpy.py").write_text(EVIL)),
        "'code/numpy.py' is not signed",
    ),
    "an added file of git": (
        lambda world: _signed_then(world, lambda folder: (folder / ".gitignore").write_text("*")),
        "'.gitignore' is not signed",
    ),
    "a removed file": (
        lambda world: _signed_then(world, lambda folder: (folder / "requirements.txt").unlink()),
        "'requirements.txt' is missing",
    ),
    "an added link": (
        lambda world: _signed_then(world, lambda folder: (folder / "code" / "os.py").symlink_to("scaler/factors.py")),
        "'code/os.py' is not signed",
    ),
    "garbage": (lambda world: _signed_then(world, lambda folder: (folder / SIGNATURE).write_bytes(b"\0")), "is no JSON"),
    "truncated": (
        lambda world: _signed_then(
            world, lambda folder: (folder / SIGNATURE).write_bytes((folder / SIGNATURE).read_bytes()[:-20])
        ),
        "its signature is no JSON",
    ),
    "huge": (
        lambda world: _signed_then(world, lambda folder: (folder / SIGNATURE).write_bytes(b" " * 5_000_000)),
        "its signature is over 4 MiB",
    ),
    "a garbage tag": (lambda world: _tagged(world, "{}"), "no key has signed it"),
    "another model's signature as a tag": (
        lambda world: _tagged(world, sign_folder(world.project.folder / "keys", world.pair.private)),
        "no key has signed it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_no_trusted_key_signed_as_it_is_executes_nothing_and_names_its_cause(world: World, kind: str) -> None:
    make, said = HOSTILE[kind]
    assert said in world.refusal(make(world)).message


def test_a_deploy_of_what_is_not_signed_is_refused_and_executes_nothing(world: World) -> None:
    with pytest.raises(ModelError, match=r"its signature is not of keys/ci\.pub"):
        deploy(world.project.stores, world.write(), _wrong_key(world), actor="mallory", reason="test")
    assert not world.marker.exists()


def test_files_that_are_swapped_after_they_were_recorded_are_refused_whatever_signature_they_have(world: World) -> None:
    folder = world.copied("first")
    version = world.register(folder)
    sign_version(world.project.stores, MODEL, version, world.pair.private)
    known = replace(known_version(world.project.stores, world.write(), version), artifact_uri=str(folder))
    (folder / "new").write_text("x")
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.pair.private))
    with pytest.raises(ModelError, match="has changed since it was recorded"):
        load_model(known, world.write())
    with pytest.raises(ConflictError, match="has changed in the registry since it was recorded"):
        sign_version(world.project.stores, MODEL, version, world.pair.private)
    assert not world.marker.exists()


def test_the_model_finds_no_file_that_is_not_signed(world: World) -> None:
    folder = world.copied("quiet")
    (folder / "code" / "scaler" / "factors.py").write_text(
        "import pathlib\nFACTOR = 2.0 if not pathlib.Path(__file__).parents[2].joinpath('model.sig').exists() else 9.0\n"
    )
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.pair.private))
    world.loaded(world.register(folder))


def test_a_key_that_is_no_longer_trusted_or_whose_file_is_gone_loads_nothing(world: World) -> None:
    version = world.register(world.copied("revoked"))
    sign_version(world.project.stores, MODEL, version, world.pair.private)
    spec = world.write()
    known = known_version(world.project.stores, spec, version)
    with pytest.raises(ModelError, match="no key has signed it"):
        load_model(known, world.write("  trust: {signed_by: [keys/other.pub]}\n"))
    with pytest.raises(ModelError, match=r"its format can execute code when it is loaded\. "):
        load_model(known, world.write(""))
    world.pair.public.unlink()
    with pytest.raises(ModelError, match=r"and the key keys/ci\.pub is no file; no key has signed it"):
        load_model(known, spec)
    assert not world.marker.exists()


def test_a_version_with_too_many_files_for_a_tag_says_how_to_sign_it(world: World) -> None:
    folder = world.copied("many")
    for number in range(1000):
        (folder / f"shard-{number:04}.bin").write_bytes(b"")
    version = world.register(folder)
    with pytest.raises(ModelError, match="MLflow refuses the signature of version 1") as told:
        sign_version(world.project.stores, MODEL, version, world.pair.private)
    assert "model_signing sign key FOLDER --signature FOLDER/model.sig" in told.value.remedy
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.pair.private))
    world.loaded(world.register(folder))


def test_without_the_library_signing_names_the_extra_and_loading_needs_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = world.copied("no library")
    (folder / SIGNATURE).write_bytes(sign_folder(folder, world.pair.private))
    version = world.register(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "model_signing"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(ModelError, match=r"pip install 'modelops_pipelines\[signing\]'"):
        sign_version(world.project.stores, MODEL, version, world.pair.private)
    world.loaded(version)


def test_a_key_that_cannot_sign_is_refused_by_its_cause(world: World) -> None:
    version = world.register(world.copied("keys"))
    with pytest.raises(InputError, match="is not a private key in PEM form"):
        sign_version(world.project.stores, MODEL, version, world.pair.public)
    with pytest.raises(InputError, match="cannot be read"):
        sign_version(world.project.stores, MODEL, version, world.project.folder)


def test_the_commands_sign_and_verify_with_the_exit_codes_of_others(world: World) -> None:
    version = world.register(world.copied("cli"))
    refused(modelops(world.project, "model", "verify", MODEL, version), "no key has signed it")
    done = modelops(world.project, "model", "sign", MODEL, version, "--key", "keys/ci.pem", "--json")
    assert (0, MODEL, version) == (done.code, done.json["model_name"], done.json["version"])
    done = modelops(world.project, "model", "verify", MODEL, version, "--json")
    assert (0, "keys/ci.pub", "the registry") == (done.code, done.json["key"], done.json["place"])
    assert "MLmodel" in done.json["files"]
    done = modelops(world.project, "model", "verify", MODEL, version, "--key", "keys/other.pub")
    refused(done, "its signature is not of keys/other.pub")
    world.write("")
    refused(
        modelops(world.project, "model", "verify", MODEL, version), "no endpoint of model 'scaled models' trusts a key"
    )
    assert "MLmodel" in modelops(world.project, "model", "verify", MODEL, version, "--key", "keys/ci.pub").out
