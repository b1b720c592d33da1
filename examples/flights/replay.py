"""Replay flights as traffic: one request per hour of departures, in event time; labels when the flights have landed."""

import heapq
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pandas as pd

from examples.flights.data import FEATURES, LABEL

if TYPE_CHECKING:
    from datetime import datetime

LABELS_PER_CALL = 2000
FEEDBACK_EVERY = 400


class Replay:
    """Sends departures, and labels as they become due."""

    def __init__(self, client: httpx.Client, endpoint: str) -> None:
        """Send to the endpoint through the client."""
        self._client, self._endpoint = client, endpoint
        self._pending: list[tuple[datetime, int, dict[str, Any]]] = []
        self._number = 0
        self.answered = 0

    def play(self, flights: pd.DataFrame) -> None:
        """Send departures day by day, one request per hour, and after each day the labels that are due."""
        for day, of_day in flights.groupby(flights["departs_at"].dt.floor("D")):
            for hour, rows in of_day.groupby(of_day["departs_at"].dt.floor("h")):
                self._predict(hour.to_pydatetime(), rows)
            self.send_labels(day.to_pydatetime() + timedelta(days=1))

    def flush(self) -> None:
        """Send all pending labels."""
        if self._pending:
            self.send_labels(max(self._pending)[0])

    def send_labels(self, now: "datetime") -> None:
        """Send the labels of flights that have landed by now."""
        due = []
        while self._pending and self._pending[0][0] <= now:
            due.append(heapq.heappop(self._pending)[2])
        for start in range(0, len(due), LABELS_PER_CALL):
            self._post("labels", {"labels": due[start : start + LABELS_PER_CALL]})

    def _predict(self, hour: "datetime", rows: pd.DataFrame) -> None:
        split = json.loads(rows[list(FEATURES)].to_json(orient="split", index=False))
        answer = self._post("invocations", {"dataframe_split": split}, {"x-event-time": hour.isoformat()})
        if len(answer["predictions"]) != len(rows):
            message = f"{len(answer['predictions'])} answers for {len(rows)} rows"
            raise RuntimeError(message)
        self.answered += len(rows)
        for row, (label, landed, score) in enumerate(
            zip(rows[LABEL], rows["landed_at"], answer["predictions"], strict=True)
        ):
            if pd.notna(label) and pd.notna(landed):
                self._queue_label(f"{answer['request_id']}-{row}", int(label), landed.to_pydatetime(), score[1])

    def _queue_label(self, prediction: str, label: int, landed: "datetime", score: float) -> None:
        """Keep the label until its flight has landed; a few late arrivals get negative feedback at once."""
        self._number += 1
        known = {"prediction_id": prediction, "label": label, "labelled_at": landed.isoformat()}
        heapq.heappush(self._pending, (landed, self._number, known))
        if label == 1 and score < 0.5 and self._number % FEEDBACK_EVERY == 0:  # noqa: PLR2004 - even odds
            self._post("feedback", {"prediction_id": prediction, "thumbs": "down", "comment": "we arrived late"})

    def _post(self, route: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        answer = self._client.post(f"/endpoints/{self._endpoint}/{route}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()
