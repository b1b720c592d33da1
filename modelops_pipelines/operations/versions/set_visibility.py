"""Which training sets may be shown with the versions of a model that endpoints of several teams share."""

from collections.abc import Callable, Iterable

from modelops_pipelines.store.stores import Stores


def visible_sets(
    stores: Stores, hashes: Iterable[str | None], sees: Callable[[str], bool] | None
) -> frozenset[str] | None:
    """Return those of these training sets that an endpoint has built which ``sees`` allows; None where it is None: all.

    Two endpoints may have built the same set; one that nobody is recorded to have built is nobody's.
    """
    if sees is None:
        return None
    named = [one for one in hashes if one is not None]
    return frozenset(content for content, endpoint in stores.training_sets.builders(named) if sees(endpoint))


def is_visible(training_set: str | None, shown: frozenset[str] | None) -> bool:
    """Return whether a version's training set may be shown; that of a version without one may."""
    return shown is None or training_set is None or training_set in shown
