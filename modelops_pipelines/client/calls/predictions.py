"""Predictions, and what turned out of them: labels and people's feedback."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from modelops_pipelines.client.answers.predictions import (
    FeedbackRecorded,
    LabelsAccepted,
    Predictions,
    PredictionsAccepted,
)
from modelops_pipelines.client.answers.reading import one
from modelops_pipelines.client.connection.call import Call, Retry, body_of, time_text
from modelops_pipelines.client.connection.operation import operation
from modelops_pipelines.client.rows.bodies import prediction_body
from modelops_pipelines.client.rows.labels import label_messages, plain_label
from modelops_pipelines.client.rows.made_elsewhere import prediction_messages

_ENDPOINT = "/endpoints/{endpoint}"


class PredictionCalls:
    """Operations of callers: keys of the role predict may use them."""

    @operation
    def predict(  # noqa: PLR0913 - one for each header
        self,
        endpoint: str,
        rows: Any,
        *,
        names: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        user: str | None = None,
        session: str | None = None,
        request_id: str | None = None,
        event_time: datetime | str | None = None,
        test: bool = False,
        explain: bool = False,
    ) -> Call[Predictions]:
        """Predict rows: a list of dicts, a dict of columns, a DataFrame, or an array with ``names``; 65,535 at most.

        ``request_id`` is the caller's own id, kept in the log; labels can name it. The same ``user`` (else ``session``)
        gets the same version. ``event_time`` is for endpoints with ``allow_replay``. A ``test`` is left out of all
        metrics. ``explain`` asks what each feature contributed, of an endpoint with ``explain`` in its YAML, at most 20
        rows. It is sent again only when it was not answered. Raises InputError for values that JSON does not have,
        GatewayError for what the gateway says.
        """
        headers = {
            "X-User-Id": user,
            "X-Session-Id": session,
            "X-Client-Request-Id": request_id,
            "X-Event-Time": time_text("event_time", event_time),
            "X-Test-Call": "true" if test else None,
        }
        body, path = prediction_body(rows, names, params), f"{_ENDPOINT}/invocations"
        parts, query = {"endpoint": endpoint}, {"explain": True if explain else None}
        return Call("POST", path, one(Predictions), parts, query, body, headers=headers, retry=Retry.REFUSED)

    @operation
    def add_predictions(self, endpoint: str, rows: Any) -> Call[PredictionsAccepted]:
        """Send 1 to 10,000 predictions that others made, all or none, to an endpoint with ``served: elsewhere``.

        A list of dicts, a dict of columns, or a DataFrame. Each row has the sender's ``id``, ``time`` and ``features``
        (a dict); and what is known of ``version``, ``prediction``, ``score``, ``probabilities`` (a dict), ``status``,
        ``error``, ``latency_ms``, ``user``, ``session``, ``label`` and ``labelled_at``. Sent again it changes nothing.
        """
        body, parts = body_of({"predictions": prediction_messages(rows)}), {"endpoint": endpoint}
        return Call("POST", f"{_ENDPOINT}/log", one(PredictionsAccepted), parts, content=body)

    @operation
    def label(
        self, endpoint: str, prediction_id: str, label: Any, *, labelled_at: datetime | str | None = None
    ) -> Call[LabelsAccepted]:
        """Send the true outcome of one prediction: a class (text, true, false) or a number."""
        return _labels(endpoint, [{"prediction_id": prediction_id, "label": label, "labelled_at": labelled_at}])

    @operation
    def labels(self, endpoint: str, rows: Any) -> Call[LabelsAccepted]:
        """Send 1 to 10,000 labels, all or none: a list of dicts, a dict of columns, or a DataFrame.

        Each row has ``label`` and one key: ``prediction_id``; or ``client_request_id`` (and ``row``); or ``entity``, a
        dict of columns of the log, with ``at`` (and ``within_seconds``). ``labelled_at`` says when it became known.
        Fields without a value are left out.
        """
        return _labels(endpoint, rows)

    @operation
    def feedback(  # noqa: PLR0913 - one for each field
        self,
        endpoint: str,
        prediction_id: str,
        *,
        rating: int | None = None,
        thumbs: str | None = None,
        comment: str | None = None,
        corrected_label: Any = None,
        categories: Iterable[str] = (),
        user_id: str | None = None,
        session_id: str | None = None,
        given_at: datetime | str | None = None,
    ) -> Call[FeedbackRecorded]:
        """Send a person's feedback on a prediction: a rating from 1 to 5, thumbs (up or down), a comment, and so on.

        The same feedback again is recorded once.
        """
        message = {
            "prediction_id": prediction_id,
            "rating": rating,
            "thumbs": thumbs,
            "comment": comment,
            "corrected_label": None if corrected_label is None else plain_label(corrected_label, "corrected_label"),
            "categories": list(categories),
            "user_id": user_id,
            "session_id": session_id,
            "given_at": time_text("given_at", given_at),
        }
        path, parts = f"{_ENDPOINT}/feedback", {"endpoint": endpoint}
        return Call("POST", path, one(FeedbackRecorded), parts, content=body_of(message))


def _labels(endpoint: str, rows: Any) -> Call[LabelsAccepted]:
    body = body_of({"labels": label_messages(rows)})
    return Call("POST", f"{_ENDPOINT}/labels", one(LabelsAccepted), {"endpoint": endpoint}, content=body)
