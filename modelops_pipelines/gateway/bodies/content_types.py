"""Which content types a prediction's body may have."""

from modelops_pipelines.core.errors import MediaTypeError

CSV_TYPES = frozenset({"text/csv", "application/csv"})
JSON_TYPES = frozenset({"", "application/json", "application/x-www-form-urlencoded"})
"""The last is what curl says of JSON unless it is told; a foreign page that sends it is refused by its origin."""


def is_csv_type(content_type: str, *, csv: bool) -> bool:
    """Return whether the body is CSV, else it is JSON; raises MediaTypeError for neither, or CSV without ``csv``."""
    if content_type in JSON_TYPES or content_type.endswith("+json"):
        return False
    if csv and content_type in CSV_TYPES:
        return True
    raise MediaTypeError(
        f"The header Content-Type is {content_type[:80]!r}",
        "Send JSON as application/json" + (", or CSV as text/csv" if csv else ""),
    )
