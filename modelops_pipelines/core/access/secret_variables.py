"""Which variables of an environment look like secrets: foreign code is started without them.

A guess by name and value, since only their owner knows: keys, tokens and passwords by the words of their names, and
addresses that hold a password, or a part that nobody can guess (a webhook's).
"""

import re
from collections.abc import Mapping

_ENDINGS = (
    "KEY", "KEYS", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PASSWD", "PASSPHRASE",
    "CREDENTIAL", "CREDENTIALS", "WEBHOOK", "WEBHOOKS", "DSN",
)  # fmt: skip
_WORDS = frozenset({"PASS", "PWD", "AUTH", "PAT", "SAS", "COOKIE"})
_FOLDERS = frozenset({"PWD", "OLDPWD"})
_PASSWORD = re.compile(r"\w://[^/\s]*:[^/\s]*@|[?&;](?:password|passwd|pwd|token|sig|key)=", re.IGNORECASE)
_ADDRESS = re.compile(r"\w+://[^\s/]+/\S")
_UNGUESSABLE = re.compile(r"(?=[A-Za-z0-9_.-]*[0-9])(?=[A-Za-z0-9_.-]*[A-Za-z])[A-Za-z0-9_.-]{20,}")


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that do not look like secrets."""
    return {name: value for name, value in environment.items() if not looks_secret(name, value)}


def looks_secret(name: str, value: str) -> bool:
    """Return whether a variable's name or value is like that of a secret."""
    if name.upper() in _FOLDERS:
        return False
    words = [word for word in re.split(r"[^A-Z0-9]+", name.upper()) if word]
    if any(word in _WORDS or word.endswith(_ENDINGS) for word in words):
        return True
    return _PASSWORD.search(value) is not None or (
        _ADDRESS.match(value) is not None
        and _UNGUESSABLE.search(value.partition("://")[2].partition("/")[2]) is not None
    )
