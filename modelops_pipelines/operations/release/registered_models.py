"""Registered models that an endpoint may be made for, with their versions, as far as a caller may know of them."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from modelops_pipelines.core.access.shared_models import ModelScope, model_scope
from modelops_pipelines.core.cursors import encode_cursor
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.operations.release.listing import Page, position_in
from modelops_pipelines.store.registry.lists.listed import ListedVersion, may_be_named
from modelops_pipelines.store.stores import Stores

LONGEST_SEARCH = 200


def scope_of(specs: Iterable[EndpointSpec], sees: Callable[[str], bool] = lambda _: True) -> ModelScope:
    """Return which models a caller may know of who sees these of the endpoints."""
    return model_scope(((spec.name, spec.model_name) for spec in specs if not spec.is_elsewhere), sees)


def models_page(stores: Stores, scope: ModelScope, part: str, cursor: str | None, limit: int) -> Page:
    """Return registered models with ``part`` in their names, by name, with the endpoints in scope that serve them.

    A page without a hidden model is shorter than ``limit``, and not the last for it. Raises InputError.
    """
    if len(part) > LONGEST_SEARCH:
        raise InputError(f"A part of a name has {len(part)} characters", f"Use at most {LONGEST_SEARCH}")
    found, token = stores.registry.models(part, cursor, limit)
    items = [
        {**asdict(one), "endpoints": list(scope.endpoints.get(one.name, ()))}
        for one in found
        if one.name not in scope.hidden
    ]
    return Page(items, token)


def model_versions_page(stores: Stores, scope: ModelScope, model: str, cursor: str | None, limit: int) -> Page:
    """Return a registered model's versions, newest first; raises InputError, and UnknownError without any."""
    position = position_in(cursor, 1)
    below = None if position is None else int(position[0])
    found = _versions(stores, scope, model, below, limit + 1)
    if not found and below is None:
        raise no_model(model)
    items = [{name: getattr(one, name) for name in ("version", "registered_at", "description")} for one in found]
    more = len(items) > limit
    return Page(items[:limit], encode_cursor(json.dumps([items[limit - 1]["version"]])) if more else None)


def require_model(stores: Stores, scope: ModelScope, model: str) -> None:
    """Raise UnknownError, the same one, for a model that is not registered, has no version, or is hidden."""
    if not _versions(stores, scope, model, None, 1):
        raise no_model(model)


def _versions(stores: Stores, scope: ModelScope, model: str, below: int | None, limit: int) -> Sequence[ListedVersion]:
    hidden = model in scope.hidden or not may_be_named(model)
    return [] if hidden else stores.registry.versions_below(model, below, limit)


def no_model(model: str) -> UnknownError:
    """Return the error of a model of which there is nothing to serve."""
    return UnknownError(
        f"The registry has no model {model[:200]!r} with a version", "Choose one of: modelops model registered"
    )
