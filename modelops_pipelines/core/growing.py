"""A stack whose windows are still being counted: rows are added to them in place, batch by batch."""

import numpy as np

from modelops_pipelines.core.profiles import LARGEST, ColumnBins, Floats, Profile, Values, binned, first_names, profile
from modelops_pipelines.core.quantiles import Ordered
from modelops_pipelines.core.stacks import Indices, Stack


class GrowingStack:
    """Profiles of ``windows`` windows of one column, all empty at first."""

    def __init__(self, bins: ColumnBins, windows: int) -> None:
        """Memory is taken up by the windows that rows are added to."""
        self.bins, self._edges = bins, np.asarray(bins.edges)
        self._lists = {
            "counts": np.zeros((windows, bins.width)),
            "sums": np.zeros((windows, bins.width if bins.kind == "numeric" else 0)),
        }
        self._numbers = {name: np.zeros(windows) for name in ("squares", "infinities", "nulls", "other")}
        self._extremes = {name: np.full(windows, np.nan) for name in ("minimum", "maximum")}
        self._new: list[dict[str, int]] = [{} for _ in range(windows)]

    def add(self, window: int, values: Values) -> None:
        """Add rows of shape (n,) to a window: ``merge`` with their ``profile``, to the last bit."""
        if self.bins.kind == "numeric":
            self._add_numbers(window, np.asarray(values, np.float64))
        else:
            self._add_strings(window, profile(values, self.bins))

    def stack(self, windows: Indices) -> Stack:
        """Return the stack of some of the windows, in the order given."""
        chosen = np.asarray(windows, np.intp)
        arrays = {name: held[chosen] for name, held in (self._lists | self._numbers | self._extremes).items()}
        return Stack(bins=self.bins, new=tuple(self._new[window] for window in chosen), **arrays)

    def _add_numbers(self, window: int, values: Floats) -> None:
        ordered = Ordered.of(values, LARGEST)
        counts, sums, squares = binned(ordered, self._edges, self.bins.centre)
        self._lists["counts"][window] += counts
        self._lists["sums"][window] += sums
        self._numbers["squares"][window] += squares
        self._numbers["infinities"][window] += ordered.infinities
        self._numbers["nulls"][window] += ordered.nulls
        if ordered.finite.size:
            low, high = self._extremes["minimum"], self._extremes["maximum"]
            low[window] = np.fmin(low[window], ordered.finite[0] + 0.0)
            high[window] = np.fmax(high[window], ordered.finite[-1] + 0.0)

    def _add_strings(self, window: int, made: Profile) -> None:
        self._lists["counts"][window] += made.counts
        self._numbers["nulls"][window] += made.nulls
        self._numbers["other"][window] += made.other
        if made.new:
            known = self._new[window]
            self._new[window] = first_names({n: known.get(n, 0) + made.new.get(n, 0) for n in {*known, *made.new}})
