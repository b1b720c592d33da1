"""Cursors of lists that are read page by page, as texts that callers send back unchanged."""

import base64


def encode_cursor(position: str) -> str:
    """Return a position in a list as letters, digits, dashes and underscores."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the position that a cursor stands for; raises ValueError for a text that stands for none."""
    return base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
