"""A model's signature: what OpenSSF's model signing writes to ``model.sig``, verified by ``cryptography`` alone.

The file is a Sigstore bundle: a DSSE envelope (https://github.com/secure-systems-lab/dsse) around an in-toto statement
that lists each file with its SHA-256. ``model_signing`` itself is not used to verify: its import takes 1.7 s of CPU,
and it leaves out the files that a signature says to ignore. Here the statement has to list every file.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops_pipelines.store.registry.trust.public_keys import PublicKey

LARGEST = 4 * 1024 * 1024
"""Bytes of a signature: enough for ten thousand files."""
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RESIGN = "sign it with: model_signing sign key FOLDER --signature FOLDER/model.sig --private_key FILE"


class RefusedSignatureError(Exception):
    """A signature that proves nothing; its text says why, as the end of a sentence that begins with it."""


@dataclass(frozen=True)
class Envelope:
    """What is signed, and the signature of it; neither is verified."""

    payload: bytes
    signature: bytes
    hint: str


def open_bundle(content: bytes) -> Envelope:
    """Return the envelope in a signature's file; raises RefusedSignatureError."""
    if len(content) > LARGEST:
        raise RefusedSignatureError(f"is over {LARGEST // 1024 // 1024} MiB")
    bundle = _mapping(_parsed(content, "is no JSON"), "is no Sigstore bundle")
    if bundle.get("mediaType") != _BUNDLE:
        raise RefusedSignatureError(f"is no Sigstore bundle of version 0.3; {_RESIGN}")
    material = _mapping(bundle.get("verificationMaterial"), "says nothing of its key")
    if "publicKey" not in material:
        raise RefusedSignatureError(f"was made with a certificate or an identity, not with a key; {_RESIGN}")
    envelope = _mapping(bundle.get("dsseEnvelope"), "has no DSSE envelope")
    signatures = envelope.get("signatures")
    if envelope.get("payloadType") != _PAYLOAD or not isinstance(signatures, list) or len(signatures) != 1:
        raise RefusedSignatureError("has not one signature of an in-toto statement")
    signature = _mapping(signatures[0], "has no signature").get("sig")
    hint = _mapping(material["publicKey"], "says nothing of its key").get("hint")
    return Envelope(_decoded(envelope.get("payload")), _decoded(signature), hint if isinstance(hint, str) else "")


def signed_files(envelope: Envelope, key: PublicKey) -> dict[str, str]:
    """Return the files that the key signed: each relative name with the SHA-256 (hex) of its content.

    Raises RefusedSignatureError for an envelope of another key, and for a statement in a form that is not known.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    digest = {256: SHA256(), 384: SHA384(), 521: SHA512()}[key.key.curve.key_size]
    header = f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(envelope.payload)} ".encode()
    try:
        key.key.verify(envelope.signature, header + envelope.payload, ECDSA(digest))
    except InvalidSignature as error:
        if envelope.hint == key.fingerprint:
            raise RefusedSignatureError(f"was changed since {key.words} made it") from error
        raise RefusedSignatureError(f"is not of {key.words}") from error
    return _listed(_mapping(_parsed(envelope.payload, "signs no JSON"), "signs no statement"))


def _listed(statement: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of a verified statement, which is consistent in itself."""
    if statement.get("_type") != _STATEMENT or statement.get("predicateType") != _PREDICATE:
        raise RefusedSignatureError(f"signs no model in the form of release 1 of model signing; {_RESIGN}")
    predicate = _mapping(statement.get("predicate"), "lists no files")
    form = _mapping(predicate.get("serialization"), "does not say how files were hashed")
    if form.get("method") != "files" or form.get("hash_type") != "sha256":
        raise RefusedSignatureError(f"was not made over whole files by SHA-256; {_RESIGN}")
    resources = predicate.get("resources")
    found = [_resource(one) for one in resources] if isinstance(resources, list) else []
    files = dict(found)
    if not files or len(files) < len(found):
        raise RefusedSignatureError("lists no files, or one of them twice")
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, digest in found)).hexdigest()
    if _subject(statement) != whole:
        raise RefusedSignatureError("is not consistent: its files have another hash than its subject")
    return files


def _resource(given: Any) -> tuple[str, str]:
    resource = _mapping(given, "lists what is no file")
    name, digest = resource.get("name"), resource.get("digest")
    if not isinstance(name, str) or not name or "\0" in name or not isinstance(digest, str):
        raise RefusedSignatureError("lists what is no file")
    if resource.get("algorithm") != "sha256" or not _DIGEST.fullmatch(digest):
        raise RefusedSignatureError("lists a file without its SHA-256")
    return name, digest


def _subject(statement: Mapping[str, Any]) -> Any:
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise RefusedSignatureError("has not one subject")
    subject = _mapping(subjects[0], "has no subject")
    return _mapping(subject.get("digest"), "has a subject without a hash").get("sha256")


def _decoded(given: Any) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise RefusedSignatureError("is not encoded as base64") from error


def _parsed(content: bytes, problem: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RefusedSignatureError(problem) from error


def _mapping(value: Any, problem: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RefusedSignatureError(problem)
    return value
