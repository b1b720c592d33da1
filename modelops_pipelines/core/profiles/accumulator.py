"""An accumulator of profiles: rows are added to the windows of one column in place, batch by batch."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.categorical import NAME_LENGTH, Coded
from modelops_pipelines.core.profiles.profile import LARGEST, ColumnBins, Floats, first_names, profile
from modelops_pipelines.core.profiles.profile_stack import Indices, Stack
from modelops_pipelines.core.profiles.quantiles import Ordered, Places


class ProfileAccumulator:
    """Profiles of ``windows`` windows of one column, initially empty."""

    def __init__(self, bins: ColumnBins, windows: int) -> None:
        """Allocate zeros; the system provides memory only for windows with rows."""
        self.bins, self._edges = bins, np.asarray(bins.edges)
        self._places = {name: place for place, name in enumerate(bins.categories)}
        self._held = {
            "counts": np.zeros((windows, bins.width)),
            "sums": np.zeros((windows, bins.width if bins.kind == "numeric" else 0)),
            **{name: np.zeros(windows) for name in ("squares", "infinities", "nulls", "other")},
            **{name: np.full(windows, np.nan) for name in ("minimum", "maximum")},
        }
        self._new: list[Mapping[str, int]] = [{} for _ in range(windows)]

    def add(self, windows: Indices, bounds: Sequence[int], values: Floats | Coded) -> None:
        """Add rows of shape (n,) to distinct windows; the same as ``merge`` with their ``profile``s, to the last bit.

        Window ``windows[i]`` gets the rows from ``bounds[i]`` up to, not including, ``bounds[i + 1]``; the bounds go
        from 0 to n. Raises SchemaError when the values are not of the bins' kind.
        """
        if isinstance(values, Coded) == (self.bins.kind == "numeric"):
            kind = "strings" if isinstance(values, Coded) else "numbers"
            message = f"Column {self.bins.name!r} is {self.bins.kind} in its reference, but its rows contain {kind}"
            raise SchemaError(message, "Send the column with the type that the version was trained on")
        if not isinstance(values, Coded):
            self._add_numbers(np.asarray(windows, np.intp), bounds, values)
        elif self.bins.kind == "text":
            self._add_texts(windows, bounds, values)
        else:
            self._add_categories(np.asarray(windows, np.intp), bounds, values)

    def stack(self, windows: Indices) -> Stack:
        """Return the stack of some of the windows, in the order given."""
        chosen = np.asarray(windows, np.intp)
        arrays = {name: held[chosen] for name, held in self._held.items()}
        return Stack(bins=self.bins, new=tuple(self._new[window] for window in chosen), **arrays)

    def _add_numbers(self, windows: Places, bounds: Sequence[int], values: Floats) -> None:
        found = Ordered.of(values, LARGEST, bounds).binned(self._edges, self.bins.centre)
        for name in ("counts", "sums", "squares", "infinities", "nulls"):
            self._held[name][windows] += getattr(found, name)
        for name, reduce in (("minimum", np.fmin), ("maximum", np.fmax)):
            self._held[name][windows] = reduce(self._held[name][windows], getattr(found, name))

    def _add_texts(self, windows: Indices, bounds: Sequence[int], values: Coded) -> None:
        for window, (start, end) in zip(windows, pairwise(bounds), strict=True):
            added = profile(values.counted(start, end), self.bins)
            self._held["counts"][window] += added.counts
            self._held["nulls"][window] += added.nulls
            self._held["other"][window] += added.other

    def _add_categories(self, windows: Places, bounds: Sequence[int], values: Coded) -> None:
        """Count all windows at once: known categories by place, then one place for new ones, and one for nulls."""
        known = self.bins.width
        cut = [name[:NAME_LENGTH] for name in values.names]
        places = np.array([*(self._places.get(name, known) for name in cut), known + 1], np.intp)  # -1 is the last
        rows = np.repeat(np.arange(len(windows)) * (known + 2), np.diff(bounds))
        flat = np.bincount(rows + places[values.codes], minlength=len(windows) * (known + 2))
        found = flat.reshape(len(windows), known + 2)
        self._held["counts"][windows] += found[:, :known]
        self._held["other"][windows] += found[:, known]
        self._held["nulls"][windows] += found[:, known + 1]
        for place in found[:, known].nonzero()[0].tolist():
            new = profile(values.counted(bounds[place], bounds[place + 1]), self.bins).new
            self._add_new(int(windows[place]), new)

    def _add_new(self, window: int, new: Mapping[str, int]) -> None:
        names = self._new[window]
        self._new[window] = first_names({name: names.get(name, 0) + new.get(name, 0) for name in {*names, *new}})
