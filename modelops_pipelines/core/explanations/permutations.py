"""Shapley values of one answer by sampled orders of its columns, against reference rows.

In an order of the columns, one column after the other gets the explained row's value in place of a reference row's;
what the answer changes by is the column's contribution in that order. The mean over orders and reference rows is its
Shapley value (Castro, Gomez, Tejada 2009, Polynomial calculation of the Shapley value based on sampling; Strumbelj,
Kononenko 2014, Explaining prediction models and individual predictions with feature contributions). Each reference
row has an order and its reverse, which halves what chance adds at the same cost, and all have as many: so the
contributions add up to the answer minus the mean answer of the reference rows, up to rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PER_REFERENCE = 2
"""Orders of each reference row: one, and its reverse."""


@dataclass(frozen=True)
class Orders:
    """The orders in which columns change: ``columns`` has shape (orders, columns), ``references`` (orders,)."""

    columns: NDArray[np.intp]
    references: NDArray[np.intp]

    @property
    def rows(self) -> int:
        """How many rows the model has to answer."""
        return int(self.columns.shape[0]) * (int(self.columns.shape[1]) + 1)

    def own(self) -> NDArray[np.bool_]:
        """Return where a row has the explained row's value, shape (orders, columns + 1, columns): none, then more."""
        count, width = self.columns.shape
        places = np.empty_like(self.columns)
        np.put_along_axis(places, self.columns, np.broadcast_to(np.arange(width), (count, width)), axis=1)
        return places[:, None, :] < np.arange(width + 1)[None, :, None]


@dataclass(frozen=True)
class Estimate:
    """Contributions of shape (columns,), with their standard errors over reference rows and orders.

    ``base`` is the mean answer of the reference rows. The errors are None with a single reference row.
    """

    base: float
    contributions: Floats
    errors: Floats | None


def draw_orders(columns: int, references: int, seed: int) -> Orders:
    """Return an order and its reverse for each reference row, the same for the same seed."""
    draw = np.random.default_rng(seed)
    drawn = np.argsort(draw.random((references, columns)), axis=1)
    both = np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(references * PER_REFERENCE, columns)
    return Orders(both, np.repeat(np.arange(references), PER_REFERENCE))


def estimate(orders: Orders, answers: Floats) -> Estimate:
    """Return the contributions of answers of shape (orders, columns + 1), in the order of ``Orders.own``."""
    changes = np.empty(orders.columns.shape)
    np.put_along_axis(changes, orders.columns, np.diff(answers, axis=1), axis=1)
    each = changes.reshape(-1, PER_REFERENCE, orders.columns.shape[1]).mean(axis=1)
    errors = each.std(axis=0, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else None
    return Estimate(float(answers[:, 0].mean()), each.mean(axis=0), errors)
