"""Which registered models a caller may know of: those of its endpoints, and those that no endpoint serves.

The registry belongs to all. A model that only endpoints outside a caller's scope serve would tell what these are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelScope:
    """``endpoints`` are those in a caller's scope by the model that they serve; ``hidden`` are models of others."""

    endpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


def model_scope(served: Iterable[tuple[str, str]], sees: Callable[[str], bool]) -> ModelScope:
    """Return the scope of a caller who sees these endpoints, from each endpoint's name and model."""
    own: dict[str, list[str]] = {}
    others: set[str] = set()
    for endpoint, model in served:
        if sees(endpoint):
            own.setdefault(model, []).append(endpoint)
        else:
            others.add(model)
    return ModelScope({model: tuple(sorted(names)) for model, names in own.items()}, frozenset(others - set(own)))
