"""A shop: orders of several rows each, skewed prices, many zeros, weekends with more and other customers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WEEKEND = 5


@dataclass(frozen=True)
class Shop:
    """Days of orders from one seed; about ``rows`` rows a day, half as many again at weekends.

    Prices, ages and discounts have a level of the day (an autoregression of ``day_effect`` standard deviations), and
    the rows of one order share a customer and half of the variance of their prices. A few orders have hundreds of rows.
    """

    seed: int
    rows: int = 1_000
    day_effect: float = 0.05

    columns = ("price", "age", "discount", "quantity", "category")

    def day(self, day: int) -> dict[str, npt.NDArray[np.object_] | npt.NDArray[np.float64]]:
        """Return the columns of a day, counted from a Monday, each of shape (n,)."""
        draw = np.random.default_rng([self.seed, 71, day])
        weekend = day % 7 >= WEEKEND
        sizes = self._orders(draw, int(draw.poisson(self.rows * (1.5 if weekend else 1.0) / 3)))
        order = np.repeat(np.arange(len(sizes)), sizes)
        n, level = len(order), self._levels(day)
        of_order = draw.normal(size=(len(sizes), 2))[order]
        price = np.exp(2.5 + level[0] + 0.2 * weekend + 0.5 * of_order[:, 0] + 0.5 * draw.normal(size=n))
        age = 42 + 12 * (level[1] - 0.3 * weekend + of_order[:, 1])
        given = draw.random(n) < 0.25 + 0.02 * level[2]
        discount = np.where(given, draw.beta(2, 6, n), 0.0)
        weights = np.exp(0.3 * weekend * np.cos(np.arange(8)) + self.day_effect * self._noise(day, 8)) / (
            1 + np.arange(8)
        )
        category = np.array([f"c{k}" for k in range(8)], object)[draw.choice(8, n, p=weights / weights.sum())]
        quantity = 1 + draw.poisson(1.2 + 0.05 * level[3], n).astype(np.float64)
        return {"price": price, "age": age, "discount": discount, "quantity": quantity, "category": category}

    @staticmethod
    def _orders(draw: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        sizes = np.minimum(draw.geometric(1 / 3, max(1, count)), 20)
        large = draw.random(len(sizes)) < 0.0005
        return np.where(large, draw.integers(100, 400, len(sizes)), sizes)

    def _levels(self, day: int) -> npt.NDArray[np.float64]:
        """Return the levels of a day: the part of the days before fades by half a day."""
        fading = 0.5 ** np.arange(12)
        noise = np.array([self._noise(day - back, 4) for back in range(12)])
        return np.asarray(self.day_effect * np.sqrt(0.75) * (fading[:, None] * noise).sum(axis=0), np.float64)

    def _noise(self, day: int, size: int) -> npt.NDArray[np.float64]:
        return np.random.default_rng([self.seed, 72, day + 1_000, size]).normal(size=size)
