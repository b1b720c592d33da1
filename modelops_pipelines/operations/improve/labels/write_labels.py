"""Writes labels that come from elsewhere than the gateway's route: reviews, files, tables, databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.operations.capture.direct_rows import append_rows
from modelops_pipelines.store.stores import Stores


def write_labels(stores: Stores, spec: EndpointSpec, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write labels and withdrawals, each content once; return how many the table did not hold yet.

    Rows are as ``label_row`` and ``withdrawal_row`` make them, with labels of the task's type. Durable, with their
    windows marked and the progress recorded, when it returns; killed at any instant and called again with the same rows
    it gives the same table. Not for a caller that holds the labels' ingest lock.
    """
    return append_rows(stores, spec, "labels", rows)
