"""A signature proves that a key has signed all files of a folder; whatever else it is, it proves nothing and says why."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.errors import InputError
from modelops_pipelines.store.registry.file_hashes import hash_files
from modelops_pipelines.store.registry.trust.model_signatures import (
    LARGEST,
    RefusedSignatureError,
    open_bundle,
    signed_files,
)
from modelops_pipelines.store.registry.trust.public_keys import project_key, read_key
from modelops_pipelines.store.registry.trust.signing import public_half, sign_folder
from modelops_pipelines.store.registry.trust.trusted_versions import (
    SIGNATURE,
    Files,
    Trusted,
    find_trust,
    try_signature,
)
from tests.fakes.signing_keys import Pair, bundle_of, make_pair, public_pem, signed, statement_of

NAMES = {
    "MLmodel": b"flavors: {}\n",
    "model.pkl": b"\x80\x04.",
    "code/dienst.py": b"x = 1\n",
    "code/ä\u0301 und \U0001f40d.py": b"",
    ".hidden": b"h",
    ".gitignore": b"*\n",
    ".git/config": b"[core]\n",
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    for name, content in NAMES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def content(original: Path, pair: Pair) -> bytes:
    return sign_folder(original, pair.private)


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model", symlinks=True))


def test_all_files_that_the_library_signed_are_trusted_hidden_and_foreign_names_too(
    folder: Path, pair: Pair, content: bytes
) -> None:
    found = _tried(folder, pair, content)
    assert isinstance(found, Trusted)
    assert tuple(sorted(NAMES)) == found.files
    assert found.words == f"trusted by signature of {pair.public} (fingerprint {found.key.fingerprint[:16]})"
    assert found.key.fingerprint == hashlib.sha256(pair.public.read_bytes()).hexdigest()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda one: one.name)
def test_each_curve_of_model_signing_is_verified(folder: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    pair = make_pair(tmp_path, curve=curve)
    assert isinstance(_tried(folder, pair, sign_folder(folder, pair.private)), Trusted)


def test_the_signature_itself_and_empty_folders_change_nothing(folder: Path, pair: Pair, content: bytes) -> None:
    (folder / SIGNATURE).write_bytes(content)
    (folder / "empty" / "below").mkdir(parents=True)
    assert isinstance(_found(folder, pair), Trusted)


def test_what_mlflow_writes_beside_a_model_later_may_be_signed_or_not(folder: Path, pair: Pair) -> None:
    meta = folder / "registered_model_meta"
    before = sign_folder(folder, pair.private)
    meta.write_text("model_name: tumours\n")
    after = sign_folder(folder, pair.private)
    assert isinstance(_tried(folder, pair, before), Trusted)
    assert isinstance(_tried(folder, pair, after), Trusted)
    meta.unlink()
    assert isinstance(_tried(folder, pair, after), Trusted)


def _add(name: str) -> Callable[[Path], object]:
    def add(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"evil = True\n")

    return add


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda folder: (folder / "model.pkl").write_bytes(b"\x80\x05."), "'model.pkl' was changed"),
    "emptied": (lambda folder: (folder / "model.pkl").write_bytes(b""), "'model.pkl' was changed"),
    "removed": (lambda folder: (folder / ".hidden").unlink(), "'.hidden' is missing"),
    "added": (_add("code/os.py"), "'code/os.py' is not signed"),
    "hidden": (_add(".evil"), "'.evil' is not signed"),
    "of git": (_add(".git/hooks/evil.py"), "'.git/hooks/evil.py' is not signed"),
    "named as the signature": (_add("code/model.sig"), "'code/model.sig' is not signed"),
    "of MLflow, elsewhere": (_add("code/registered_model_meta"), "'code/registered_model_meta' is not signed"),
    "renamed": (
        lambda folder: (folder / "code" / "dienst.py").rename(folder / "code" / "Dienst.py"),
        "'code/Dienst.py' is not signed; 'code/dienst.py' is missing",
    ),
    "composed otherwise": (
        lambda folder: (folder / "code" / "ä\u0301 und \U0001f40d.py").rename(
            folder / "code" / "a\u0308\u0301 und \U0001f40d.py"
        ),
        "is not signed",
    ),
    "swapped": (
        lambda folder: (
            (folder / ".hidden").rename(folder / "t"),
            (folder / ".gitignore").rename(folder / ".hidden"),
            (folder / "t").rename(folder / ".gitignore"),
        ),
        "'.gitignore', '.hidden' was changed",
    ),
    "a link": (lambda folder: (folder / "code" / "more.py").symlink_to("dienst.py"), "'code/more.py' is not signed"),
    "not in UTF-8": (lambda folder: Path(str(folder) + "/\udcff.py").write_bytes(b""), "'\\udcff.py' is not signed"),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_folder_with_other_files_is_refused_by_the_names_of_them(
    folder: Path, pair: Pair, content: bytes, kind: str
) -> None:
    tamper, said = TAMPERED[kind]
    tamper(folder)
    found = _tried(folder, pair, content)
    assert isinstance(found, str)
    assert said in found
    assert f"its signature of {pair.public}" in found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_change_of_any_byte_of_any_file_is_refused(data: st.DataObject, tmp_path: Path, pair: Pair) -> None:
    letters = st.text("abcé.-\n\U0001f40d", min_size=1, max_size=6).filter(lambda name: name not in {".", ".."})
    files = data.draw(st.dictionaries(letters, st.binary(max_size=20), max_size=4)) | {"MLmodel": b"flavors: {}"}
    folder = tmp_path / "drawn"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    signature = sign_folder(folder, pair.private)
    assert isinstance(_tried(folder, pair, signature), Trusted)
    name = data.draw(st.sampled_from(sorted(files)))
    changed = data.draw(st.binary(max_size=22).filter(lambda one: one != files[name]))
    (folder / name).write_bytes(changed)
    assert isinstance(_tried(folder, pair, signature), str)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_changed_signature_signs_the_same_files_or_none(data: st.DataObject, pair: Pair, content: bytes) -> None:
    key = public_half(pair.private)
    expected = signed_files(open_bundle(content), key)
    at = data.draw(st.integers(0, len(content) - 1))
    cut = data.draw(st.integers(0, 3))
    changed = content[:at] + data.draw(st.binary(max_size=3)) + content[at + cut :]
    try:
        found = signed_files(open_bundle(changed), key)
    except RefusedSignatureError:
        return
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["mediaType", "verificationMaterial", "publicKey", "dsseEnvelope", "payload", "payloadType", "signatures", "sig"]
    ), inner, max_size=4),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_noise_is_no_signature(noise: bytes) -> None:
    with pytest.raises(RefusedSignatureError):
        open_bundle(noise)


def _odd(change: Callable[[dict[str, Any]], object]) -> Callable[[Pair, dict[str, str]], bytes]:
    def made(pair: Pair, files: dict[str, str]) -> bytes:
        bundle = bundle_of(json.dumps(statement_of(files)).encode(), pair)
        change(bundle)
        return json.dumps(bundle).encode()

    return made


def _stated(**changes: Any) -> Callable[[Pair, dict[str, str]], bytes]:
    return lambda pair, files: signed(statement_of(files, **changes), pair)


def _serialized(**form: Any) -> Callable[[Pair, dict[str, str]], bytes]:
    def made(pair: Pair, files: dict[str, str]) -> bytes:
        statement = statement_of(files)
        statement["predicate"]["serialization"].update(form)
        return signed(statement, pair)

    return made


def _listed_twice(pair: Pair, files: dict[str, str]) -> bytes:
    statement = statement_of(files)
    statement["predicate"]["resources"] *= 2
    return signed(statement, pair)


def _another_subject(pair: Pair, files: dict[str, str]) -> bytes:
    return signed(statement_of(files, subject=[{"name": "m", "digest": {"sha256": "0" * 64}}]), pair)


def _envelope(**changes: Any) -> Callable[[Pair, dict[str, str]], bytes]:
    return _odd(lambda bundle: bundle["dsseEnvelope"].update(changes))


ODD: dict[str, tuple[Callable[[Pair, dict[str, str]], bytes], str]] = {
    "empty": (lambda _pair, _files: b"", "is no JSON"),
    "garbage": (lambda _pair, _files: b"\xff\x00\x7fELF", "is no JSON"),
    "a list": (lambda _pair, _files: b"[]", "is no Sigstore bundle"),
    "nested": (lambda _pair, _files: b"[" * 100_000, "is no JSON"),
    "huge": (lambda pair, files: signed(statement_of(files), pair) + b" " * LARGEST, "is over 4 MiB"),
    "truncated": (lambda pair, files: signed(statement_of(files), pair)[:-9], "is no JSON"),
    "an older bundle": (_odd(lambda one: one.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1")), "is no Sigstore bundle of version 0.3"),
    "a certificate": (_odd(lambda one: one.update(verificationMaterial={"x509CertificateChain": {}})), "with a certificate or an identity, not with a key"),
    "without a signature": (_envelope(signatures=[]), "has not one signature"),
    "of two": (_odd(lambda one: one["dsseEnvelope"].update(signatures=one["dsseEnvelope"]["signatures"] * 2)), "has not one signature"),
    "another payload": (_envelope(payloadType="text/plain"), "has not one signature of an in-toto statement"),
    "no base64": (_envelope(payload="%%%%"), "is not encoded as base64"),
    "an empty sig": (_envelope(signatures=[{"sig": ""}]), "was changed since"),
    "an empty payload": (_envelope(payload=""), "was changed since"),
    "release 0.2": (_stated(predicateType="https://model_signing/Digests/v0.1"), "in the form of release 1"),
    "another statement": (_stated(_type="https://in-toto.io/Statement/v0.1"), "in the form of release 1"),
    "no predicate": (_stated(predicate=[]), "lists no files"),
    "shards": (_serialized(method="shards"), "not made over whole files by SHA-256"),
    "blake3": (_serialized(hash_type="blake3"), "not made over whole files by SHA-256"),
    "no files": (lambda pair, _files: signed(statement_of({}), pair), "lists no files"),
    "a file twice": (_listed_twice, "lists no files, or one of them twice"),
    "another subject": (_another_subject, "is not consistent"),
    "no statement": (lambda pair, _files: signed([], pair), "signs no statement"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_signature_of_a_known_form_names_its_cause(folder: Path, pair: Pair, kind: str) -> None:
    files = {name: hashlib.sha256(one).hexdigest() for name, one in NAMES.items()}
    assert isinstance(_tried(folder, pair, signed(statement_of(files), pair)), Trusted)
    make, said = ODD[kind]
    found = _tried(folder, pair, make(pair, files))
    assert isinstance(found, str)
    assert said in found


def test_another_key_and_a_signature_under_a_false_hint_are_refused(
    folder: Path, pair: Pair, content: bytes, tmp_path: Path
) -> None:
    other = make_pair(tmp_path, "other")
    assert f"its signature is not of {other.public}" in str(_tried(folder, other, content))
    bundle = json.loads(content)
    bundle["verificationMaterial"]["publicKey"]["hint"] = public_half(other.private).fingerprint
    assert "was changed since" in str(_tried(folder, other, json.dumps(bundle).encode()))


def test_one_unreadable_key_does_not_revoke_the_others_and_every_cause_is_named(
    folder: Path, pair: Pair, content: bytes, tmp_path: Path
) -> None:
    make_pair(tmp_path, "other")
    shutil.copy(pair.public, tmp_path / "ci.pub")
    (folder / SIGNATURE).write_bytes(content)
    files = Files(folder, hash_files(folder), folder)
    assert isinstance(find_trust(files, ["gone.pub", "other.pub", "ci.pub"], tmp_path), Trusted)
    found = find_trust(files, ["gone.pub", "other.pub"], tmp_path)
    assert isinstance(found, str)
    assert "the key gone.pub is no file; its signature is not of other.pub" in found
    (folder / SIGNATURE).unlink()
    assert find_trust(Files(folder, hash_files(folder), folder), ["ci.pub"], tmp_path) == "no key has signed it"


KEYS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "garbage": (lambda _folder: b"ssh-ed25519 AAAA", "is not a public key in PEM form"),
    "empty": (lambda _folder: b"", "is not a public key in PEM form"),
    "a certificate": (lambda _folder: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is a certificate"),
    "private": (lambda folder: make_pair(folder, "own").private.read_bytes(), "is a private key"),
    "RSA": (lambda _folder: public_pem(rsa.generate_private_key(65537, 2048).public_key()), "is of type RSA"),
    "Ed25519": (lambda _folder: public_pem(ed25519.Ed25519PrivateKey.generate().public_key()), "is of type Ed25519"),
    "another curve": (lambda _folder: public_pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "is on the curve secp256k1"),
    "huge": (lambda _folder: b"#" * 100_000, "is over 16 KiB"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_model_signing_does_not_have_is_refused_with_its_cause(tmp_path: Path, kind: str) -> None:
    make, said = KEYS[kind]
    (tmp_path / "key.pub").write_bytes(make(tmp_path))
    with pytest.raises(InputError) as refused:
        read_key(tmp_path / "key.pub", "key.pub")
    assert said in refused.value.message
    assert "key.pub" in refused.value.message


def test_a_key_outside_of_the_project_is_not_read(tmp_path: Path) -> None:
    make_pair(tmp_path, "outside")
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.pub").symlink_to(tmp_path / "outside.pub")
    for path in ("../outside.pub", str(tmp_path / "outside.pub"), "link.pub"):
        with pytest.raises(InputError, match="lies outside of the project"):
            project_key(path, project)


def _tried(folder: Path, pair: Pair, content: bytes) -> Trusted | str:
    key = read_key(pair.public)
    return try_signature(content, key, Files(folder, hash_files(folder), folder / "none"), "here")


def _found(folder: Path, pair: Pair) -> Trusted | str:
    return find_trust(Files(folder, hash_files(folder), folder / "none"), [pair.public.name], pair.public.parent)
