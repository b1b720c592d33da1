"""What the improve page shows of an endpoint."""

from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.review.verdicts import OPEN
from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.store.stores import Stores

ITEMS, FEEDBACK, SETS, RETRAININGS = 20, 20, 10, 10
"""How many of each are shown."""


def improve_facts(stores: Stores, spec: EndpointSpec, caller: Caller) -> dict[str, Any]:
    """Return everything on the page: what waits for this person, feedback, training sets and retrainings."""
    from modelops_pipelines.operations.improve.feedback.find_feedback import recent_feedback
    from modelops_pipelines.operations.improve.feedback.statistics import feedback_statistics
    from modelops_pipelines.operations.improve.review.views import list_items
    from modelops_pipelines.operations.improve.training.descriptions import summary

    counts = stores.review_items.counts(spec.name)
    waiting = list_items(stores, spec, not_judged_by=caller.name, limit=ITEMS).items
    sets = stores.training_sets.of(spec.name)[: -SETS - 1 : -1]
    decision = stores.retraining_decisions.of(spec.name)
    return {
        "spec": spec,
        "waiting": waiting,
        "open_items": sum(count for (_, status), count in counts.items() if status == OPEN),
        "done_items": sum(count for (_, status), count in counts.items() if status != OPEN),
        "oldest": stores.review_items.oldest_open(spec.name),
        "feedback": recent_feedback(stores, spec, FEEDBACK).rows,
        "statistics": feedback_statistics(stores, spec),
        "sets": [{**summary(one), "checks": _checks(stores, spec, one.content_hash)} for one in sets],
        "decision": None if decision is None else vars(decision),
        "retrainings": [vars(one) for one in stores.retrainings.of(spec.name)[: -RETRAININGS - 1 : -1]],
        "is_retrained": spec.retraining is not None,
    }


def _checks(stores: Stores, spec: EndpointSpec, content_hash: str) -> list[dict[str, Any]]:
    """Return the guards' verdicts on a set, those that refuse it first."""
    found = stores.set_checks.of(spec.name, content_hash)
    shown = [
        {"guard": one.guard, "verdict": one.verdict, "message": one.message, "refuses": one.refuses} for one in found
    ]
    return sorted(shown, key=lambda one: not one["refuses"])
