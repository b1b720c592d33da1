"""What the reviews say: how far reviewers agree, and the quality that the random sample shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.improve.review.agreement import Kappa, agreement
from modelops_pipelines.core.improve.review.sampling import Drawn, Estimate, estimate
from modelops_pipelines.core.improve.review.selection import RANDOM
from modelops_pipelines.core.improve.review.verdicts import DECIDED, DONE, DROPPED, OPEN, Verdict, deciding
from modelops_pipelines.store.state.improve.review_items import ReviewItem
from modelops_pipelines.store.stores import Stores

ACCURACY, MAE = "accuracy", "mae"


def review_summary(
    stores: Stores,
    spec: EndpointSpec,
    *,
    version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Return counts, the oldest open item, Cohen's kappa, and the estimate of quality from the random sample.

    The estimate is of the predictions from ``since`` to before ``until``, of one version if given: the share that is
    right, or the mean absolute error of a regression.
    """
    counts = stores.review_items.counts(spec.name)
    oldest = stores.review_items.oldest_open(spec.name)
    found = quality_estimate(stores, spec, version=version, since=since, until=until)
    by_reason: dict[str, dict[str, int]] = {}
    for (reason, status), count in sorted(counts.items()):
        by_reason.setdefault(reason, {})[status] = count
    return {
        "endpoint": spec.name,
        "items": by_reason,
        **{status: sum(n for (_, one), n in counts.items() if one == status) for status in (OPEN, DONE, DROPPED)},
        "oldest_open": oldest,
        "agreement": _described(reviewers_agreement(stores, spec)),
        "quality": {"metric": MAE if spec.task == "regression" else ACCURACY, **asdict(found)},
    }


def reviewers_agreement(stores: Stores, spec: EndpointSpec) -> Kappa:
    """Return the mean pairwise kappa of the endpoint's reviewers.

    The categories are the classes that they gave, and 'cannot be judged'; of a regression the verdicts, since numbers
    are no categories.
    """
    given = stores.review_verdicts.of(spec.name)
    by_verdict = spec.task == "regression"
    return agreement(
        {
            prediction: {who: one.verdict if by_verdict else one.outcome for who, one in verdicts.items()}
            for prediction, verdicts in given.items()
        }
    )


def quality_estimate(
    stores: Stores,
    spec: EndpointSpec,
    *,
    version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Estimate:
    """Return the quality of all predictions of a span, unbiased, from the verdicts on the random sample.

    What is in the queue for other reasons does not count: it is there because it is worse than others.
    """
    items = stores.review_items.of(spec.name, since, until, RANDOM)
    mine = [one for one in items if version is None or one.model_version == version]
    verdicts = stores.review_verdicts.on([one.id for one in mine])
    sample = [_drawn(spec, one, verdicts) for one in mine]
    return estimate(sample, share=spec.task != "regression")


def _drawn(spec: EndpointSpec, item: ReviewItem, verdicts: Mapping[int, Sequence[Verdict]]) -> Drawn:
    decided = deciding(verdicts[item.id], item.wanted) if item.status in (DECIDED, DONE) else []
    label = decided[0].label if decided else None
    day = f"{item.event_time:%Y-%m-%d}"
    return Drawn(
        day, item.probability or 1.0, None if label is None else _value(spec, item.detail["prediction"], label)
    )


def _value(spec: EndpointSpec, prediction: Any, label: str) -> float:
    if spec.task == "regression":
        return abs(float(prediction) - float(label))
    return float(str(prediction) == label)


def _described(found: Kappa) -> dict[str, Any]:
    share = found.agreed / found.shared if found.shared else None
    return {"kappa": found.value, "reason": found.reason, "pairs": found.pairs, "shared": found.shared, "agreed": share}
