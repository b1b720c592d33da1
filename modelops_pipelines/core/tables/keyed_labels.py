"""The lake's table of labels that name their prediction by a key of the caller's own, not by its id."""

from modelops_pipelines.core.tables.columns import Table, column, integer, moment, text

NEW, WAITING, MATCHED, AMBIGUOUS, EXPIRED, REFUSED = "new", "waiting", "matched", "ambiguous", "expired", "refused"

KEYED_LABELS = Table(
    "keyed_labels",
    "Labels that name their prediction by the caller's own request id, or by entity and time, with what each was "
    "matched to; and rows of label sources that cannot be labels.",
    (
        text(
            "keyed_id",
            "content hash of source, key (and whose request id it is) and label: a row sent twice is one row",
        ),
        text("source?", "the label source's name; null for the gateway's route"),
        text("client_request_id?", "the caller's own request id"),
        integer("row_index?", "row index in that request, from 0"),
        column("json", "entity?", "values of the log's columns by name, as a JSON object"),
        column("timestamp", "entity_time?", "the newest prediction up to this time is meant"),
        integer("within?", "how far before it at most", "seconds"),
        text("label?", "the true class or number; null for a refused row"),
        column("timestamp", "labelled_at?", "when it became known; null for a refused row"),
        moment("received_at", "when it was received"),
        text("author?", "the person who said so"),
        text("key_id?", "the API key that sent it"),
        moment("until", "predictions that were captured later are not looked at"),
        text("status", "new, waiting, matched, ambiguous, expired or refused"),
        text("reason?", "why it is no label of any prediction"),
        column("json", "found?", "the requests found by the caller's request id, with their numbers of rows"),
        text("prediction_id?", "the prediction that it is the label of"),
        column("timestamp", "event_time?", "when that prediction was requested"),
        column("json", "earlier?", "predictions that it was matched to before a nearer one arrived, as a JSON list"),
        column("bool", "open", "whether it may still find its prediction, or a nearer one"),
        text("place?", "where a refused row is: the file and the row's number"),
        text("worker", "the gateway worker that captured it"),
        integer("segment", "the spool segment that contained it"),
        column("date", "date", "UTC day on which it was received; the partition"),
    ),
    ("keyed_id",),
)
