"""Registered models and their versions, as MLflow's registry lists them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TRAINING_SET_TAG = "modelops.training_set"


@dataclass(frozen=True)
class ListedVersion:
    """A version as the registry lists it."""

    version: str
    registered_at: datetime
    training_set: str | None
    run_id: str | None
    description: str


@dataclass(frozen=True)
class ListedModel:
    """A registered model as the registry lists it; ``newest_version`` is None while it has none."""

    name: str
    description: str
    updated_at: datetime
    newest_version: str | None


def listed_version(found: Any) -> ListedVersion:
    """Return a version of MLflow's."""
    tags: Mapping[str, str] = found.tags
    return ListedVersion(
        version=str(found.version),
        registered_at=_moment(found.creation_timestamp),
        training_set=tags.get(TRAINING_SET_TAG),
        run_id=found.run_id,
        description=found.description or "",
    )


def listed_model(found: Any) -> ListedModel:
    """Return a registered model of MLflow's, which lists the newest version of each of its stages."""
    numbers: Iterable[int] = (int(one.version) for one in found.latest_versions or ())
    newest = max(numbers, default=None)
    return ListedModel(
        name=str(found.name),
        description=found.description or "",
        updated_at=_moment(found.last_updated_timestamp),
        newest_version=None if newest is None else str(newest),
    )


def may_be_named(part: str) -> bool:
    """Return whether a model that an endpoint can serve may have this in its name; a filter of MLflow can hold it."""
    return part.isprintable() and "\\" not in part and not ("'" in part and '"' in part)


def models_filter(part: str) -> str | None:
    """Return MLflow's filter for models with this in their names, in any capitals; None for every model."""
    quote = '"' if "'" in part else "'"
    return f"name ILIKE {quote}%{part}%{quote}" if part else None


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
