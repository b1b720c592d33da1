"""A call of every operation of the client, with all its arguments, as examples for what must fit the gateway."""

from datetime import UTC, datetime
from typing import Any

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
E = "cancer"
ID = "f" * 32
PREDICTION = "a" * 40 + "-0"
CONDITIONS: dict[str, Any] = {
    "rating_from": 1, "rating_to": 5, "thumbs": "up", "version": "1", "text": "slow", "category": "speed",
    "flagged": True, "assignee": "ann", "accepted": False, "corrected": True, "prediction_id": PREDICTION,
    "since": MOMENT, "until": MOMENT,
}  # fmt: skip
LABELS = [
    {"prediction_id": PREDICTION, "label": 1, "labelled_at": MOMENT},
    {"client_request_id": "order 1", "row": 0, "label": "yes"},
    {"entity": {"mean_radius": 1.0}, "at": MOMENT, "within_seconds": 60, "label": True},
]
MADE = [
    {"id": "a", "time": MOMENT, "version": "v7", "prediction": "1", "score": 0.5, "probabilities": {"0": 0.5, "1": 0.5},
     "features": {"mean_radius": 1.0}, "status": 200, "error": "none", "latency_ms": 1.5, "user": "u", "session": "s",
     "label": 1, "labelled_at": MOMENT},
]  # fmt: skip
PAGE: dict[str, Any] = {"limit": 2, "cursor": "x"}
FEEDBACK: dict[str, Any] = {
    "rating": 1, "thumbs": "down", "comment": "no", "corrected_label": 0, "categories": ["speed"], "user_id": "u",
    "session_id": "s", "given_at": MOMENT,
}  # fmt: skip
CALLERS: dict[str, Any] = {
    "user": "u", "session": "s", "request_id": "order 1", "event_time": MOMENT, "test": True, "params": {"p": 1},
    "explain": True,
}  # fmt: skip

ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "predict": ((E, [{"mean_radius": 1.0}]), CALLERS),
    "add_predictions": ((E, MADE), {}),
    "label": ((E, PREDICTION, 1), {"labelled_at": MOMENT}),
    "labels": ((E, LABELS), {}),
    "feedback": ((E, PREDICTION), FEEDBACK),
    "endpoints": ((), {}),
    "endpoint": ((E,), {}),
    "example": ((E,), {"row": 1}),
    "models": (("tumour",), PAGE),
    "model_versions": (("tumours",), PAGE),
    "add_endpoint": (
        ("churn",),
        {
            "task": "binary_classification", "label": "left", "model_name": "customer-churn", "served": "here",
            "owners": ["team:risk"], "description": "who leaves", "label_horizon": "1d", "window": "day",
            "classes": ["0", "1"], "positive_label": "1", "error_rate": 0.05, "latency_p95_ms": 500, "dry_run": True,
        },
    ),
    "health": ((), {}),
    "ready": ((E,), {}),
    "metrics": ((E, "30s"), {}),
    "traffic": ((E, 2), {"version": 1}),
    "quality": ((E, 2), {"segments": True, "version": 1, "segment": "mean_radius=1"}),
    "estimated_quality": ((E, 2), {"version": 1}),
    "custom_metrics": ((E, 2), {"version": 1}),
    "data_quality": ((E, 2), {"version": 1}),
    "export": ((E, "quality", 2), {"version": 1, "segment": "mean_radius=1"}),
    "drift": ((E, 2), {"drifted": True, "version": 1}),
    "attributions": ((E, 2), {}),
    "attribution_drift": ((E, 2), {}),
    "report": ((E, "health.html"), {}),
    "slos": ((E,), {}),
    "health_score": ((E,), {}),
    "overview": ((), {}),
    "logs": ((E,), {"limit": 2, "since": "15m", "status": "ok", "user": "u", "request_id": PREDICTION}),
    "deploy": ((E, 1), {"share": 100, "reason": "test", "force": True, "dry_run": True, "idempotency_key": "k1"}),
    "promote": ((E, 1), {"reason": "test", "force": True, "dry_run": True}),
    "roll_back": ((E,), {"to": 1, "reason": "test", "undo": False, "force": False, "dry_run": True}),
    "stop": ((E,), {"reason": "test", "dry_run": True}),
    "start": ((E,), {"reason": "test", "dry_run": True}),
    "deployments": ((), {"status": "active", **PAGE}),
    "versions": ((E,), {"stage": "production", **PAGE}),
    "archive": ((E, 1), {"reason": "test"}),
    "restore": ((E, 1), {"reason": "test"}),
    "version_tests": ((E,), {"version": 1, "suite": "smoke", "limit": 2}),
    "events": ((E,), PAGE),
    "trials": ((E,), {"limit": 2}),
    "start_shadow": ((E, 1), {"share": 50, "reason": "test"}),
    "end_shadow": ((E,), {"reason": "test"}),
    "shadow": ((E,), {}),
    "start_ab_test": (
        (E, 1),
        {"name": "bolder", "share": 40, "error_rate": 0.01, "planned": 500, "reason": "test"},
    ),
    "ab_tests": ((E,), {"limit": 2}),
    "ab_test": ((E, "bolder"), {}),
    "end_ab_test": ((E, "bolder", "promote"), {"reason": "test", "force": True}),
    "live_at": ((E, MOMENT), {}),
    "checklist": ((E, 1), {}),
    "evaluate": ((E, 1), {}),
    "evaluations": ((E,), {"limit": 2}),
    "alerts": ((E,), {"states": ["open", "resolved"], "severity": "error", "before": 9, "limit": 2}),
    "alert": ((999,), {}),
    "acknowledge": ((999,), {"note": "mine"}),
    "resolve": ((999,), {"reason": "over"}),
    "alert_rules": ((E,), {}),
    "try_alert_rule": ((E, {"kind": "error_rate", "above": 0.9}), {}),
    "add_alert_rule": ((E, {"kind": "error_rate", "above": 0.9, "name": "tried"}), {}),
    "remove_alert_rule": ((E, "tried"), {}),
    "silences": ((), {"status": "active"}),
    "silence": (
        ({"endpoint": E, "rule": "x"},),
        {"reason": "test", "until": MOMENT, "weekly": "Sun 02:00-04:00 UTC", "starts_at": MOMENT},
    ),
    "end_silence": ((999,), {}),
    "dead_letters": ((), {"limit": 2}),
    "resend": ((["none"],), {}),
    "list_feedback": ((E,), {**CONDITIONS, **PAGE}),
    "recent_feedback": ((E,), {"limit": 2}),
    "feedback_stats": ((E,), CONDITIONS),
    "show_feedback": ((E, ID), {}),
    "feedback_history": ((E, ID), {}),
    "delete_feedback": ((E, ID), {}),
    "flag_feedback": ((E, ID), {"note": "look"}),
    "unflag_feedback": ((E, ID), {"note": "done"}),
    "assign_feedback": ((E, ID, None), {"note": "nobody"}),
    "accept_feedback": ((E, ID), {"label": 1, "note": "right"}),
    "reviews": (
        (E,),
        {"reasons": ["flagged", "random"], "statuses": ["open"], "assignee": "ann", "not_judged_by": "bob", **PAGE},
    ),
    "review_summary": ((E,), {"version": "1", "since": MOMENT, "until": MOMENT}),
    "review": ((E, 999), {}),
    "judge": ((E, 999, "correct"), {"label": 1, "note": "seen"}),
    "assign_review": ((E, 999, None), {"force": True}),
    "reopen_review": ((E, 999), {"note": "wrong"}),
    "why": ((E, 1), PAGE),
    "where": ((E, ID), {}),
    "training_sets": ((E,), {"limit": 2}),
    "training_set": ((E, "c" * 64), {}),
    "keys": ((), {}),
    "create_key": (("another", ["predict"]), {"endpoints": [E], "team": "risk", "mode": "test", "expires_in": "90d"}),
    "rotate_key": (("a" * 10,), {"overlap": "24h"}),
    "revoke_key": (("a" * 10,), {}),
}  # fmt: skip
