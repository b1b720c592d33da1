"""Answers that are CSV files to keep: a browser saves them, and never takes them for anything else."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from modelops_pipelines.operations.reports.csv_export import CsvFile

CSV = "text/csv; charset=utf-8; header=present"
_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
}


def csv_response(file: "CsvFile") -> Response:
    """Return the answer that has a browser save the file under its name."""
    headers = {**_HEADERS, "content-disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=CSV, headers=headers)
