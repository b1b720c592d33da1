"""Real keys and signatures of models: made by cryptography and by OpenSSF's own library, right ones and odd ones."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PAYLOAD = "application/vnd.in-toto+json"
PREDICATE = "https://model_signing/signature/v1.0"


@dataclass(frozen=True)
class Pair:
    """A private key's file, its public key's file, and the key itself."""

    private: Path
    public: Path
    key: ec.EllipticCurvePrivateKey


def make_pair(folder: Path, name: str = "ci", curve: ec.EllipticCurve | None = None) -> Pair:
    """Write a new pair of keys into the folder: ``name.pem`` and ``name.pub``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(curve or ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(public_pem(key.public_key()))
    return Pair(private, public, key)


def public_pem(key: Any) -> bytes:
    """Return a public key in PEM form."""
    content: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


def statement_of(files: Mapping[str, str], **changes: Any) -> dict[str, Any]:
    """Return the statement that lists the files (name to SHA-256), with changes of its top-level keys."""
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in files.values())).hexdigest()
    resources = [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in files.items()]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": resources,
        },
    } | changes


def bundle_of(payload: bytes, pair: Pair) -> dict[str, Any]:
    """Return the bundle of a payload that the pair's key has signed, whatever it says."""
    signature = pair.key.sign(f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload, ec.ECDSA(SHA256()))
    hint = hashlib.sha256(public_pem(pair.key.public_key())).hexdigest()
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def signed(statement: Any, pair: Pair) -> bytes:
    """Return the file of a signature over a statement, well-formed or not."""
    return json.dumps(bundle_of(json.dumps(statement).encode(), pair)).encode()
