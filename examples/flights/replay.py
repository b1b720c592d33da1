"""Playing flights as traffic: one request an hour of departures, in event time; labels when the flights have landed."""

import heapq
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pandas as pd

from examples.flights.data import FEATURES, LABEL

if TYPE_CHECKING:
    from datetime import datetime

LABELS_A_CALL = 2000
COMPLAINT_EVERY = 400


class Replay:
    """Sends departures and keeps the labels that are not due yet."""

    def __init__(self, client: httpx.Client, endpoint: str) -> None:
        """Talk to the endpoint through the client."""
        self._client, self._endpoint = client, endpoint
        self._due: list[tuple[datetime, int, dict[str, Any]]] = []
        self._number = 0
        self.answered = 0

    def play(self, flights: pd.DataFrame) -> None:
        """Send a span of departures day by day, each hour's in one request, and every label that is due meanwhile."""
        for day, of_day in flights.groupby(flights["departs_at"].dt.floor("D")):
            for hour, rows in of_day.groupby(of_day["departs_at"].dt.floor("h")):
                self._predict(hour.to_pydatetime(), rows)
            self.send_labels(day.to_pydatetime() + timedelta(days=1))

    def flush(self) -> None:
        """Send every label that is left."""
        if self._due:
            self.send_labels(max(self._due)[0])

    def send_labels(self, now: "datetime") -> None:
        """Send the labels of flights that have landed by now."""
        ready = []
        while self._due and self._due[0][0] <= now:
            ready.append(heapq.heappop(self._due)[2])
        for start in range(0, len(ready), LABELS_A_CALL):
            self._post("labels", {"labels": ready[start : start + LABELS_A_CALL]})

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
                self._learn(f"{answer['request_id']}-{row}", int(label), landed.to_pydatetime(), score[1])

    def _learn(self, prediction: str, label: int, landed: "datetime", score: float) -> None:
        """Keep the label until its flight has landed; now and then somebody complains about a late arrival."""
        self._number += 1
        known = {"prediction_id": prediction, "label": label, "labelled_at": landed.isoformat()}
        heapq.heappush(self._due, (landed, self._number, known))
        if label == 1 and score < 0.5 and self._number % COMPLAINT_EVERY == 0:  # noqa: PLR2004 - even odds
            self._post("feedback", {"prediction_id": prediction, "thumbs": "down", "comment": "we arrived late"})

    def _post(self, route: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        answer = self._client.post(f"/endpoints/{self._endpoint}/{route}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()
