"""Keys that nobody issued, as someone would write them who knows how keys are written."""

import base64
import zlib

from modelops_pipelines.core.access.api_keys import ENTROPY_BYTES, key_text

STRANGER = key_text("live", b"s" * ENTROPY_BYTES)


def forged(key_id: str) -> str:
    """Return a key of this id with another secret, its checksum right."""
    body = f"sk_live_{key_id}_{STRANGER[19:71]}"
    return body + base64.b32encode(zlib.crc32(body.encode()).to_bytes(4, "big")).decode().rstrip("=").lower()
