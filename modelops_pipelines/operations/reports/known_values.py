"""Which values of features may be written where no erasure reaches: in Dagster's own database.

A value in a version's training set is no news there, for training sets stay; a class of the model neither. Any other
may be one that a single person has sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import ColumnBins
from modelops_pipelines.store.stores import Stores

NOT_SHOWN = "(not of the training set)"
Known = Mapping[str, frozenset[str]]
_ANYWHERE = frozenset({"", "(other)", "(null)", "(not kept)", "true", "false"})


def known_values(stores: Stores, spec: EndpointSpec, versions: Iterable[str]) -> Known:
    """Return by column the values that these versions' training sets have, and the classes as predictions."""
    found: dict[str, set[str]] = {}
    for version in sorted(set(versions)):
        reference = stores.references.read(spec.model_name, version)
        if reference is not None and reference.last_window is None:
            for name, bins in reference.bins.items():
                found.setdefault(name, set()).update(_values(bins))
        known = stores.deployments.version(spec.model_name, version)
        found.setdefault("prediction", set()).update(known.classes or () if known else ())
    return {name: frozenset(values) for name, values in found.items()}


def hide_unknown(rows: Sequence[Mapping[str, Any]], known: Known) -> list[dict[str, Any]]:
    """Return rows of a table by segment without segment values that are not known."""
    return [{**row, "segment_value": _shown(row["segment"], row["segment_value"], known)} for row in rows]


def _shown(segment: str | None, value: str | None, known: Known) -> str | None:
    if value is None or value in _ANYWHERE or value in known.get(segment or "", ()):
        return value
    return NOT_SHOWN


def _values(bins: ColumnBins) -> set[str]:
    """Return the values that bins name: categories, or numbers of which each has a bin of its own."""
    if bins.kind != "numeric":
        return set(bins.categories) if bins.kind == "categorical" else set()
    edges = np.asarray(bins.edges)
    single = edges[:-1][edges[:-1] == np.nextafter(edges[1:], -np.inf)].tolist()
    return {text for one in single for text in (str(one), f"{one:g}", *([str(int(one))] if one.is_integer() else []))}
