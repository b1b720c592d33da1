"""Who may name a file of the gateway's host in an alert rule."""

from collections.abc import Mapping
from typing import Any, Final

from modelops_pipelines.gateway.access.keyring import Caller

FILE: Final = "sql"
"""The field of a rule that names a file."""


def require_for_rule(caller: Caller, rule: Mapping[str, Any]) -> None:
    """Raise ForbiddenError for a rule with a file, unless the caller is an admin on all endpoints: errors quote it."""
    if FILE in rule:
        caller.require("admin", None)
