"""The year of flights for the gate: months, evaluation days, models, and the gate's verdicts on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd  # noqa: TID253 - nothing but this benchmark imports it
import pyarrow as pa

from examples.flights.data import FEATURES, LABEL, NEW_YORK, flights_frame, labelled
from examples.flights.trainer import train
from modelops_pipelines import TrainingContext
from modelops_pipelines.core.evaluation.gate import GateConfig, GateResult
from modelops_pipelines.core.evaluation.paired_comparison import Rows, judge, log_loss
from modelops_pipelines.core.evaluation.sanity_checks import Answered
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.improve.training.sets import EVENT_TIME
from modelops_pipelines.operations.improve.training.splits import split_provided

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
SEGMENTS = ("origin", "carrier")
FLIGHTS = Path("examples/flights/endpoints/flights.yaml")


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model of the year."""

    year: "Year"
    fitted: Any

    @cached_property
    def all_scores(self) -> Floats:
        """The scores of all flights of the year."""
        return np.asarray(self.fitted.predict_proba(self.year.inputs)[:, 1])

    def scores(self, mask: Mask) -> Floats:
        """Return the scores of some flights, from ``all_scores`` if that was computed."""
        if not mask.any():
            return np.empty(0)
        if "all_scores" in self.__dict__:
            return self.all_scores[mask]
        return np.asarray(self.fitted.predict_proba(self.year.inputs[mask])[:, 1])


@dataclass(frozen=True, eq=False)
class Year:
    """All flights that landed, in order of departure."""

    frame: "pd.DataFrame"
    every_nth_day: int

    @classmethod
    def read(cls, every_nth_day: int) -> "Year":
        """Read the year."""
        return cls(labelled(flights_frame()).reset_index(drop=True), every_nth_day)

    @cached_property
    def month(self) -> npt.NDArray[np.int64]:
        """Each flight's month, by New York's calendar."""
        return np.asarray(self.frame["departs_at"].dt.tz_convert(NEW_YORK).dt.month, np.int64)

    @cached_property
    def day(self) -> npt.NDArray[np.int64]:
        """Each flight's day in UTC, as an ordinal, as the gate expects it."""
        days = np.asarray(self.frame["departs_at"].astype("datetime64[s, UTC]").astype("int64")) // 86400
        return np.asarray(days + pd.Timestamp(1970, 1, 1).toordinal(), np.int64)

    @cached_property
    def evaluation(self) -> Mask:
        """Mask of the evaluation rows, which are never trained on.

        January is the first frame and split by the product's own rule; later rows are split by day, like the log's.
        """
        january = self.month == 1
        spec = read_endpoint(FLIGHTS)
        times = pa.array(self.frame["departs_at"][january]).cast(pa.timestamp("us", "UTC"))
        given = pa.table({"row": np.flatnonzero(january), EVENT_TIME: times, spec.label: self.label[january]})
        held = split_provided(given, spec, GateConfig(every_nth_day=self.every_nth_day)).evaluation
        kept = ~january & (self.day % self.every_nth_day == 0)
        kept[held.column("row").to_numpy()] = True
        return np.asarray(kept)

    @cached_property
    def label(self) -> Floats:
        """Whether each was late."""
        return np.asarray(self.frame[LABEL], np.float64)

    @cached_property
    def inputs(self) -> "pd.DataFrame":
        """The features as in requests: every number a float."""
        features = self.frame[list(FEATURES)]
        return features.astype(dict.fromkeys(features.select_dtypes("number").columns, "float64"))

    def before(self, month: int, first: int = 1) -> Mask:
        """Return which flights depart from the first month on, before the month."""
        return (self.month >= first) & (self.month < month)

    def fit(self, mask: Mask, labels: Floats | None = None) -> Model:
        """Train the example's classifier on some flights, with their labels or given ones (one per flight)."""
        truth = (self.label if labels is None else labels)[mask].astype(int)
        frame = self.inputs[mask].assign(**{LABEL: truth})
        context = TrainingContext("flights", "binary_classification", LABEL, tuple(FEATURES))
        return Model(self, train(frame, context))

    def loss(self, model: Model, month: int) -> float:
        """Return a model's log-loss on a month."""
        mask = self.month == month
        return float(log_loss(model.scores(mask), self.label[mask]).mean())

    def answered(self, model: Model, mask: Mask) -> Answered:
        """Return a model's predictions on some flights for the gate, without its time and size."""
        scores = model.scores(mask)
        return Answered(log_loss(scores, self.label[mask]), scores)

    def judge(self, champion: Model, candidate: Model, mask: Mask, config: GateConfig) -> GateResult:
        """Return the gate's verdict on some flights."""
        return judge(self.answered(champion, mask), self.answered(candidate, mask), self.rows(mask), config)

    def rows(self, mask: Mask, segments: Sequence[str] = SEGMENTS) -> Rows:
        """Return some flights as the gate's rows."""
        values = {name: self.frame[name].to_numpy()[mask].astype(str) for name in segments}
        return Rows(self.day[mask], self.label[mask], values)
